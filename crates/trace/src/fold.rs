//! Folding a frame onto the tile and reading the chips.

use crate::fft::{Complex32, Square};
use crate::mark::{HIGHEST, LOWEST, Layout, Line, TILE};
use crate::pose::Pose;
use crate::raster::Grey;
use crate::score::Reading;

/// Points along each side of the grid, which stands for two tiles: lines of the tile fall on its even lines, and its odd
/// lines hold only noise.
const GRID: usize = TILE;
const TILES: usize = 2;
/// Neighbouring odd lines, each way, that tell the noise at a line.
const NEAR: i32 = 5;
/// No line counts for more than this many deviations of noise.
const LOUDEST: f32 = 3.0;

/// What a frame holds at a pose.
pub(crate) struct Folded {
    /// A value for each chip.
    pub(crate) reading: Reading,
    /// How well the pilots' phases agree, from −1 to 1. Any turn of the tile by a right angle and any mirror image puts
    /// strong lines where pilots are sought, but not with these phases.
    pub(crate) agreement: f32,
}

/// Reads a frame whose pose is known. Chips play no part in it, which is why wrong ids score as fair coins do.
pub(crate) fn read(layout: &Layout, signal: &Grey, pose: &Pose, sign: f32, square: &mut Square) -> Folded {
    let mut grid = folded(signal, pose);
    let spectrum = square.forward(&mut grid);
    let at = |u: i32, v: i32| {
        let wrap = |n: i32| n.rem_euclid(GRID as i32) as usize;
        spectrum[wrap(u) * GRID + wrap(v)]
    };
    let value = |line: &Line| {
        let (u, v) = (TILES as i32 * line.u, TILES as i32 * line.v);
        let around = (-NEAR..=NEAR).flat_map(|du| (-NEAR..=NEAR).map(move |dv| (u + du, v + dv)));
        let odd = around.filter(|(u, v)| u % 2 != 0 || v % 2 != 0);
        let (power, n) = odd.fold((0.0, 0.0), |(p, n), (u, v)| (p + at(u, v).norm_sqr(), n + 1.0));
        let value = at(u, v) / (power / n).sqrt().max(f32::MIN_POSITIVE);
        let loud = value.norm();
        if loud > LOUDEST { value * (LOUDEST / loud) } else { value }
    };
    let pilots = layout.pilots.iter().map(|p| (value(&p.line), Complex32::from_polar(1.0, -p.phase)));
    let (along, loud) = pilots.fold((0.0, 0.0), |(a, l), (v, back)| (a + (v * back).re, l + v.norm()));
    let agreement = sign * along / loud.max(f32::MIN_POSITIVE);
    let mut values: Vec<Complex32> = layout.payload.iter().map(value).collect();
    weigh(layout, &mut values);
    let reading = Reading::new(values.iter().flat_map(|z| [sign * z.re, -sign * z.im]).collect());
    Folded { reading, agreement }
}

/// Weighs rings of lines by how far they stand above the noise: a blurred frame has lost its outer ones.
fn weigh(layout: &Layout, values: &mut [Complex32]) {
    const RINGS: usize = 6;
    let ring = |l: &Line| {
        let radius = ((l.u * l.u + l.v * l.v) as f32).sqrt();
        (((radius - LOWEST) / (HIGHEST - LOWEST) * RINGS as f32) as usize).min(RINGS - 1)
    };
    let mut power = [(0.0f32, 0.0f32); RINGS];
    for (line, value) in layout.payload.iter().zip(values.iter()) {
        let (sum, n) = &mut power[ring(line)];
        *sum += value.norm_sqr();
        *n += 1.0;
    }
    for (line, value) in layout.payload.iter().zip(values.iter_mut()) {
        let (sum, n) = power[ring(line)];
        *value *= (sum / n - 1.0).max(0.05).sqrt();
    }
}

/// Adds up the pixels of the frame by where on two tiles they lie.
fn folded(signal: &Grey, pose: &Pose) -> Vec<Complex32> {
    let mut grid = vec![Complex32::default(); GRID * GRID];
    let (cx, cy) = (signal.width as f32 / 2.0, signal.height as f32 / 2.0);
    let per_pixel = GRID as f32 / (TILES * TILE) as f32;
    let wrap = |n: i32| n.rem_euclid(GRID as i32) as usize;
    for y in 0..signal.height {
        for (x, value) in signal.row(y).iter().enumerate() {
            let page = pose.page([x as f32 - cx, y as f32 - cy]);
            if !(page[0].abs() < 1e6 && page[1].abs() < 1e6) {
                continue;
            }
            let (px, py) = (page[0] * per_pixel, page[1] * per_pixel);
            let (fx, fy) = (px.floor(), py.floor());
            let (dx, dy) = (px - fx, py - fy);
            let (x0, y0) = (wrap(fx as i32), wrap(fy as i32));
            let (x1, y1) = ((x0 + 1) % GRID, (y0 + 1) % GRID);
            grid[y0 * GRID + x0].re += value * (1.0 - dx) * (1.0 - dy);
            grid[y0 * GRID + x1].re += value * dx * (1.0 - dy);
            grid[y1 * GRID + x0].re += value * (1.0 - dx) * dy;
            grid[y1 * GRID + x1].re += value * dx * dy;
        }
    }
    grid
}
