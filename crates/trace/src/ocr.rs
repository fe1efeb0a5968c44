//! Ids on a rectified page, read by the system's `tesseract`. It is a guess of a program that was made for books: what it
//! reads is matched against known ids ([`crate::records::match_ids`]) and never believed by itself.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::raster::Grey;

/// How long one page may take.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const MOST: u64 = 4 << 20;
/// An id has at least this many characters.
const SHORTEST: usize = 3;
/// Smaller text than this is made larger first: pixels of the page for which tesseract was made.
const WIDE_ENOUGH: usize = 2_000;

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    /// No `tesseract`.
    #[error(
        "reading ids from pictures needs tesseract, and it does not start: {0}; on Debian: apt-get install tesseract-ocr"
    )]
    NoTesseract(io::Error),
    /// It failed.
    #[error("tesseract failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("tesseract was ended after {} seconds", TIME.as_secs())]
    TimedOut,
}

/// What on a page may be an id, from top to bottom: words with a digit in them.
pub fn ids(page: &Grey) -> Result<Vec<String>, OcrError> {
    Ok(ids_in(&tesseract(page)?))
}

fn tesseract(page: &Grey) -> Result<String, OcrError> {
    let mut child = Command::new("tesseract")
        .args(["stdin", "stdout", "-l", "eng", "--psm", "11", "tsv"])
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(OcrError::NoTesseract)?;
    let failed = |why: &str| OcrError::Failed(why.to_owned());
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("no pipes"));
    };
    let picture = pgm(page);
    let writer = std::thread::spawn(move || stdin.write_all(&picture));
    let words = std::thread::spawn(move || text(stderr, 64 << 10));
    let (send, receive) = mpsc::channel();
    let reader = std::thread::spawn(move || send.send(text(stdout, MOST)));
    let Ok(said) = receive.recv_timeout(TIME) else {
        end(&mut child);
        return Err(OcrError::TimedOut);
    };
    // With nobody left to read, it ends by itself or is ended.
    end_if_running(&mut child);
    let well = child.wait().is_ok_and(|status| status.success());
    let _ = (writer.join(), reader.join());
    let complaint = words.join().unwrap_or_default();
    if well {
        Ok(said)
    } else {
        Err(failed(complaint.lines().next_back().unwrap_or("no word of why").trim()))
    }
}

fn text(from: impl Read, most: u64) -> String {
    let mut bytes = Vec::new();
    let _ = from.take(most).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Its output has ended; a second is enough to leave.
fn end_if_running(child: &mut Child) {
    for _ in 0..100 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
}

/// A binary PGM (netpbm(5)), stretched to the full range and, where it is small, to twice the size.
fn pgm(page: &Grey) -> Vec<u8> {
    let (mut low, mut high) = (f32::MAX, f32::MIN);
    for p in &page.pixels {
        (low, high) = (low.min(*p), high.max(*p));
    }
    let stretch = 255.0 / (high - low).max(1.0);
    let by = if page.width.max(page.height) < WIDE_ENOUGH { 2 } else { 1 };
    let (width, height) = (page.width * by, page.height * by);
    let mut out = format!("P5\n{width} {height}\n255\n").into_bytes();
    let scale = by as f32;
    for y in 0..height {
        let at = |x: usize| page.between((x as f32 + 0.5) / scale - 0.5, (y as f32 + 0.5) / scale - 0.5);
        out.extend((0..width).map(|x| ((at(x) - low) * stretch).round().clamp(0.0, 255.0) as u8));
    }
    out
}

/// Words with a digit, in reading order, from tesseract's tab-separated answer: level, page, block, paragraph, line, word,
/// left, top, width, height, confidence, text.
fn ids_in(tsv: &str) -> Vec<String> {
    let mut words: Vec<(u32, u32, String)> = Vec::new();
    for line in tsv.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, _, _, _, _, _, left, top, _, height, _, word] = cells[..] else { continue };
        let (Ok(left), Ok(top), Ok(height)) = (left.parse(), top.parse::<u32>(), height.parse::<u32>())
        else {
            continue;
        };
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        if word.chars().count() >= SHORTEST && word.chars().any(|c| c.is_ascii_digit()) {
            words.push((top + height / 2, left, word.to_owned()));
        }
    }
    // Words of one line differ by a few pixels in height.
    words.sort_by_key(|(middle, left, _)| (middle / 12, *left));
    words.into_iter().map(|(_, _, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_with_digits_are_read_line_by_line() {
        let tsv = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                   5\t1\t2\t1\t1\t1\t300\t100\t60\t14\t91.2\t(10000007)\n\
                   5\t1\t1\t1\t1\t1\t20\t101\t60\t13\t96.0\t#20000014,\n\
                   5\t1\t1\t1\t2\t1\t20\t50\t60\t14\t88.1\tCustomer\n\
                   5\t1\t1\t1\t2\t2\t90\t50\t60\t14\t88.1\tC-300021\n\
                   4\t1\t1\t1\t2\t0\t90\t50\t60\t14\t-1\t\n";
        assert_eq!(ids_in(tsv), ["C-300021", "20000014", "10000007"]);
    }

    proptest! {
        #[test]
        fn no_answer_of_tesseract_makes_the_reader_panic(text: String, cells in prop::collection::vec("[0-9a-z\\t]{0,9}", 0..14)) {
            ids_in(&text);
            ids_in(&cells.join("\t"));
        }
    }

    #[test]
    fn a_small_page_is_stretched_and_doubled() {
        let page = Grey { width: 2, height: 1, pixels: vec![100.0, 110.0] };
        assert_eq!(pgm(&page), b"P5\n4 2\n255\n\x00\x40\xbf\xff\x00\x40\xbf\xff");
    }
}
