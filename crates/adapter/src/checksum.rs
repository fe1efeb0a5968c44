//! The check sums by which account numbers and addresses know themselves.

use sha2::{Digest, Sha256};

/// ISO 7812: the sum of a card number.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| match (i % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// ISO 13616: the account, rotated by four and with letters as numbers, is 1 modulo 97.
pub(crate) fn iban(account: &[u8]) -> bool {
    let Some((head, body)) = account.split_at_checked(4) else { return false };
    let remainder = body.iter().chain(head).try_fold(0, |sum, c| match c {
        b'0'..=b'9' => Some((sum * 10 + u32::from(c - b'0')) % 97),
        b'A'..=b'Z' => Some((sum * 100 + u32::from(c - b'A') + 10) % 97),
        _ => None,
    });
    remainder == Some(1)
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The version and the payload of a Base58Check text.
pub(crate) fn base58check(text: &str) -> Option<(u8, Vec<u8>)> {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for c in text.bytes() {
        let mut carry = BASE58.iter().position(|b| *b == c)?;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.insert(0, (carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|c| *c == b'1').count();
    bytes.splice(0..0, std::iter::repeat_n(0, zeros));
    let (payload, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let expected = Sha256::digest(Sha256::digest(payload));
    let (version, payload) = payload.split_first()?;
    (expected[..4] == *sum).then(|| (*version, payload.to_vec()))
}

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// BIP 173 and BIP 350: whether this is a Bitcoin address.
pub(crate) fn bitcoin_bech32(text: &str) -> bool {
    let Some(data) = text.strip_prefix("bc1").or_else(|| text.strip_prefix("tb1")) else { return false };
    let prefix = &text.as_bytes()[..2];
    let expanded = prefix.iter().map(|b| b >> 5).chain([0]).chain(prefix.iter().map(|b| b & 31));
    let mut sum = expanded.fold(1, polymod);
    for c in data.bytes() {
        let Some(value) = BECH32.iter().position(|b| *b == c) else { return false };
        sum = polymod(sum, value as u8);
    }
    matches!(sum, 1 | 0x2bc8_30a3)
}

fn polymod(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let shifted = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
    GENERATOR.iter().enumerate().filter(|(i, _)| top >> i & 1 == 1).fold(shifted, |sum, (_, g)| sum ^ g)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_pass_and_their_neighbours_fail() {
        assert!(luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        assert!(!luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]));
        assert!(iban(b"DE89370400440532013000"));
        assert!(!iban(b"DE88370400440532013000"));
        assert_eq!(
            base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").map(|(v, p)| (v, p.len())),
            Some((0, 20))
        );
        assert_eq!(base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), None);
        assert!(bitcoin_bech32("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert!(!bitcoin_bech32("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"));
    }
}
