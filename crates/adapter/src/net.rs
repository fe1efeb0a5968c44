//! The safety net: looks at what is about to be shown outside declared fields, and says that the adapter
//! has a gap. It decides by checksums and shapes, never by guessing at names.

use std::ops::Range;

use model::FieldClass;

use crate::Verdict;
use crate::checksum;
use crate::mask::mask;

/// What the net knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Email,
    Phone,
    Iban,
    Card,
    BitcoinAddress,
    EthereumAddress,
    RecoveryPhrase,
    SecondFactor,
    PrivateKey,
}

impl Kind {
    /// What reports call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Email => "e-mail address",
            Self::Phone => "telephone number",
            Self::Iban => "IBAN",
            Self::Card => "card number",
            Self::BitcoinAddress => "Bitcoin address",
            Self::EthereumAddress => "Ethereum address",
            Self::RecoveryPhrase => "recovery phrase",
            Self::SecondFactor => "second-factor seed",
            Self::PrivateKey => "private key",
        }
    }

    /// What it is treated as: a secret is one wherever it stands; the rest is what no adapter declared.
    pub(crate) fn class(self) -> FieldClass {
        match self {
            Self::Card => FieldClass::SecretCardNumber,
            Self::RecoveryPhrase => FieldClass::SecretRecoveryPhrase,
            Self::SecondFactor => FieldClass::SecretSecondFactor,
            Self::PrivateKey => FieldClass::SecretPrivateKey,
            Self::Email | Self::Phone | Self::Iban | Self::BitcoinAddress | Self::EthereumAddress => {
                FieldClass::Undeclared
            }
        }
    }
}

/// Something that the net saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// Free text in which people write what they should not.
pub(crate) fn may_hold_secrets(class: FieldClass) -> bool {
    matches!(
        class,
        FieldClass::SupportHistory
            | FieldClass::SupportNote
            | FieldClass::AccountActivity
            | FieldClass::Undeclared
    )
}

/// The secrets in a text.
pub(crate) fn secrets(text: &str) -> Vec<Hit> {
    let mut hits = hits(text);
    hits.retain(|hit| hit.kind.class().is_secret());
    hits
}

/// The text with each hit masked that may not be shown; none if all may.
pub(crate) fn hide(text: &str, hits: &[Hit], mut verdict: impl FnMut(&Hit) -> Verdict) -> Option<String> {
    let mut hidden = String::with_capacity(text.len());
    let mut copied = 0;
    for hit in hits {
        if verdict(hit) != Verdict::Show {
            hidden.push_str(&text[copied..hit.span.start]);
            hidden.push_str(&mask(hit.kind.class(), &text[hit.span.clone()]));
            copied = hit.span.end;
        }
    }
    if copied == 0 {
        return None;
    }
    hidden.push_str(&text[copied..]);
    Some(hidden)
}

/// All that the net sees in a text, in order, without overlaps.
pub(crate) fn hits(text: &str) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let mut hits: Vec<Hit> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let found = match byte {
            b'@' => email(bytes, at),
            b'+' => phone(bytes, at),
            b'-' => private_key(text, at),
            _ if byte.is_ascii_alphanumeric() => word(text, at),
            _ => None,
        };
        let next = match &found {
            Some(hit) => hit.span.end,
            None if byte.is_ascii_alphanumeric() => word_end(bytes, at),
            None => at + 1,
        };
        if let Some(hit) = found {
            // An address is found at its `@`, after what stands before it was looked at.
            while hits.last().is_some_and(|last| last.span.end > hit.span.start) {
                hits.pop();
            }
            hits.push(hit);
        }
        at = next;
    }
    hits
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(bytes.len() - at)
}

