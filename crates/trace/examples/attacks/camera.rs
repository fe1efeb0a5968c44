//! What happens to a marked page on its way to a forum: re-encodings and a simulated telephone.

use sightline_trace::Grey;

/// Coin flips that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f32) as usize
    }

    /// Close to normal: twelve coins less six.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.next()).sum::<f32>() - 6.0
    }
}

fn each(frame: &Grey, f: impl FnMut(f32) -> f32) -> Grey {
    Grey { pixels: frame.pixels.iter().copied().map(f).collect(), ..*frame }
}

/// Grey levels from a sensor: gamma, noise, rounding.
pub(crate) fn sensor(frame: &Grey, gamma: f32, noise: f32, dice: &mut Dice) -> Grey {
    each(frame, |p| {
        ((p / 255.0).max(0.0).powf(gamma) * 255.0 + noise * dice.normal()).round().clamp(0.0, 255.0)
    })
}

/// Dark and light exchanged.
pub(crate) fn inverted(frame: &Grey) -> Grey {
    each(frame, |p| 255.0 - p)
}

/// The picture through a JPEG of this quality.
pub(crate) fn jpeg(frame: &Grey, quality: u8) -> Grey {
    let raw: Vec<u8> = frame.pixels.iter().map(|p| p.round().clamp(0.0, 255.0) as u8).collect();
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&raw, frame.width as u32, frame.height as u32, image::ExtendedColorType::L8)
        .expect("a JPEG");
    Grey::from_image(&image::load_from_memory(&bytes).expect("our own JPEG"))
}

/// A part of the picture: where it begins, and its size.
pub(crate) fn crop(frame: &Grey, [left, top]: [usize; 2], [width, height]: [usize; 2]) -> Grey {
    let rows = (top..top + height).flat_map(|y| frame.pixels[y * frame.width + left..][..width].to_vec());
    Grey { width, height, pixels: rows.collect() }
}

/// A part in the middle that holds this share of the area.
pub(crate) fn share(frame: &Grey, share: f32) -> Grey {
    let side = share.sqrt();
    let size = [(frame.width as f32 * side) as usize, (frame.height as f32 * side) as usize];
    crop(frame, [(frame.width - size[0]) / 2, (frame.height - size[1]) / 3], size)
}

/// A pinhole camera in front of the screen.
#[derive(Clone, Copy)]
pub(crate) struct Camera {
    pub(crate) yaw: f32,
    pub(crate) pitch: f32,
    pub(crate) roll: f32,
    /// The screen's width, as a part of the frame's, seen straight on.
    pub(crate) fill: f32,
    /// Width and height of the frame.
    pub(crate) size: [usize; 2],
    /// Standard deviation of the lens's blur, in pixels of the frame.
    pub(crate) blur: f32,
    /// How much the lens bends lines at the edge.
    pub(crate) barrel: f32,
    /// How far the lens sees: its focal length as a part of the frame's width.
    pub(crate) focal: f32,
    /// Contrast of the screen's own pixel grid, as far as the lens leaves it: sampled by the sensor's grid, it is a moiré.
    pub(crate) moire: f32,
    /// By how much the frame is shifted, in pixels: a hand is not steady.
    pub(crate) shift: [f32; 2],
}

impl Camera {
    pub(crate) const STRAIGHT: Camera = Camera {
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        fill: 1.0,
        size: [1920, 1080],
        blur: 0.0,
        barrel: 0.0,
        focal: 0.785,
        moire: 0.0,
        shift: [0.0, 0.0],
    };

