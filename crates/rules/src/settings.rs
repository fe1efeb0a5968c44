//! `[rules]`: which rules entries are held against.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use crate::problem::Problem;
use crate::source::{RuleFile, read};
use crate::{shipped, source};

/// Which rules entries are held against.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesSettings {
    /// Whether the rules that ship are among them.
    #[serde(default = "yes")]
    pub shipped: bool,
    /// Directories or files of one's own. A file that changes is read again while Sightline runs.
    #[serde(default)]
    pub dirs: Vec<PathBuf>,
    /// Rules that are not to say anything, by id.
    #[serde(default)]
    pub off: Vec<String>,
    /// With several gateways on one ledger: the host name of the one that evaluates rules.
    pub node: Option<String>,
}

fn yes() -> bool {
    true
}

/// When a file was changed, and how long it is: what is compared to see whether anything did.
pub(crate) type Fingerprint = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl RulesSettings {
    /// Makes relative paths count from `base`.
    pub fn resolve(&mut self, base: &Path) {
        for dir in &mut self.dirs {
            *dir = base.join(&*dir);
        }
    }

    /// Every file.
    pub fn files(&self) -> Result<Vec<RuleFile>, Vec<Problem>> {
        let mut files = if self.shipped { shipped::files() } else { Vec::new() };
        let mut problems = Vec::new();
        for dir in &self.dirs {
            match read(dir) {
                Ok(read) => files.extend(read),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(files) } else { Err(problems) }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let paths = self.dirs.iter().flat_map(|dir| source::paths(dir).unwrap_or_default());
        let of = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok();
            let changed = found.as_ref().and_then(|found| found.modified().ok());
            (path, changed, found.map_or(0, |found| found.len()))
        };
        paths.map(of).collect()
    }
}
