//! Fourier transforms over square grids.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner};

pub(crate) use rustfft::num_complex::Complex32;

/// A forward transform of an `n` × `n` grid; kept, because planning costs.
pub(crate) struct Square {
    n: usize,
    rows: Arc<dyn Fft<f32>>,
    scratch: Vec<Complex32>,
    turned: Vec<Complex32>,
}

impl Square {
    pub(crate) fn new(n: usize) -> Self {
        let rows = FftPlanner::new().plan_fft_forward(n);
        let scratch = vec![Complex32::default(); rows.get_inplace_scratch_len()];
        Self { n, rows, scratch, turned: vec![Complex32::default(); n * n] }
    }

    /// Transforms `grid` (row-major: `y·n + x`). The result is column-major: `u·n + v` for the frequency `u` along x
    /// and `v` along y, each modulo `n`.
    pub(crate) fn forward(&mut self, grid: &mut [Complex32]) -> &[Complex32] {
        let n = self.n;
        self.rows.process_with_scratch(grid, &mut self.scratch);
        // In blocks: a column at a time would miss the cache at every step.
        const BLOCK: usize = 16;
        for y0 in (0..n).step_by(BLOCK) {
            for x0 in (0..n).step_by(BLOCK) {
                for y in y0..(y0 + BLOCK).min(n) {
                    for x in x0..(x0 + BLOCK).min(n) {
                        self.turned[x * n + y] = grid[y * n + x];
                    }
                }
            }
        }
        self.rows.process_with_scratch(&mut self.turned, &mut self.scratch);
        &self.turned
    }
}
