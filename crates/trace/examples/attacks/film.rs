//! A minute's film of a screen by a hand-held telephone, with a key and a list of marks beside it: for
//! `sightline trace film.mp4 --key mark-key --candidates issued.csv`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sightline_trace::tile::Tile;
use sightline_trace::{Layout, MarkKey};

use crate::camera::Dice;
use crate::{CANDIDATES, HARD, id, pages, shaken};

/// Frames that differ; each is shown for half a second, at thirty frames a second.
const FRAMES: usize = 120;

/// Writes `film.mp4`, `issued.csv` and `mark-key`.
pub(crate) fn run(key: &MarkKey, key_bytes: [u8; 32], page: &str, dir: &Path) {
    let page = pages::all().into_iter().find(|p| p.name.contains(page)).expect("a page of that name");
    let mut dice = Dice(21);
    let right = dice.below(CANDIDATES as usize) as u32;
    let tile = Tile::new(key, &Layout::new(key), &id(right)).png();
    let shown = pages::render(&page, Some(&tile), 1, dir).expect("a page");
    let mut coder = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-nostdin",
            "-threads",
            "1",
            "-f",
            "image2pipe",
            "-c:v",
            "pgm",
            "-r",
            "2",
        ])
        .args(["-i", "pipe:0", "-r", "30", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(dir.join("film.mp4"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg");
    let mut pipe = coder.stdin.take().expect("a pipe");
    for _ in 0..FRAMES {
        for frame in shaken(&shown, HARD, 1, &mut dice) {
            let raw: Vec<u8> = frame.pixels.iter().map(|p| p.round().clamp(0.0, 255.0) as u8).collect();
            write!(pipe, "P5\n{} {}\n255\n", frame.width, frame.height).expect("ffmpeg reads");
            pipe.write_all(&raw).expect("ffmpeg reads");
        }
    }
    drop(pipe);
    assert!(coder.wait().expect("ffmpeg").success());
    let mut list = String::from("mark,session,staff,from\n");
    for n in 0..CANDIDATES {
        list += &format!("{},,s-{},2026-11-20T09:00:00Z\n", id(n), n % 500);
    }
    std::fs::write(dir.join("issued.csv"), list).expect("a directory to write to");
    std::fs::write(dir.join("mark-key"), base64(&key_bytes)).expect("a directory to write to");
    println!("{}: the mark is {}, of s-{}", dir.join("film.mp4").display(), id(right), right % 500);
}

/// RFC 4648, URL-safe, without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let three = |c: &[u8]| {
        let bits = c.iter().fold(0u32, |all, b| all << 8 | u32::from(*b)) << (8 * (3 - c.len()));
        (0..=c.len()).map(|i| char::from(ALPHABET[(bits >> (18 - 6 * i) & 63) as usize])).collect::<String>()
    };
    bytes.chunks(3).map(three).collect()
}
