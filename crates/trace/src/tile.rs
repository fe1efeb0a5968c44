//! The tile: one period of the mark as a picture that a browser lays over the page.

use std::borrow::Cow;

use model::MarkId;
use rustfft::FftPlanner;

use crate::chips::Chips;
use crate::mark::{Layout, Line, MarkKey, PILOT_POWER, PILOTS, TILE};
use rustfft::num_complex::Complex32;

/// The largest deviation from the page, in grey levels of 255, up and down.
pub const LEVELS: u8 = 3;
/// Peaks above this many standard deviations are cut off: more power under the same peak.
const CLIP: f32 = 1.2;

/// One mark's tile.
pub struct Tile {
    /// Row-major, [`TILE`]² values from −1 to 1.
    values: Vec<f32>,
}

impl Tile {
    /// Draws the tile of one mark: a sum of cosines, by inverse transforms.
    pub fn new(key: &MarkKey, layout: &Layout, id: &MarkId) -> Self {
        let mut values = synthesise(&amplitudes(key, layout, id));
        for value in &mut values {
            *value = value.clamp(-CLIP, CLIP) / CLIP;
        }
        Self { values }
    }

    /// The value at a place, from −1 to 1, by which the page becomes darker or lighter. Periodic.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y % TILE * TILE + x % TILE]
    }

    /// A PNG to lay over the page: grey at an opacity of 2·[`LEVELS`]/255, in 2·[`LEVELS`] + 1 shades, so that the
    /// composed page holds exactly these steps. Under 60 KB; the fast compression keeps drawing and encoding within 3 ms.
    pub fn png(&self) -> Vec<u8> {
        let steps = 2 * LEVELS;
        let mut packed = Vec::with_capacity(TILE * TILE / 2);
        for two in self.values.as_chunks::<2>().0 {
            let [a, b] = two.map(|v| (f32::from(LEVELS) * (1.0 + v)).round() as u8);
            packed.push(a << 4 | b);
        }
        let palette: Vec<u8> =
            (0..=steps).flat_map(|i| [(u32::from(i) * 255 / u32::from(steps)) as u8; 3]).collect();
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, TILE as u32, TILE as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_palette(Cow::Owned(palette));
        encoder.set_trns(Cow::Owned(vec![steps; usize::from(steps) + 1]));
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::Up);
        // Writing to memory fails only when there is no memory left.
        #[allow(clippy::expect_used)]
        encoder.write_header().and_then(|mut w| w.write_image_data(&packed)).expect("a Vec takes every byte");
        out
    }
}

/// The complex amplitude of every line: `a·cos θ + b·sin θ` is `a − ib`. The tile's variance is one.
fn amplitudes(key: &MarkKey, layout: &Layout, id: &MarkId) -> Vec<(Line, Complex32)> {
    let pilot = (2.0 * PILOT_POWER / PILOTS as f32).sqrt();
    let chip = ((1.0 - PILOT_POWER) / layout.payload.len() as f32).sqrt();
    let chips = Chips::of(key, id);
    let pilots = layout.pilots.iter().map(|p| (p.line, Complex32::from_polar(pilot, p.phase)));
    let payload = layout.payload.iter().enumerate();
    let payload =
        payload.map(|(i, l)| (*l, Complex32::new(chips.sign(2 * i), -chips.sign(2 * i + 1)) * chip));
    pilots.chain(payload).collect()
}

/// `Re Σ a·exp(2πi(u·x + v·y)/TILE)`: along y for each u, then along x, two rows in one transform.
fn synthesise(amplitudes: &[(Line, Complex32)]) -> Vec<f32> {
    let inverse = FftPlanner::new().plan_fft_inverse(TILE);
    let wrap = |n: i32| n.rem_euclid(TILE as i32) as usize;
    let reach = crate::mark::HIGHEST as i32;
    let columns = (2 * reach + 1) as usize;
    let mut along_y = vec![Complex32::default(); columns * TILE];
    for (line, a) in amplitudes {
        along_y[(line.u + reach) as usize * TILE + wrap(line.v)] += a;
    }
    inverse.process(&mut along_y);
    let mut rows = vec![Complex32::default(); TILE * TILE / 2];
    for (pair, row) in rows.chunks_exact_mut(TILE).enumerate() {
        for u in -reach..=reach {
            let column = &along_y[(u + reach) as usize * TILE..][2 * pair..];
            let (first, second) = (column[0], column[1]);
            // The real part of a sum is half the sum and its mirror; the second row rides on the imaginary part.
            let i = Complex32::i();
            row[wrap(u)] += (first + i * second) * 0.5;
            row[wrap(-u)] += (first.conj() + i * second.conj()) * 0.5;
        }
    }
    inverse.process(&mut rows);
    let mut values = Vec::with_capacity(TILE * TILE);
    for row in rows.chunks_exact(TILE) {
        values.extend(row.iter().map(|z| z.re));
        values.extend(row.iter().map(|z| z.im));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(id: u8) -> (Layout, Tile) {
        let key = MarkKey::new([9; 32]);
        let layout = Layout::new(&key);
        let tile = Tile::new(&key, &layout, &MarkId::from_bytes([id; 10]));
        (layout, tile)
    }

    #[test]
    fn the_transform_agrees_with_the_sum_of_cosines() {
        let key = MarkKey::new([3; 32]);
        let layout = Layout::new(&key);
        let lines = amplitudes(&key, &layout, &MarkId::from_bytes([1; 10]));
        let fast = synthesise(&lines);
        for (x, y) in [(0, 0), (1, 0), (0, 1), (200, 77), (383, 383)] {
            let slow: f64 = lines
                .iter()
                .map(|(l, a)| {
                    let turns = f64::from(l.u * x + l.v * y) / TILE as f64 * std::f64::consts::TAU;
                    f64::from(a.re) * turns.cos() - f64::from(a.im) * turns.sin()
                })
                .sum();
            assert!((slow - f64::from(fast[(y as usize) * TILE + x as usize])).abs() < 1e-3);
        }
    }

    #[test]
    fn the_mark_is_zero_mean_and_fills_its_range() {
        let (_, tile) = setup(1);
        let n = tile.values.len() as f32;
        let mean = tile.values.iter().sum::<f32>() / n;
        let power = tile.values.iter().map(|v| v * v).sum::<f32>() / n;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!(power > 0.3, "{power}");
    }

    #[test]
    fn the_picture_is_small_and_composes_to_seven_steps() {
        let (_, tile) = setup(2);
        let bytes = tile.png();
        assert!(bytes.len() <= 60_000, "{} bytes", bytes.len());
        let seen = image::load_from_memory(&bytes).unwrap().to_rgba8();
        assert_eq!(seen.dimensions(), (TILE as u32, TILE as u32));
        let mut on_black: Vec<u8> =
            seen.pixels().map(|p| (f32::from(p[0]) * f32::from(p[3]) / 255.0).round() as u8).collect();
        on_black.sort_unstable();
        on_black.dedup();
        assert_eq!(on_black, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_same_id_gives_the_same_bytes_and_another_id_another_tile() {
        assert_eq!(setup(1).1.png(), setup(1).1.png());
        assert_ne!(setup(1).1.png(), setup(2).1.png());
    }
}
