//! From what eyes or OCR read to customer ids.

use std::collections::{BTreeSet, HashMap};

use model::CustomerId;

/// What became of the ids of a leak.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    /// The customers, in the leak's order.
    pub customers: Vec<CustomerId>,
    /// Read wrongly, and put right because exactly one known id is that close.
    pub corrected: usize,
    /// As close to two known ids or more: left out.
    pub ambiguous: Vec<String>,
    /// Close to no known id: left out.
    pub unknown: Vec<String>,
}

/// Matches ids as read against the known ones: exactly; else with characters that look alike made equal; else with one
/// character wrong, missing or too many, if exactly one known id fits. Never a guess between two.
pub fn match_ids<S: AsRef<str>>(read: &[S], known: &BTreeSet<CustomerId>) -> Matched {
    let mut alike: HashMap<String, Vec<&CustomerId>> = HashMap::new();
    // Every known id with each one character left out: two strings one edit apart share such a form, or are each
    // other's.
    let mut shorter: HashMap<String, BTreeSet<&CustomerId>> = HashMap::new();
    for id in known {
        let form = look(id.as_str());
        for cut in cuts(&form) {
            shorter.entry(cut).or_default().insert(id);
        }
        alike.entry(form).or_default().push(id);
    }
    let mut out = Matched::default();
    for text in read.iter().map(|s| s.as_ref().trim()).filter(|s| !s.is_empty()) {
        let exact = CustomerId::new(text);
        if known.contains(&exact) {
            out.customers.push(exact);
            continue;
        }
        let form = look(text);
        let mut near: BTreeSet<&CustomerId> = alike.get(&form).into_iter().flatten().copied().collect();
        if near.is_empty() && form.chars().count() >= LEAST {
            near.extend(shorter.get(&form).into_iter().flatten());
            for cut in cuts(&form) {
                near.extend(alike.get(&cut).into_iter().flatten());
                near.extend(shorter.get(&cut).into_iter().flatten());
            }
            near.retain(|id| within_one(&look(id.as_str()), &form));
        }
        match (near.len(), near.first()) {
            (1, Some(id)) => {
                out.customers.push((*id).clone());
                out.corrected += 1;
            }
            (0, _) => out.unknown.push(text.to_owned()),
            _ => out.ambiguous.push(text.to_owned()),
        }
    }
    out
}

/// Shorter ids than this are not put right: one edit is too large a part of them.
const LEAST: usize = 5;

/// The text with characters that OCR takes for each other made equal.
fn look(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'o' => '0',
            'l' | 'i' | '|' => '1',
            's' => '5',
            'b' => '8',
            'z' => '2',
            'g' => '9',
            c => c,
        })
        .collect()
}

fn cuts(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    (0..chars.len())
        .map(move |cut| chars.iter().enumerate().filter(|(i, _)| *i != cut).map(|(_, c)| c).collect())
}

/// At most one character wrong, missing or too many.
fn within_one(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(&long).take_while(|(x, y)| x == y).count();
    let rest = if short.len() == long.len() { (same + 1).min(short.len()) } else { same };
    short[rest..] == long[(same + 1).min(long.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(ids: &[&str]) -> BTreeSet<CustomerId> {
        ids.iter().map(CustomerId::new).collect()
    }

    #[test]
    fn look_alikes_and_one_wrong_character_are_put_right() {
        let known = known(&["C-100518", "C-200999"]);
        for read in ["C-1OO5I8", "c-100518", "C-10058", "C-1005188", "C-100578"] {
            let matched = match_ids(&[read], &known);
            assert_eq!(matched.customers, [CustomerId::new("C-100518")], "{read}");
            assert_eq!(matched.corrected, 1);
        }
        assert_eq!(match_ids(&["C-300777"], &known).unknown, ["C-300777"]);
    }

    #[test]
    fn an_id_between_two_known_ones_is_nobody() {
        let matched = match_ids(&["1000013"], &known(&["1000011", "1000012"]));
        assert_eq!(matched.ambiguous, ["1000013"]);
        assert!(matched.customers.is_empty());
    }

    proptest! {
        #[test]
        fn every_known_id_matches_itself_and_no_text_panics(ids in prop::collection::btree_set("[0-9a-z]{1,9}", 1..20), junk: Vec<String>) {
            let known: BTreeSet<CustomerId> = ids.iter().map(CustomerId::new).collect();
            let read: Vec<&String> = ids.iter().collect();
            let matched = match_ids(&read, &known);
            prop_assert_eq!(matched.customers.len(), ids.len());
            prop_assert_eq!(matched.corrected, 0);
            match_ids(&junk, &known);
        }
    }
}
