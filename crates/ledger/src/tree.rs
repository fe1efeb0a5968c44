//! The Merkle tree of RFC 6962: hashing, growth at the right edge, and proofs.
//!
//! A *node* `(level, index)` is the hash over the entries `index << level ..= (index + 1 << level) - 1`;
//! it is *complete* when all of them are there. Every proof is a walk from a complete node to the root
//! that takes the sibling at each level; at the right border the sibling may be incomplete, and its
//! hash then comes from the [`Spine`].

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash of a leaf or a node.
pub type Hash = [u8; 32];

/// The hash of an entry as a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// The hash over two subtrees.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}

/// The root of the tree without entries.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Where complete nodes are looked up.
pub trait Nodes {
    /// Why a node could not be had.
    type Error;

    /// The hash of the complete node `(level, index)`.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The rightmost node of each level, complete or not, from the last leaf up to the root.
#[derive(Debug, Clone)]
pub struct Spine {
    size: u64,
    hashes: Vec<Hash>,
}

impl Spine {
    /// The spine of the tree over the first `size` entries.
    pub fn of<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut hashes = Vec::with_capacity(65 - size.leading_zeros() as usize);
        let Some(mut last) = size.checked_sub(1) else {
            return Ok(Self { size, hashes });
        };
        let mut hash = nodes.node(0, last)?;
        hashes.push(hash);
        for level in 0.. {
            if last == 0 {
                break;
            }
            if last % 2 == 1 {
                hash = node_hash(&nodes.node(level, last - 1)?, &hash);
            }
            hashes.push(hash);
            last /= 2;
        }
        Ok(Self { size, hashes })
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.hashes.last().copied().unwrap_or_else(empty_root)
    }

    /// The siblings on the way from the complete node `(level, index)` to the root.
    fn path<N: Nodes>(&self, nodes: &N, level: u8, index: u64) -> Result<Vec<Hash>, N::Error> {
        let mut path = Vec::with_capacity(self.hashes.len());
        let mut last = self.size.saturating_sub(1) >> level;
        let mut at = index;
        for level in level.. {
            if last == 0 {
                break;
            }
            let sibling = at ^ 1;
            if sibling < last {
                path.push(nodes.node(level, sibling)?);
            } else if sibling == last {
                path.push(self.hashes[usize::from(level)]);
            }
            at /= 2;
            last /= 2;
        }
        Ok(path)
    }

    /// The inclusion proof of entry `index` (RFC 6962 section 2.1.1).
    pub fn inclusion<N: Nodes>(&self, nodes: &N, index: u64) -> Result<Vec<Hash>, N::Error> {
        debug_assert!(index < self.size);
        self.path(nodes, 0, index)
    }

    /// The proof that the tree over the first `old` entries is a beginning of this one (RFC 6962
    /// section 2.1.2). Empty for `old` 0 and for the same size.
    pub fn consistency<N: Nodes>(&self, nodes: &N, old: u64) -> Result<Vec<Hash>, N::Error> {
        debug_assert!(old <= self.size);
        if old == 0 || old == self.size {
            return Ok(Vec::new());
        }
        let level = old.trailing_zeros() as u8;
        let index = (old >> level) - 1;
        let mut proof = Vec::new();
        // A power of two is one complete node: the verifier knows its hash, it is the old root.
        if !old.is_power_of_two() {
            proof.push(nodes.node(level, index)?);
        }
        proof.extend(self.path(nodes, level, index)?);
        Ok(proof)
    }
}

/// Whether `path` proves that `leaf` is entry `index` of the tree of `size` entries with this `root`
/// (RFC 9162 section 2.1.3.2).
pub fn inclusion_holds(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && hash == *root
}

/// Whether `proof` proves that the tree `(old, old_root)` is a beginning of `(new, new_root)`
/// (RFC 9162 section 2.1.4.2).
pub fn consistency_holds(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return old == 0 && proof.is_empty() && *old_root == empty_root();
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let shift = old.trailing_zeros();
    let (mut at, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// A tree that grows, with the nodes that proofs about its newest entries need, and no others.
///
/// Holds, for each level, the node that still waits for its right sibling and everything that became
/// complete since the last [`forget`](Self::forget). A sibling of an entry added since then is one of
/// these: if it lies to the left of all new entries, its parent is incomplete, so it still waits.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Default)]
struct Level {
    first: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` entries; `node` is asked for those nodes `(level, index)` that still wait for
    /// their right sibling.
    pub fn resume(size: u64, node: impl Fn(u8, u64) -> Hash) -> Self {
        let level = |level: u8| {
            let end = size >> level;
            let hashes: Vec<Hash> = if end % 2 == 1 { vec![node(level, end - 1)] } else { Vec::new() };
            Level { first: end - hashes.len() as u64, hashes }
        };
        let levels = (0..(u64::BITS - size.leading_zeros()) as u8).map(level).collect();
        Self { size, levels }
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Level::default());
            }
            let here = &mut self.levels[level];
            here.hashes.push(hash);
            match here.hashes.as_slice() {
                [.., left, right] if (here.first + here.hashes.len() as u64).is_multiple_of(2) => {
                    hash = node_hash(left, right);
                }
                _ => break,
            }
        }
    }

    /// The hash of the newest complete node of a level, if it has any in memory.
    pub fn newest(&self, level: u8) -> Option<Hash> {
        self.levels.get(usize::from(level))?.hashes.last().copied()
    }

    /// The root of the tree as it is.
    pub fn root(&self) -> Hash {
        let waiting = (0..self.levels.len()).filter(|level| self.size >> level & 1 == 1);
        let nodes = waiting.filter_map(|level| self.levels[level].hashes.last());
        nodes.copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// The spine of the tree as it is, for proofs about entries added since the last
    /// [`forget`](Self::forget), of which there must be one.
    pub fn spine(&self) -> Spine {
        let Ok(spine) = Spine::of(self, self.size);
        spine
    }

    /// Lets go of every node that no entry to come will need.
    pub fn forget(&mut self) {
        for level in &mut self.levels {
            let end = level.first + level.hashes.len() as u64;
            let waiting = if end % 2 == 1 { level.hashes.last().copied() } else { None };
            level.hashes.clear();
            level.hashes.extend(waiting);
            level.first = end - level.hashes.len() as u64;
        }
    }
}

impl Nodes for Frontier {
    type Error = std::convert::Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let level = &self.levels[usize::from(level)];
        Ok(level.hashes[(index - level.first) as usize])
    }
}
