//! Lines put in time order in bounded memory: sorted runs are spilled to files without a name, and merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes of lines that are held before they are spilled.
const HELD: usize = 64 << 20;
/// Runs that are merged at once.
const MERGED: usize = 64;
/// What a line costs beside its text.
const OVERHEAD: usize = 48;

/// Sorts lines by time; those without one come first, those of one time stay in the order in which they came.
pub(crate) struct Spill {
    dir: PathBuf,
    /// Bytes that may be held.
    limit: usize,
    held: Vec<(u64, String)>,
    bytes: usize,
    runs: Vec<File>,
    lines: u64,
}

impl Spill {
    /// Spills into files in `dir`. They have no name there, and are gone when the process is.
    pub(crate) fn new(dir: &Path) -> Self {
        Self::with_limit(dir, HELD)
    }

    fn with_limit(dir: &Path, limit: usize) -> Self {
        Self { dir: dir.to_owned(), limit, held: Vec::new(), bytes: 0, runs: Vec::new(), lines: 0 }
    }

    /// How many lines there are.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes a line in.
    pub(crate) fn push(&mut self, at: Option<u64>, line: String) -> io::Result<()> {
        self.lines += 1;
        self.bytes += line.len() + OVERHEAD;
        self.held.push((at.map_or(0, |at| at.saturating_add(1)), line));
        if self.bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes every line out, in order.
    pub(crate) fn write(mut self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        if self.runs.is_empty() {
            self.held.sort_by_key(|(at, _)| *at);
            for (_, line) in &self.held {
                writeln!(out, "{line}")?;
            }
            return out.flush();
        }
        self.spill()?;
        merge(self.runs, |_, line| {
            out.write_all(line)?;
            out.write_all(b"\n")
        })?;
        out.flush()
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_by_key(|(at, _)| *at);
        let mut file = BufWriter::new(nameless(&self.dir)?);
        for (at, line) in self.held.drain(..) {
            put(&mut file, at, line.as_bytes())?;
        }
        self.bytes = 0;
        self.runs.push(rewound(file)?);
        if self.runs.len() >= MERGED {
            // Neighbours are merged, so that the order of equal times stays.
            let mut file = BufWriter::new(nameless(&self.dir)?);
            merge(std::mem::take(&mut self.runs), |at, line| put(&mut file, at, line))?;
            self.runs.push(rewound(file)?);
        }
        Ok(())
    }
}

fn put(file: &mut impl Write, at: u64, line: &[u8]) -> io::Result<()> {
    file.write_all(&at.to_le_bytes())?;
    file.write_all(&(line.len() as u64).to_le_bytes())?;
    file.write_all(line)
}

fn rewound(file: BufWriter<File>) -> io::Result<File> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// A run that is read, with its next line.
struct Run {
    from: BufReader<File>,
    line: Vec<u8>,
}

impl Run {
    /// The time of the next line; none at the end.
    fn next(&mut self) -> io::Result<Option<u64>> {
        let (mut at, mut length) = ([0; 8], [0; 8]);
        match self.from.read_exact(&mut at) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        self.from.read_exact(&mut length)?;
        self.line.resize(u64::from_le_bytes(length) as usize, 0);
        self.from.read_exact(&mut self.line)?;
        Ok(Some(u64::from_le_bytes(at)))
    }
}

fn merge(runs: Vec<File>, mut out: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut runs: Vec<Run> =
        runs.into_iter().map(|file| Run { from: BufReader::new(file), line: Vec::new() }).collect();
    let mut next = BinaryHeap::new();
    for (n, run) in runs.iter_mut().enumerate() {
        next.extend(run.next()?.map(|at| Reverse((at, n))));
    }
    while let Some(Reverse((at, n))) = next.pop() {
        out(at, &runs[n].line)?;
        next.extend(runs[n].next()?.map(|at| Reverse((at, n))));
    }
    Ok(())
}

/// A file that is in no directory any more.
fn nameless(dir: &Path) -> io::Result<File> {
    for n in 0u32..1000 {
        let path = dir.join(format!(".sightline-import-{}-{n}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name for a file beside the output is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(lines: &[(Option<u64>, String)], limit: usize) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::with_limit(dir.path(), limit);
        for (at, line) in lines {
            spill.push(*at, line.clone()).unwrap();
        }
        let mut out = Vec::new();
        spill.write(&mut out).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_spilled_comes_out_as_what_is_held() {
        // Times from 0 to 20 in no order, and none; equal ones often.
        let time = |n: u64| Some(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59).filter(|at| *at > 2);
        let lines: Vec<_> = (0..400).map(|n| (time(n), format!("line {n}"))).collect();
        let mut expected = lines.clone();
        expected.sort_by_key(|(at, _)| *at);
        let expected: String = expected.into_iter().map(|(_, line)| line + "\n").collect();
        // A run for each line, which is more than are merged at once; for a few; for none.
        for limit in [0, 500, usize::MAX] {
            assert_eq!(sorted(&lines, limit), expected, "{limit}");
        }
    }
}
