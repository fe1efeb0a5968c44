//! Times as other systems write them.

use model::Timestamp;

/// RFC 3339; seconds or milliseconds since the epoch; `02/Mar/2026:10:00:00 +0100` (Apache, nginx);
/// `20260302100000.123` (Salesforce); `2026-03-02 10:00:00` (UTC).
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(time) = Timestamp::parse(text) {
        return Some(time);
    }
    if let Some(time) =
        text.split_once(' ').and_then(|(day, time)| Timestamp::parse(&format!("{day}T{time}Z")))
    {
        return Some(time);
    }
    let whole = text.split('.').next().unwrap_or_default();
    if !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) {
        return match whole.len() {
            14 => Timestamp::parse(&format!(
                "{}-{}-{}T{}:{}:{}Z",
                &whole[..4],
                &whole[4..6],
                &whole[6..8],
                &whole[8..10],
                &whole[10..12],
                &whole[12..]
            )),
            9..=10 => {
                let seconds: f64 = text.parse().ok()?;
                Some(Timestamp((seconds * 1000.0).round() as u64))
            }
            12..=13 => whole.parse().ok().map(Timestamp),
            _ => None,
        };
    }
    apache(text)
}

fn apache(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (stamp, offset) = text.split_once(' ')?;
    let (date, time) = stamp.split_once(':')?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let (hours, minutes) = offset.split_at_checked(3)?;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}{hours}:{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_moment_is_read_from_every_spelling() {
        let moment = Some(Timestamp(1_772_442_000_000));
        for text in [
            "2026-03-02T09:00:00Z",
            "2026-03-02T10:00:00.000+01:00",
            "2026-03-02 09:00:00",
            "1772442000",
            "1772442000.0",
            "1772442000000",
            "20260302090000.000",
            "02/Mar/2026:10:00:00 +0100",
        ] {
            assert_eq!(read(text), moment, "{text}");
        }
        assert_eq!(read("02/Mrz/2026:10:00:00 +0100"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = read(&text);
        }
    }
}
