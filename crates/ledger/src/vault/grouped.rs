//! The openings of a stretch of the ledger, sealed together when it is compacted: for each customer one body under the
//! key that it was sealed under before, and one table of which opening stands in which body.
//!
//! The table, which shows what belongs together, is sealed under the master key. Openings whose key was destroyed are
//! left out. One random nonce serves everything in a stretch, because no two of its parts have one key.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use minicbor::bytes::{ByteArray, ByteVec};
use model::clock::random;
use model::{Opening, Subject};
use zeroize::Zeroizing;

use super::{NONCE, Vault, seal_bytes};
use crate::error::LedgerError;
use crate::keys::KeyId;

/// More than the table of any stretch has.
const MOST_TABLE: u64 = 256 * 1024 * 1024;

/// An opening, and the name of the key that it is under; `None` where that key is gone.
pub(crate) type Keyed = Option<(KeyId, Opening)>;

/// The openings of some entries that follow each other, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Grouped {
    #[n(0)]
    nonce: ByteArray<NONCE>,
    /// Sealed under the master key, and compressed before that.
    #[n(1)]
    table: ByteVec,
    /// Sealed bodies, one after the other.
    #[n(2)]
    bodies: ByteVec,
}

/// Which opening stands in which body.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Table {
    /// The names of the keys of the bodies.
    #[n(0)]
    keys: ByteVec,
    /// How many bytes each body has.
    #[n(1)]
    lengths: Vec<u32>,
    /// How many openings each entry has.
    #[n(2)]
    counts: Vec<u32>,
    /// For each opening the number of its body, counted from 1; 0 where its key was gone.
    #[n(3)]
    bodies: Vec<u32>,
}

/// One customer's openings, in the order of the entries.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Body {
    #[n(0)]
    subjects: Vec<Subject>,
    /// Which subject each opening is of; empty where there is but one.
    #[n(1)]
    which: Vec<u32>,
    /// 32 bytes each.
    #[n(2)]
    salts: ByteVec,
}

impl Body {
    fn empty() -> Self {
        Self { subjects: Vec::new(), which: Vec::new(), salts: Vec::new().into() }
    }

    fn push(&mut self, opening: &Opening) {
        let at = self.subjects.iter().position(|subject| *subject == opening.subject).unwrap_or_else(|| {
            self.subjects.push(opening.subject.clone());
            self.subjects.len() - 1
        });
        self.which.push(at as u32);
        self.salts.extend_from_slice(&opening.salt);
    }

    fn opening(&self, at: usize) -> Option<Opening> {
        let which = if self.which.is_empty() { 0 } else { *self.which.get(at)? as usize };
        let salt = *self.salts.as_chunks().0.get(at)?;
        Some(Opening { salt, subject: self.subjects.get(which)?.clone() })
    }
}

/// [`Grouped`] with what was opened of it so far. Holds plain openings, so it lives no longer than whoever reads.
pub(crate) struct Stretch {
    first: u64,
    grouped: Grouped,
    places: OnceLock<Places>,
    opened: Mutex<HashMap<u32, Option<Arc<Body>>>>,
}

/// The table, with what follows from it.
struct Places {
    bodies: Vec<(KeyId, Range<usize>)>,
    /// For each entry where its openings begin in `openings`, and where the last ones end.
    entries: Vec<usize>,
    /// The body of each opening, and which it is in there.
    openings: Vec<Option<(u32, u32)>>,
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stretch({})", self.first)
    }
}

impl Stretch {
    /// The stretch that begins with entry `first`.
    pub(crate) fn new(first: u64, grouped: Grouped) -> Self {
        Self { first, grouped, places: OnceLock::new(), opened: Mutex::default() }
    }

    /// The openings of an entry. `None` where the customer's key is gone.
    pub(super) fn open(&self, vault: &Vault, index: u64) -> Result<Vec<Keyed>, LedgerError> {
        let damaged = |what| LedgerError::Openings { index, what };
        let places = match self.places.get() {
            Some(places) => places,
            None => {
                let places = self.read_table(vault).map_err(damaged)?;
                self.places.get_or_init(|| places)
            }
        };
        let at = (index - self.first) as usize;
        let bounds = places.entries.get(at).zip(places.entries.get(at + 1));
        let (begin, end) = bounds.ok_or_else(|| damaged("the table of a stretch ends before them"))?;
        let open = |place: &Option<(u32, u32)>| {
            let Some((number, at)) = *place else { return Ok(None) };
            let Some(body) = self.body(vault, index, places, number)? else { return Ok(None) };
            let opening = body.opening(at as usize);
            let opening =
                opening.ok_or_else(|| damaged("a customer's openings are fewer than the table says"))?;
            Ok(Some((places.bodies[number as usize].0, opening)))
        };
        places.openings[*begin..*end].iter().map(open).collect()
    }

