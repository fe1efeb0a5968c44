//! Files of rules, and the documents in them.

use std::io;
use std::path::{Path, PathBuf};

use model::Digest;

use crate::bounds::{MAX_FILE_BYTES, MAX_FILES};
use crate::problem::Problem;

/// A file of rules: YAML, one or several documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// What it is called in what is said of it.
    pub name: String,
    /// What stands in it.
    pub text: String,
    /// Its tests, JSON, where there are any (see [`testing`](crate::testing)).
    pub tests: Option<String>,
}

impl RuleFile {
    /// The digest of the text: with it an entry says which version of a rule was met.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The line, from 1, on which `what` stands first.
    pub(crate) fn line_of(&self, what: &str) -> Option<usize> {
        let at = self.text.find(what)?;
        Some(1 + self.text[..at].matches('\n').count())
    }

    /// The documents, each behind as many empty lines as stand in front of it, so that what a parser says of lines is
    /// true of the file; with the line on which it begins. Files that carry a document over into others
    /// (`action: global`) are one.
    pub(crate) fn documents(&self) -> Vec<(usize, String)> {
        if self.text.lines().any(|line| line.starts_with("action:")) {
            return vec![(1, self.text.clone())];
        }
        let mut documents = vec![(1, String::new())];
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_end() == "---" {
                documents.push((number + 2, "\n".repeat(number + 1)));
            } else if let Some((_, document)) = documents.last_mut() {
                document.push_str(line);
                document.push('\n');
            }
        }
        let says_something = |text: &str| text.lines().any(|l| !l.trim().is_empty() && !l.starts_with('#'));
        documents.retain(|(_, document)| says_something(document));
        documents
    }
}

/// Reads a file of rules, or every one below a directory, in the order of their names.
pub fn read(path: &Path) -> Result<Vec<RuleFile>, Problem> {
    paths(path)?.iter().map(|path| read_file(path)).collect()
}

/// The files that [`read`] reads.
pub(crate) fn paths(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut paths = Vec::new();
    if path.is_dir() {
        collect(path, &mut paths)?;
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    Ok(paths)
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let failed =
        |path: &Path, error: io::Error| Problem::new(&path.display().to_string(), None, error.to_string());
    for found in std::fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let found = found.map_err(|e| failed(dir, e))?;
        let (path, kind) = (found.path(), found.file_type().map_err(|e| failed(dir, e))?);
        // A link to a directory may lead back up.
        if kind.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            let why = format!("more than {MAX_FILES} files of rules; name a smaller directory");
            return Err(Problem::new(&dir.display().to_string(), None, why));
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<RuleFile, Problem> {
    let name = path.display().to_string();
    let failed = |error: io::Error| Problem::new(&name, None, error.to_string());
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Problem::new(
            &name,
            None,
            format!("{length} bytes; a file of rules has up to {MAX_FILE_BYTES}"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let tests = match std::fs::read_to_string(path.with_extension("test.json")) {
        Ok(tests) => Some(tests),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    Ok(RuleFile { name, text, tests })
}
