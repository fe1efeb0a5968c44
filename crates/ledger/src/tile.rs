//! Tiles and entry bundles of C2SP tlog-tiles: their paths and their bytes.

use std::fmt;
use std::str::FromStr;

/// How many hashes a full tile has, and how many entries a full bundle has.
pub const FULL: u64 = 256;
/// How many levels of the tree one tile stands for.
pub const HEIGHT: u8 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Hashes of this tile level (0 to 63).
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// Where a tile is found: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    kind: Kind,
    number: u64,
    /// 1 to 256.
    width: u16,
}

impl TilePath {
    /// The full tile with this number.
    pub fn full(kind: Kind, number: u64) -> Self {
        Self { kind, number, width: FULL as u16 }
    }

    /// The tile with this number as it is in a tree of `size` entries; `None` where it would be empty.
    pub fn at_size(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let count = nodes_at(kind, size);
        let width = count.saturating_sub(number.checked_mul(FULL)?).min(FULL);
        (width > 0).then_some(Self { kind, number, width: width as u16 })
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which one it is on its level.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many hashes or entries it has.
    pub fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// Whether it is full.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == FULL
    }

    /// Whether a tree of `size` entries has all that it holds.
    pub fn is_within(&self, size: u64) -> bool {
        Self::at_size(self.kind, self.number, size).is_some_and(|there| self.width <= there.width)
    }

    /// The directory of all partial tiles with this number.
    pub fn partials(&self) -> String {
        format!("{}.p", Self::full(self.kind, self.number))
    }
}

/// How many hashes of this kind a tree of `size` entries has.
pub fn nodes_at(kind: Kind, size: u64) -> u64 {
    match kind {
        Kind::Entries => size,
        Kind::Hashes(level) => size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0),
    }
}

/// The kinds of tiles that a tree of `size` entries has.
pub fn kinds(size: u64) -> impl Iterator<Item = Kind> {
    let hashes = (0..=7).map(Kind::Hashes).take_while(move |kind| nodes_at(*kind, size) > 0);
    hashes.chain((size > 0).then_some(Kind::Entries))
}

/// The tiles that are full in a tree of `new` entries and were not in one of `old`.
pub fn full_between(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    kinds(new).flat_map(move |kind| {
        (nodes_at(kind, old) / FULL..nodes_at(kind, new) / FULL)
            .map(move |number| TilePath::full(kind, number))
    })
}

