//! What detection tells, what is done about it, and how it is taken back. A finding is a lead, not a verdict.

use crate::entry::{Actor, RevokeReason};
use crate::{Evidence, FindingId, Purpose, Role, SessionId, StaffId, Timestamp, words};

/// The most looks that a finding names.
pub const MOST_CONTRIBUTIONS: usize = 12;
/// The most points that its curve has.
pub const MOST_POINTS: usize = 96;

words! {
    /// A rung of containment. Each is reversible, with a reason.
    pub enum Level as "level" {
        /// A word to the staff member: this look has no reason that we know; is there one?
        Nudge = 0 "nudge",
        /// A fresh login, and the reason again.
        StepUp = 1 "step_up",
        /// One new customer in some minutes, and no rows of strangers.
        Throttle = 2 "throttle",
        /// No access until two people lift it.
        Suspend = 3 "suspend",
        /// Every session and grant ends.
        Revoke = 4 "revoke",
    }
}

impl Level {
    /// Whether nothing is shown on it.
    pub fn closes(self) -> bool {
        matches!(self, Level::StepUp | Level::Suspend | Level::Revoke)
    }
}

words! {
    /// What is done about findings by itself.
    pub enum WatchMode as "watch mode" {
        /// Nothing: people look at them.
        Shadow = 0 "shadow",
        /// The rung that a finding has reached is put in force.
        Contain = 1 "contain",
    }
}

words! {
    /// Why containment was lifted. An enumeration, because free text may hold personal data.
    pub enum LiftReason as "reason for lifting" {
        /// The staff member has read the word.
        Answered = 0 "answered",
        /// The staff member has logged in afresh and said the purpose again.
        SteppedUp = 1 "stepped_up",
        /// There was a reason.
        Explained = 2 "explained",
        /// Nothing was odd.
        FalseAlarm = 3 "false_alarm",
        /// A drill.
        Drill = 4 "drill",
        /// Something else, documented elsewhere.
        Other = 5 "other",
    }
}

words! {
    /// What somebody makes of a finding.
    pub enum Verdict as "verdict" {
        /// Somebody works on it.
        Taken = 0 "taken",
        /// There was a reason.
        Explained = 1 "explained",
        /// It is what it looked like.
        Confirmed = 2 "confirmed",
        /// Nothing was odd.
        FalseAlarm = 3 "false_alarm",
        /// It is open again.
        Reopened = 4 "reopened",
    }
}

impl Verdict {
    /// Whether nothing remains to be done.
    pub fn closes(self) -> bool {
        matches!(self, Verdict::Explained | Verdict::Confirmed | Verdict::FalseAlarm)
    }
}

/// From here on findings are dealt with like this. A fence.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct WatchInForce {
    /// What is done about findings by itself.
    #[n(0)]
    pub mode: WatchMode,
    /// Under throttle one new customer in so many minutes.
    #[n(1)]
    pub throttle_minutes: u32,
    /// Who put it in force.
    #[n(2)]
    pub by: Actor,
}

/// Evidence against "works as always" has reached a rung. It names entries and numbers, never a customer; the words
/// are made of it when somebody reads it. Scores are in hundredths of a nat.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Finding {
    /// The finding.
    #[n(0)]
    pub finding: FindingId,
    /// About whom.
    #[n(1)]
    pub staff: StaffId,
    /// Their role.
    #[n(2)]
    pub role: Role,
    /// What weighs most, as a stable word.
    #[n(3)]
    pub detector: String,
    /// The rung that was reached.
    #[n(4)]
    pub level: Level,
    /// ln of the averaged e-value.
    #[n(5)]
    pub score: i32,
    /// The first entry since the score was quiet.
    #[n(6)]
    pub from: u64,
    /// The entry with which the rung was reached.
    #[n(7)]
    pub at: u64,
    /// Customers in the looks that the score is made of; a look that the budget refused counts.
    #[n(8)]
    pub exposed: u32,
    /// Customers whom this person has seen, as far as is remembered.
    #[n(9)]
    pub seen: u32,
    /// The looks that weigh most, the heaviest first.
    #[n(10)]
    pub contributions: Vec<Contribution>,
    /// What is usual.
    #[n(11)]
    pub usual: Usual,
    /// How the score came there, in the order of the ledger.
    #[n(12)]
    pub curve: Vec<Point>,
    /// Where the rungs stood, the mildest first.
    #[n(13)]
    pub rungs: Vec<i32>,
    /// The others of the role at that time.
    #[n(14)]
    pub peers: Peers,
}

/// A look that weighs.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Contribution {
    /// The entry.
    #[n(0)]
    pub entry: u64,
    /// What it added to the score.
    #[n(1)]
    pub added: i32,
    /// To what.
    #[n(2)]
    pub detector: String,
    /// How it is explained.
    #[n(3)]
    pub evidence: Evidence,
    /// With B: a colleague wrote the ticket. With G: a colleague has a live ticket of this customer.
    #[n(4)]
    pub colleague: bool,
    /// A customer of high value.
    #[n(5)]
    pub high_value: bool,
    /// Nothing was done afterwards.
    #[n(6)]
    pub idle: bool,
}

/// What a person is measured by.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Usual {
    /// Shifts of theirs that are known; none: they are new, and measured by the role alone.
    #[n(0)]
    pub shifts: u32,
    /// How often the heaviest look is to be expected: one in so many of their looks.
    #[n(1)]
    pub one_in: Option<u32>,
    /// Customers in a shift.
    #[n(2)]
    pub customers: u32,
    /// Rows in a shift of customers to whom no ticket leads.
    #[n(3)]
    pub rows: u32,
}

