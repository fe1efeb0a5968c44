//! Months, the measure of retention.

use std::fmt;
use std::str::FromStr;

use chrono::Datelike;

use crate::Timestamp;

/// A month of the calendar, UTC; counted from year 0. Displayed as `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Month(#[n(0)] u32);

impl Month {
    /// The month that a time is in. Times that no calendar has are in the last month there is.
    pub fn of(at: Timestamp) -> Self {
        let day = i64::try_from(at.0).ok().and_then(chrono::DateTime::from_timestamp_millis);
        // From 1970 on, years are positive.
        day.map_or(Self(u32::MAX), |day| Self(day.year().unsigned_abs() * 12 + day.month0()))
    }

    /// So many months earlier, not before year 0.
    pub fn minus(self, months: u32) -> Self {
        Self(self.0.saturating_sub(months))
    }

    /// The count, for storage.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Of [`number`](Self::number).
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// When it begins; the epoch for months before 1970.
    pub fn start(self) -> Timestamp {
        let day = i32::try_from(self.0 / 12)
            .ok()
            .and_then(|year| chrono::NaiveDate::from_ymd_opt(year, self.0 % 12 + 1, 1));
        let ms = day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc().timestamp_millis());
        // What no calendar has never begins.
        ms.map_or(Timestamp(u64::MAX), |ms| Timestamp(u64::try_from(ms).unwrap_or(0)))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}", self.0 / 12, self.0 % 12 + 1))
    }
}

/// Text that is not a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a month like 2026-11")]
pub struct NotAMonth;

impl FromStr for Month {
    type Err = NotAMonth;
    fn from_str(s: &str) -> Result<Self, NotAMonth> {
        let (year, month) = s.split_once('-').ok_or(NotAMonth)?;
        let digits = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(NotAMonth);
        }
        match (year.parse::<u32>(), month.parse::<u32>()) {
            (Ok(year), Ok(month @ 1..=12)) => Ok(Self(year * 12 + month - 1)),
            _ => Err(NotAMonth),
        }
    }
}

impl serde::Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_month_begins_and_ends_in_utc() {
        let november: Month = "2026-11".parse().unwrap();
        assert_eq!(Month::of(at("2026-11-01T00:00:00Z")), november);
        assert_eq!(Month::of(at("2026-11-30T23:59:59.999Z")), november);
        assert_eq!(Month::of(at("2026-12-01T00:30:00+01:00")), november);
        assert_eq!(november.start(), at("2026-11-01"));
        assert_eq!(november.minus(23).to_string(), "2024-12");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "+026-01", "2026-11-01"] {
            assert_eq!(text.parse::<Month>(), Err(NotAMonth), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_in_the_month_that_it_says(ms: u64) {
            let month = Month::of(Timestamp(ms));
            prop_assert!(month.start() <= Timestamp(ms) || month == Month(u32::MAX));
            prop_assert!(ms < Month(month.0.saturating_add(1)).start().0 || month == Month(u32::MAX));
        }

        #[test]
        fn a_month_reads_back_from_its_written_form(number in 1970u32 * 12..9999 * 12) {
            prop_assert_eq!(Month(number).to_string().parse(), Ok(Month(number)));
            prop_assert_eq!(Month::of(Month(number).start()), Month(number));
        }
    }
}
