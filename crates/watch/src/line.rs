//! The access log, JSON Lines (DESIGN section 6): one object a line, of four kinds. Unknown keys are
//! ignored. Text is borrowed from the line.

mod plain;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use model::entry::Action;
use model::ticket::TicketWhat;
use model::{ClassSet, FieldClass, Role, Tier, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// Who looks, and what they are there to do.
    Staff(StaffLine<'a>),
    /// Whose record it is.
    Customer(CustomerLine<'a>),
    /// Something happened to a ticket.
    Ticket(TicketLine<'a>),
    /// Somebody looked.
    Access(AccessLine<'a>),
}

/// A staff member, as of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffLine<'a> {
    /// Who; a pseudonym.
    pub staff: Text<'a>,
    /// Which team.
    pub team: Text<'a>,
    /// What they are there to do.
    pub role: Role,
    /// `in-house`, or the vendor's name.
    pub employer: Text<'a>,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerLine<'a> {
    /// Whose record it is.
    pub customer: Text<'a>,
    /// How much harm a look can do.
    pub tier: Tier,
    /// A decoy that no ticket leads to.
    pub canary: bool,
}

/// An event of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketLine<'a> {
    /// When, by the app's clock.
    pub time: Timestamp,
    /// What.
    pub what: TicketWhat,
    /// To which ticket.
    pub ticket: Text<'a>,
    /// Whom the ticket is about; with `linked`, whose account was linked to it.
    pub customer: Text<'a>,
    /// `customer`, `router`, or a staff member.
    pub by: Text<'a>,
    /// Who has it from here on, where that changes.
    pub to: Option<Text<'a>>,
}

/// A look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLine<'a> {
    /// When.
    pub time: Timestamp,
    /// Who looked.
    pub staff: Text<'a>,
    /// At whom; a search that found nobody has none.
    pub customer: Option<Text<'a>>,
    /// Opened, listed, searched, downloaded.
    pub action: Action,
    /// What was shown. A class that this version does not know counts as undeclared.
    pub fields: ClassSet,
    /// In which session.
    pub session: Option<Text<'a>>,
    /// From which address.
    pub ip: Option<Text<'a>>,
}

/// Why a line is not understood.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or a value of a wrong type.
    #[error("not a line of the access log: {0}")]
    Json(#[from] serde_json::Error),
    /// A line without something that its kind has.
    #[error("a line of kind {kind:?} without {key:?}")]
    Missing {
        /// Which kind.
        kind: &'static str,
        /// Which key.
        key: &'static str,
    },
    /// A kind that there is not.
    #[error("kind {0:?}; one of: staff, customer, ticket, access")]
    Kind(String),
    /// A word that there is not.
    #[error(transparent)]
    Word(#[from] model::UnknownWord),
    /// Not a time.
    #[error("{0:?} is not an RFC 3339 time")]
    Time(String),
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Longer than [`MAX_LINE`](crate::read::MAX_LINE).
    #[error("a line of more than {} bytes", crate::read::MAX_LINE)]
    TooLong,
}

impl<'a> Line<'a> {
    /// Reads one line, without its end.
    pub fn parse(line: &'a str) -> Result<Self, LineError> {
        let raw = match plain::read(line) {
            Some(raw) => raw,
            None => serde_json::from_str(line)?,
        };
        raw.into_line()
    }
}

/// Text, borrowed where the line spells it without escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
        }
        d.deserialize_str(Borrow)
    }
}

/// Every key that any kind has.
#[derive(Default, Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow, default)]
    staff: Option<Text<'a>>,
    #[serde(borrow, default)]
    team: Option<Text<'a>>,
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    employer: Option<Text<'a>>,
    #[serde(borrow, default)]
    customer: Option<Text<'a>>,
    #[serde(borrow, default)]
    tier: Option<Text<'a>>,
    #[serde(default)]
    canary: Option<bool>,
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    ticket: Option<Text<'a>>,
    #[serde(borrow, default)]
    by: Option<Text<'a>>,
    #[serde(borrow, default)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
    #[serde(default)]
    fields: Option<Fields>,
    #[serde(borrow, default)]
    session: Option<Text<'a>>,
    #[serde(borrow, default)]
    ip: Option<Text<'a>>,
}

