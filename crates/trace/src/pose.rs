//! How a frame lies over the page's tiles.

use std::f32::consts::PI;

use crate::mark::{Line, TILE};

/// The projective part: how page coordinates grow from the middle of a frame, without a shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// Row-major: CSS pixels of the page for each pixel of the working frame, in the middle.
    pub(crate) a: [f32; 4],
    /// Perspective: the page point is `A·x / (1 + g·x)`.
    pub(crate) g: [f32; 2],
}

impl View {
    /// Seen straight on, `scale` pixels for each CSS pixel, turned by `roll` radians.
    pub(crate) fn flat(scale: f32, roll: f32) -> Self {
        let (s, c) = roll.sin_cos();
        Self { a: [c / scale, s / scale, -s / scale, c / scale], g: [0.0; 2] }
    }

    /// Seen by a pinhole camera with a focal length in pixels; angles in radians.
    pub(crate) fn camera(scale: f32, roll: f32, yaw: f32, pitch: f32, focal: f32) -> Self {
        let ((sy, cy), (sp, cp)) = (yaw.sin_cos(), pitch.sin_cos());
        // Rows of Rx(pitch)·Ry(yaw), columns x and y of the page; then Rz(roll).
        let (rx, ry, rz) = ([cy, 0.0], [sp * sy, cp], [-cp * sy, sp]);
        let (s, c) = roll.sin_cos();
        let b = [
            scale * (c * rx[0] - s * ry[0]),
            scale * (c * rx[1] - s * ry[1]),
            scale * (s * rx[0] + c * ry[0]),
            scale * (s * rx[1] + c * ry[1]),
        ];
        let det = b[0] * b[3] - b[1] * b[2];
        let a = [b[3] / det, -b[1] / det, -b[2] / det, b[0] / det];
        let depth = [rz[0] * scale / focal, rz[1] * scale / focal];
        let g = [-(a[0] * depth[0] + a[2] * depth[1]), -(a[1] * depth[0] + a[3] * depth[1])];
        Self { a, g }
    }

    /// The same, turned by half a turn: magnitudes of spectra cannot tell the two apart.
    pub(crate) fn half_turned(&self) -> Self {
        Self { a: self.a.map(|v| -v), ..*self }
    }

    /// The page point for a frame point, relative to the middle's.
    pub(crate) fn page(&self, x: [f32; 2]) -> [f32; 2] {
        let w = 1.0 / (1.0 + self.g[0] * x[0] + self.g[1] * x[1]);
        [(self.a[0] * x[0] + self.a[1] * x[1]) * w, (self.a[2] * x[0] + self.a[3] * x[1]) * w]
    }

    /// The frequencies, in cycles a pixel, at which lines of the tile appear around a frame point.
    pub(crate) fn at(&self, x: [f32; 2]) -> Local {
        let w = 1.0 / (1.0 + self.g[0] * x[0] + self.g[1] * x[1]);
        let p = self.page(x);
        let per_tile = w / TILE as f32;
        Local([
            (self.a[0] - p[0] * self.g[0]) * per_tile,
            (self.a[1] - p[0] * self.g[1]) * per_tile,
            (self.a[2] - p[1] * self.g[0]) * per_tile,
            (self.a[3] - p[1] * self.g[1]) * per_tile,
        ])
    }

    /// Changed by one of six small steps; `reach` is the distance from the middle to the edge, in pixels, so that a
    /// step moves the edge by that part of itself whichever way it goes.
    pub(crate) fn stepped(&self, which: usize, step: f32, reach: f32) -> Self {
        let mut out = *self;
        match which {
            // Scale, roll, stretch, shear; then perspective.
            0..=3 => {
                const WAYS: [[f32; 4]; 4] =
                    [[1., 0., 0., 1.], [0., 1., -1., 0.], [1., 0., 0., -1.], [0., 1., 1., 0.]];
                let m = WAYS[which].map(|v| v * step);
                let a = self.a;
                out.a = [
                    a[0] + a[0] * m[0] + a[1] * m[2],
                    a[1] + a[0] * m[1] + a[1] * m[3],
                    a[2] + a[2] * m[0] + a[3] * m[2],
                    a[3] + a[2] * m[1] + a[3] * m[3],
                ];
            }
            4 => out.g[0] += step / reach,
            _ => out.g[1] += step / reach,
        }
        out
    }

