//! What is wrong with a file of rules.

use serde::Serialize;

/// Something that keeps a file of rules from being used, for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1, as near as it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl Problem {
    /// In a file, at a line that is known or not.
    pub(crate) fn new(file: &str, line: Option<usize>, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, why: why.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}