/// The partial tiles of a tree of `size` entries.
pub fn partials(size: u64) -> impl Iterator<Item = TilePath> {
    kinds(size).filter_map(move |kind| TilePath::at_size(kind, nodes_at(kind, size) / FULL, size))
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => f.write_str("tile/entries/")?,
        }
        let groups = self.number.checked_ilog(1000).unwrap_or(0);
        for group in (1..=groups).rev() {
            write!(f, "x{:03}/", self.number / 1000u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.number % 1000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Text that is not the path of a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile, such as tile/0/x001/x234/067 or tile/entries/000.p/12")]
pub struct NotATile;

impl FromStr for TilePath {
    type Err = NotATile;

    /// Reads the one canonical form; every other spelling is refused.
    fn from_str(path: &str) -> Result<Self, NotATile> {
        let parse = || {
            let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let kind = match kind {
                "entries" => Kind::Entries,
                level => Kind::Hashes(decimal(level)?.try_into().ok().filter(|level| *level < 64)?),
            };
            let (number, width) = match rest.split_once(".p/") {
                Some((number, width)) => (number, decimal(width).filter(|w| (1..FULL).contains(w))?),
                None => (rest, FULL),
            };
            let number = number.split('/').try_fold(0u64, |number, group| {
                let digits = group.strip_prefix('x').unwrap_or(group);
                let value = digits.parse::<u64>().ok().filter(|_| digits.len() == 3)?;
                number.checked_mul(1000)?.checked_add(value)
            })?;
            let tile = Self { kind, number, width: width as u16 };
            // Writing it again settles leading zeros, signs and misplaced x at once.
            (tile.to_string() == path).then_some(tile)
        };
        parse().ok_or(NotATile)
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Adds an entry to a bundle. Entries are at most 65,535 bytes; drafts are checked when they come in.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    debug_assert!(entry.len() <= usize::from(u16::MAX));
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle. `None` in the place of an entry that is cut off; it is the last item.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = rest
            .split_first_chunk::<2>()
            .and_then(|(length, tail)| tail.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        rest = entry.map_or(&[], |(_, tail)| tail);
        Some(entry.map(|(entry, _)| entry))
    })
}

/// The first `width` entries or hashes of a tile's bytes, which is the partial tile of that width.
pub fn prefix(kind: Kind, bytes: &[u8], width: usize) -> Option<&[u8]> {
    let length = match kind {
        Kind::Hashes(_) => width * 32,
        Kind::Entries => entries(bytes).take(width).try_fold(0, |sum, entry| Some(sum + 2 + entry?.len()))?,
    };
    bytes.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let n = 1_234_067;
        assert_eq!(TilePath::full(Kind::Hashes(0), n).to_string(), "tile/0/x001/x234/067");
        assert_eq!(TilePath::full(Kind::Entries, 0).to_string(), "tile/entries/000");
        // "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of
        // width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial level 2
        // tile of width 1"
        let path = |kind, number| TilePath::at_size(kind, number, 70_000).map(|tile| tile.to_string());
        assert_eq!(path(Kind::Hashes(0), 272).as_deref(), Some("tile/0/272"));
        assert_eq!(path(Kind::Hashes(0), 273).as_deref(), Some("tile/0/273.p/112"));
        assert_eq!(path(Kind::Hashes(0), 274), None);
        assert_eq!(path(Kind::Entries, 273).as_deref(), Some("tile/entries/273.p/112"));
        assert_eq!(path(Kind::Hashes(1), 0).as_deref(), Some("tile/1/000"));
        assert_eq!(path(Kind::Hashes(1), 1).as_deref(), Some("tile/1/001.p/17"));
        assert_eq!(path(Kind::Hashes(2), 0).as_deref(), Some("tile/2/000.p/1"));
        assert_eq!(path(Kind::Hashes(3), 0), None);
        // "a tree of size 256 will be represented by a full level 0 tile and a partial level 1 tile of width 1"
        assert_eq!(TilePath::at_size(Kind::Hashes(1), 0, 256).map(|t| t.width()), Some(1));
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        for wrong in [
            "tile/0/67",
            "tile/00/067",
            "tile/0/x000/067",
            "tile/0/001/067",
            "tile/0/x067",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/-1/000",
            "tile/0/+67",
            "/tile/0/000",
            "tile/data/000",
            "tile/0/000/",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999",
        ] {
            assert_eq!(wrong.parse::<TilePath>(), Err(NotATile), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_path_reads_back(number: u64, level in 0u8..64, width in 1u16..=256, entries: bool) {
            let kind = if entries { Kind::Entries } else { Kind::Hashes(level) };
            let tile = TilePath { kind, number, width };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn a_bundle_reads_back_and_its_prefixes_are_its_partials(
            list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..30),
            width in 0usize..30,
        ) {
            let bundle_of = |list: &[Vec<u8>]| list.iter().fold(Vec::new(), |mut b, e| { push_entry(&mut b, e); b });
            let bundle = bundle_of(&list);
            let read: Option<Vec<_>> = entries(&bundle).map(|e| e.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(read, Some(list.clone()));
            let width = width.min(list.len());
            prop_assert_eq!(prefix(Kind::Entries, &bundle, width), Some(&*bundle_of(&list[..width])));
            if !bundle.is_empty() {
                prop_assert!(entries(&bundle[..bundle.len() - 1]).any(|e| e.is_none()));
            }
        }
    }
}
