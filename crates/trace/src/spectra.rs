//! Spectra of windows of a frame, flattened so that noise is one everywhere.

use crate::fft::{Complex32, Square};
use crate::mark::{Layout, PILOTS};
use crate::pose::View;
use crate::raster::{Grey, between_wrapped};

/// The spectrum of one window.
pub(crate) struct Window {
    /// The window's middle, relative to the frame's.
    pub(crate) at: [f32; 2],
    /// Column-major (`u·n + v`), phases relative to the window's middle, noise of power one.
    flat: Vec<Complex32>,
    /// How much more power than the surroundings: the logarithm, of mean zero where there is only noise.
    excess: Vec<f32>,
    /// The same, averaged over neighbours: for views that are only nearly right.
    broad: Vec<f32>,
}

/// Spectra of windows of one size.
pub(crate) struct Spectra {
    n: usize,
    /// From the middle of the frame outwards.
    pub(crate) windows: Vec<Window>,
    /// From the middle of the frame to the end of its longer side.
    pub(crate) reach: f32,
}

impl Spectra {
    /// One window over the whole frame: fine in frequency, blind to perspective.
    pub(crate) fn whole(signal: &Grey) -> Self {
        let long = signal.width.max(signal.height);
        let n = (long + long / 16).next_power_of_two().max(256);
        Self::new(signal, [signal.width, signal.height], n)
    }

    /// Overlapping windows that see perspective as a change from one to the next.
    pub(crate) fn local(signal: &Grey) -> Self {
        let long = signal.width.max(signal.height);
        let size = if long >= 700 { 256 } else { (long / 3).clamp(64, 256) };
        let n = (2 * size).next_power_of_two();
        Self::new(signal, [size.min(signal.width), size.min(signal.height)], n)
    }

    fn new(signal: &Grey, [width, height]: [usize; 2], n: usize) -> Self {
        let mut square = Square::new(n);
        let mut windows = Vec::new();
        let middle = [signal.width as f32 / 2.0, signal.height as f32 / 2.0];
        for top in places(signal.height, height) {
            for left in places(signal.width, width) {
                let at = [
                    left as f32 + width as f32 / 2.0 - middle[0],
                    top as f32 + height as f32 / 2.0 - middle[1],
                ];
                let mut grid = vec![Complex32::default(); n * n];
                let (down, across) = (hann(height), hann(width));
                let mut energy = 0.0;
                for (y, row) in (0..height).map(|y| (y, &signal.row(top + y)[left..left + width])) {
                    // The middle of the window goes to the grid's origin.
                    let to = &mut grid[(y + n - height / 2) % n * n..][..n];
                    for (x, value) in row.iter().enumerate() {
                        let value = value * down[y] * across[x];
                        energy += value * value;
                        to[(x + n - width / 2) % n].re = value;
                    }
                }
                if energy > 0.0 {
                    windows.push(Window::new(at, square.forward(&mut grid), n));
                }
            }
        }
        let from_middle = |w: &Window| w.at[0] * w.at[0] + w.at[1] * w.at[1];
        windows.sort_by(|a, b| from_middle(a).total_cmp(&from_middle(b)));
        Self { n, windows, reach: signal.width.max(signal.height) as f32 / 2.0 }
    }

    /// How much the pilots stand out where a view says that they are: a sum over windows and pilots.
    pub(crate) fn power(&self, layout: &Layout, view: &View) -> f32 {
        self.power_of(layout, view, self.windows.len())
    }

    /// The same over the windows in the middle only, where a small screen is too and an angle matters least: to see
    /// quickly that a view is none.
    pub(crate) fn rough_power(&self, layout: &Layout, view: &View) -> f32 {
        self.power_of(layout, view, self.windows.len().div_ceil(2).min(8))
    }

    fn power_of(&self, layout: &Layout, view: &View, windows: usize) -> f32 {
        let mut sum = 0.0;
        for window in self.windows.iter().take(windows) {
            let local = view.at(window.at);
            for pilot in &layout.pilots {
                let [fx, fy] = local.frequency(pilot.line);
                sum += window.broad[self.nearest(fx, fy)];
            }
        }
        sum
    }

