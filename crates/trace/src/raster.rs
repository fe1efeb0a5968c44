//! Grey pictures in floating point: grey levels of 255, row-major.

use crate::fft::Complex32;

/// A grey picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Grey {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major, `width · height` grey levels from 0 to 255.
    pub pixels: Vec<f32>,
}

impl Grey {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0.0; width * height] }
    }

    /// Luma (Rec. 601) of a decoded picture.
    pub fn from_image(image: &image::DynamicImage) -> Self {
        let grey = image.to_luma8();
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        Self { width, height, pixels: grey.into_raw().into_iter().map(f32::from).collect() }
    }

    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.pixels[y * self.width..][..self.width]
    }

    /// The same picture, seen in a mirror.
    pub fn mirrored(&self) -> Self {
        let mut out = self.clone();
        out.pixels.chunks_exact_mut(self.width.max(1)).for_each(<[f32]>::reverse);
        out
    }

    /// Pixel by pixel.
    pub(crate) fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { pixels: self.pixels.iter().map(|p| f(*p)).collect(), ..*self }
    }

    /// Pixel by pixel of two pictures of one size.
    pub(crate) fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let pixels = self.pixels.iter().zip(&other.pixels).map(|(a, b)| f(*a, *b)).collect();
        Self { pixels, ..*self }
    }

    /// The same, made smaller where its longer side has more than `side` pixels.
    pub fn at_most(&self, side: usize) -> Self {
        let factor = self.width.max(self.height) as f32 / side.max(1) as f32;
        if factor > 1.0 { self.shrunk(factor) } else { self.clone() }
    }

    /// As a PNG of 8 bits.
    pub fn png(&self) -> Vec<u8> {
        let raw: Vec<u8> = self.pixels.iter().map(|p| p.round().clamp(0.0, 255.0) as u8).collect();
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        // Writing to memory fails only when there is no memory left; no picture has more pixels than a PNG may.
        #[allow(clippy::expect_used)]
        encoder.write_header().and_then(|mut w| w.write_image_data(&raw)).expect("a Vec takes every byte");
        out
    }

    /// Made smaller by a factor of at least one, averaging over areas.
    pub(crate) fn shrunk(&self, factor: f32) -> Self {
        let width = ((self.width as f32 / factor) as usize).max(1);
        let height = ((self.height as f32 / factor) as usize).max(1);
        let across = spans(self.width, width);
        let mut narrow = Self::new(width, self.height);
        for (from, to) in self.pixels.chunks_exact(self.width).zip(narrow.pixels.chunks_exact_mut(width)) {
            for (out, span) in to.iter_mut().zip(&across) {
                *out = span.sum(|i| from[i]);
            }
        }
        let mut out = Self::new(width, height);
        for (span, to) in spans(self.height, height).iter().zip(out.pixels.chunks_exact_mut(width)) {
            for (i, weight) in span.weights() {
                to.iter_mut().zip(narrow.row(i)).for_each(|(o, v)| *o += weight * v);
            }
        }
        out
    }

    /// The mean over squares of `2·radius + 1`; at the border, over what there is. Sums are kept in double precision:
    /// after a loud place, single precision would leave its rounding behind.
    pub(crate) fn boxed(&self, radius: usize) -> Self {
        let (w, h) = (self.width, self.height);
        let mut across = Self::new(w, h);
        for (from, to) in self.pixels.chunks_exact(w).zip(across.pixels.chunks_exact_mut(w)) {
            let mut sum: f64 = from.iter().take(radius).map(|v| f64::from(*v)).sum();
            for x in 0..w {
                if x + radius < w {
                    sum += f64::from(from[x + radius]);
                }
                if x > radius {
                    sum -= f64::from(from[x - radius - 1]);
                }
                let n = (x + radius).min(w - 1) + 1 - x.saturating_sub(radius);
                to[x] = (sum / n as f64) as f32;
            }
        }
        let mut out = Self::new(w, h);
        let mut sums = vec![0.0f64; w];
        let add = |sums: &mut [f64], y: usize, sign: f64| {
            sums.iter_mut().zip(across.row(y)).for_each(|(s, v)| *s += sign * f64::from(*v));
        };
        (0..radius.min(h)).for_each(|y| add(&mut sums, y, 1.0));
        for y in 0..h {
            if y + radius < h {
                add(&mut sums, y + radius, 1.0);
            }
            if y > radius {
                add(&mut sums, y - radius - 1, -1.0);
            }
            let n = ((y + radius).min(h - 1) + 1 - y.saturating_sub(radius)) as f64;
            out.pixels[y * w..][..w].iter_mut().zip(&sums).for_each(|(o, s)| *o = (s / n) as f32);
        }
        out
    }

    /// The value between pixels, with the border repeated; `x` and `y` in pixels, whole numbers at the pixels.
    pub(crate) fn between(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 1.0), y.clamp(0.0, self.height as f32 - 1.0));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let at = |x: usize, y: usize| self.pixels[y * self.width + x];
        let top = at(x0, y0) + fx * (at(x1, y0) - at(x0, y0));
        let bottom = at(x0, y1) + fx * (at(x1, y1) - at(x0, y1));
        top + fy * (bottom - top)
    }
}

