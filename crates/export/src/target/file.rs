//! Lines at the end of a file. Whoever moves the file away gets a new one with the next batch.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Batch, DeliveryError};

#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), DeliveryError> {
        let mut lines = String::new();
        for message in &batch.messages {
            lines.push_str(&message.body);
            lines.push('\n');
        }
        let path = self.path.clone();
        let failed = |source| DeliveryError::File { path: self.path.clone(), source };
        match tokio::task::spawn_blocking(move || append(&path, lines.as_bytes())).await {
            Ok(done) => done.map_err(failed),
            Err(ended) => Err(failed(io::Error::other(ended))),
        }
    }
}

/// Appends, durably. Behind a line that a crash has cut, a new one begins: it is sent again as a whole.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    file.write_all(lines)?;
    file.sync_data()
}
