//! What a rule may cost, decided before it runs.
//!
//! Regular expressions here never backtrack: their cost is their size times the length of what they look at. So it is
//! the size that is bounded, with repetitions counted out, and with it the time and memory of compiling.

use std::time::Duration;

use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType};
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue};

/// The most bytes of one file.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;
/// The most files of a directory.
pub const MAX_FILES: usize = 20_000;
/// The longest value to compare with, in bytes.
pub const MAX_VALUE: usize = 8 * 1024;
/// The most wildcards in one value.
pub const MAX_WILDCARDS: usize = 32;
/// The largest regular expression, in steps with its repetitions counted out.
pub const MAX_REGEX: u64 = 5_000;
/// The largest sum of one rule's regular expressions.
pub const MAX_REGEXES: u64 = 50_000;
/// The highest count that a correlation may wait for: it keeps a small multiple of that many entries.
pub const MAX_COUNT: u64 = 4096;
/// The longest time that a correlation may look back.
pub const MAX_WINDOW: Duration = Duration::from_secs(31 * 24 * 3600);

/// Why a rule is too expensive, in one sentence.
pub fn check_rule(rule: &SigmaRule) -> Result<(), String> {
    let mut regexes = 0u64;
    rule.detection.named.values().try_for_each(|detection| walk(detection, &mut regexes))
}

/// Why a correlation is too expensive, in one sentence.
pub fn check_correlation(rule: &CorrelationRule) -> Result<(), String> {
    if Duration::from_secs(rule.timespan.seconds) > MAX_WINDOW {
        return Err("it looks back for more than 31 days".into());
    }
    if rule.rules.is_empty() {
        return Err("it refers to no rule".into());
    }
    let highest = highest_count(rule);
    if highest > MAX_COUNT {
        return Err(format!("it counts to {highest}; up to {MAX_COUNT} is kept"));
    }
    Ok(())
}

/// The highest number of entries that the condition speaks of; none where it is about sums of values.
pub(crate) fn highest_count(rule: &CorrelationRule) -> u64 {
    let counts = matches!(rule.correlation_type, CorrelationType::EventCount | CorrelationType::ValueCount);
    match &rule.condition {
        CorrelationCondition::Threshold { predicates, .. } if counts => {
            let bound = |(operator, value): &(ConditionOperator, u64)| match operator {
                ConditionOperator::Gt => value.saturating_add(1),
                _ => *value,
            };
            predicates.iter().map(bound).max().unwrap_or_default()
        }
        _ => 0,
    }
}

fn walk(detection: &Detection, regexes: &mut u64) -> Result<(), String> {
    match detection {
        Detection::AllOf(items) => items.iter().try_for_each(|item| check_item(item, regexes)),
        Detection::AnyOf(parts) | Detection::And(parts) => {
            parts.iter().try_for_each(|part| walk(part, regexes))
        }
        Detection::Keywords(values) => values.iter().try_for_each(check_value),
        Detection::ArrayMatch { body, .. } => walk(body, regexes),
        Detection::Conditional { named, .. } => named.values().try_for_each(|part| walk(part, regexes)),
    }
}

fn check_item(item: &DetectionItem, regexes: &mut u64) -> Result<(), String> {
    let field = item.field.name.as_deref().unwrap_or("keywords");
    for value in &item.values {
        check_value(value).map_err(|why| format!("{field}: {why}"))?;
        if let (true, SigmaValue::String(pattern)) = (item.field.has_modifier(Modifier::Re), value) {
            let size = regex_size(&pattern.original);
            *regexes = regexes.saturating_add(size);
            if size > MAX_REGEX || *regexes > MAX_REGEXES {
                return Err(format!(
                    "{field}: a regular expression of about {size} steps with its repetitions counted out; one may \
                     have {MAX_REGEX}, all of a rule {MAX_REGEXES}"
                ));
            }
        }
    }
    Ok(())
}

fn check_value(value: &SigmaValue) -> Result<(), String> {
    let SigmaValue::String(text) = value else { return Ok(()) };
    if text.original.len() > MAX_VALUE {
        return Err(format!("a value of {} bytes; up to {MAX_VALUE} are compared", text.original.len()));
    }
    let wildcards = text.original.bytes().filter(|b| *b == b'*').count();
    if wildcards > MAX_WILDCARDS {
        return Err(format!("a value with {wildcards} wildcards; it may have {MAX_WILDCARDS}"));
    }
    Ok(())
}

/// About how many states a regular expression has, with repetitions counted out. Reads anything: whether it is a regular
/// expression at all, the compiler says.
fn regex_size(pattern: &str) -> u64 {
    // What stands before, and the last atom, in each group that is open.
    let mut open = vec![(0u64, 0u64)];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let (before, last) = open.last().copied().unwrap_or_default();
        let atom = match c {
            '(' => {
                open.push((0, 0));
                continue;
            }
            ')' if open.len() > 1 => {
                open.pop();
                let group = before.saturating_add(last);
                if let Some((before, last)) = open.last_mut() {
                    *before = before.saturating_add(*last);
                    *last = group;
                }
                continue;
            }
            '{' => {
                let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let times = inside.split(',').filter_map(|n| n.trim().parse::<u64>().ok()).max().unwrap_or(1);
                if let Some((_, last)) = open.last_mut() {
                    *last = last.saturating_mul(times.max(1));
                }
                continue;
            }
            '\\' => match chars.next() {
                // Classes of Unicode are ranges of bytes by the hundred.
                Some('w' | 'W' | 'd' | 'D' | 's' | 'S' | 'p' | 'P' | 'b' | 'B') => 8,
                _ => 1,
            },
            '[' => {
                let mut escaped = false;
                for c in chars.by_ref() {
                    match c {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        ']' => break,
                        _ => {}
                    }
                }
                4
            }
            '*' | '+' | '?' | '|' | '^' | '$' => 0,
            _ => 1,
        };
        if atom > 0
            && let Some((before, last)) = open.last_mut()
        {
            *before = before.saturating_add(*last);
            *last = atom;
        }
    }
    open.iter().fold(0, |sum, (before, last)| sum.saturating_add(*before).saturating_add(*last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repetitions_of_repetitions_are_counted_out() {
        assert_eq!(regex_size("abc"), 3);
        assert_eq!(regex_size("a{10}"), 10);
        assert_eq!(regex_size("(ab){10}c"), 21);
        assert_eq!(regex_size("((a{100}){100}){100}"), 1_000_000);
        assert_eq!(regex_size("[A-Za-z0-9+/]{50,}"), 200);
        assert_eq!(regex_size(r"(a|b\{9){2,3}"), 12);
        assert_eq!(regex_size(r"[^]]{9"), 4 + 9, "nonsense is measured too");
    }

    proptest! {
        #[test]
        fn any_text_has_a_size(pattern in ".{0,200}") {
            let _ = regex_size(&pattern);
        }
    }
}
