//! Frames on several threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use crate::detect::{Detector, Sight};
use crate::raster::Grey;

/// One frame, with what the caller calls it.
pub struct Read<T> {
    /// As given.
    pub name: T,
    /// As given.
    pub frame: Grey,
    /// What was seen in it.
    pub sight: Option<Sight>,
}

/// Reads frames on `threads` threads, and gives each back in the order of `frames`. `frames` is asked by one thread at a
/// time and no further ahead than there are threads, so that it may stop at any moment.
pub fn read<T: Send>(
    detector: &Detector,
    threads: usize,
    frames: impl Iterator<Item = (T, Grey)> + Send,
    mut each: impl FnMut(Read<T>),
) {
    let threads = threads.max(1);
    let source = Mutex::new(frames);
    let taken = AtomicUsize::new(0);
    let (send, receive) = mpsc::sync_channel(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (send, source, taken, mut detector) = (send.clone(), &source, &taken, detector.clone());
            scope.spawn(move || {
                loop {
                    let (at, name, frame) = {
                        let mut frames = source.lock().unwrap_or_else(PoisonError::into_inner);
                        let Some((name, frame)) = frames.next() else { return };
                        (taken.fetch_add(1, Ordering::Relaxed), name, frame)
                    };
                    let sight = detector.read(&frame);
                    if send.send((at, Read { name, frame, sight })).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for (at, read) in receive {
            early.insert(at, read);
            while let Some(read) = early.remove(&next) {
                each(read);
                next += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::MarkKey;

    #[test]
    fn frames_come_back_in_their_order_whatever_the_threads() {
        let frames = || {
            (0..23usize).map(|i| {
                // Of very different size, so that they do not finish in order.
                let side = if i % 5 == 0 { 300 } else { 40 };
                (i, Grey { width: side, height: side, pixels: vec![i as f32; side * side] })
            })
        };
        for threads in [0, 1, 3] {
            let mut seen = Vec::new();
            read(&Detector::new(&MarkKey::new([1; 32])), threads, frames(), |r| {
                assert_eq!(r.frame.pixels[0] as usize, r.name);
                seen.push(r.name);
            });
            assert_eq!(seen, (0..23).collect::<Vec<_>>());
        }
    }
}
