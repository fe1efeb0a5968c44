//! Paging by key, and spans of time.

use std::fmt;
use std::str::FromStr;

use model::Timestamp;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many rows.
    pub limit: u32,
    /// Those after this one; none means from the beginning.
    pub after: Option<Cursor>,
}

impl Page {
    /// The first `limit` rows.
    pub const fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }

    /// The whole list.
    pub const fn all() -> Self {
        Self::first(u32::MAX)
    }

    /// The `limit` rows after `cursor`.
    pub const fn after(cursor: Cursor, limit: u32) -> Self {
        Self { limit, after: Some(cursor) }
    }

    /// What to ask the database for: one row more than wanted says whether there is a next page.
    pub(crate) fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Paged<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<Cursor>,
}

impl<T> Paged<T> {
    /// Cuts rows that were fetched with [`Page::fetch`] to the page.
    pub(crate) fn cut(mut rows: Vec<(Cursor, T)>, page: Page) -> Self {
        let limit = page.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|(cursor, _)| *cursor).filter(|_| more);
        Self { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}

/// A place in a list. Two numbers and never a name, because cursors travel in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) key: i64,
    pub(crate) tie: i64,
}

impl Cursor {
    /// In lists that run along the ledger.
    pub(crate) fn at(index: u64) -> Self {
        Self { key: index as i64, tie: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.key, self.tie)
    }
}

/// Text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list; take it from the link to the next page")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;
    fn from_str(s: &str) -> Result<Self, NotACursor> {
        let (key, tie) = s.split_once('~').ok_or(NotACursor)?;
        Ok(Self { key: key.parse().map_err(|_| NotACursor)?, tie: tie.parse().map_err(|_| NotACursor)? })
    }
}

impl serde::Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A span of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub struct Span {
    /// From then on; none means since the ledger began.
    pub from: Option<Timestamp>,
    /// Until just before then; none means until now.
    pub to: Option<Timestamp>,
}

impl Span {
    /// Everything.
    pub const ALWAYS: Self = Self { from: None, to: None };

    /// From `from` until just before `to`.
    pub const fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from: Some(from), to: Some(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_written_form_and_nothing_else_does() {
        for cursor in [Cursor::at(0), Cursor { key: -17, tie: i64::MAX }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "~", "1", "1~", "a~b", "1~2~3", "1.2"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text:?}");
        }
    }
}