    fn body(
        &self,
        vault: &Vault,
        index: u64,
        places: &Places,
        number: u32,
    ) -> Result<Option<Arc<Body>>, LedgerError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(body) = opened.get(&number) {
            return Ok(body.clone());
        }
        let damaged = |what| LedgerError::Openings { index, what };
        let (id, range) = &places.bodies[number as usize];
        let body = match vault.find_by_id(&mut vault.keys(), id)? {
            // Empty: the key went while it was sealed, and does not count should somebody put it back.
            Some(key) if !range.is_empty() => {
                let payload =
                    Payload { msg: &self.grouped.bodies[range.clone()], aad: &self.first.to_be_bytes() };
                let plain = key.cipher.decrypt(&XNonce::from(*self.grouped.nonce), payload);
                let plain = Zeroizing::new(plain.map_err(|_| damaged("a customer's openings do not open"))?);
                let body = minicbor::decode(&plain);
                Some(Arc::new(body.map_err(|_| damaged("a customer's openings cannot be read"))?))
            }
            _ => None,
        };
        opened.insert(number, body.clone());
        Ok(body)
    }

    fn read_table(&self, vault: &Vault) -> Result<Places, &'static str> {
        let Grouped { nonce, table, bodies } = &self.grouped;
        let payload = Payload { msg: table, aad: &self.first.to_be_bytes() };
        let packed = vault.naming.decrypt(&XNonce::from(**nonce), payload);
        let packed = packed.map_err(|_| "the table of a stretch does not open")?;
        let mut plain = Vec::new();
        let unpacked = DeflateDecoder::new(packed.as_slice()).take(MOST_TABLE).read_to_end(&mut plain);
        unpacked.map_err(|_| "the table of a stretch cannot be read")?;
        let table: Table = minicbor::decode(&plain).map_err(|_| "the table of a stretch cannot be read")?;
        Places::of(&table, bodies.len()).ok_or("the table of a stretch contradicts itself")
    }
}

impl Places {
    fn of(table: &Table, length: usize) -> Option<Self> {
        let keys = table.keys.as_chunks().0;
        let mut end = 0usize;
        let mut bodies = Vec::with_capacity(keys.len());
        for (key, length) in keys.iter().zip(&table.lengths) {
            let begin = end;
            end = end.checked_add(*length as usize)?;
            bodies.push((*key, begin..end));
        }
        let mut entries = vec![0usize];
        for count in &table.counts {
            entries.push(entries.last()?.checked_add(*count as usize)?);
        }
        let mut next = vec![0u32; bodies.len()];
        let place = |number: &u32| match number.checked_sub(1) {
            None => Some(None),
            Some(number) => {
                let next = next.get_mut(number as usize)?;
                *next += 1;
                Some(Some((number, *next - 1)))
            }
        };
        let openings: Vec<_> = table.bodies.iter().map(place).collect::<Option<_>>()?;
        let fits = keys.len() == table.lengths.len()
            && keys.as_flattened().len() == table.keys.len()
            && end == length
            && entries.last() == Some(&openings.len());
        fits.then_some(Self { bodies, entries, openings })
    }
}

impl Vault {
    /// Seals the openings of entries that follow each other, of which the first has this number. What is under a key
    /// that is gone is left out.
    #[allow(clippy::expect_used)]
    pub(crate) fn group(&self, first: u64, entries: &[Vec<Keyed>]) -> Result<Grouped, LedgerError> {
        let (mut ids, mut open): (HashMap<KeyId, u32>, Vec<(KeyId, Body)>) = Default::default();
        let mut table = Table {
            keys: ByteVec::from(Vec::new()),
            lengths: Vec::new(),
            counts: entries.iter().map(|openings| openings.len() as u32).collect(),
            bodies: Vec::new(),
        };
        for keyed in entries.iter().flatten() {
            let number = keyed.as_ref().map_or(0, |(id, opening)| {
                let number = *ids.entry(*id).or_insert_with(|| {
                    open.push((*id, Body::empty()));
                    open.len() as u32
                });
                open[number as usize - 1].1.push(opening);
                number
            });
            table.bodies.push(number);
        }
        let nonce = random::<NONCE>(&*self.entropy);
        let aad = first.to_be_bytes();
        let mut bodies = Vec::new();
        for (id, mut body) in open {
            if body.subjects.len() == 1 {
                body.which.clear();
            }
            // Writing CBOR to a Vec cannot fail.
            let plain = Zeroizing::new(minicbor::to_vec(&body).expect("a Vec takes every byte"));
            // Where the key went a moment ago an empty body says so: it opens as little as what was there.
            let sealed = match self.find_by_id(&mut self.keys(), &id)? {
                Some(key) => seal_bytes(&key.cipher, &nonce, &aad, &plain).split_off(NONCE),
                None => Vec::new(),
            };
            table.keys.extend_from_slice(&id);
            table.lengths.push(sealed.len() as u32);
            bodies.extend_from_slice(&sealed);
        }
        let plain = minicbor::to_vec(&table).expect("a Vec takes every byte");
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&plain).and_then(|()| packed.try_finish()).expect("a Vec takes every byte");
        let packed = packed.finish().expect("a Vec takes every byte");
        let table = seal_bytes(&self.naming, &nonce, &aad, &packed).split_off(NONCE);
        Ok(Grouped { nonce: nonce.into(), table: table.into(), bodies: bodies.into() })
    }
}
