//! How a masked value looks: enough to see what kind of thing it is, too little to use it.
//! Every mask holds [`MARK`], so that one that comes back in a write is known for what it is.

use model::FieldClass;

/// What every mask holds.
pub const MARK: &str = "•••";

/// What stands in place of something that is never shown to anybody.
pub const NEVER_SHOWN: &str = "[never shown •••]";

const PLAIN: &str = "••••••";

/// The mask of a value of this class.
pub fn mask(class: FieldClass, value: &str) -> String {
    match class {
        FieldClass::ContactEmail => email(value),
        FieldClass::ContactPhone | FieldClass::AccountId => last_four(value),
        FieldClass::IdentityName => name(value),
        FieldClass::AccountBalance => MARK.to_owned(),
        class if class.is_secret() => NEVER_SHOWN.to_owned(),
        _ => PLAIN.to_owned(),
    }
}

/// Whether some class would mask `original` as `shown`.
pub(crate) fn is_mask_of(shown: &str, original: &str) -> bool {
    FieldClass::ALL.iter().any(|class| mask(*class, original) == shown)
}

/// `j•••@•••.com`. The first letter goes too where it would be half of the local part.
fn email(value: &str) -> String {
    let Some((local, domain)) = value.trim().rsplit_once('@') else { return PLAIN.to_owned() };
    let first = initial(local, 3);
    let top = domain
        .rsplit_once('.')
        .map(|(_, top)| top)
        .filter(|top| (2..=6).contains(&top.len()) && top.bytes().all(|b| b.is_ascii_alphabetic()));
    match top {
        Some(top) => format!("{first}{MARK}@{MARK}.{top}"),
        None => format!("{first}{MARK}@{MARK}"),
    }
}

/// `•••• 4821`: the last four, of at least ten letters or digits.
fn last_four(value: &str) -> String {
    let kept: Vec<char> = value.chars().filter(|c| c.is_alphanumeric()).collect();
    match kept.len() {
        10.. => format!("•••• {}", kept[kept.len() - 4..].iter().collect::<String>()),
        _ => PLAIN.to_owned(),
    }
}

/// `J••• S•••`: the first and the last word's initial.
fn name(value: &str) -> String {
    let mut words = value.split_whitespace();
    let first = words.next().map(|word| initial(word, 2)).unwrap_or_default();
    match words.next_back() {
        Some(last) => format!("{first}{MARK} {}{MARK}", initial(last, 2)),
        None => format!("{first}{MARK}"),
    }
}

/// The first letter of a word of at least `least` characters.
fn initial(word: &str, least: usize) -> String {
    let long_enough = word.chars().nth(least - 1).is_some();
    word.chars().next().filter(|c| long_enough && c.is_alphabetic()).map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn masks_look_like_what_they_hide() {
        for (class, value, looks) in [
            (FieldClass::ContactEmail, "jane.smith@example.com", "j•••@•••.com"),
            (FieldClass::ContactEmail, "a@b.c", "•••@•••"),
            (FieldClass::ContactEmail, "no address", "••••••"),
            (FieldClass::ContactPhone, "+49 30 1234 4821", "•••• 4821"),
            (FieldClass::AccountId, "DE02 1203 0000 0000 2020 51", "•••• 2051"),
            (FieldClass::AccountId, "4821", "••••••"),
            (FieldClass::IdentityName, "Jane Maria Smith", "J••• S•••"),
            (FieldClass::IdentityName, "X", "•••"),
            (FieldClass::AccountBalance, "12.50", "•••"),
            (FieldClass::SupportNote, "Owes us a call", "••••••"),
            (FieldClass::SecretRecoveryPhrase, "abandon ability able", "[never shown •••]"),
        ] {
            assert_eq!(mask(class, value), looks);
        }
    }

    proptest! {
        #[test]
        fn every_mask_holds_the_mark_and_never_more_than_a_third_of_the_value(
            class in proptest::sample::select(FieldClass::ALL),
            value in "[a-z0-9]{1,12}(@[a-z]{1,9}\\.(com|de|c))?( [a-z]{1,8}){0,2}",
        ) {
            let masked = mask(class, &value);
            prop_assert!(masked.contains(MARK));
            if !class.is_secret() && class != FieldClass::ContactEmail {
                let kept = masked.chars().filter(|c| c.is_alphanumeric()).count();
                prop_assert!(kept * 2 <= value.chars().filter(|c| c.is_alphanumeric()).count());
            }
        }

        #[test]
        fn a_mask_is_recognised_as_the_mask_of_its_value(
            class in proptest::sample::select(FieldClass::ALL), value: String,
        ) {
            prop_assert!(is_mask_of(&mask(class, &value), &value));
        }
    }
}
