//! Finding the view: where in the spectra the pilots stand.

use crate::mark::Layout;
use crate::pose::View;
use crate::spectra::Spectra;

/// The smallest and the largest scale looked for, in working pixels for each CSS pixel.
const SCALES: (f32, f32) = (0.14, 2.1);
/// Upright views that are locked.
const UPRIGHT: usize = 8;
/// Views that go on to the next step.
const KEPT: usize = 24;

/// Views seen straight on and upright: nobody turns a screenshot.
pub(crate) fn upright(layout: &Layout, whole: &Spectra) -> Vec<View> {
    let mut upright = Best::new(whole.reach);
    for scale in steps(SCALES, 1.002) {
        let view = View::flat(scale, 0.0);
        upright.offer(whole.power(layout, &view), view);
    }
    let mut views = upright.refined(4, &FLAT_STEPS, |view| whole.fine_power(layout, view));
    views.truncate(UPRIGHT);
    views
}

/// Views seen straight on, at any turn.
pub(crate) fn flat(layout: &Layout, whole: &Spectra) -> Vec<View> {
    let mut turned = Best::new(whole.reach);
    for scale in steps(SCALES, 1.008) {
        for degree in 0..180 {
            let roll = if degree <= 90 { degree } else { degree - 180 };
            let view = View::flat(scale, (roll as f32).to_radians());
            turned.offer(whole.power(layout, &view), view);
        }
    }
    turned.refined(4, &FLAT_STEPS, |view| whole.fine_power(layout, view))
}

/// Ever smaller steps of a flat view's refinement.
const FLAT_STEPS: [f32; 4] = [0.006, 0.003, 0.0015, 0.0007];

/// How far a camera sees, as its focal length over half the longer side of its picture: a wide lens (about 80 degrees),
/// a telephone's main lens (65), a crop or a longer lens (40).
const FOCAL: [f32; 3] = [1.2, 1.57, 2.75];

/// Views through a camera that is not straight in front of the screen.
pub(crate) fn camera(layout: &Layout, local: &Spectra) -> Vec<View> {
    let angles =
        |limit: i32, step: i32| (-limit..=limit).step_by(step as usize).map(|d| (d as f32).to_radians());
    let mut rough = Best::new(local.reach);
    for focal in FOCAL.map(|f| f * local.reach) {
        for scale in steps((SCALES.0, 1.25), 1.045) {
            for roll in angles(24, 3) {
                for yaw in angles(42, 6) {
                    for pitch in angles(30, 6) {
                        let view = View::camera(scale, roll, yaw, pitch, focal);
                        rough.offer(local.rough_power(layout, &view), view);
                    }
                }
            }
        }
    }
    let mut found = Best::new(local.reach);
    for (_, view) in rough.offers {
        found.offer(local.power(layout, &view), view);
    }
    found.refined(6, &[0.03, 0.015, 0.008, 0.004, 0.002], |view| local.fine_power(layout, view))
}

/// A view that was right for the frame before, set right for this one.
pub(crate) fn again(layout: &Layout, local: &Spectra, before: &View) -> Vec<View> {
    let mut found = Best::new(local.reach);
    found.offer(local.power(layout, before), *before);
    found.refined(6, &[0.02, 0.01, 0.005, 0.0025], |view| local.fine_power(layout, view))
}

fn steps((from, to): (f32, f32), factor: f32) -> impl Iterator<Item = f32> {
    std::iter::successors(Some(from), move |s| Some(s * factor)).take_while(move |s| *s <= to)
}

/// The best views so far, no two close to each other.
struct Best {
    reach: f32,
    /// Every offer that was among the best when it came.
    offers: Vec<(f32, View)>,
    least: f32,
}

impl Best {
    /// Offers kept before near ones are put together.
    const ROOM: usize = 80 * KEPT;

    fn new(reach: f32) -> Self {
        Self { reach, offers: Vec::new(), least: f32::MIN }
    }

    fn offer(&mut self, power: f32, view: View) {
        if power <= self.least {
            return;
        }
        self.offers.push((power, view));
        if self.offers.len() == 2 * Self::ROOM {
            self.offers.sort_by(|p, q| q.0.total_cmp(&p.0));
            self.offers.truncate(Self::ROOM);
            self.least = self.offers[Self::ROOM - 1].0;
        }
    }

    /// Climbs from the best offers, in ever smaller steps, and gives the summits in order.
    fn refined(mut self, ways: usize, sizes: &[f32], power: impl Fn(&View) -> f32) -> Vec<View> {
        let starts = self.distinct(KEPT, 0.03);
        let reach = self.reach;
        self.offers = starts
            .into_iter()
            .map(|mut view| {
                let mut best = power(&view);
                for size in sizes {
                    for _ in 0..3 {
                        let before = best;
                        for (way, step) in (0..ways).flat_map(|way| [(way, *size), (way, -*size)]) {
                            let next = view.stepped(way, step, reach);
                            let there = power(&next);
                            if there > best {
                                (best, view) = (there, next);
                            }
                        }
                        if best <= before {
                            break;
                        }
                    }
                }
                (best, view)
            })
            .collect();
        self.distinct(KEPT, 0.004)
    }

    fn distinct(&mut self, most: usize, near: f32) -> Vec<View> {
        self.offers.sort_by(|p, q| q.0.total_cmp(&p.0));
        let mut kept: Vec<View> = Vec::new();
        for (_, view) in &self.offers {
            if kept.len() < most && !kept.iter().any(|k| k.is_near(view, near, self.reach)) {
                kept.push(*view);
            }
        }
        kept
    }
}
