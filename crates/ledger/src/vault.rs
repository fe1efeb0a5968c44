//! Openings under lock: each is sealed under the key that its customer has for that month, and the keys under
//! the master key. Destroying the rows of a customer erases them from every entry there ever was (P6);
//! destroying the rows of a month forgets whom its entries are about.
//!
//! An entry that says so ([`Erased`]) is what destroys: the keys go before the entry is written, so the ledger
//! never says of a key that it is gone while it is not.
//!
//! A sealed opening says which key it is under only to whoever has the master key: without it, nobody can
//! see that two entries are about one customer.

mod grouped;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use model::clock::random;
use model::entry::Erased;
use model::{CustomerId, Entropy, Event, Month, Opening};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::draft::Record;
use crate::error::LedgerError;
use crate::keys::{KeyFile, KeyId, KeyRow, KeyStore, Who};

pub(crate) use grouped::{Grouped, Keyed, Stretch};

const NONCE: usize = 24;
const TAG: usize = 16;
/// How many customers' keys are kept in memory.
const CACHED: usize = 65_536;

/// The key that all others hang on. Does not print; wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// A fresh one.
    pub(crate) fn fresh(entropy: &dyn Entropy) -> Self {
        Self(random(entropy))
    }

    /// The written form: 64 hex digits and a newline.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
            }
        }
        text.push('\n');
        text
    }

    /// Reads [`to_text`](Self::to_text).
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('\n').unwrap_or(text).as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut key = Self([0; 32]);
        for ([high, low], byte) in pairs.iter().zip(&mut key.0) {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            *byte = (digit(high)? << 4 | digit(low)?) as u8;
        }
        Some(key)
    }

    /// Shows which master key this is, and nothing of it.
    pub(crate) fn check_value(&self) -> Vec<u8> {
        self.derive("sightline/database/v1").to_vec()
    }

    /// A key for one purpose.
    pub(crate) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.0, label.as_bytes()))
    }
}

#[allow(clippy::expect_used)]
fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key)
        .expect("any key length")
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

/// The sealed openings of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sealed<'a> {
    /// Each by itself, as they were written with the entry.
    Each(&'a [u8]),
    /// Among those of a compacted stretch.
    Grouped(&'a Stretch),
}

#[derive(Clone)]
struct CustomerKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// The store of customer keys, and what seals and opens with them.
pub(crate) struct Vault {
    /// Where the keys are, for messages.
    place: PathBuf,
    entropy: Arc<dyn Entropy>,
    index_key: Zeroizing<[u8; 32]>,
    wrapping: XChaCha20Poly1305,
    naming: XChaCha20Poly1305,
    keys: Mutex<Keys>,
}

struct Keys {
    store: Box<dyn KeyStore>,
    by_who: HashMap<Who, CustomerKey>,
    by_id: HashMap<KeyId, Option<CustomerKey>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.place.display())
    }
}

