//! The frames of a leak: what is seen in them, and what else is kept of them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use trace::crew::{self, Read};
use trace::media::{Frames, Limits};
use trace::{Grey, Investigation, Issued, MarkKey, Outcome, ocr};

use super::Trace;
use crate::progress;

/// Frames from which ids are read, at the most: spread over what was looked at.
const READ: usize = 12;
/// Threads that look at frames, at the most.
const THREADS: usize = 8;

/// What frames gave.
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    /// The frame in which the page is seen best, straight on.
    pub(super) page: Option<(String, Grey)>,
    /// Some frames, straight on where the pilots say how, to read ids from.
    sample: Vec<Grey>,
}

/// Looks at every frame of every file, on as many threads as there are cores.
pub(super) fn look(
    options: &Trace,
    key: &MarkKey,
    issued: Vec<Issued>,
    stop: &AtomicBool,
    skipped: &mut Vec<String>,
) -> Result<Seen, String> {
    let limits = Limits { frames: options.frames as usize, rate: options.rate, ..Limits::default() };
    let mut investigation = Investigation::new(key, issued);
    let bar = progress::bar("looking", "frames");
    let left = options.leak.clone().into_iter();
    let mut files = Files { left, open: None, limits, stop, unread: Vec::new(), bar: &bar };
    if let [only] = &options.leak[..] {
        // One file is the whole question; of several, the others can still answer it.
        files.begin(Frames::open(only, limits).map_err(|why| why.to_string())?);
        files.left = Vec::new().into_iter();
    }
    let mut gallery = Gallery::new(if options.ocr { READ } else { 0 });
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    crew::read(&investigation.detector(), threads, &mut files, |read| {
        gallery.keep(&read);
        investigation.add(read.name, read.sight);
        bar.inc(1);
    });
    skipped.extend(files.unread);
    bar.finish_and_clear();
    Ok(Seen {
        outcome: investigation.outcome(),
        page: gallery.best.map(|b| (b.1, b.2)),
        sample: gallery.sample,
    })
}

/// Frames of one file after the other, until somebody stops it. What cannot be read is noted, and the rest goes on.
struct Files<'a> {
    left: std::vec::IntoIter<PathBuf>,
    open: Option<Frames>,
    limits: Limits,
    stop: &'a AtomicBool,
    unread: Vec<String>,
    bar: &'a ProgressBar,
}

impl Files<'_> {
    /// How many frames a video has is not known before: its bar only counts.
    fn begin(&mut self, frames: Frames) {
        self.bar.inc_length(frames.expected().unwrap_or(0) as u64);
        self.open = Some(frames);
    }
}

impl Iterator for Files<'_> {
    type Item = (String, Grey);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(frames) = &mut self.open else {
                match Frames::open(&self.left.next()?, self.limits) {
                    Ok(frames) => self.begin(frames),
                    Err(why) => self.unread.push(why.to_string()),
                }
                continue;
            };
            match frames.next() {
                Some(Ok(frame)) => return Some(frame),
                Some(Err(why)) => self.unread.push(why.to_string()),
                None => self.open = None,
            }
        }
        None
    }
}

/// What is kept of frames: the best, and some evenly spread ones.
struct Gallery {
    best: Option<(f32, String, Grey)>,
    sample: Vec<Grey>,
    most: usize,
    seen: usize,
    stride: usize,
}

impl Gallery {
    fn new(most: usize) -> Self {
        Self { best: None, sample: Vec::new(), most, seen: 0, stride: 1 }
    }

    fn keep(&mut self, read: &Read<String>) {
        let locked = read.sight.as_ref().filter(|s| s.is_locked());
        let straight = || locked.map_or_else(|| read.frame.clone(), |s| s.rectified(&read.frame));
        let pilots = locked.map_or(0.0, |s| s.pilots);
        // Hardly better is not worth another picture.
        if self.best.as_ref().is_none_or(|(best, _, _)| pilots > best * 1.05) {
            self.best = Some((pilots, read.name.clone(), straight()));
        }
        if self.most > 0 && self.seen.is_multiple_of(self.stride) {
            self.sample.push(straight());
            if self.sample.len() > self.most {
                let mut at = 0;
                self.sample.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
    }
}

/// Ids in the sample, each once, in the order in which they appear.
pub(super) fn read_ids(seen: &Seen, stop: &AtomicBool, skipped: &mut Vec<String>) -> Vec<String> {
    let bar = progress::bar("reading", "pages");
    bar.set_length(seen.sample.len() as u64);
    let (mut known, mut ids) = (HashSet::new(), Vec::new());
    for page in &seen.sample {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match ocr::ids(page) {
            Ok(words) => ids.extend(words.into_iter().filter(|w| known.insert(w.clone()))),
            Err(why @ ocr::OcrError::NoTesseract(_)) => {
                skipped.push(why.to_string());
                break;
            }
            Err(why) => skipped.push(why.to_string()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    ids
}
