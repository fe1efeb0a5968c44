//! Where a bundle is written: a new directory, or one new file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// A directory, or a compressed archive.
pub(super) enum Sink {
    Directory(PathBuf),
    Archive { path: PathBuf, out: Box<tar::Builder<zstd::Encoder<'static, File>>> },
}

impl Sink {
    /// Makes it, readable to its owner only. An archive if the name ends with `.tar.zst`.
    pub(super) fn create(to: &Path) -> Result<Self, ExportError> {
        if !to.as_os_str().as_encoded_bytes().ends_with(b".tar.zst") {
            make(to)?;
            return Ok(Sink::Directory(to.to_owned()));
        }
        let named = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => ExportError::Exists(to.to_owned()),
            _ => ExportError::File { path: to.to_owned(), source },
        };
        let encoder = new_file(to).and_then(|file| zstd::Encoder::new(file, 0)).map_err(named)?;
        Ok(Sink::Archive { path: to.to_owned(), out: Box::new(tar::Builder::new(encoder)) })
    }

    /// Writes one file, whose path has `/` between its parts.
    pub(super) fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), ExportError> {
        match self {
            Sink::Directory(dir) => {
                let path = dir.join(path);
                match path.parent() {
                    Some(parent) if !parent.is_dir() => make(parent)?,
                    _ => {}
                }
                let written = new_file(&path).and_then(|mut file| file.write_all(bytes));
                written.map_err(|source| ExportError::File { path, source })
            }
            Sink::Archive { path: archive, out } => {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o600);
                let added = out.append_data(&mut header, path, bytes);
                added.map_err(|source| ExportError::File { path: archive.clone(), source })
            }
        }
    }

    /// Writes what is still in memory.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        match self {
            Sink::Directory(_) => Ok(()),
            Sink::Archive { path, out } => {
                let written =
                    out.into_inner().and_then(zstd::Encoder::finish).and_then(|file| file.sync_all());
                written.map_err(|source| ExportError::File { path, source })
            }
        }
    }
}

fn make(dir: &Path) -> Result<(), ExportError> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists(dir.to_owned()),
        _ => ExportError::File { path: dir.to_owned(), source },
    })
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
