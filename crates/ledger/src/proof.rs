//! The text of an offline proof: `c2sp.org/tlog-proof@v1`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::checkpoint::read_hash;
use crate::tile::decimal;
use crate::tree::Hash;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof as it is written. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data that the application adds; here the bytes of the entry.
    pub extra: Option<Vec<u8>>,
    /// The number of the entry.
    pub index: u64,
    /// The siblings from the leaf to the root.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Text that is not a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a transparency-log proof: {0}")]
pub struct NotAProof(&'static str);

impl TlogProof {
    /// Writes it.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text.extend(["extra ", &BASE64_STANDARD.encode(extra), "\n"]);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "index {}", self.index);
        for hash in &self.path {
            text.extend([&BASE64_STANDARD.encode(hash), "\n"]);
        }
        text.extend(["\n", &self.checkpoint]);
        text
    }

    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, NotAProof> {
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(NotAProof("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(NotAProof("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(|line| &line[6..]);
        let extra = extra.map(|encoded| BASE64_STANDARD.decode(encoded)).transpose();
        let extra = extra.map_err(|_| NotAProof("the extra data is not base64"))?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(NotAProof("no line with the index"))?;
        let path = lines.map(read_hash).collect::<Option<_>>();
        let path = path.ok_or(NotAProof("a line of the path is not the base64 of 32 bytes"))?;
        Ok(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
    }
}