impl Vault {
    /// Opens the store in the file at `path`; makes it if it is not there.
    pub(crate) fn open(
        path: &Path,
        master: &MasterKey,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, LedgerError> {
        Ok(Self::new(Box::new(KeyFile::open(path)?), path.to_owned(), master, entropy))
    }

    /// The vault whose keys are in `store`, which is at `place`.
    pub(crate) fn new(
        store: Box<dyn KeyStore>,
        place: PathBuf,
        master: &MasterKey,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let cipher = |label| XChaCha20Poly1305::new((&*master.derive(label)).into());
        Self {
            place,
            entropy,
            index_key: master.derive("sightline/customer-index/v1"),
            wrapping: cipher("sightline/customer-key/v1"),
            naming: cipher("sightline/customer-key-name/v1"),
            keys: Mutex::new(Keys { store, by_who: HashMap::new(), by_id: HashMap::new() }),
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn who(&self, customer: &CustomerId, month: Month) -> Who {
        mac(&*self.index_key, &[&month.number().to_be_bytes(), customer.as_str().as_bytes()].concat())
    }

    /// Seals the openings of some records, the openings of each together. Makes and stores, in one transaction
    /// and durably before it returns, the keys of customers who have none; and destroys the keys that a record
    /// says are destroyed.
    pub(crate) fn seal<'a>(
        &self,
        records: impl Iterator<Item = &'a Record>,
    ) -> Result<Vec<Vec<u8>>, LedgerError> {
        let mut keys = self.keys();
        let mut fresh = Vec::new();
        let mut sealed = Vec::new();
        for Record { entry, openings, .. } in records {
            let month = Month::of(entry.time);
            let is_erasure = matches!(entry.event, Event::Erased(_));
            // What is forgotten must be found again.
            if is_erasure || keys.is_full() {
                keys.keep(&mut fresh)?;
                keys.forget();
            }
            let mut bytes = Vec::new();
            for opening in openings.iter().flatten() {
                let customer = &opening.subject.customer;
                let key = if is_erasure {
                    self.destroy_in(&mut keys, customer)?;
                    // Nobody keeps this one.
                    self.make_key(&random(&*self.entropy)).0
                } else {
                    self.key_for(&mut keys, &mut fresh, customer, month)?
                };
                self.seal_one(&key, opening, &mut bytes);
            }
            if let Event::Erased(Erased::Before { month }) = entry.event {
                self.destroy_before_in(&mut keys, month)?;
            }
            sealed.push(bytes);
        }
        keys.keep(&mut fresh)?;
        Ok(sealed)
    }

    fn key_for(
        &self,
        keys: &mut Keys,
        fresh: &mut Vec<KeyRow>,
        customer: &CustomerId,
        month: Month,
    ) -> Result<CustomerKey, LedgerError> {
        let who = self.who(customer, month);
        if let Some(key) = self.find(keys, &who)? {
            return Ok(key);
        }
        let (key, wrapped) = self.make_key(&who);
        fresh.push(KeyRow { who, month, id: key.id, wrapped });
        keys.remember(who, key.clone());
        Ok(key)
    }

    fn make_key(&self, who: &Who) -> (CustomerKey, Vec<u8>) {
        let id = random(&*self.entropy);
        let secret = Zeroizing::new(random::<32>(&*self.entropy));
        let wrapped = seal_bytes(&self.wrapping, &random(&*self.entropy), who, &*secret);
        (CustomerKey { id, cipher: XChaCha20Poly1305::new((&*secret).into()) }, wrapped)
    }

    /// `nonce || sealed name of the key || u32 length || sealed opening`. One nonce serves both, because the
    /// keys differ.
    #[allow(clippy::expect_used)]
    fn seal_one(&self, key: &CustomerKey, opening: &Opening, out: &mut Vec<u8>) {
        // Writing CBOR to a Vec cannot fail.
        let plain = Zeroizing::new(minicbor::to_vec(opening).expect("a Vec takes every byte"));
        let nonce = random::<NONCE>(&*self.entropy);
        out.extend_from_slice(&seal_bytes(&self.naming, &nonce, &[], &key.id));
        let body = seal_bytes(&key.cipher, &nonce, &[], &plain);
        out.extend_from_slice(&((body.len() - NONCE) as u32).to_be_bytes());
        out.extend_from_slice(&body[NONCE..]);
    }

    /// Opens the sealed openings of one entry. `None` where the customer's key is gone.
    pub(crate) fn open_all(
        &self,
        index: u64,
        sealed: Sealed<'_>,
    ) -> Result<Vec<Option<Opening>>, LedgerError> {
        let keyed = self.open_keyed(index, sealed)?;
        Ok(keyed.into_iter().map(|keyed| keyed.map(|(_, opening)| opening)).collect())
    }

    /// The same, with the names of the keys.
    pub(crate) fn open_keyed(&self, index: u64, sealed: Sealed<'_>) -> Result<Vec<Keyed>, LedgerError> {
        let mut rest = match sealed {
            Sealed::Each(bytes) => bytes,
            Sealed::Grouped(stretch) => return stretch.open(self, index),
        };
        let mut openings = Vec::new();
        while !rest.is_empty() {
            let (head, tail) = rest
                .split_first_chunk::<{ NONCE + 16 + TAG + 4 }>()
                .ok_or(LedgerError::Openings { index, what: "they are cut off" })?;
            let (nonce, tail_of_head) = head.split_at(NONCE);
            let (name, length) = tail_of_head.split_at(16 + TAG);
            let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
            let (body, tail) = tail
                .split_at_checked(length)
                .ok_or(LedgerError::Openings { index, what: "they are cut off" })?;
            openings.push(self.open_one(index, nonce, name, body)?);
            rest = tail;
        }
        Ok(openings)
    }

    fn open_one(&self, index: u64, nonce: &[u8], name: &[u8], body: &[u8]) -> Result<Keyed, LedgerError> {
        let damaged = |what| LedgerError::Openings { index, what };
        let nonce = XNonce::try_from(nonce).map_err(|_| damaged("they are cut off"))?;
        let name =
            self.naming.decrypt(&nonce, name).map_err(|_| damaged("the name of a key does not open"))?;
        let id = KeyId::try_from(name).map_err(|_| damaged("the name of a key is too short"))?;
        let Some(key) = self.find_by_id(&mut self.keys(), &id)? else { return Ok(None) };
        let plain = key.cipher.decrypt(&nonce, body).map_err(|_| damaged("an opening does not open"))?;
        let opening = minicbor::decode(&Zeroizing::new(plain));
        Ok(Some((id, opening.map_err(|_| damaged("an opening cannot be read"))?)))
    }

    /// Destroys the keys of a customer, of all months.
    pub(crate) fn destroy(&self, customer: &CustomerId) -> Result<(), LedgerError> {
        self.destroy_in(&mut self.keys(), customer)
    }

    /// Destroys the keys of all customers for the months before this one.
    pub(crate) fn destroy_before(&self, month: Month) -> Result<(), LedgerError> {
        self.destroy_before_in(&mut self.keys(), month)
    }

    /// Has every key looked up again: somebody else may have destroyed some.
    pub(crate) fn forget(&self) {
        self.keys().forget();
    }

    fn destroy_in(&self, keys: &mut Keys, customer: &CustomerId) -> Result<(), LedgerError> {
        let months = keys.store.months()?;
        let theirs: Vec<Who> = months.into_iter().map(|month| self.who(customer, month)).collect();
        keys.forget();
        keys.store.delete(&theirs)
    }

    fn destroy_before_in(&self, keys: &mut Keys, month: Month) -> Result<(), LedgerError> {
        keys.forget();
        keys.store.delete_before(month)
    }

    fn find(&self, keys: &mut Keys, who: &Who) -> Result<Option<CustomerKey>, LedgerError> {
        if let Some(key) = keys.by_who.get(who) {
            return Ok(Some(key.clone()));
        }
        let Some((id, wrapped)) = keys.store.find(who)? else { return Ok(None) };
        let key = self.unwrap_key(who, id, &wrapped)?;
        keys.remember(*who, key.clone());
        Ok(Some(key))
    }

    fn find_by_id(&self, keys: &mut Keys, id: &KeyId) -> Result<Option<CustomerKey>, LedgerError> {
        if let Some(known) = keys.by_id.get(id) {
            return Ok(known.clone());
        }
        if keys.is_full() {
            keys.forget();
        }
        let Some((who, wrapped)) = keys.store.find_by_id(id)? else {
            keys.by_id.insert(*id, None);
            return Ok(None);
        };
        let key = self.unwrap_key(&who, *id, &wrapped)?;
        keys.remember(who, key.clone());
        Ok(Some(key))
    }

    fn unwrap_key(&self, who: &Who, id: KeyId, wrapped: &[u8]) -> Result<CustomerKey, LedgerError> {
        let secret = wrapped.split_first_chunk::<NONCE>().and_then(|(nonce, body)| {
            self.wrapping
                .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: who })
                .ok()
                .map(Zeroizing::new)
        });
        let cipher = secret.and_then(|secret| XChaCha20Poly1305::new_from_slice(&secret).ok());
        let why = || "a customer's key in it does not open with this master key".to_owned();
        let cipher = cipher.ok_or_else(|| LedgerError::Key { path: self.place.clone(), why: why() })?;
        Ok(CustomerKey { id, cipher })
    }
}

impl Keys {
    fn remember(&mut self, who: Who, key: CustomerKey) {
        self.by_id.insert(key.id, Some(key.clone()));
        self.by_who.insert(who, key);
    }

    /// Whether it is time to [`forget`](Self::forget).
    fn is_full(&self) -> bool {
        self.by_who.len() >= CACHED || self.by_id.len() >= CACHED
    }

    /// Has every key looked up again.
    fn forget(&mut self) {
        self.by_who.clear();
        self.by_id.clear();
    }

    /// Stores keys that were made. After an error no key that is remembered and not stored is used.
    fn keep(&mut self, fresh: &mut Vec<KeyRow>) -> Result<(), LedgerError> {
        let fresh = std::mem::take(fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        self.store.store(&fresh).inspect_err(|_| self.forget())
    }
}

/// `nonce || ciphertext || tag`.
#[allow(clippy::expect_used)]
fn seal_bytes(cipher: &XChaCha20Poly1305, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    // Fails only for more than 256 GiB.
    let body =
        cipher.encrypt(&XNonce::from(*nonce), Payload { msg: plain, aad }).expect("openings are small");
    [nonce.as_slice(), &body].concat()
}