    /// The frame that it takes of a screen (angles in degrees). Around the screen it is dark grey.
    pub(crate) fn takes(&self, screen: &Grey) -> Grey {
        let [width, height] = self.size;
        let (sy, cy) = self.yaw.to_radians().sin_cos();
        let (sp, cp) = self.pitch.to_radians().sin_cos();
        let (sr, cr) = self.roll.to_radians().sin_cos();
        let focal = self.focal * width as f32;
        let scale = self.fill * width as f32 / screen.width as f32;
        // Rows of Rz·Rx·Ry for the screen's plane.
        let (rx, ry, rz) = ([cy, 0.0], [sp * sy, cp], [-cp * sy, sp]);
        let a = [
            cr * rx[0] - sr * ry[0],
            cr * rx[1] - sr * ry[1],
            sr * rx[0] + cr * ry[0],
            sr * rx[1] + cr * ry[1],
        ];
        let mut out = Grey { width, height, pixels: vec![40.0; width * height] };
        for y in 0..height {
            for x in 0..width {
                let mut u = x as f32 + 0.5 - width as f32 / 2.0 - self.shift[0];
                let mut v = y as f32 + 0.5 - height as f32 / 2.0 - self.shift[1];
                let r2 = (u * u + v * v) / (width as f32 / 2.0).powi(2);
                u *= 1.0 - self.barrel * r2;
                v *= 1.0 - self.barrel * r2;
                // u·(1 + z·P) = s·A·P, solved for P.
                let (ku, kv) = (u / focal, v / focal);
                let m = [a[0] - ku * rz[0], a[1] - ku * rz[1], a[2] - kv * rz[0], a[3] - kv * rz[1]];
                let det = m[0] * m[3] - m[1] * m[2];
                let px = (m[3] * u - m[1] * v) / det / scale + screen.width as f32 / 2.0 - 0.5;
                let py = (m[0] * v - m[2] * u) / det / scale + screen.height as f32 / 2.0 - 0.5;
                if px >= 0.0 && py >= 0.0 && px < screen.width as f32 - 1.0 && py < screen.height as f32 - 1.0
                {
                    let turn = std::f32::consts::TAU;
                    let grid = (turn * px).cos() + 0.5 * (turn * py).cos();
                    out.pixels[y * width + x] = area(screen, px, py, 1.0 / scale) * (1.0 + self.moire * grid);
                }
            }
        }
        if self.blur > 0.0 { blurred(&out, self.blur) } else { out }
    }
}

/// The mean over about one pixel of the frame: a few samples when the screen is finer than the frame.
fn area(screen: &Grey, x: f32, y: f32, pixel: f32) -> f32 {
    if pixel <= 1.1 {
        return between(screen, x, y);
    }
    let n = pixel.ceil().min(4.0);
    let offsets = (0..n as usize).map(|i| ((i as f32 + 0.5) / n - 0.5) * pixel);
    let sum: f32 = offsets
        .clone()
        .flat_map(|dy| offsets.clone().map(move |dx| (dx, dy)))
        .map(|(dx, dy)| between(screen, x + dx, y + dy))
        .sum();
    sum / (n * n)
}

fn between(p: &Grey, x: f32, y: f32) -> f32 {
    let (x, y) = (x.clamp(0.0, p.width as f32 - 1.001), y.clamp(0.0, p.height as f32 - 1.001));
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let at = |x: usize, y: usize| p.pixels[y.min(p.height - 1) * p.width + x.min(p.width - 1)];
    (at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx) * (1.0 - fy)
        + (at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx) * fy
}

fn blurred(p: &Grey, sigma: f32) -> Grey {
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> =
        (-reach..=reach).map(|i| (-(i as f32).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let along = |p: &Grey, dx: isize, dy: isize| {
        let mut out = p.clone();
        for y in 0..p.height {
            for x in 0..p.width {
                let tap = |k: isize| {
                    let sx = (x as isize + k * dx).clamp(0, p.width as isize - 1) as usize;
                    let sy = (y as isize + k * dy).clamp(0, p.height as isize - 1) as usize;
                    p.pixels[sy * p.width + sx]
                };
                out.pixels[y * p.width + x] =
                    (-reach..=reach).zip(&weights).map(|(k, w)| w * tap(k)).sum::<f32>() / total;
            }
        }
        out
    };
    along(&along(p, 1, 0), 0, 1)
}