impl<'a> Raw<'a> {
    fn into_line(self) -> Result<Line<'a>, LineError> {
        let none = || Text(Cow::Borrowed(""));
        match &*self.kind {
            "access" => {
                let needs = |key| LineError::Missing { kind: "access", key };
                Ok(Line::Access(AccessLine {
                    time: time(self.time.ok_or_else(|| needs("time"))?)?,
                    staff: self.staff.ok_or_else(|| needs("staff"))?,
                    customer: self.customer,
                    action: self.action.map_or(Ok(Action::View), |word| word.parse())?,
                    fields: self.fields.map_or(ClassSet::EMPTY, |f| f.0),
                    session: self.session,
                    ip: self.ip,
                }))
            }
            "ticket" => {
                let needs = |key| LineError::Missing { kind: "ticket", key };
                Ok(Line::Ticket(TicketLine {
                    time: time(self.time.ok_or_else(|| needs("time"))?)?,
                    what: self.event.ok_or_else(|| needs("event"))?.parse()?,
                    ticket: self.ticket.ok_or_else(|| needs("ticket"))?,
                    customer: self.customer.ok_or_else(|| needs("customer"))?,
                    by: self.by.ok_or_else(|| needs("by"))?,
                    to: self.to.filter(|to| !to.is_empty()),
                }))
            }
            "customer" => Ok(Line::Customer(CustomerLine {
                customer: self.customer.ok_or(LineError::Missing { kind: "customer", key: "customer" })?,
                tier: self.tier.map_or(Ok(Tier::Standard), |word| word.parse())?,
                canary: self.canary.unwrap_or(false),
            })),
            "staff" => Ok(Line::Staff(StaffLine {
                staff: self.staff.ok_or(LineError::Missing { kind: "staff", key: "staff" })?,
                team: self.team.unwrap_or_else(none),
                role: self.role.map_or(Ok(Role::Agent), |word| word.parse())?,
                employer: self.employer.unwrap_or_else(none),
            })),
            other => Err(LineError::Kind(other.to_owned())),
        }
    }
}

fn time(text: Text<'_>) -> Result<Timestamp, LineError> {
    plain_time(text.as_bytes())
        .or_else(|| Timestamp::parse(&text))
        .ok_or_else(|| LineError::Time(text.to_string()))
}

/// `YYYY-MM-DDTHH:MM:SS[.mmm]Z`, which is nearly every time there is, without the general parser.
fn plain_time(t: &[u8]) -> Option<Timestamp> {
    let digits = |from: usize, to: usize| {
        t[from..to].iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
    };
    let millis = match t.len() {
        20 => 0,
        24 if t[19] == b'.' => digits(20, 23)?,
        _ => return None,
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (t.len() - 1, b'Z')];
    if marks.iter().any(|(at, mark)| t[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let longest = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > longest || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days from civil, H. Hinnant: the year begins in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis))
}

struct Fields(ClassSet);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Classes;
        impl<'de> Visitor<'de> for Classes {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of field classes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Fields, A::Error> {
                let mut set = ClassSet::EMPTY;
                while let Some(word) = seq.next_element::<Text<'de>>()? {
                    set.insert(word.parse().unwrap_or(FieldClass::Undeclared));
                }
                Ok(Fields(set))
            }
        }
        d.deserialize_seq(Classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_four_kinds_are_read_and_unknown_keys_are_ignored() {
        let access = r#"{"kind":"access","time":"2026-03-02T09:00:00Z","staff":"s-17","customer":"c-9","action":"view","fields":["contact.email","made.up"],"ticket":null,"session":null,"ip":"10.0.0.1","x":{"y":[1]}}"#;
        let Line::Access(line) = Line::parse(access).unwrap() else { panic!("an access") };
        assert_eq!((&*line.staff, line.customer.as_deref()), ("s-17", Some("c-9")));
        assert_eq!(line.fields, [FieldClass::ContactEmail, FieldClass::Undeclared].into_iter().collect());
        let ticket = r#"{"kind":"ticket","time":"2026-03-02T09:00:00Z","event":"opened","ticket":"k\u002d5","customer":"c-9","by":"customer"}"#;
        let Line::Ticket(line) = Line::parse(ticket).unwrap() else { panic!("a ticket") };
        assert_eq!((&*line.ticket, line.what, line.to), ("k-5", TicketWhat::Opened, None));
        let staff = r#"{"kind":"staff","staff":"s-1","team":"t-3","role":"qa","employer":"in-house","from":"2026-01-01T00:00:00Z"}"#;
        assert!(matches!(Line::parse(staff).unwrap(), Line::Staff(s) if s.role == Role::Qa));
        let customer = r#"{"kind":"customer","customer":"c-9","tier":"protected","canary":true}"#;
        assert!(matches!(Line::parse(customer).unwrap(), Line::Customer(c) if c.canary));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let said = |line| Line::parse(line).unwrap_err().to_string();
        assert!(said(r#"{"kind":"accces"}"#).contains("one of: staff, customer, ticket, access"));
        assert!(said(r#"{"kind":"access","time":"2026-03-02T09:00:00Z"}"#).contains("\"staff\""));
        assert!(said(r#"{"kind":"access","time":"yesterday","staff":"s"}"#).contains("RFC 3339"));
        assert!(said(r#"{"kind":"staff","staff":"s","role":"boss"}"#).contains("unknown role"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = Line::parse(&text);
            let _ = Line::parse(&format!(r#"{{"kind":"access","time":{text:?},"staff":"s"}}"#));
        }

        #[test]
        fn the_short_way_to_a_time_agrees_with_the_general_one(ms in 0u64..4_102_444_800_000) {
            let text = Timestamp(ms).to_string();
            prop_assert_eq!(plain_time(text.as_bytes()), Some(Timestamp(ms)));
            let whole = Timestamp(ms / 1000 * 1000).to_string().replace(".000Z", "Z");
            prop_assert_eq!(plain_time(whole.as_bytes()), Timestamp::parse(&whole));
        }

        #[test]
        fn the_short_way_refuses_what_the_general_one_refuses(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z") {
            if let Some(short) = plain_time(text.as_bytes()) {
                prop_assert_eq!(Some(short), Timestamp::parse(&text));
            }
        }
    }
}
