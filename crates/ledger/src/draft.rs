//! What callers hand in, and the checks that need no state.

use model::entry::{Erased, MAX_ENTRY_BYTES};
use model::{Commitment, Digest, Entry, Event, Opening, Timestamp};

use crate::error::Malformed;

/// How many entries one group may have.
pub const MAX_GROUP: usize = 4096;
/// How many rows one `Listed` entry may speak of.
pub const MAX_ROWS: usize = 65_536;
/// How many bytes the entries and openings of one group may have.
pub const MAX_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// What a caller wants recorded: the event, and what opens each commitment in it, in order.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What happened.
    pub event: Event,
    /// What opens the commitments in it; for `Listed`, one for each row.
    pub openings: Vec<Opening>,
}

impl Draft {
    /// An event that is about no customer.
    pub fn plain(event: Event) -> Self {
        Self { event, openings: Vec::new() }
    }

    /// Whether this can become an entry, at whatever time; and about how many bytes it takes in the journal.
    pub(crate) fn check(self) -> Result<(Self, usize), Malformed> {
        // The latest time has the longest encoding.
        let longest = Entry { time: Timestamp(u64::MAX), event: self.event };
        let length = longest.encode().len();
        if length > MAX_ENTRY_BYTES {
            return Err(Malformed::TooLarge(length));
        }
        if self.openings.len() > MAX_ROWS {
            return Err(Malformed::TooManyRows(self.openings.len()));
        }
        opens(&longest.event, &self.openings)?;
        let weight = length + self.openings.iter().map(sealed_length).sum::<usize>();
        Ok((Self { event: longest.event, openings: self.openings }, weight))
    }
}

/// About how many bytes an opening takes when it is sealed.
fn sealed_length(opening: &Opening) -> usize {
    let subject = &opening.subject;
    let ticket = subject.ticket.as_ref().map_or(0, |ticket| ticket.as_str().len());
    160 + subject.customer.as_str().len() + ticket + subject.note.as_ref().map_or(0, String::len)
}

/// A recorded entry with what is still known of its openings (in the order of its commitments; for a
/// `Listed` entry one for each row). `None`: the customer was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Its openings, as far as there are keys for them.
    pub openings: Vec<Option<Opening>>,
}

/// What an event says of its subjects.
enum Subjects {
    Each(Option<Commitment>),
    Over { digest: Digest, rows: u32 },
}

fn subjects(event: &Event) -> Subjects {
    match event {
        Event::GrantIssued(e) => Subjects::Each(Some(e.subject)),
        Event::Revealed(e) => Subjects::Each(Some(e.subject)),
        Event::Written(e) => Subjects::Each(e.subject),
        Event::Refused(e) => Subjects::Each(e.subject),
        Event::Questioned(e) => Subjects::Each(e.subject),
        Event::Proposed(e) => Subjects::Each(e.act.subject()),
        Event::Erased(Erased::Customer { subject, .. }) => Subjects::Each(*subject),
        Event::Listed(e) => Subjects::Over { digest: e.subjects, rows: e.rows },
        Event::CanariesPlanted(e) => Subjects::Over { digest: e.subjects, rows: e.count },
        Event::Started(_)
        | Event::SettingsInForce(_)
        | Event::PolicyInForce(_)
        | Event::StaffRecorded(_)
        | Event::SessionOpened(_)
        | Event::SessionClosed(_)
        | Event::Revoked(_)
        | Event::Decided(_)
        | Event::Erased(Erased::Before { .. })
        | Event::IncidentOpened(_)
        | Event::MarkIssued(_)
        | Event::MarkFault(_)
        | Event::MarkSound(_)
        | Event::Finding(_)
        | Event::Contained(_)
        | Event::Lifted(_)
        | Event::Triaged(_)
        | Event::WatchInForce(_)
        | Event::Reauthenticated(_)
        | Event::RuleMatched(_) => Subjects::Each(None),
    }
}

/// How many openings an event has.
pub(crate) fn count(event: &Event) -> usize {
    match subjects(event) {
        Subjects::Each(subject) => usize::from(subject.is_some()),
        Subjects::Over { rows, .. } => rows as usize,
    }
}

/// Whether these openings, all of them, open the commitments of the event.
pub(crate) fn opens(event: &Event, openings: &[Opening]) -> Result<(), Malformed> {
    let commitments = count(event);
    if commitments != openings.len() {
        return Err(Malformed::Count { commitments, openings: openings.len() });
    }
    let opened: Vec<Commitment> = openings.iter().map(Opening::commitment).collect();
    let holds = match subjects(event) {
        Subjects::Each(subject) => subject.as_slice() == opened,
        Subjects::Over { digest, .. } => Digest::over(&opened) == digest,
    };
    if holds { Ok(()) } else { Err(Malformed::Mismatch) }
}
