//! Where a log is read from.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::Damage;
use crate::disk::{Disk, OsDisk};
use crate::error::LedgerError;
use crate::layout::Layout;
use crate::options::Options;
use crate::packed;
use crate::shelf::root_over;
use crate::tile::{self, FULL, HEIGHT, Kind, TilePath};
use crate::tree::{Hash, Nodes};

/// Where a log is read from: a directory, or (in the command line) a URL. Read from several threads at once.
pub trait Source: Sync {
    /// The bytes at `checkpoint` or `tile/…`; `None` if there is nothing.
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>>;

    /// The log's own journal, where it can be read too.
    fn journal(&self) -> Option<OwnJournal> {
        None
    }

    /// Whether the tile of hashes over this full bundle is left out, because the bundle gives it: so it is in a compacted
    /// ledger. What it would say is checked by the tiles above it.
    fn leaves_out(&self, number: u64) -> bool {
        let _ = number;
        false
    }

    /// Every path there is, where they can be listed.
    fn list(&self) -> Result<Option<Vec<String>>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }
}

/// A log's own journal.
#[derive(Debug, Clone)]
pub struct OwnJournal {
    pub(crate) dir: PathBuf,
    /// Where the log is published: what the journal leaves out stands there.
    pub(crate) public: PathBuf,
}

/// A log in a directory: a ledger of this machine, or a copy of what one publishes.
#[derive(Debug, Clone)]
pub struct Directory {
    public: PathBuf,
    journal: Option<OwnJournal>,
}

impl Directory {
    /// The log in `dir`: either a ledger's directory, or one with `checkpoint` and `tile/`.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let layout = Layout::new(dir, &Options::default());
        match layout.check(&OsDisk) {
            Ok(()) => {
                let own = || OwnJournal { dir: layout.journal(), public: layout.public() };
                let journal = layout.has_journal(&OsDisk).then(own);
                Ok(Self { public: layout.public(), journal })
            }
            Err(LedgerError::NotALedger { .. })
                if dir.join("checkpoint").is_file() || dir.join("tile").is_dir() =>
            {
                Ok(Self { public: dir.to_owned(), journal: None })
            }
            Err(error) => Err(error),
        }
    }
}

impl Source for Directory {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        match OsDisk.read(&self.public.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parse::<TilePath>() {
                Ok(tile) if tile.is_full() => Ok(packed::read_tile(&OsDisk, &self.public, tile)?),
                _ => Ok(None),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn journal(&self) -> Option<OwnJournal> {
        self.journal.clone()
    }

    fn leaves_out(&self, number: u64) -> bool {
        let plain = self.public.join(TilePath::full(Kind::Hashes(0), number).to_string());
        !plain.exists() && packed::path(&self.public, number).exists()
    }

    fn list(&self) -> Result<Option<Vec<String>>, Box<dyn Error + Send + Sync>> {
        let (mut found, mut dirs) = (Vec::new(), vec![(self.public.clone(), String::new())]);
        while let Some((dir, prefix)) = dirs.pop() {
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                match entry.file_type()?.is_dir() {
                    true => dirs.push((entry.path(), format!("{path}/"))),
                    false => found.push(path),
                }
            }
        }
        found.sort();
        Ok(Some(found))
    }
}

/// Fetches a tile; for a partial one that is gone, the full one, of which it is the beginning.
pub(super) fn fetch_tile(source: &dyn Source, tile: TilePath) -> Result<Vec<u8>, Damage> {
    let fetch = |path: &str| {
        source.fetch(path).map_err(|source| Damage::Unreadable { path: path.to_owned(), source })
    };
    let path = tile.to_string();
    if let Some(bytes) = fetch(&path)? {
        return Ok(bytes);
    }
    let missing = || Damage::Missing { path: path.clone() };
    if tile.is_full() {
        return Err(missing());
    }
    let full = fetch(&TilePath::full(tile.kind(), tile.number()).to_string())?.ok_or_else(missing)?;
    tile::prefix(tile.kind(), &full, tile.width()).map(<[u8]>::to_vec).ok_or_else(missing)
}

/// The nodes of a published tree.
pub(super) struct Published<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) size: u64,
}

impl Published<'_> {
    /// The hashes of a level that the tree over the first `old` entries has in a tile that was not full then.
    pub(super) fn edge(&self, level: u8, old: u64) -> Result<Vec<Hash>, Damage> {
        let kind = Kind::Hashes(level);
        let count = tile::nodes_at(kind, old);
        let (number, width) = (count / FULL, (count % FULL) as usize);
        match TilePath::at_size(kind, number, self.size) {
            None if width > 0 => Err(Damage::Missing { path: TilePath::full(kind, number).to_string() }),
            Some(tile) if width > 0 => {
                let bytes = fetch_tile(self.source, tile)?;
                let hashes = bytes.as_chunks().0.get(..width);
                hashes
                    .map(<[Hash]>::to_vec)
                    .ok_or_else(|| Damage::Tile { path: tile.to_string(), hash: bytes.len() / 32 })
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Nodes for Published<'_> {
    type Error = Damage;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Damage> {
        let (tile_level, above) = (level / HEIGHT, level % HEIGHT);
        let (first, count) = (index << above, 1usize << above);
        let (kind, number, at) = (Kind::Hashes(tile_level), first / FULL, (first % FULL) as usize);
        let missing = || Damage::Missing { path: TilePath::full(kind, number).to_string() };
        let tile = TilePath::at_size(kind, number, self.size).ok_or_else(missing)?;
        let bytes = fetch_tile(self.source, tile)?;
        let cut = || Damage::Tile { path: tile.to_string(), hash: bytes.len() / 32 };
        Ok(root_over(bytes.as_chunks().0.get(at..at + count).ok_or_else(cut)?))
    }
}
