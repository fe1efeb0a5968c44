//! JSON as bytes: a strict reader that finds tokens and never builds a tree.

use std::borrow::Cow;

/// How deep arrays and objects may lie in each other.
pub(crate) const MAX_DEPTH: usize = 128;

/// Why a text is no JSON (RFC 8259). Says where, never what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid JSON: {what} at byte {at}")]
pub(crate) struct BadJson {
    what: &'static str,
    at: usize,
}

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        // RFC 8259 section 8.1: a byte order mark may be ignored; some frameworks write one.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T, BadJson> {
        Err(BadJson { what, at: self.at })
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), BadJson> {
        if self.take(byte) { Ok(()) } else { self.fail(what) }
    }

    /// A string with its quotes, escapes checked but not undone.
    pub(crate) fn string(&mut self) -> Result<&'a str, BadJson> {
        let start = self.at;
        self.expect(b'"', "expected a string")?;
        loop {
            self.at += plain_length(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fail("control character in a string"),
                None => return self.fail("string without an end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadJson> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match code_unit(rest) {
                Some(0xD800..=0xDBFF) => match code_unit(&rest[6..]) {
                    Some(0xDC00..=0xDFFF) => 12,
                    _ => return self.fail("half a surrogate pair"),
                },
                Some(0xDC00..=0xDFFF) => return self.fail("half a surrogate pair"),
                Some(_) => 6,
                None => return self.fail("bad escape"),
            },
            _ => return self.fail("bad escape"),
        };
        self.at += length;
        Ok(())
    }

    /// A number, as it is written: no precision is lost.
    pub(crate) fn number(&mut self) -> Result<&'a str, BadJson> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    pub(crate) fn word(&mut self) -> Result<&'a str, BadJson> {
        let rest = &self.text.as_bytes()[self.at..];
        for word in ["true", "false", "null"] {
            if rest.starts_with(word.as_bytes()) {
                let start = self.at;
                self.at += word.len();
                return Ok(&self.text[start..self.at]);
            }
        }
        self.fail("expected a value")
    }

    /// Nothing but space may follow the value.
    pub(crate) fn finish(mut self) -> Result<(), BadJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { self.fail("something follows the value") }
    }
}

/// How many bytes from the start of `bytes` are neither a quote, a backslash nor a control character.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, _) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let quote = zero_byte(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_byte(word ^ (ONES * u64::from(b'\\')));
        let special = below_space | quote | backslash;
        if special != 0 {
            // The lowest flagged byte is exact; only those above it can be flagged by a borrow.
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let tail = &bytes[length..];
    length + tail.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\')).unwrap_or(tail.len())
}

/// The code unit of a `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// What a string with its quotes, as [`Cursor::string`] gave it, says.
pub(crate) fn unescape(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // The escapes were checked when the string was read, so the lossy branch is never taken.
    serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fast_skip_finds_what_the_slow_one_finds(bytes: Vec<u8>) {
            let slow = bytes.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\'));
            prop_assert_eq!(plain_length(&bytes), slow.unwrap_or(bytes.len()));
        }

        #[test]
        fn strings_are_read_as_others_read_them(inner in "([a-z\"\u{e9}\n]|\\\\[\"\\\\/bfnrtuux]|[dD][89cC]00|0040){0,8}") {
            let text = format!("\"{inner}\"");
            let mut cursor = Cursor::new(&text);
            let ours = cursor.string().ok().filter(|_| cursor.at() == text.len()).map(|s| unescape(s).into_owned());
            prop_assert_eq!(ours, serde_json::from_str::<String>(&text).ok());
        }
    }
}
