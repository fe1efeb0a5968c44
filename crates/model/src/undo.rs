//! Maps and values that can be taken back to where they were, so that a state can absorb entries before they are
//! durable: if the batch is lost, what it changed is undone exactly.

use std::collections::BTreeMap;
use std::ops::Deref;

use minicbor::encode::{Error, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// What has become of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A group begins, which may be refused as a whole.
    Begin,
    /// The group that began last is refused: everything is as it was then.
    Refuse,
    /// Everything since it was last settled is lost: everything is as it was then.
    Lose,
    /// Everything so far stays, and is remembered no longer.
    Settle,
}

/// What can be taken back.
pub trait Undo {
    /// Follows a turn.
    fn turn(&mut self, turn: Turn);
}

/// What stood where something was changed since it was last settled, oldest first.
#[derive(Debug, Clone)]
struct Past<T> {
    before: Vec<T>,
    /// How many there were when the group began.
    group: usize,
}

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self { before: Vec::new(), group: 0 }
    }
}

impl<T> Past<T> {
    fn turn(&mut self, turn: Turn, mut restore: impl FnMut(T)) {
        match turn {
            Turn::Begin => self.group = self.before.len(),
            Turn::Refuse => self.before.drain(self.group..).rev().for_each(restore),
            Turn::Lose => {
                self.before.drain(..).rev().for_each(&mut restore);
                self.group = 0;
            }
            Turn::Settle => {
                self.before.clear();
                self.group = 0;
            }
        }
    }
}

/// A map that can be taken back. Reads as a [`BTreeMap`], is encoded as one, and equals another with the same
/// contents.
#[derive(Debug, Clone)]
pub struct UndoMap<K, V> {
    now: BTreeMap<K, V>,
    past: Past<(K, Option<V>)>,
}

impl<K: Ord + Clone, V> UndoMap<K, V> {
    /// Puts a value under a key.
    pub fn insert(&mut self, key: K, value: V) {
        let before = self.now.insert(key.clone(), value);
        self.past.before.push((key, before));
    }

    /// Removes what is under a key.
    pub fn remove(&mut self, key: &K) {
        if let Some((key, value)) = self.now.remove_entry(key) {
            self.past.before.push((key, Some(value)));
        }
    }

    /// Removes everything that does not meet the condition.
    pub fn retain(&mut self, condition: impl Fn(&K, &V) -> bool) {
        let gone = self.now.extract_if(.., |key, value| !condition(key, value));
        self.past.before.extend(gone.map(|(key, value)| (key, Some(value))));
    }
}

impl<K: Ord + Clone, V: Clone> UndoMap<K, V> {
    /// What is under a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let value = self.now.get_mut(key)?;
        self.past.before.push((key.clone(), Some(value.clone())));
        Some(value)
    }

    /// Changes every value that meets the condition.
    pub fn change_where(&mut self, condition: impl Fn(&V) -> bool, change: impl Fn(&mut V)) {
        for (key, value) in self.now.iter_mut().filter(|(_, value)| condition(value)) {
            self.past.before.push((key.clone(), Some(value.clone())));
            change(value);
        }
    }
}

impl<K: Ord, V> Undo for UndoMap<K, V> {
    fn turn(&mut self, turn: Turn) {
        let now = &mut self.now;
        self.past.turn(turn, |(key, before)| match before {
            Some(value) => drop(now.insert(key, value)),
            None => drop(now.remove(&key)),
        });
    }
}

impl<K, V> Default for UndoMap<K, V> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), past: Past::default() }
    }
}

impl<K, V> Deref for UndoMap<K, V> {
    type Target = BTreeMap<K, V>;
    fn deref(&self) -> &BTreeMap<K, V> {
        &self.now
    }
}

impl<'a, K, V> IntoIterator for &'a UndoMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.now.iter()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for UndoMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
    }
}

impl<K: Eq, V: Eq> Eq for UndoMap<K, V> {}

impl<C, K: Eq + Ord + Encode<C>, V: Encode<C>> Encode<C> for UndoMap<K, V> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), Error<W::Error>> {
        self.now.encode(e, ctx)
    }
}

