//! The files of an evidence bundle: a directory, or a `.tar.zst`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// A bundle in memory is no larger. Larger ones can be unpacked into a directory, and parts of them checked.
const LARGEST: u64 = 1 << 30;

/// The files of a bundle, by their paths in it; none if `path` is no bundle.
pub(super) fn read(path: &Path) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
    let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    if path.is_dir() {
        if !path.join(ledger::verify::MANIFEST).is_file() {
            return Ok(None);
        }
        return directory(path).map(Some).map_err(|e| named(&e));
    }
    if path.is_file() && path.as_os_str().as_encoded_bytes().ends_with(b".tar.zst") {
        return archive(path).map(Some).map_err(|e| named(&e));
    }
    Ok(None)
}

fn directory(root: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let (mut files, mut room) = (BTreeMap::new(), LARGEST);
    let mut dirs = vec![(root.to_owned(), String::new())];
    while let Some((dir, prefix)) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => dirs.push((entry.path(), format!("{path}/"))),
                false => {
                    files.insert(path, take(File::open(entry.path())?, &mut room)?);
                }
            }
        }
    }
    Ok(files)
}

fn archive(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let (mut files, mut room) = (BTreeMap::new(), LARGEST);
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(path)?)?);
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        // Two files of one name unpack to one: which of them was meant is not for us to guess.
        if files.insert(name.clone(), take(entry, &mut room)?).is_some() {
            return Err(io::Error::other(format!("{name} is in it twice")));
        }
    }
    Ok(files)
}

/// All of a file, as long as there is room.
fn take(file: impl Read, room: &mut u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(*room + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    *room = room.checked_sub(length).ok_or_else(|| {
        io::Error::other(format!(
            "it has more than {} MiB, more than any bundle that is checked in one piece",
            LARGEST >> 20
        ))
    })?;
    Ok(bytes)
}