/// What begins with this word.
fn word(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let end = word_end(bytes, at);
    let word = &text[at..end];
    let hit = |kind, end| Some(Hit { kind, span: at..end });
    match word.len() {
        4 if bytes[at].is_ascii_uppercase() => iban(bytes, at),
        15..=34 if bytes[at].is_ascii_uppercase() && bytes[at + 1].is_ascii_uppercase() => {
            iban(bytes, at).or_else(|| if is_seed(word) { hit(Kind::SecondFactor, end) } else { None })
        }
        _ if bytes[at].is_ascii_digit() && bytes[end - 1].is_ascii_digit() && word.len() <= 19 => {
            card(bytes, at)
        }
        _ => None,
    }
    .or_else(|| match word.len() {
        26..=35 if checksum::base58check(word).is_some_and(|(version, _)| matches!(version, 0 | 5)) => {
            hit(Kind::BitcoinAddress, end)
        }
        51 | 52 if checksum::base58check(word).is_some_and(|(version, _)| version == 0x80) => {
            hit(Kind::PrivateKey, end)
        }
        14..=90 if checksum::bitcoin_bech32(word) => hit(Kind::BitcoinAddress, end),
        42 if word.starts_with("0x") && word[2..].bytes().all(|b| b.is_ascii_hexdigit()) => {
            hit(Kind::EthereumAddress, end)
        }
        111 if word.starts_with("xprv") => hit(Kind::PrivateKey, end),
        7 if word == "otpauth" && text[end..].starts_with("://") => {
            let rest = &text[end..];
            let stop = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
            hit(Kind::SecondFactor, end + rest.find(stop).unwrap_or(rest.len()))
        }
        16.. if is_seed(word) => hit(Kind::SecondFactor, end),
        3..=8 => phrase(text, at),
        _ => None,
    })
}

/// An address around the `@` at `at`.
fn email(bytes: &[u8], at: usize) -> Option<Hit> {
    let local = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b) || *b >= 0x80;
    let domain = |b: &u8| b.is_ascii_alphanumeric() || b".-".contains(b) || *b >= 0x80;
    let start = at - bytes[..at].iter().rev().take_while(|b| local(b)).count();
    let mut end = at + 1 + bytes[at + 1..].iter().take_while(|b| domain(b)).count();
    while matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let dot = at + bytes[at..end].iter().rposition(|b| *b == b'.')?;
    let top = &bytes[dot + 1..end];
    let is_file =
        [&b"png"[..], b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"map"].contains(&top);
    let is_address = start < at && dot > at + 1 && top.len() >= 2 && !top[0].is_ascii_digit() && !is_file;
    is_address.then_some(Hit { kind: Kind::Email, span: start..end })
}

/// `+` and 8 to 15 digits (E.164), written with the usual separators.
fn phone(bytes: &[u8], at: usize) -> Option<Hit> {
    let alone = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    if !alone || !bytes.get(at + 1)?.is_ascii_digit() {
        return None;
    }
    let (digits, end) = digit_groups(bytes, at + 1, b" ().-/");
    (8..=15).contains(&digits).then_some(Hit { kind: Kind::Phone, span: at..end })
}

/// A card number: the issuers' prefixes and lengths, and Luhn's sum.
fn card(bytes: &[u8], at: usize) -> Option<Hit> {
    let (count, end) = digit_groups(bytes, at, b" -");
    if !(14..=19).contains(&count) {
        return None;
    }
    let digits: Vec<u8> = bytes[at..end].iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect();
    let followed = bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric());
    let issued = matches!(
        (digits.first()?, digits.get(1)?, count),
        (4, _, 16 | 19)
            | (5, 1..=5, 16)
            | (2, 2..=7, 16)
            | (6, _, 16..=19)
            | (3, 4 | 7, 15)
            | (3, 0 | 6 | 8 | 9, 14)
    );
    (issued && !followed && checksum::luhn(&digits)).then_some(Hit { kind: Kind::Card, span: at..end })
}

/// How many digits there are from `at` on, with at most two separators between two of them; and where the last
/// one ends.
fn digit_groups(bytes: &[u8], at: usize, separators: &[u8]) -> (usize, usize) {
    let mut digits = 0;
    let mut end = at;
    let mut gap = 0;
    for (i, byte) in bytes.iter().enumerate().skip(at).take(40) {
        if byte.is_ascii_digit() {
            digits += 1;
            end = i + 1;
            gap = 0;
        } else if separators.contains(byte) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
    }
    (digits, end)
}

/// An IBAN, in one piece or in groups of four.
fn iban(bytes: &[u8], at: usize) -> Option<Hit> {
    let head = bytes.get(at..at + 4)?;
    let shaped = head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit);
    if !shaped {
        return None;
    }
    let mut account = Vec::new();
    for (i, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'A'..=b'Z' | b'0'..=b'9' if account.len() < 35 => account.push(*byte),
            b' ' if account.len() % 4 == 0 => continue,
            _ => break,
        }
        let end = i + 1;
        // In running text words may follow; the shortest reading whose sum is right is the account.
        let word_ends = bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric());
        if word_ends && account.len() >= 15 && checksum::iban(&account) {
            return Some(Hit { kind: Kind::Iban, span: at..end });
        }
    }
    None
}

/// A base-32 seed as authenticator apps take it: upper case, with digits, of a length that seeds have.
fn is_seed(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    matches!(word.len(), 16 | 26 | 32 | 52 | 64 | 103)
        && word.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
        && (1..word.len() / 2).contains(&digits)
}