    /// The same, read between the grid's points: for steps smaller than those.
    pub(crate) fn fine_power(&self, layout: &Layout, view: &View) -> f32 {
        let n = self.n as f32;
        let mut sum = 0.0;
        for window in &self.windows {
            let local = view.at(window.at);
            for pilot in &layout.pilots {
                let [fx, fy] = local.frequency(pilot.line);
                let (u, v) = (fx * n, fy * n);
                let (fu, fv) = (u - u.floor(), v - v.floor());
                let at = |du: f32, dv: f32| {
                    window.excess[self.nearest((u.floor() + du) / n, (v.floor() + dv) / n)]
                };
                sum += (1.0 - fu) * ((1.0 - fv) * at(0.0, 0.0) + fv * at(0.0, 1.0))
                    + fu * ((1.0 - fv) * at(1.0, 0.0) + fv * at(1.0, 1.0));
            }
        }
        sum
    }

    fn nearest(&self, fx: f32, fy: f32) -> usize {
        // A power of two, and an offset that makes every frequency positive: truncation is cheap, rounding is not.
        let n = self.n as f32;
        let wrap = |f: f32| (f * n + 16.0 * n + 0.5) as usize & (self.n - 1);
        wrap(fx) * self.n + wrap(fy)
    }

    /// What each window holds at each pilot, with the pilot's own phase and the view's taken out: what is left is
    /// `exp(2πi·line·shift/TILE)`.
    pub(crate) fn pilots(&self, layout: &Layout, view: &View) -> Vec<[Complex32; PILOTS]> {
        let n = self.n as f32;
        let read = |window: &Window| {
            let (local, page) = (view.at(window.at), view.page(window.at));
            std::array::from_fn(|j| {
                let pilot = &layout.pilots[j];
                let [fx, fy] = local.frequency(pilot.line);
                let turns = (pilot.line.u as f32 * page[0] + pilot.line.v as f32 * page[1])
                    / crate::mark::TILE as f32;
                let phase = pilot.phase + std::f32::consts::TAU * turns.fract();
                let value = between_wrapped(&window.flat, self.n, fx * n, fy * n);
                let loud = value.norm();
                let bounded = if loud > LOUDEST { value * (LOUDEST / loud) } else { value };
                bounded * Complex32::from_polar(1.0, -phase)
            })
        };
        self.windows.iter().map(read).collect()
    }
}

/// No single value counts for more than this many deviations of noise: text is louder than any pilot.
const LOUDEST: f32 = 4.0;

impl Window {
    fn new(at: [f32; 2], spectrum: &[Complex32], n: usize) -> Self {
        let power = Grey { width: n, height: n, pixels: spectrum.iter().map(|z| z.norm_sqr()).collect() };
        let around = power.boxed((n / 40).max(4));
        let level = around.pixels.iter().map(|a| a.max(f32::MIN_POSITIVE));
        // The mean of ln(1 + x) for exponential x: what noise alone gives.
        const NOISE: f32 = 0.596_35;
        let excess = power.pixels.iter().zip(level.clone()).map(|(p, a)| (p / a).ln_1p() - NOISE).collect();
        let excess = Grey { width: n, height: n, pixels: excess };
        let broad = excess.boxed(1).pixels;
        let flat = spectrum.iter().zip(level).map(|(z, a)| *z / a.sqrt()).collect();
        Self { at, flat, excess: excess.pixels, broad }
    }
}

/// Where windows begin along a side: evenly, overlapping by about a half.
fn places(side: usize, window: usize) -> impl Iterator<Item = usize> + Clone {
    let room = side - window;
    let steps = (room as f32 / (0.55 * window as f32)).round() as usize;
    (0..=steps).map(move |i| (room * i).checked_div(steps).unwrap_or(room / 2))
}

fn hann(n: usize) -> Vec<f32> {
    (0..n).map(|i| (std::f32::consts::PI * (i as f32 + 0.5) / n as f32).sin().powi(2)).collect()
}
