//! Bundles as a compacted ledger keeps them: `tile/entries/<N>.gz` in the place of `tile/entries/<N>`, without the tile of
//! hashes `tile/0/<N>`, which they give. What is served stays what it was.
//!
//! Where a plain tile stands too, it is the one that counts: a packed one is put first, and only then are they removed.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::disk::{Disk, Readers};
use crate::error::LedgerError;
use crate::tile::{self, FULL, Kind, TilePath};
use crate::tree::leaf_hash;

/// The suffix of a packed bundle.
pub(crate) const SUFFIX: &str = ".gz";
/// More than a bundle of 256 largest entries has.
const MOST: u64 = FULL * (2 + 65_535);

/// Where the packed bundle with this number stands in a log's public directory.
pub(crate) fn path(public: &Path, number: u64) -> PathBuf {
    public.join(format!("{}{SUFFIX}", TilePath::full(Kind::Entries, number)))
}

/// The bytes of a packed bundle.
fn pack(bundle: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::with_capacity(bundle.len()), Compression::best());
    packed.write_all(bundle)?;
    packed.finish()
}

/// Reads [`pack`]; its checksum is checked.
pub(crate) fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let (mut bundle, mut decoder) = (Vec::with_capacity(packed.len() * 2), GzDecoder::new(packed));
    decoder.by_ref().take(MOST + 1).read_to_end(&mut bundle)?;
    let is_whole = decoder.into_inner().is_empty() && bundle.len() as u64 <= MOST;
    if is_whole {
        Ok(bundle)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no packed bundle"))
    }
}

/// The full bundle with this number, if it is there packed.
pub(crate) fn read(disk: &dyn Disk, public: &Path, number: u64) -> io::Result<Option<Vec<u8>>> {
    match disk.read(&path(public, number)) {
        Ok(packed) => unpack(&packed).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A full tile that compaction left out, from the packed bundle that has what was in it.
pub(crate) fn read_tile(disk: &dyn Disk, public: &Path, tile: TilePath) -> io::Result<Option<Vec<u8>>> {
    match tile.kind() {
        Kind::Entries => read(disk, public, tile.number()),
        Kind::Hashes(0) => {
            let Some(bundle) = read(disk, public, tile.number())? else { return Ok(None) };
            hashes(&bundle)
                .map(Some)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no full bundle"))
        }
        Kind::Hashes(_) => Ok(None),
    }
}

/// The tile of hashes over a full bundle.
fn hashes(bundle: &[u8]) -> Option<Vec<u8>> {
    let leaves: Vec<_> = tile::entries(bundle).map(|entry| entry.map(leaf_hash)).collect::<Option<_>>()?;
    (leaves.len() as u64 == FULL).then(|| leaves.as_flattened().to_vec())
}

/// Puts a packed bundle in its place, and makes its contents durable; its name is once its directory is synced.
pub(crate) fn write(disk: &dyn Disk, public: &Path, number: u64, bundle: &[u8]) -> io::Result<()> {
    let path = path(public, number);
    let new = path.with_added_extension("new");
    let mut file = disk.create(&new, Readers::All)?;
    file.write(&pack(bundle)?)?;
    file.sync()?;
    disk.rename(&new, &path)
}

/// The entries of full bundles, for whoever reads a compacted journal.
#[derive(Debug)]
pub(crate) struct Bundles {
    disk: Arc<dyn Disk>,
    public: PathBuf,
    /// The one that was read last: what follows often begins in it.
    last: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

impl Bundles {
    /// The bundles of the log in this public directory.
    pub(crate) fn new(disk: Arc<dyn Disk>, public: PathBuf) -> Self {
        Self { disk, public, last: Mutex::default() }
    }

    /// The directory that they stand below.
    pub(crate) fn public(&self) -> &Path {
        &self.public
    }

    /// The entries `from..end`, which compacted segments hold nowhere else, in the form that bundles have.
    pub(crate) fn entries(&self, from: u64, end: u64) -> Result<Vec<u8>, LedgerError> {
        let mut found = Vec::new();
        for number in from / FULL..end.div_ceil(FULL) {
            let bundle = self.bundle(number)?;
            let first = number * FULL;
            let skipped = from.saturating_sub(first) as usize;
            let width = (end - first).min(FULL) as usize;
            let prefix = |width| tile::prefix(Kind::Entries, &bundle, width).map(<[u8]>::len);
            let (begin, end) = prefix(skipped)
                .zip(prefix(width))
                .ok_or_else(|| self.unusable(number, "it does not hold 256 entries"))?;
            found.extend_from_slice(&bundle[begin..end]);
        }
        Ok(found)
    }

    fn bundle(&self, number: u64) -> Result<Arc<Vec<u8>>, LedgerError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, bundle)) = &*last
            && *known == number
        {
            return Ok(bundle.clone());
        }
        let bundle = match read(&*self.disk, &self.public, number) {
            Ok(Some(bundle)) => Arc::new(bundle),
            Ok(None) => return Err(self.unusable(number, "it is missing")),
            Err(error) => return Err(self.unusable(number, &error.to_string())),
        };
        *last = Some((number, bundle.clone()));
        Ok(bundle)
    }

    fn unusable(&self, number: u64, why: &str) -> LedgerError {
        LedgerError::Bundle { path: path(&self.public, number), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bundle_unpacks_to_what_was_packed(bundle in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let packed = pack(&bundle).unwrap();
            prop_assert_eq!(unpack(&packed).unwrap(), bundle);
            unpack(&packed[..packed.len() - 1]).unwrap_err();
            unpack(&[packed.as_slice(), b"x"].concat()).unwrap_err();
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
            let _ = unpack(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], bytes.as_slice()].concat());
        }
    }
}