/// The score after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Point {
    /// The entry.
    #[n(0)]
    pub entry: u64,
    /// Its time.
    #[n(1)]
    pub time: Timestamp,
    /// The score.
    #[n(2)]
    pub score: i32,
}

/// The scores of the others of a role.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode, serde::Serialize,
)]
pub struct Peers {
    /// How many they are.
    #[n(0)]
    pub people: u32,
    /// Half of them score lower.
    #[n(1)]
    pub median: i32,
    /// Nine of ten score lower.
    #[n(2)]
    pub p90: i32,
    /// The highest.
    #[n(3)]
    pub highest: i32,
}

/// A rung is in force from here on. A fence.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Contained {
    /// Whom it is about.
    #[n(0)]
    pub staff: StaffId,
    /// Which rung.
    #[n(1)]
    pub level: Level,
    /// Who put it in force.
    #[n(2)]
    pub by: Actor,
    /// In which session of the console, for a person.
    #[n(3)]
    pub session: Option<SessionId>,
    /// Because of which finding.
    #[n(4)]
    pub finding: Option<FindingId>,
    /// Why.
    #[n(5)]
    pub reason: RevokeReason,
}

/// A rung is in force no longer.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Lifted {
    /// Whom it is about.
    #[n(0)]
    pub staff: StaffId,
    /// Who lifts it: whoever it is about, where the rung asks something of them; otherwise somebody else.
    #[n(1)]
    pub by: StaffId,
    /// In which session of theirs.
    #[n(2)]
    pub session: SessionId,
    /// Why.
    #[n(3)]
    pub reason: LiftReason,
    /// What the staff member says that they look at customers for, after a fresh login.
    #[n(4)]
    pub purpose: Option<Purpose>,
}

/// What somebody makes of a finding. It teaches where the rungs should stand, never what is usual.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Triaged {
    /// Which finding.
    #[n(0)]
    pub finding: FindingId,
    /// Who.
    #[n(1)]
    pub by: StaffId,
    /// In which session of theirs.
    #[n(2)]
    pub session: SessionId,
    /// What they make of it.
    #[n(3)]
    pub verdict: Verdict,
}

/// A staff member has proved afresh who they are.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Reauthenticated {
    /// The session that they opened with it.
    #[n(0)]
    pub session: SessionId,
    /// Who.
    #[n(1)]
    pub staff: StaffId,
    /// When the fresh login was asked for; whoever vouches for the person says that it happened since.
    #[n(2)]
    pub asked: Timestamp,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Entry, Event};

    #[test]
    fn findings_and_containment_read_back_and_have_a_form_in_json() {
        let (staff, session) = (StaffId::new("s-17"), SessionId::from_bytes([2; 10]));
        let (finding, by) = (FindingId::from_bytes([1; 10]), Actor::System);
        let told = Finding {
            finding,
            staff: staff.clone(),
            role: Role::Agent,
            detector: "purpose".to_owned(),
            level: Level::StepUp,
            score: 640,
            from: 7,
            at: 40,
            exposed: 3,
            seen: 90,
            contributions: vec![Contribution {
                entry: 40,
                added: 210,
                detector: "purpose".to_owned(),
                evidence: Evidence::None,
                colleague: false,
                high_value: true,
                idle: true,
            }],
            usual: Usual { shifts: 12, one_in: None, customers: 30, rows: 4 },
            curve: vec![Point { entry: 40, time: Timestamp(5), score: -20 }],
            rungs: vec![550, 600, 850, 1100, 1700],
            peers: Peers { people: 20, median: -110, p90: 90, highest: 300 },
        };
        let reason = RevokeReason::UnexplainedLooks;
        let contained = Contained {
            staff: staff.clone(),
            level: Level::Suspend,
            by: by.clone(),
            session: None,
            finding: Some(finding),
            reason,
        };
        let lifted = Lifted {
            staff: staff.clone(),
            by: staff.clone(),
            session,
            reason: LiftReason::SteppedUp,
            purpose: Some(Purpose::CustomerSupport),
        };
        let triaged = Triaged { finding, by: "s-2".into(), session, verdict: Verdict::FalseAlarm };
        let in_force = WatchInForce { mode: WatchMode::Contain, throttle_minutes: 3, by };
        let again = Reauthenticated { session, staff: staff.clone(), asked: Timestamp(9) };
        for (event, kind, about, json) in [
            (
                Event::Finding(Box::new(told)),
                "finding",
                Some("s-17"),
                r#""detector":"purpose","level":"step_up","score":640"#,
            ),
            (Event::Contained(contained), "contained", Some("s-17"), r#""level":"suspend","by":"system""#),
            (
                Event::Lifted(lifted),
                "lifted",
                Some("s-17"),
                r#""reason":"stepped_up","purpose":"customer_support""#,
            ),
            (Event::Triaged(triaged), "triaged", Some("s-2"), r#""verdict":"false_alarm""#),
            (
                Event::WatchInForce(in_force),
                "watch_in_force",
                None,
                r#""mode":"contain","throttle_minutes":3"#,
            ),
            (Event::Reauthenticated(again), "reauthenticated", Some("s-17"), r#""asked":"1970"#),
        ] {
            let entry = Entry { time: Timestamp(5), event };
            assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
            assert_eq!((entry.event.kind(), entry.event.staff().map(StaffId::as_str)), (kind, about));
            let text = serde_json::to_string(&entry).unwrap();
            assert!(text.contains(json), "{text}");
        }
    }
}
