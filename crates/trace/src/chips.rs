//! The chips of a mark: pseudo-random signs, a function of the key and the mark's id.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use model::MarkId;

use crate::mark::MarkKey;

/// Bytes of chips for each mark: room for two on every line of the annulus.
pub const CHIP_BYTES: usize = 208;

/// One mark's chips, a bit for each: set is +1, clear is −1; the lowest bit of a byte first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chips([u8; CHIP_BYTES]);

impl Chips {
    /// ChaCha20 (RFC 8439) under HMAC-SHA-256(key, id): to whoever lacks the key, fair coins, independent between ids.
    /// The bound on false attribution rests on exactly this.
    pub fn of(key: &MarkKey, id: &MarkId) -> Self {
        let seed = key.derive(b"sightline mark 1 chips", &id.to_bytes());
        let mut bytes = [0; CHIP_BYTES];
        ChaCha20::new(&seed.into(), &[0; 12].into()).apply_keystream(&mut bytes);
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; CHIP_BYTES] {
        &self.0
    }

    /// The chip at a place: +1 or −1.
    pub fn sign(&self, at: usize) -> f32 {
        if self.0[at / 8] >> (at % 8) & 1 == 1 { 1.0 } else { -1.0 }
    }
}
