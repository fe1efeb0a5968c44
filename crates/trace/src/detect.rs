//! From a frame to a reading: whiten, find the view, lock, fold.

use std::sync::{Arc, Mutex, PoisonError};

use crate::fft::Square;
use crate::fold;
use crate::lock::{Lock, lock};
use crate::mark::{Layout, MarkKey, TILE};
use crate::pose::{Pose, View};
use crate::raster::Grey;
use crate::rectify;
use crate::score::Reading;
use crate::search;
use crate::spectra::Spectra;
use crate::whiten::{White, whiten};

/// Above this, the pilots are there: noise does not reach it in all that the search tries.
const LOCKED: f32 = 9.0;
/// Above this, nothing better needs to be looked for. Between the two, a wrong view may have caught some of the pilots.
const CERTAIN: f32 = 15.0;
/// Views that are locked, of those that the spectra suggest.
const TRIED: usize = 12;

/// At the right pose the pilots' phases agree at least so well.
const AGREED: f32 = 0.8;
/// How much of the pilots of the frame before is enough to stay with its view: what a search would find is no better.
const STEADY: f32 = 0.75;
/// After this many frames in a row whose search was in vain, most frames are not searched: one in [`PATIENCE`] is.
const PATIENCE: u32 = 6;

/// Reads frames. Keeps the pose of the frame before: a hand moves little from one to the next. Clones share what they
/// know, so that several threads can read the frames of one video.
pub struct Detector {
    layout: Layout,
    square: Square,
    memory: Arc<Mutex<Memory>>,
}

/// What earlier frames say about the next.
#[derive(Default, Clone, Copy)]
struct Memory {
    before: Option<Held>,
    /// Frames in a row in which the whole search found no pilots.
    vain: u32,
}

/// A pose that a frame may have.
#[derive(Clone, Copy)]
struct Held {
    lock: Lock,
    mirrored: bool,
    /// See [`fold::Folded::agreement`]; [`AGREED`] where the pilots are too weak to ask.
    agreement: f32,
}

impl Held {
    fn merit(&self) -> f32 {
        self.lock.z * self.agreement.max(0.0)
    }

    fn is_enough(&self, pilots: f32) -> bool {
        self.lock.z >= pilots && self.agreement >= AGREED
    }
}

impl Clone for Detector {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), square: Square::new(TILE), memory: self.memory.clone() }
    }
}

/// What one frame gave.
#[derive(Debug, Clone)]
pub struct Sight {
    /// A value for each chip.
    pub reading: Reading,
    /// Where the pilots are too weak: what an upright view gives, if that is not the likeliest one.
    pub(crate) second: Option<Reading>,
    /// How far above noise the pilots are (standard deviations at the pose found).
    pub pilots: f32,
    /// How the page lies in the frame.
    pub placement: Placement,
    pose: Pose,
    shrink: f32,
}

impl Sight {
    /// The page as it would look straight on, one pixel or more for each CSS pixel: the frame that this was read from,
    /// turned, unbent, and the right way round. Black where the frame shows nothing of it.
    pub fn rectified(&self, frame: &Grey) -> Grey {
        rectify::rectified(frame, &self.pose, self.shrink, self.placement.mirrored, self.placement.inverted)
    }

    /// Whether the pilots are surely there. If not, the reading is a try, and likely to be noise.
    pub fn is_locked(&self) -> bool {
        self.pilots >= LOCKED
    }
}

/// How the page lies in a frame, for people.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Placement {
    /// Pixels of the frame for each CSS pixel of the page, in the middle.
    pub scale: f32,
    /// Degrees by which the page is turned.
    pub roll_degrees: f32,
    /// Seen in a mirror.
    pub mirrored: bool,
    /// Dark and light exchanged.
    pub inverted: bool,
}

impl Detector {
    /// A detector for marks under one key.
    pub fn new(key: &MarkKey) -> Self {
        Self { layout: Layout::new(key), square: Square::new(TILE), memory: Arc::default() }
    }