    /// Whether the two views see the tile's outer lines within a part `near` of each other.
    pub(crate) fn is_near(&self, other: &Self, near: f32, reach: f32) -> bool {
        let size = (self.a[0] * self.a[3] - self.a[1] * self.a[2]).abs().sqrt();
        let same = |sign: f32| self.a.iter().zip(&other.a).all(|(p, q)| (p - sign * q).abs() <= near * size);
        (same(1.0) || same(-1.0))
            && self.g.iter().zip(&other.g).all(|(p, q)| (p - q).abs() * reach <= 4.0 * near)
    }
}

/// A view around one point of the frame: frequencies of the tile's lines.
pub(crate) struct Local([f32; 4]);

impl Local {
    pub(crate) fn frequency(&self, line: Line) -> [f32; 2] {
        let (u, v) = (line.u as f32, line.v as f32);
        [self.0[0] * u + self.0[2] * v, self.0[1] * u + self.0[3] * v]
    }
}

/// Terms of the residual: 1, x, y, x², xy, y² of the frame point over the reach, each along both page axes.
pub(crate) const TERMS: usize = 12;

/// A full pose: a view, a shift, and what a lens bends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pose {
    pub(crate) view: View,
    pub(crate) bend: [f32; TERMS],
    /// From the middle of the frame to the end of its longer side, in working pixels.
    pub(crate) reach: f32,
}

impl Pose {
    /// The shift, in CSS pixels, at a frame point.
    pub(crate) fn shift(&self, x: [f32; 2]) -> [f32; 2] {
        let (s, t) = (x[0] / self.reach, x[1] / self.reach);
        let terms = [1.0, s, t, s * s, s * t, t * t];
        let along = |c: &[f32]| terms.iter().zip(c).map(|(t, c)| t * c).sum::<f32>();
        [along(&self.bend[..6]), along(&self.bend[6..])]
    }

    /// The page point of a frame point, up to whole tiles.
    pub(crate) fn page(&self, x: [f32; 2]) -> [f32; 2] {
        let (p, d) = (self.view.page(x), self.shift(x));
        [p[0] + d[0], p[1] + d[1]]
    }

    /// Pixels of the working frame for each CSS pixel, in the middle.
    pub(crate) fn scale(&self) -> f32 {
        let a = self.view.a;
        (a[0] * a[3] - a[1] * a[2]).abs().sqrt().recip()
    }

    /// The angle by which the page is turned in the frame, in degrees.
    pub(crate) fn roll(&self) -> f32 {
        (self.view.a[1] - self.view.a[2]).atan2(self.view.a[0] + self.view.a[3]) * 180.0 / PI
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_frequencies_are_the_derivative_of_the_page_point() {
        let view = View::camera(0.45, 0.1, 0.4, -0.2, 700.0);
        for x in [[0.0, 0.0], [200.0, -100.0], [-300.0, 150.0]] {
            let local = view.at(x);
            for line in [Line { u: 9, v: 4 }, Line { u: -7, v: 20 }] {
                let turns = |x: [f32; 2]| {
                    let p = view.page(x);
                    f64::from(line.u as f32 * p[0] + line.v as f32 * p[1]) / TILE as f64
                };
                let f = local.frequency(line);
                let dx = turns([x[0] + 1.0, x[1]]) - turns([x[0] - 1.0, x[1]]);
                let dy = turns([x[0], x[1] + 1.0]) - turns([x[0], x[1] - 1.0]);
                assert!(
                    (dx / 2.0 - f64::from(f[0])).abs() < 1e-3 && (dy / 2.0 - f64::from(f[1])).abs() < 1e-3
                );
            }
        }
    }

    #[test]
    fn a_camera_that_looks_straight_on_is_flat() {
        let (camera, flat) = (View::camera(0.5, 0.3, 0.0, 0.0, 700.0), View::flat(0.5, 0.3));
        assert!(camera.a.iter().zip(flat.a).all(|(p, q)| (p - q).abs() < 1e-5));
        assert!(camera.is_near(&flat.half_turned(), 0.01, 480.0));
    }
}
