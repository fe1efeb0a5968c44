//! Tables by number. Numbers are given out by [`Names`](crate::names::Names) one after the other, so nobody outside
//! chooses them, and one multiplication spreads them well enough.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A table by number.
pub(crate) type NumberMap<V> = HashMap<u32, V, BuildHasherDefault<NumberHasher>>;
/// A set of numbers.
pub(crate) type NumberSet = HashSet<u32, BuildHasherDefault<NumberHasher>>;
/// A table by two numbers in one, as [`pair`] makes it.
pub(crate) type PairMap<V> = HashMap<u64, V, BuildHasherDefault<NumberHasher>>;

/// Two numbers in one.
pub(crate) fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Multiplies by 2^64 over the golden ratio and folds (Knuth, TAOCP 3, 6.4).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        let product = u128::from(self.0 ^ n) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}
