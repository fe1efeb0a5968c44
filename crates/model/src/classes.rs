//! Field classes: what kind of thing a field shows. Policies, grants and entries speak of classes,
//! never of values.

use crate::words;

words! {
    /// What kind of thing a field shows.
    pub enum FieldClass as "field class" {
        /// The customer's name.
        IdentityName = 0 "identity.name",
        /// An e-mail address.
        ContactEmail = 1 "contact.email",
        /// A telephone number.
        ContactPhone = 2 "contact.phone",
        /// A postal address.
        ContactAddress = 3 "contact.address",
        /// An account number, IBAN or the like.
        AccountId = 4 "account.id",
        /// How much is in the account.
        AccountBalance = 5 "account.balance",
        /// Orders, transfers, logins.
        AccountActivity = 6 "account.activity",
        /// What was said in tickets.
        SupportHistory = 7 "support.history",
        /// What staff wrote about the customer.
        SupportNote = 8 "support.note",
        /// Identity documents and what was read from them.
        KycDocument = 9 "kyc.document",
        /// A password. Never shown, whatever the policy says.
        SecretPassword = 10 "secret.password",
        /// A second-factor seed or backup code. Never shown.
        SecretSecondFactor = 11 "secret.second_factor",
        /// A private key. Never shown.
        SecretPrivateKey = 12 "secret.private_key",
        /// A recovery phrase. Never shown.
        SecretRecoveryPhrase = 13 "secret.recovery_phrase",
        /// A full card number. Never shown.
        SecretCardNumber = 14 "secret.card_number",
        /// A field that no adapter declares. No shipped rule permits it, so it is masked (P9).
        Undeclared = 15 "undeclared",
    }
}

impl FieldClass {
    /// Whether this is one of `secret.*`: never shown to anybody, whatever the policy says.
    pub fn is_secret(self) -> bool {
        ClassSet::SECRET.contains(self)
    }
}

/// A set of field classes, as a bit set: bit `n` is the class with number `n`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct ClassSet(#[n(0)] u32);

impl ClassSet {
    /// No class.
    pub const EMPTY: Self = Self(0);
    /// All of `secret.*`.
    pub const SECRET: Self = Self(0b0111_1100_0000_0000);

    /// The set of these classes.
    pub(crate) const fn of(classes: &[FieldClass]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < classes.len() {
            bits |= 1 << classes[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// Every class there is.
    pub fn all() -> Self {
        FieldClass::ALL.iter().copied().collect()
    }

    /// Whether `class` is in the set.
    pub fn contains(self, class: FieldClass) -> bool {
        self.0 & (1 << class as u32) != 0
    }

    /// Adds `class`.
    pub fn insert(&mut self, class: FieldClass) {
        self.0 |= 1 << class as u32;
    }

    /// Whether every class of `other` is in this set.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Classes in either.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Classes in both.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Classes in this but not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is no class in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many classes are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The classes, in order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = FieldClass> {
        FieldClass::ALL.iter().copied().filter(move |c| self.contains(*c))
    }

    /// The bits, for a store that keeps numbers.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From [`bits`](Self::bits); bits of classes that this version does not know are dropped.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits).intersection(Self::all())
    }
}

impl From<FieldClass> for ClassSet {
    fn from(class: FieldClass) -> Self {
        Self(1 << class as u32)
    }
}

impl FromIterator<FieldClass> for ClassSet {
    fn from_iter<I: IntoIterator<Item = FieldClass>>(classes: I) -> Self {
        classes.into_iter().fold(Self::EMPTY, |set, class| set.union(class.into()))
    }
}

impl std::fmt::Display for ClassSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, class) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(class.word())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(FieldClass::word)).finish()
    }
}

impl serde::Serialize for ClassSet {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for ClassSet {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Vec::<FieldClass>::deserialize(d)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_set_is_exactly_the_classes_called_secret() {
        let by_name: ClassSet =
            FieldClass::ALL.iter().copied().filter(|c| c.word().starts_with("secret.")).collect();
        assert_eq!(by_name, ClassSet::SECRET);
    }

    #[test]
    fn a_set_reads_back_from_its_bits_and_drops_unknown_ones() {
        assert_eq!(ClassSet::from_bits(ClassSet::all().bits()), ClassSet::all());
        assert_eq!(ClassSet::from_bits(u32::MAX), ClassSet::all());
    }
}