/// What one pixel of a smaller picture covers of a row or column of a larger one.
struct Span {
    from: f32,
    to: f32,
}

fn spans(large: usize, small: usize) -> Vec<Span> {
    let step = large as f32 / small as f32;
    (0..small)
        .map(|i| Span { from: i as f32 * step, to: ((i + 1) as f32 * step).min(large as f32) })
        .collect()
}

impl Span {
    fn weights(&self) -> impl Iterator<Item = (usize, f32)> {
        let length = self.to - self.from;
        (self.from as usize..self.to.ceil() as usize).map(move |i| {
            let covered = (i as f32 + 1.0).min(self.to) - (i as f32).max(self.from);
            (i, covered / length)
        })
    }

    fn sum(&self, value: impl Fn(usize) -> f32) -> f32 {
        self.weights().map(|(i, weight)| weight * value(i)).sum()
    }
}

/// A complex grid that wraps around, read between its points.
pub(crate) fn between_wrapped(grid: &[Complex32], n: usize, u: f32, v: f32) -> Complex32 {
    let (fu, fv) = (u.floor(), v.floor());
    let (du, dv) = (u - fu, v - fv);
    let wrap = |f: f32| (f as i32).rem_euclid(n as i32) as usize;
    let (u0, v0) = (wrap(fu), wrap(fv));
    let (u1, v1) = ((u0 + 1) % n, (v0 + 1) % n);
    let at = |u: usize, v: usize| grid[u * n + v];
    at(u0, v0) * ((1.0 - du) * (1.0 - dv))
        + at(u1, v0) * (du * (1.0 - dv))
        + at(u0, v1) * ((1.0 - du) * dv)
        + at(u1, v1) * (du * dv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture() -> impl Strategy<Value = Grey> {
        (1usize..30, 1usize..30).prop_flat_map(|(width, height)| {
            prop::collection::vec(0.0f32..255.0, width * height).prop_map(move |pixels| Grey {
                width,
                height,
                pixels,
            })
        })
    }

    proptest! {
        #[test]
        fn a_box_mean_is_the_mean_of_what_the_box_covers(p in picture(), radius in 0usize..6) {
            let fast = p.boxed(radius);
            for y in 0..p.height {
                for x in 0..p.width {
                    let (x1, y1) = ((x + radius).min(p.width - 1), (y + radius).min(p.height - 1));
                    let cells: Vec<f32> = (y.saturating_sub(radius)..=y1)
                        .flat_map(|y| p.row(y)[x.saturating_sub(radius)..=x1].to_vec())
                        .collect();
                    let slow = cells.iter().sum::<f32>() / cells.len() as f32;
                    prop_assert!((slow - fast.pixels[y * p.width + x]).abs() < 0.05);
                }
            }
        }

        #[test]
        fn a_smaller_picture_keeps_the_mean(p in picture(), factor in 1.0f32..4.0) {
            let small = p.shrunk(factor);
            let mean = |p: &Grey| p.pixels.iter().sum::<f32>() / p.pixels.len() as f32;
            prop_assert!((mean(&p) - mean(&small)).abs() < 0.1);
        }
    }
}
