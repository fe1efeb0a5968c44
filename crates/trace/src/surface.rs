//! How well a mark fits a reading when the tile is shifted: one sharp peak in the middle if it is the right one.

use std::f32::consts::TAU;

use crate::chips::Chips;
use crate::mark::{Layout, TILE};
use crate::raster::Grey;
use crate::score::Reading;

/// Shifts up to this many CSS pixels each way.
const REACH: i32 = 48;

/// The score z for each shift of the tile, row by row, from −48 to 48 CSS pixels along both axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    z: Vec<f32>,
}

impl Surface {
    /// Shifts along each side.
    pub const SIDE: usize = 2 * REACH as usize + 1;

    /// A shift turns each line's phase by its frequency; without one the sum is the score.
    pub(crate) fn new(layout: &Layout, reading: &Reading, chips: &Chips) -> Self {
        let values = reading.values();
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let turns: Vec<(f32, f32)> = (0..TILE).map(|i| (TAU * i as f32 / TILE as f32).sin_cos()).collect();
        let mut z = vec![0.0; Self::SIDE * Self::SIDE];
        for (i, line) in layout.payload.iter().enumerate() {
            // Value and chips as complex amplitudes a − ib, as the tile has them: their product without a shift is real.
            let (va, vb) = (values[2 * i], values[2 * i + 1]);
            let (ca, cb) = (chips.sign(2 * i), chips.sign(2 * i + 1));
            let (re, im) = (va * ca + vb * cb, va * cb - vb * ca);
            for (row, dy) in z.chunks_exact_mut(Self::SIDE).zip(-REACH..=REACH) {
                for (to, dx) in row.iter_mut().zip(-REACH..=REACH) {
                    let (s, c) = turns[(line.u * dx + line.v * dy).rem_euclid(TILE as i32) as usize];
                    *to += (re * c - im * s) / norm;
                }
            }
        }
        Self { z }
    }

    /// The score without a shift.
    pub fn middle(&self) -> f32 {
        self.z[self.z.len() / 2]
    }

    /// The largest score at a shift of more than 12 CSS pixels: what the middle must stand above.
    pub fn around(&self) -> f32 {
        let far = |i: &usize| {
            let (x, y) = ((i % Self::SIDE) as i32 - REACH, (i / Self::SIDE) as i32 - REACH);
            x * x + y * y > 144
        };
        (0..self.z.len()).filter(far).map(|i| self.z[i]).fold(f32::MIN, f32::max)
    }

    /// As a picture: white is the largest score, black is −6 and less.
    pub fn picture(&self) -> Grey {
        let most = self.z.iter().copied().fold(6.0, f32::max);
        let pixels = self.z.iter().map(|z| 255.0 * ((z + 6.0) / (most + 6.0)).clamp(0.0, 1.0)).collect();
        Grey { width: Self::SIDE, height: Self::SIDE, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::MarkKey;
    use crate::score::Scorer;
    use model::MarkId;

    #[test]
    fn the_middle_is_the_score_and_only_the_right_mark_has_a_peak_there() {
        let key = MarkKey::new([8; 32]);
        let layout = Layout::new(&key);
        let [right, wrong] = [1, 2].map(|n| Chips::of(&key, &MarkId::from_bytes([n; 10])));
        let reading = Reading::new((0..layout.chips()).map(|i| right.sign(i) + (i as f32).sin()).collect());
        for chips in [right, wrong] {
            let surface = Surface::new(&layout, &reading, &chips);
            assert!((surface.middle() - Scorer::new(&reading).z(&chips)).abs() < 0.01);
        }
        let surface = Surface::new(&layout, &reading, &right);
        assert!(surface.middle() > 20.0 && surface.around() < 10.0, "{surface:?}");
        assert!(Surface::new(&layout, &reading, &wrong).middle() < 6.0);
        assert_eq!(surface.picture().pixels.len(), Surface::SIDE * Surface::SIDE);
    }
}
