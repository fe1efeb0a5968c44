//! The manifest of an evidence bundle: which files there are, signed by the log's key.
//!
//! A signed note. Its text is no checkpoint (the second line is no number), so neither can be taken for the other;
//! its lines with digests are those of `sha256sum`:
//!
//! ```text
//! sightline evidence manifest v1
//! log ORIGIN
//! made 2026-11-24T09:30:00.000Z
//! entries 4711
//! 64 hex digits  path
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{Digest, Timestamp};

use crate::note::{Note, NoteError, SignerKey};
use crate::receipt::LogVerifier;
use crate::tile::decimal;

/// What the first line says.
const FIRST_LINE: &str = "sightline evidence manifest v1";

/// Which files a bundle has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The origin of the log.
    pub log: String,
    /// When it was made.
    pub made: Timestamp,
    /// It rests on the first so many entries.
    pub entries: u64,
    /// SHA-256 of each file, by its path in the bundle.
    pub files: BTreeMap<String, Digest>,
}

/// Why a manifest is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no note, or not signed by the log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text is no manifest.
    #[error("line {0} is not that of a manifest")]
    Line(usize),
    /// It is that of another log.
    #[error("it is a manifest of {0:?}")]
    Origin(String),
}

impl Manifest {
    /// The text that is signed.
    fn text(&self) -> String {
        let Self { log, made, entries, files } = self;
        let mut text = format!("{FIRST_LINE}\nlog {log}\nmade {made}\nentries {entries}\n");
        for (path, digest) in files {
            debug_assert!(is_path(path));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{digest}  {path}");
        }
        text
    }

    pub(crate) fn sign(&self, signer: &SignerKey) -> String {
        signer.sign(&self.text())
    }

    /// Reads a manifest that this log signed.
    pub fn read(note: &str, log: &LogVerifier) -> Result<Self, ManifestError> {
        let manifest = parse(Note::parse(note)?.verify(log.key())?).map_err(ManifestError::Line)?;
        if manifest.log == log.origin() { Ok(manifest) } else { Err(ManifestError::Origin(manifest.log)) }
    }
}

/// Reads the text, or says which line is none of a manifest.
fn parse(text: &str) -> Result<Manifest, usize> {
    let mut lines = (1..).zip(text.lines());
    let mut after =
        |what: &str, number: usize| lines.next().and_then(|(_, line)| line.strip_prefix(what)).ok_or(number);
    if !after(FIRST_LINE, 1)?.is_empty() {
        return Err(1);
    }
    let log = after("log ", 2)?.to_owned();
    let made = Timestamp::parse(after("made ", 3)?).ok_or(3usize)?;
    let entries = decimal(after("entries ", 4)?).ok_or(4usize)?;
    let mut files = BTreeMap::new();
    for (number, line) in lines {
        let (digest, path) = line.split_once("  ").filter(|(_, path)| is_path(path)).ok_or(number)?;
        let digest = hex(digest).ok_or(number)?;
        if files.insert(path.to_owned(), digest).is_some() {
            return Err(number);
        }
    }
    Ok(Manifest { log, made, entries, files })
}

/// A path that stays inside the bundle, and inside its line.
fn is_path(path: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    path.split('/').all(plain)
}

fn hex(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    let digest = Digest(bytes);
    (digest.to_string() == text).then_some(digest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn signer() -> SignerKey {
        SignerKey::new("log.example/ledger", &[1; 32]).unwrap()
    }

    fn manifest(files: BTreeMap<String, Digest>) -> Manifest {
        Manifest { log: "log.example/ledger".into(), made: Timestamp(1_750_000_000_123), entries: 9, files }
    }

    #[test]
    fn another_log_s_manifest_and_a_path_out_of_the_bundle_are_refused() {
        let log = LogVerifier::new(signer().public().clone());
        let other = Manifest { log: "other.example".into(), ..manifest(BTreeMap::new()) };
        let refused = Manifest::read(&other.sign(&signer()), &log).unwrap_err();
        assert_eq!(refused, ManifestError::Origin("other.example".into()));
        for path in ["../secret", "/etc/passwd", "a//b", "", ".", "a/.."] {
            let text = manifest(BTreeMap::new()).text() + &format!("{}  {path}\n", Digest([1; 32]));
            assert_eq!(Manifest::read(&signer().sign(&text), &log), Err(ManifestError::Line(5)), "{path}");
        }
        let checkpoint =
            crate::checkpoint::Checkpoint { origin: log.origin().into(), size: 1, root: [1; 32] };
        let note = signer().sign(&checkpoint.body());
        assert_eq!(Manifest::read(&note, &log), Err(ManifestError::Line(1)));
        log.checkpoint(&manifest(BTreeMap::new()).sign(&signer())).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_manifest_reads_back(names in proptest::collection::btree_map("[a-z .]{0,3}[a-z]", any::<[u8; 32]>(), 0..9)) {
            let manifest = manifest(names.into_iter().map(|(name, bytes)| (name, Digest(bytes))).collect());
            let log = LogVerifier::new(signer().public().clone());
            prop_assert_eq!(Manifest::read(&manifest.sign(&signer()), &log), Ok(manifest));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(sightline evidence manifest v1\n)?(log a\n)?[ -~\n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
