//! What is left of a frame when the page is taken out: the mark's band, weighted by how quiet its surroundings are.

use crate::raster::Grey;

/// Frames are worked on at this many pixels along the longer side at the most.
const LONG_SIDE: f32 = 1920.0;
/// Smaller frames than this are not halved: their mark may be close to the sampling limit.
const HALVE_FROM: usize = 480;
/// The mark's own deviation, in grey levels: what is larger than this and noise together is page.
const MARK: f32 = 3.0;

/// A frame, ready for the search.
pub(crate) struct White {
    /// Weight × deviation from the local background; zero where text is.
    pub(crate) signal: Grey,
    /// How many pixels of the frame one pixel of `signal` stands for.
    pub(crate) shrink: f32,
}

/// Takes the page out: every pixel's deviation from its surroundings, weighted by the inverse of the local variance, so
/// that text, which is a thousand times louder than the mark, weighs next to nothing.
pub(crate) fn whiten(frame: &Grey) -> White {
    let long = frame.width.max(frame.height) as f32;
    let shrunk;
    let (page, shrink) = if long > LONG_SIDE {
        shrunk = frame.shrunk(long / LONG_SIDE);
        (&shrunk, long / LONG_SIDE)
    } else {
        (frame, 1.0)
    };
    let rough = page.zip(&page.boxed(2), |p, mean| (p - mean) * (p - mean)).boxed(3);
    let floor = 0.5 + 1.5 * quantile(&rough, 0.3);
    let weight = rough.map(|v| floor / (floor + v)).map(|w| w * w);
    let cut = MARK + 1.0 + 2.0 * floor.sqrt();
    let first = background(page, &weight);
    // Once more without what the first round shows to be another surface: panels have edges without texture.
    let near = |w: f32, d: f32| w / (1.0 + (d / cut) * (d / cut));
    let deviation = page.zip(&first, |p, b| p - b);
    let nearer = weight.zip(&deviation, near);
    let second = background(page, &nearer);
    let signal = page.zip(&second, |p, b| (p - b).clamp(-cut, cut)).zip(&weight, |d, w| d * w);
    if page.width.max(page.height) >= HALVE_FROM {
        White { signal: signal.shrunk(2.0), shrink: shrink * 2.0 }
    } else {
        White { signal, shrink }
    }
}

/// The local mean of the quiet pixels, over about 20 pixels each way; at a quarter of the resolution, because it is
/// smooth.
fn background(page: &Grey, weight: &Grey) -> Grey {
    const DOWN: f32 = 4.0;
    let smooth = |g: &Grey| g.shrunk(DOWN).boxed(5).boxed(5).boxed(4);
    let total = smooth(&page.zip(weight, |p, w| p * w));
    let mass = smooth(weight);
    let level = total.zip(&mass, |t, m| t / m.max(1e-9));
    let (sx, sy) = (level.width as f32 / page.width as f32, level.height as f32 / page.height as f32);
    let mut out = Grey::new(page.width, page.height);
    for (y, row) in out.pixels.chunks_exact_mut(page.width).enumerate() {
        for (x, to) in row.iter_mut().enumerate() {
            *to = level.between((x as f32 + 0.5) * sx - 0.5, (y as f32 + 0.5) * sy - 0.5);
        }
    }
    out
}

/// The value below which a part of the pixels lies, from a sample of them.
fn quantile(of: &Grey, part: f32) -> f32 {
    let step = (of.pixels.len() / 20_000).max(1);
    let mut sample: Vec<f32> = of.pixels.iter().copied().step_by(step).collect();
    let at = ((sample.len() as f32 * part) as usize).min(sample.len() - 1);
    *sample.select_nth_unstable_by(at, f32::total_cmp).1
}
