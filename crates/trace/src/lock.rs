//! Phase lock: the shift of the tile in the frame, and what view and lens leave over.

use std::f32::consts::TAU;

use crate::fft::Complex32;
use crate::mark::{Layout, PILOTS, TILE};
use crate::pose::{Pose, TERMS, View};
use crate::spectra::Spectra;

/// Shifts are looked for on a grid of this many points along each side of the tile.
const GRID: usize = 96;
/// Shifts that are climbed from.
const SHIFTS: usize = 3;

/// A pose with all pilots in phase, as far as they can be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock {
    pub(crate) pose: Pose,
    /// −1 where dark and light are exchanged.
    pub(crate) sign: f32,
    /// How far above noise the pilots' sum is, in its standard deviations for a fixed pose. The search over poses finds
    /// about 6 in noise.
    pub(crate) z: f32,
}

/// Finds the shift for a view, then bends the pose until the pilots of all windows agree best.
pub(crate) fn lock(layout: &Layout, local: &Spectra, view: &View) -> Lock {
    let evidence = Evidence::new(layout, local, view);
    let mut best = Lock { pose: evidence.pose([0.0; TERMS]), sign: 1.0, z: 0.0 };
    for sign in [1.0, -1.0] {
        for shift in evidence.shifts(sign) {
            for start in 0..=4usize {
                // Straight, and stretched or turned a little: the edge may be off by half a wave of the outer pilots.
                let mut bend = [0.0; TERMS];
                (bend[0], bend[6]) = (shift[0], shift[1]);
                if let Some(way) = start.checked_sub(1) {
                    let (a, b) = [(6.0, 6.0), (-6.0, -6.0), (6.0, -6.0), (-6.0, 6.0)][way];
                    (bend[1], bend[8]) = (a, b);
                }
                let affine = [0, 6, 1, 2, 7, 8];
                let (bend, sum) = evidence.climb(sign, bend, &affine, &[6.0, 3.0, 1.5]);
                if sum / evidence.noise > best.z {
                    best = Lock { pose: evidence.pose(bend), sign, z: sum / evidence.noise };
                }
            }
        }
    }
    let all: [usize; TERMS] = std::array::from_fn(|i| i);
    let (bend, sum) = evidence.climb(best.sign, best.pose.bend, &all, &[4.0, 2.0, 1.0, 0.5, 0.25]);
    Lock { pose: evidence.pose(bend), z: sum / evidence.noise, ..best }
}

/// What the windows say about the shift.
struct Evidence<'a> {
    layout: &'a Layout,
    view: &'a View,
    reach: f32,
    /// The pilots' lines, in turns for each CSS pixel of a shift.
    lines: [(f32, f32); PILOTS],
    windows: Vec<([f32; 2], [Complex32; PILOTS])>,
    noise: f32,
}

impl<'a> Evidence<'a> {
    fn new(layout: &'a Layout, local: &Spectra, view: &'a View) -> Self {
        let pilots = local.pilots(layout, view);
        let power: f32 = pilots.iter().flatten().map(Complex32::norm_sqr).sum();
        let windows = local.windows.iter().map(|w| w.at).zip(pilots).collect();
        let per_pixel = |line: crate::mark::Line| (line.u as f32 / TILE as f32, line.v as f32 / TILE as f32);
        let lines = std::array::from_fn(|i| per_pixel(layout.pilots[i].line));
        Self {
            layout,
            view,
            reach: local.reach,
            lines,
            windows,
            noise: (power / 2.0).sqrt().max(f32::MIN_POSITIVE),
        }
    }

    fn pose(&self, bend: [f32; TERMS]) -> Pose {
        Pose { view: *self.view, bend, reach: self.reach }
    }

    /// The pilots' sum with a bend taken out.
    fn sum(&self, bend: &[f32; TERMS]) -> f32 {
        let pose = self.pose(*bend);
        let mut sum = 0.0;
        for (at, pilots) in &self.windows {
            let shift = pose.shift(*at);
            for (pilot, value) in self.lines.iter().zip(pilots) {
                let (s, c) = wave(pilot.0 * shift[0] + pilot.1 * shift[1]);
                sum += value.re * c + value.im * s;
            }
        }
        sum
    }

