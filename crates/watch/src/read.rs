//! Lines out of bytes, with their numbers, in bounded memory.

use std::io::{self, BufRead};

use crate::line::{Line, LineError};

/// The longest line that is read. A longer one is skipped and reported.
pub const MAX_LINE: usize = 1 << 20;

/// Reads an access log line by line.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning.
    pub fn new(from: R) -> Self {
        Self { from, buffer: Vec::with_capacity(4096), number: 0, bytes: 0 }
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line that is not empty, with its number from 1; none at the end. A log that ends in the
    /// middle of a line ends with a line that cannot be read.
    #[allow(clippy::type_complexity)] // said in the words above
    pub fn next_line(&mut self) -> io::Result<Option<(u64, Result<Line<'_>, LineError>)>> {
        loop {
            self.buffer.clear();
            let Some(too_long) = self.fill()? else { return Ok(None) };
            self.number += 1;
            if too_long {
                return Ok(Some((self.number, Err(LineError::TooLong))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let parsed = match std::str::from_utf8(self.buffer.trim_ascii()) {
            Ok(text) => Line::parse(text.trim_start_matches('\u{feff}')),
            Err(_) => Err(LineError::Utf8),
        };
        Ok(Some((self.number, parsed)))
    }

    /// Takes one line into the buffer, and says whether it was too long; none at the end.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        let (mut any, mut too_long) = (false, false);
        loop {
            let ready = match self.from.fill_buf() {
                Ok(ready) => ready,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if ready.is_empty() {
                return Ok(any.then_some(too_long));
            }
            any = true;
            let end = ready.iter().position(|b| *b == b'\n');
            let part = &ready[..end.unwrap_or(ready.len())];
            too_long |= self.buffer.len() + part.len() > MAX_LINE;
            if !too_long {
                self.buffer.extend_from_slice(part);
            }
            let taken = end.map_or(ready.len(), |at| at + 1);
            self.from.consume(taken);
            self.bytes += taken as u64;
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_numbered_and_what_cannot_be_read_is_said_with_its_number() {
        let long = "x".repeat(MAX_LINE + 1);
        let log =
            format!("\n{{\"kind\":\"customer\",\"customer\":\"c\"}}\r\nnonsense\n{long}\n\n{{\"kind\":\"cus");
        let mut lines = Lines::new(log.as_bytes());
        let mut seen = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            seen.push((number, line.is_ok()));
        }
        assert_eq!(seen, [(2, true), (3, false), (4, false), (6, false)]);
        assert_eq!(lines.bytes(), log.len() as u64);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_to_their_end(bytes: Vec<u8>, size in 1usize..64) {
            let mut lines = Lines::new(io::BufReader::with_capacity(size, &bytes[..]));
            while lines.next_line().unwrap().is_some() {}
            prop_assert_eq!(lines.bytes(), bytes.len() as u64);
        }
    }
}
