//! The mark's layout: which spatial frequencies of the tile carry geometry, and which carry chips.
//!
//! The tile is periodic with [`TILE`] CSS pixels. Its spectrum lies on its own lattice, in an annulus of wavelengths
//! from 16 to 77 CSS pixels: long enough to live through re-encoding at 720p and a lens, short enough not to be seen
//! as a shade. Lines next to both axes are left out, because text and rules have their energy there.

use hmac::{Hmac, KeyInit, Mac};
use model::mark::BUCKET_MS;
use model::{MarkId, SessionId, Timestamp};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

/// The tile's side, in CSS pixels.
pub const TILE: usize = 384;
/// The lowest frequency, in cycles a tile.
pub const LOWEST: f32 = 5.0;
/// The highest frequency, in cycles a tile.
pub const HIGHEST: f32 = 24.0;
/// Pilots: lines whose place and phase depend on the key only.
pub const PILOTS: usize = 16;
/// The pilots' part of the tile's power.
pub(crate) const PILOT_POWER: f32 = 0.3;
/// Lines up to this distance from an axis stay empty.
const CLEAR_OF_AXES: i32 = 1;
/// The pilots' radii, as parts of [`HIGHEST`].
const RINGS: [f32; 4] = [0.38, 0.55, 0.75, 0.95];

/// The secret that marks are derived from. Whoever has it can forge a mark, so it is kept like a signing key.
#[derive(Clone, ZeroizeOnDrop)]
pub struct MarkKey([u8; 32]);

impl MarkKey {
    /// From 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The mark of a session at a moment, and when its five minutes began: the same for everybody who has the key, so
    /// that every gateway lays the same mark over the pages of one session.
    pub fn mark_of(&self, session: SessionId, now: Timestamp) -> (MarkId, Timestamp) {
        let bucket = Timestamp(now.0 - now.0 % BUCKET_MS);
        let message = [&session.to_bytes()[..], &bucket.0.to_be_bytes()].concat();
        let derived = self.derive(b"sightline mark 1 id", &message);
        (MarkId::from_bytes(std::array::from_fn(|i| derived[i])), bucket)
    }

    /// HMAC-SHA-256 under this key, over a domain and a message.
    #[allow(clippy::expect_used)]
    pub(crate) fn derive(&self, domain: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(domain);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkKey(…)")
    }
}

/// A spatial frequency of the tile: whole cycles a tile along x and y. Only the half plane `v > 0` is named; the other
/// half is its mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// Cycles a tile along x.
    pub u: i32,
    /// Cycles a tile along y.
    pub v: i32,
}

impl Line {
    fn radius(self) -> f32 {
        ((self.u * self.u + self.v * self.v) as f32).sqrt()
    }
}

/// A line that carries geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pilot {
    /// Where.
    pub line: Line,
    /// The phase at the tile's origin, in radians: `cos(2π(u·x + v·y)/TILE + phase)`.
    pub phase: f32,
}

/// Which lines are pilots and which carry chips. The same for every mark under one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The pilots, by ring.
    pub pilots: [Pilot; PILOTS],
    /// The lines that carry two chips each (cosine, sine), in a fixed order.
    pub payload: Vec<Line>,
}

impl Layout {
    /// The layout under a key.
    pub fn new(key: &MarkKey) -> Self {
        let mut free = lines();
        let draw = key.derive(b"sightline mark 1 pilots", b"");
        // Sixteen directions, one for each pilot; every run of four directions uses every ring once, in an order of its
        // own, so that the pattern is like neither its mirror image nor itself turned.
        let mut rings = [[0, 1, 2, 3]; 4];
        for (four, bytes) in rings.iter_mut().zip(draw[16..].as_chunks::<4>().0) {
            (1..4).for_each(|i| four.swap(i, usize::from(bytes[i]) % (i + 1)));
        }
        let pilots = std::array::from_fn(|i| {
            let jitter = f32::from(draw[i]) / 255.0 - 0.5;
            let angle = (i as f32 + 0.5 + 0.6 * jitter) * std::f32::consts::PI / PILOTS as f32;
            let ring = RINGS[rings[i / 4][i % 4]] * HIGHEST;
            let wanted = (ring * angle.cos(), ring * angle.sin());
            let distance = |l: &Line| (l.u as f32 - wanted.0).powi(2) + (l.v as f32 - wanted.1).powi(2);
            let nearest = (0..free.len()).min_by(|a, b| distance(&free[*a]).total_cmp(&distance(&free[*b])));
            let line = free.remove(nearest.unwrap_or_default());
            let turn = key.derive(b"sightline mark 1 phase", &[i as u8]);
            let phase = f32::from(u16::from_be_bytes([turn[0], turn[1]])) / 65_536.0 * std::f32::consts::TAU;
            Pilot { line, phase }
        });
        Self { pilots, payload: free }
    }

    /// How many chips a mark has: two for each payload line.
    pub fn chips(&self) -> usize {
        2 * self.payload.len()
    }
}

/// Every line of the annulus, in order.
fn lines() -> Vec<Line> {
    let reach = HIGHEST as i32;
    let clear = |n: i32| n.abs() > CLEAR_OF_AXES;
    (1..=reach)
        .flat_map(|v| (-reach..=reach).map(move |u| Line { u, v }))
        .filter(|l| clear(l.u) && clear(l.v) && (LOWEST..=HIGHEST).contains(&l.radius()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_key_gives_sixteen_distinct_pilots_and_the_same_number_of_chips(bytes: [u8; 32]) {
            let layout = Layout::new(&MarkKey::new(bytes));
            let mut seen: Vec<Line> = layout.pilots.iter().map(|p| p.line).collect();
            seen.extend(&layout.payload);
            let all = seen.len();
            seen.sort();
            seen.dedup();
            prop_assert_eq!(seen.len(), all);
            prop_assert_eq!(all, lines().len());
            prop_assert!((1_400..=8 * crate::CHIP_BYTES).contains(&layout.chips()), "{}", layout.chips());
        }
    }

    #[test]
    fn pilots_differ_between_keys_and_stay_with_one() {
        let one = Layout::new(&MarkKey::new([1; 32]));
        assert_eq!(one, Layout::new(&MarkKey::new([1; 32])));
        assert_ne!(one.pilots, Layout::new(&MarkKey::new([2; 32])).pilots);
    }

    #[test]
    fn a_session_has_another_mark_every_five_minutes_and_under_every_key() {
        let key = MarkKey::new([1; 32]);
        let (one, two) = (SessionId::from_bytes([1; 10]), SessionId::from_bytes([2; 10]));
        let (mark, bucket) = key.mark_of(one, Timestamp(BUCKET_MS + 7));
        assert_eq!(bucket, Timestamp(BUCKET_MS));
        assert_eq!(key.mark_of(one, Timestamp(2 * BUCKET_MS - 1)), (mark, bucket));
        assert_ne!(key.mark_of(one, Timestamp(2 * BUCKET_MS)).0, mark);
        assert_ne!(key.mark_of(two, bucket).0, mark);
        assert_ne!(MarkKey::new([2; 32]).mark_of(one, bucket).0, mark);
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", MarkKey::new([7; 32])), "MarkKey(…)");
    }
}