    /// The shifts at which the windows agree best, each allowed to be off by a grid step.
    fn shifts(&self, sign: f32) -> Vec<[f32; 2]> {
        let turn: Vec<Complex32> =
            (0..GRID).map(|i| Complex32::from_polar(1.0, -TAU * i as f32 / GRID as f32)).collect();
        let mut total = vec![0.0; GRID * GRID];
        let mut one = vec![0.0; GRID * GRID];
        let wrap = |n: i32| n.rem_euclid(GRID as i32) as usize;
        for (_, pilots) in &self.windows {
            one.fill(0.0);
            for (pilot, value) in self.layout.pilots.iter().zip(pilots) {
                let value = value * sign;
                let (u, v) = (wrap(pilot.line.u), wrap(pilot.line.v));
                for y in 0..GRID {
                    let down = value * turn[v * y % GRID];
                    let mut phase = 0;
                    for to in &mut one[y * GRID..][..GRID] {
                        *to += down.re * turn[phase].re - down.im * turn[phase].im;
                        phase += u;
                        if phase >= GRID {
                            phase -= GRID;
                        }
                    }
                }
            }
            add_largest_of_neighbours(&one, &mut total);
        }
        let step = TILE as f32 / GRID as f32;
        let mut found = Vec::new();
        for _ in 0..SHIFTS {
            let at = (0..total.len()).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or_default();
            let (x, y) = ((at % GRID) as i32, (at / GRID) as i32);
            found.push([x as f32 * step, y as f32 * step]);
            for (dx, dy) in (-2..=2).flat_map(|dx| (-2..=2).map(move |dy| (dx, dy))) {
                total[wrap(y + dy) * GRID + wrap(x + dx)] = f32::MIN;
            }
        }
        found
    }

    /// Climbs along some terms of the bend, in ever smaller steps of CSS pixels at the edge.
    fn climb(
        &self,
        sign: f32,
        mut bend: [f32; TERMS],
        terms: &[usize],
        sizes: &[f32],
    ) -> ([f32; TERMS], f32) {
        let mut best = sign * self.sum(&bend);
        for size in sizes {
            for _ in 0..6 {
                let before = best;
                for (term, step) in terms.iter().flat_map(|t| [(*t, *size), (*t, -*size)]) {
                    let mut next = bend;
                    next[term] += step;
                    let there = sign * self.sum(&next);
                    if there > best {
                        (best, bend) = (there, next);
                    }
                }
                if best <= before * 1.002 {
                    break;
                }
            }
        }
        (bend, best)
    }
}

/// Sine and cosine of an angle in turns, to three digits: this is where the search spends its time. Taylor series around
/// nought, after rounding to the nearest whole turn by adding and taking away 1.5·2²³.
fn wave(turns: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    let t = turns - ((turns + ROUND) - ROUND);
    let q = t * t;
    let sine = 42.058_7 - 15.094_6 * q;
    let sine = t * (TAU + q * (-41.341_7 + q * (81.605_2 + q * (-76.705_9 + q * sine))));
    let cosine = 60.244_6 - 26.426_3 * q;
    let cosine = 1.0 + q * (-19.739_2 + q * (64.939_4 + q * (-85.456_8 + q * cosine)));
    (sine, cosine)
}

/// Adds to each point of `total` the largest of the nine points around it in `one`; both wrap around.
fn add_largest_of_neighbours(one: &[f32], total: &mut [f32]) {
    let mut across = vec![0.0f32; GRID * GRID];
    for (row, to) in one.chunks_exact(GRID).zip(across.chunks_exact_mut(GRID)) {
        for x in 0..GRID {
            to[x] = row[x].max(row[(x + 1) % GRID]).max(row[(x + GRID - 1) % GRID]);
        }
    }
    for y in 0..GRID {
        let (above, below) = ((y + GRID - 1) % GRID, (y + 1) % GRID);
        for x in 0..GRID {
            total[y * GRID + x] +=
                across[y * GRID + x].max(across[above * GRID + x]).max(across[below * GRID + x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_wave_is_sine_and_cosine_to_three_digits() {
        for i in -4_000..4_000 {
            let turns = i as f32 / 1_237.0;
            let (s, c) = (TAU * turns).sin_cos();
            let (fast_s, fast_c) = wave(turns);
            assert!((s - fast_s).abs() < 3e-3 && (c - fast_c).abs() < 3e-3, "{turns}");
        }
    }
}
