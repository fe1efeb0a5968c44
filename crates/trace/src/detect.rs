//! From a frame to a reading: whiten, find the view, lock, fold.

use crate::fft::Square;
use crate::fold;
use crate::lock::{Lock, lock};
use crate::mark::{Layout, MarkKey, TILE};
use crate::pose::View;
use crate::raster::Grey;
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

/// Reads frames. Keeps the pose of the frame before: a hand moves little from one to the next.
pub struct Detector {
    layout: Layout,
    square: Square,
    before: Option<(View, bool)>,
}

/// What one frame gave.
#[derive(Debug, Clone)]
pub struct Sight {
    /// A value for each chip.
    pub reading: Reading,
    /// How far above noise the pilots are (standard deviations at the pose found).
    pub pilots: f32,
    /// How the page lies in the frame.
    pub placement: Placement,
}

impl Sight {
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
        Self { layout: Layout::new(key), square: Square::new(TILE), before: None }
    }

    /// Reads one frame. Nothing at all in it, not even one pixel of texture, gives `None`.
    pub fn read(&mut self, frame: &Grey) -> Option<Sight> {
        if frame.width < 32 || frame.height < 32 {
            return None;
        }
        let white = whiten(frame);
        let mut best: Option<(Lock, bool)> = None;
        if let Some((view, mirrored)) = self.before {
            let seen = self.seen(&white, mirrored);
            let local = Spectra::local(&seen);
            best = self.better(best, &search::again(&self.layout, &local, &view), &local, mirrored);
        }
        // The likely first: what comes later is tried only where that left a doubt.
        for (angled, mirrored) in [(false, false), (false, true), (true, false), (true, true)] {
            let enough = if angled && mirrored { LOCKED } else { CERTAIN };
            if best.is_some_and(|(lock, _)| lock.z >= enough) {
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
                search::flat(&self.layout, &Spectra::whole(&seen))
            };
            best = self.better(best, &views, &local, mirrored);
        }
        let (lock, mirrored) = best?;
        if lock.z >= LOCKED {
            self.before = Some((lock.pose.view, mirrored));
        }
        let seen = self.seen(&white, mirrored);
        let reading = fold::read(&self.layout, &seen, &lock.pose, lock.sign, &mut self.square);
        let placement = Placement {
            scale: lock.pose.scale() * white.shrink,
            roll_degrees: lock.pose.roll(),
            mirrored,
            inverted: lock.sign < 0.0,
        };
        Some(Sight { reading, pilots: lock.z, placement })
    }

    fn seen(&self, white: &White, mirrored: bool) -> Grey {
        if mirrored { white.signal.mirrored() } else { white.signal.clone() }
    }

    /// The best lock of those before and those that these views give, both ways up.
    fn better(
        &self,
        before: Option<(Lock, bool)>,
        views: &[View],
        local: &Spectra,
        mirrored: bool,
    ) -> Option<(Lock, bool)> {
        let mut best = before;
        for view in views.iter().take(TRIED).flat_map(|v| [*v, v.half_turned()]) {
            let found = lock(&self.layout, local, &view);
            if best.is_none_or(|(b, _)| found.z > b.z) {
                best = Some((found, mirrored));
            }
            if found.z >= CERTAIN {
                break;
            }
        }
        best
    }
}