fn private_key(text: &str, at: usize) -> Option<Hit> {
    let rest = text[at..].strip_prefix("-----BEGIN ")?;
    let (label, body) = rest.split_once("-----")?;
    if label.len() > 40 || !label.ends_with("PRIVATE KEY") {
        return None;
    }
    let begun = text.len() - body.len();
    let end = body.find("-----END").map_or(text.len(), |i| begun + i);
    let end = text[end..].find("KEY-----").map_or(text.len(), |i| end + i + "KEY-----".len());
    Some(Hit { kind: Kind::PrivateKey, span: at..end })
}

/// Frequent English words that no BIP-39 phrase holds: a text with one of them is just a text.
const NOT_IN_PHRASES: &[&str] = &[
    "the", "and", "for", "with", "was", "are", "not", "but", "has", "had", "from", "have", "were", "been",
    "would", "could", "should", "our", "its", "his", "her", "their", "did", "does",
];

/// Twelve or more words of three to eight lower-case letters with nothing but a blank between them. The word
/// list itself is not needed: running text of that length always holds a shorter or a more frequent word.
fn phrase(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let mut end = at;
    let mut count = 0;
    let mut next = at;
    while next < bytes.len() {
        let stop = word_end(bytes, next);
        let word = &text[next..stop];
        let fits = (3..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
        if !fits || NOT_IN_PHRASES.contains(&word) {
            break;
        }
        count += 1;
        end = stop;
        next = stop + 1;
        if !bytes.get(stop).is_some_and(|b| matches!(b, b' ' | b'\n' | b'\t')) {
            break;
        }
    }
    (count >= 12).then_some(Hit { kind: Kind::RecoveryPhrase, span: at..end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        hits(text).into_iter().map(|hit| (hit.kind, &text[hit.span])).collect()
    }

    #[test]
    fn what_it_knows_is_seen_where_it_stands() {
        for (text, kind, seen) in [
            ("Mail jane.smith+x@example.co.uk.", Kind::Email, "jane.smith+x@example.co.uk"),
            ("<a href=\"mailto:jane@example.com\">", Kind::Email, "jane@example.com"),
            ("zoë@exämple.de", Kind::Email, "zoë@exämple.de"),
            ("call +49 (30) 5550-4821 now", Kind::Phone, "+49 (30) 5550-4821"),
            ("to DE89 3704 0044 0532 0130 00 please", Kind::Iban, "DE89 3704 0044 0532 0130 00"),
            ("DE89370400440532013000", Kind::Iban, "DE89370400440532013000"),
            ("card 4111 1111 1111 1111.", Kind::Card, "4111 1111 1111 1111"),
            ("378282246310005", Kind::Card, "378282246310005"),
            (
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
                Kind::BitcoinAddress,
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            ),
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                Kind::BitcoinAddress,
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            ),
            (
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                Kind::EthereumAddress,
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            ),
            (
                "it is: zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong!",
                Kind::RecoveryPhrase,
                "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            ),
            ("seed JBSWY3DPEHPK3PXP ok", Kind::SecondFactor, "JBSWY3DPEHPK3PXP"),
            ("otpauth://totp/x?secret=ABC \"", Kind::SecondFactor, "otpauth://totp/x?secret=ABC"),
            (
                "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
                Kind::PrivateKey,
                "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
            ),
            (
                "a -----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY----- b",
                Kind::PrivateKey,
                "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----",
            ),
        ] {
            assert_eq!(kinds(text), [(kind, seen)], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for text in [
            "2026-11-21T08:00:00Z",
            "order 4111 1111 1111 1112",
            "1763712000000",
            "DE88 3704 0044 0532 0130 00",
            "logo@2x.png",
            "@media (max-width: 40em)",
            "a@b",
            "1 + 12345678901",
            "the customer says that they would like more time before paying this bill again",
            "we call back when there is news about your card and then close",
            "ABCDEFGHIJKLMNOP",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "f81def563768c8a10ba7d782a5f458e7",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn hits_are_in_order_apart_and_on_character_boundaries(text in "([a-z@.+0-9 é\\-]|jane@example\\.com|\\+49 30 5550 4821){0,12}") {
            let mut end = 0;
            for hit in hits(&text) {
                prop_assert!(hit.span.start >= end && hit.span.end > hit.span.start);
                prop_assert!(text.get(hit.span.clone()).is_some());
                end = hit.span.end;
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = hits(&text);
        }
    }
}