    /// Reads one frame. Nothing at all in it, not even one pixel of texture, gives `None`.
    pub fn read(&mut self, frame: &Grey) -> Option<Sight> {
        if frame.width < 32 || frame.height < 32 {
            return None;
        }
        let white = whiten(frame);
        let memory = *self.memory();
        let mut best: Option<Held> = None;
        let (mut enough, mut upright) = (CERTAIN, None);
        if let Some(before) = memory.before {
            let seen = self.seen(&white, before.mirrored);
            let local = Spectra::local(&seen);
            let views = search::again(&self.layout, &local, &before.lock.pose.view);
            best = self.better(best, &views, &local, &seen, before.mirrored);
            enough = (STEADY * before.lock.z).clamp(LOCKED, CERTAIN);
        }
        let found = |best: &Option<Held>, enough| best.is_some_and(|held| held.is_enough(enough));
        let steady = memory.before.is_some() && found(&best, enough);
        if !steady && (memory.vain < PATIENCE || memory.vain.is_multiple_of(PATIENCE)) {
            // The likely first: what comes later is tried only where that left a doubt.
            for (angled, mirrored) in [(false, false), (false, true), (true, false), (true, true)] {
                if found(&best, if angled && mirrored { LOCKED } else { CERTAIN }) {
                    break;
                }
                let seen = self.seen(&white, mirrored);
                let local = Spectra::local(&seen);
                if local.windows.is_empty() {
                    return None;
                }
                let views = if angled {
                    search::camera(&self.layout, &local)
                } else {
                    let whole = Spectra::whole(&seen);
                    let views = search::upright(&self.layout, &whole);
                    let found = self.better(None, &views, &local, &seen, mirrored);
                    upright = upright.or(found);
                    best = [best, found].into_iter().flatten().max_by(|a, b| a.merit().total_cmp(&b.merit()));
                    if found.is_some_and(|held| held.is_enough(CERTAIN)) {
                        break;
                    }
                    search::flat(&self.layout, &whole)
                };
                best = self.better(best, &views, &local, &seen, mirrored);
            }
        }
        self.remember(best);
        let Held { lock, mirrored, .. } = best?;
        let seen = self.seen(&white, mirrored);
        let reading = fold::read(&self.layout, &seen, &lock.pose, lock.sign, &mut self.square).reading;
        let placement = Placement {
            scale: lock.pose.scale() * white.shrink,
            roll_degrees: lock.pose.roll(),
            mirrored,
            inverted: lock.sign < 0.0,
        };
        // Only where the pilots are too weak to say: a second throw, at what is likeliest before anything is seen.
        let weak = upright.filter(|held: &Held| lock.z < LOCKED && held.lock.pose != lock.pose);
        let second = weak.map(|held| {
            let seen = self.seen(&white, held.mirrored);
            fold::read(&self.layout, &seen, &held.lock.pose, held.lock.sign, &mut self.square).reading
        });
        Some(Sight { reading, second, pilots: lock.z, placement, pose: lock.pose, shrink: white.shrink })
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, best: Option<Held>) {
        let mut memory = self.memory();
        match best.filter(|held| held.lock.z >= LOCKED) {
            Some(found) => *memory = Memory { before: Some(found), vain: 0 },
            None => memory.vain += 1,
        }
    }

    fn seen(&self, white: &White, mirrored: bool) -> Grey {
        if mirrored { white.signal.mirrored() } else { white.signal.clone() }
    }

    /// The best of the pose before and those that these views give, both ways up.
    fn better(
        &mut self,
        before: Option<Held>,
        views: &[View],
        local: &Spectra,
        seen: &Grey,
        mirrored: bool,
    ) -> Option<Held> {
        let mut best = before;
        for view in views.iter().take(TRIED).flat_map(|v| [*v, v.half_turned()]) {
            let lock = lock(&self.layout, local, &view);
            let agreement = if lock.z >= LOCKED {
                fold::read(&self.layout, seen, &lock.pose, lock.sign, &mut self.square).agreement
            } else {
                AGREED
            };
            let found = Held { lock, mirrored, agreement };
            if best.is_none_or(|b| found.merit() > b.merit()) {
                best = Some(found);
            }
            if found.is_enough(CERTAIN) {
                break;
            }
        }
        best
    }
}
