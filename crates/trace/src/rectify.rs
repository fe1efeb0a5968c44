//! The page straight on: what a frame shows, put back where the browser drew it.

use crate::pose::Pose;
use crate::raster::Grey;

/// The longest side of a rectified page, in pixels.
const LONGEST: f32 = 2_400.0;
/// Rounds of the fixed point that takes the lens's bend out; each is a hundredth of the one before.
const ROUNDS: usize = 3;

/// The page in the frame's own resolution, at least one pixel for each CSS pixel. `shrink` is how many pixels of the frame
/// one working pixel of the pose stands for.
pub(crate) fn rectified(frame: &Grey, pose: &Pose, shrink: f32, mirrored: bool, inverted: bool) -> Grey {
    let turned;
    let frame = if mirrored {
        turned = frame.mirrored();
        &turned
    } else {
        frame
    };
    let middle = [frame.width as f32 / 2.0, frame.height as f32 / 2.0];
    let [left, top, right, bottom] = extent(pose, shrink, middle);
    let (wide, high) = (right - left, bottom - top);
    let fine = (pose.scale() * shrink).clamp(1.0, 2.0).min(LONGEST / wide.max(high).max(1.0));
    let (width, height) = (((wide * fine) as usize).max(1), ((high * fine) as usize).max(1));
    let mut out = Grey::new(width, height);
    for y in 0..height {
        for x in 0..width {
            let page = [left + x as f32 / fine, top + y as f32 / fine];
            let Some(at) = on_frame(pose, page) else { continue };
            let (fx, fy) = (at[0] * shrink + middle[0], at[1] * shrink + middle[1]);
            if fx >= 0.0 && fy >= 0.0 && fx <= frame.width as f32 - 1.0 && fy <= frame.height as f32 - 1.0 {
                let value = frame.between(fx, fy);
                out.pixels[y * width + x] = if inverted { 255.0 - value } else { value };
            }
        }
    }
    out
}

/// The part of the page's plane that the frame shows, in CSS pixels; no larger than a wall of screens.
fn extent(pose: &Pose, shrink: f32, middle: [f32; 2]) -> [f32; 4] {
    const FAR: f32 = 4_000.0;
    let mut extent = [0.0f32; 4];
    let along = |n: f32| (0..=8).map(move |i| n * (i as f32 / 4.0 - 1.0) / shrink);
    for x in along(middle[0]) {
        for y in along(middle[1]) {
            if 1.0 + pose.view.g[0] * x + pose.view.g[1] * y <= 0.05 {
                continue;
            }
            let [px, py] = pose.page([x, y]).map(|p| p.clamp(-FAR, FAR));
            extent = [extent[0].min(px), extent[1].min(py), extent[2].max(px), extent[3].max(py)];
        }
    }
    extent
}

/// The working pixel, from the middle, at which a page point is seen; `None` behind the camera.
fn on_frame(pose: &Pose, page: [f32; 2]) -> Option<[f32; 2]> {
    let (a, g) = (pose.view.a, pose.view.g);
    let mut at = [0.0, 0.0];
    for _ in 0..ROUNDS {
        let shift = pose.shift(at);
        let [px, py] = [page[0] - shift[0], page[1] - shift[1]];
        // A·x = p·(1 + g·x), solved for x.
        let m = [a[0] - px * g[0], a[1] - px * g[1], a[2] - py * g[0], a[3] - py * g[1]];
        let det = m[0] * m[3] - m[1] * m[2];
        at = [(m[3] * px - m[1] * py) / det, (m[0] * py - m[2] * px) / det];
        if !(at[0].abs() < 1e5 && at[1].abs() < 1e5) {
            return None;
        }
    }
    (1.0 + g[0] * at[0] + g[1] * at[1] > 0.0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::{TERMS, View};

    #[test]
    fn a_page_point_is_found_on_the_frame_where_the_pose_puts_it() {
        let mut bend = [0.0; TERMS];
        (bend[0], bend[3], bend[8], bend[10]) = (40.0, 3.0, -4.0, 2.0);
        let pose = Pose { view: View::camera(0.45, 0.1, 0.35, -0.2, 700.0), bend, reach: 480.0 };
        for at in [[0.0, 0.0], [300.0, -150.0], [-400.0, 200.0], [450.0, 260.0]] {
            let found = on_frame(&pose, pose.page(at)).unwrap();
            assert!((found[0] - at[0]).abs() < 0.3 && (found[1] - at[1]).abs() < 0.3, "{at:?} {found:?}");
        }
    }

    #[test]
    fn a_straight_view_gives_the_frame_back() {
        let frame = Grey { width: 60, height: 40, pixels: (0..2_400).map(|i| (i % 251) as f32).collect() };
        let pose = Pose { view: View::flat(1.0, 0.0), bend: [0.0; TERMS], reach: 30.0 };
        let page = rectified(&frame, &pose, 1.0, false, false);
        assert_eq!((page.width, page.height), (60, 40));
        assert!(page.row(20)[5..50].iter().zip(&frame.row(20)[5..50]).all(|(a, b)| (a - b).abs() < 1e-3));
        let other = rectified(&frame.mirrored(), &pose, 1.0, true, true);
        assert!((other.row(20)[30] + page.row(20)[30] - 255.0).abs() < 1e-3);
    }
}
