//! Marks: what lies over the pages of a session, and what became of it in the browser.

use crate::entry::Viewer;
use crate::{ClassSet, FieldClass, MarkId, Timestamp, words};

/// How long one mark is shown, in milliseconds. Each session has its own marks, and another every so often.
pub const BUCKET_MS: u64 = 5 * 60 * 1000;

impl ClassSet {
    /// What is masked while nobody can say that the mark lies over a session's pages: how to reach a customer, what
    /// they have, and their identity documents. Names, account numbers and the conversation stay, so that work goes on.
    pub const NEEDS_MARK: Self = Self::of(&[
        FieldClass::ContactEmail,
        FieldClass::ContactPhone,
        FieldClass::ContactAddress,
        FieldClass::AccountBalance,
        FieldClass::AccountActivity,
        FieldClass::KycDocument,
    ]);
}

/// A mark was issued: from here on it may lie over pages of this session.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct MarkIssued {
    /// The mark. Without the key that it was derived under, it says nothing about the session or the picture.
    #[n(0)]
    pub mark: MarkId,
    /// Over whose pages, in which session and app.
    #[n(1)]
    pub by: Viewer,
    /// When its five minutes begin.
    #[n(2)]
    pub bucket: Timestamp,
}

/// The mark was not where it should be, or nobody could say. A lead, not a verdict: browsers crash and laptops sleep.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct MarkFault {
    /// Whose page, in which session and app.
    #[n(0)]
    pub by: Viewer,
    /// What was seen.
    #[n(1)]
    pub what: MarkFaultKind,
    /// The classes that this session is shown no more until a fresh page is sound. None where it is only recorded.
    #[n(2)]
    pub masks: ClassSet,
}

/// A page of the session proved that the mark lies over it: what a fault masked may be shown again.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct MarkSound {
    /// Whose page, in which session and app.
    #[n(0)]
    pub by: Viewer,
}

words! {
    /// What was seen of a mark that is not where it should be.
    pub enum MarkFaultKind as "kind of mark fault" {
        /// A page that shows customers was not heard from: scripts are off, stopped, or the machine sleeps.
        Silent = 0 "silent",
        /// The mark was taken out of the page.
        Removed = 1 "removed",
        /// The mark is there and cannot be seen.
        Hidden = 2 "hidden",
        /// Something lies over the mark.
        Covered = 3 "covered",
        /// Another picture stands in the mark's place.
        Replaced = 4 "replaced",
        /// The page was printed. The mark is on the paper too.
        Printed = 5 "printed",
        /// A script of the page asked to record the screen.
        Captured = 6 "captured",
        /// An answer that no page with the mark on it gives.
        Forged = 7 "forged",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{AppId, Entry, Event, OsEntropy, SessionId, StaffId};

    #[test]
    fn what_is_said_of_marks_reads_back_from_its_entry() {
        let by = Viewer {
            staff: StaffId::new("s-17"),
            session: SessionId::fresh(&OsEntropy),
            app: AppId::new("desk"),
        };
        let mark = MarkId::fresh(&OsEntropy);
        for event in [
            Event::MarkIssued(MarkIssued { mark, by: by.clone(), bucket: Timestamp(1_750_000_200_000) }),
            Event::MarkFault(MarkFault {
                by: by.clone(),
                what: MarkFaultKind::Covered,
                masks: ClassSet::NEEDS_MARK,
            }),
            Event::MarkSound(MarkSound { by: by.clone() }),
        ] {
            let entry = Entry { time: Timestamp(1_750_000_300_000), event };
            assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
            assert_eq!(entry.event.staff(), Some(&by.staff));
        }
    }

    #[test]
    fn what_needs_the_mark_is_neither_secret_nor_the_cover_of_a_record() {
        let names: Vec<_> = ClassSet::NEEDS_MARK.iter().map(FieldClass::word).collect();
        assert_eq!(
            names,
            [
                "contact.email",
                "contact.phone",
                "contact.address",
                "account.balance",
                "account.activity",
                "kyc.document"
            ]
        );
    }
}