impl<'b, C, K: Ord + Decode<'b, C>, V: Decode<'b, C>> Decode<'b, C> for UndoMap<K, V> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self { now: BTreeMap::decode(d, ctx)?, past: Past::default() })
    }
}

/// A value that can be taken back. Reads as the value, and is encoded as it.
#[derive(Debug, Clone, Default)]
pub struct UndoCell<T> {
    now: T,
    past: Past<T>,
}

impl<T> UndoCell<T> {
    /// Puts another value in its place.
    pub fn set(&mut self, value: T) {
        self.past.before.push(std::mem::replace(&mut self.now, value));
    }
}

impl<T: Clone> UndoCell<T> {
    /// Changes the value in its place.
    pub fn change(&mut self, change: impl FnOnce(&mut T)) {
        self.past.before.push(self.now.clone());
        change(&mut self.now);
    }
}

impl<T> Undo for UndoCell<T> {
    fn turn(&mut self, turn: Turn) {
        let now = &mut self.now;
        self.past.turn(turn, |before| *now = before);
    }
}

impl<T> Deref for UndoCell<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.now
    }
}

impl<C, T: Encode<C>> Encode<C> for UndoCell<T> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), Error<W::Error>> {
        self.now.encode(e, ctx)
    }
    fn is_nil(&self) -> bool {
        self.now.is_nil()
    }
}

impl<'b, C, T: Decode<'b, C>> Decode<'b, C> for UndoCell<T> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self { now: T::decode(d, ctx)?, past: Past::default() })
    }
    fn nil() -> Option<Self> {
        T::nil().map(|now| Self { now, past: Past::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u8),
        Remove(u8),
        Change(u8),
        ChangeWhere(u8),
        Retain(u8),
        Turn(Turn),
    }

    fn step() -> impl Strategy<Value = Step> {
        let turn = prop_oneof![Just(Turn::Begin), Just(Turn::Refuse), Just(Turn::Lose), Just(Turn::Settle)];
        prop_oneof![
            4 => (0u8..8, any::<u8>()).prop_map(|(k, v)| Step::Insert(k, v)),
            2 => (0u8..8).prop_map(Step::Remove),
            2 => (0u8..8).prop_map(Step::Change),
            1 => (0u8..4).prop_map(Step::ChangeWhere),
            1 => (0u8..4).prop_map(Step::Retain),
            4 => turn.prop_map(Step::Turn),
        ]
    }

    proptest! {
        #[test]
        fn whatever_was_changed_a_turn_leads_back_to_a_copy_taken_then(steps in prop::collection::vec(step(), 0..80)) {
            let (mut map, mut cell) = (UndoMap::<u8, u8>::default(), UndoCell::<u8>::default());
            let (mut settled, mut group) = (BTreeMap::new(), BTreeMap::new());
            let (mut settled_cell, mut group_cell) = (0, 0);
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        map.insert(key, value);
                        cell.set(value);
                    }
                    Step::Remove(key) => map.remove(&key),
                    Step::Change(key) => drop(map.get_mut(&key).map(|value| *value ^= 0x55)),
                    Step::ChangeWhere(n) => map.change_where(|value| value % 4 == n, |value| *value ^= 0xaa),
                    Step::Retain(n) => map.retain(|key, _| key % 4 != n),
                    Step::Turn(turn) => {
                        map.turn(turn);
                        cell.turn(turn);
                        match turn {
                            Turn::Begin => (group, group_cell) = (map.now.clone(), cell.now),
                            Turn::Refuse => prop_assert_eq!((&map.now, cell.now), (&group, group_cell)),
                            Turn::Lose => {
                                prop_assert_eq!((&map.now, cell.now), (&settled, settled_cell));
                                (group, group_cell) = (settled.clone(), settled_cell);
                            }
                            Turn::Settle => {
                                (settled, settled_cell) = (map.now.clone(), cell.now);
                                (group, group_cell) = (settled.clone(), settled_cell);
                            }
                        }
                    }
                }
            }
        }
    }
}
