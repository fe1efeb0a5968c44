//! Ledger entries: everything that Sightline ever records.
//!
//! An entry is CBOR (RFC 8949), deterministic: structures are arrays by the field numbers below,
//! absent trailing fields are left out, and unknown trailing fields are ignored, so that later
//! versions can add. Numbers are never reused. No entry holds a value or a name: only pseudonyms,
//! class names and commitments (P6).

use crate::{
    AppId, Budgets, CanariesPlanted, ClassSet, Commitment, Contained, Digest, Evidence, Finding, GrantId,
    IncidentOpened, Lifted, MarkFault, MarkIssued, MarkSound, Mode, Purpose, Reauthenticated, ResponseId,
    RuleMatched, SessionId, StaffId, StaffRecord, Tier, Timestamp, Triaged, WatchInForce, words,
};

pub use crate::decision::{Act, Decided, Decision, Erased, Proposed};

/// The most bytes that an entry may have: tlog-tiles bundles carry a 16-bit length.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Entry {
    /// When it was committed, by the ledger; never before the entry in front of it.
    #[n(0)]
    pub time: Timestamp,
    /// What happened.
    #[n(1)]
    pub event: Event,
}

impl Entry {
    /// The bytes that the ledger hashes and keeps.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Adds the bytes to `buffer`, for whoever encodes many.
    #[allow(clippy::expect_used)]
    pub fn encode_into(&self, buffer: &mut Vec<u8>) {
        minicbor::encode(self, buffer).expect("a Vec takes every byte");
    }

    /// Reads [`encode`](Self::encode)d bytes. Bytes after the entry are an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let entry = decoder.decode().map_err(DecodeError::Malformed)?;
        match bytes.len() - decoder.position() {
            0 => Ok(entry),
            extra => Err(DecodeError::Trailing(extra)),
        }
    }
}

/// Bytes that are not an entry.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not the CBOR of an entry that this version knows.
    #[error("not an entry of a kind that this version knows: {0}")]
    Malformed(minicbor::decode::Error),
    /// An entry, and something after it.
    #[error("{0} bytes after the end of the entry")]
    Trailing(usize),
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A gateway started.
    #[n(0)]
    Started(#[n(0)] Started),
    /// These settings are in force from here on.
    #[n(1)]
    SettingsInForce(#[n(0)] SettingsInForce),
    /// This policy is in force from here on.
    #[n(2)]
    PolicyInForce(#[n(0)] PolicyInForce),
    /// A staff record was made or changed.
    #[n(3)]
    StaffRecorded(#[n(0)] StaffRecorded),
    /// A staff member logged in.
    #[n(4)]
    SessionOpened(#[n(0)] SessionOpened),
    /// A session ended by itself or by logout.
    #[n(5)]
    SessionClosed(#[n(0)] SessionClosed),
    /// Access was granted.
    #[n(6)]
    GrantIssued(#[n(0)] GrantIssued),
    /// A response showed something of one customer.
    #[n(7)]
    Revealed(#[n(0)] Revealed),
    /// A response listed customers, masked or not.
    #[n(8)]
    Listed(#[n(0)] Listed),
    /// A request that changes something about a customer was passed on.
    #[n(9)]
    Written(#[n(0)] Written),
    /// A request was refused, or could not be answered.
    #[n(10)]
    Refused(#[n(0)] Refused),
    /// Access was taken away. A fence.
    #[n(11)]
    Revoked(#[n(0)] Revoked),
    /// Somebody asked the ledger a question.
    #[n(12)]
    Questioned(#[n(0)] Questioned),
    /// Somebody proposed what takes two administrators.
    #[n(13)]
    Proposed(#[n(0)] Proposed),
    /// An administrator decided about a proposal. A fence.
    #[n(14)]
    Decided(#[n(0)] Decided),
    /// Keys of openings were destroyed. A fence.
    #[n(15)]
    Erased(#[n(0)] Erased),
    /// Something happened that must not happen, and needs people to look into it.
    #[n(16)]
    IncidentOpened(#[n(0)] IncidentOpened),
    /// A mark may lie over pages of a session from here on.
    #[n(21)]
    MarkIssued(#[n(0)] MarkIssued),
    /// The mark of a session was not where it should be. A fence.
    #[n(22)]
    MarkFault(#[n(0)] MarkFault),
    /// A page proved that the mark lies over it.
    #[n(23)]
    MarkSound(#[n(0)] MarkSound),
    /// Evidence against "works as always" has reached a rung.
    #[n(17)]
    Finding(#[n(0)] Box<Finding>),
    /// A rung of containment is in force. A fence.
    #[n(18)]
    Contained(#[n(0)] Contained),
    /// A rung of containment is in force no longer.
    #[n(19)]
    Lifted(#[n(0)] Lifted),
    /// Somebody has said what they make of a finding.
    #[n(20)]
    Triaged(#[n(0)] Triaged),
    /// From here on findings are dealt with like this. A fence.
    #[n(24)]
    WatchInForce(#[n(0)] WatchInForce),
    /// A staff member has proved afresh who they are.
    #[n(25)]
    Reauthenticated(#[n(0)] Reauthenticated),
    /// Entries met a rule.
    #[n(27)]
    RuleMatched(#[n(0)] RuleMatched),
    /// Decoy customers were planted or retired.
    #[n(28)]
    CanariesPlanted(#[n(0)] CanariesPlanted),
}

impl Event {
    /// The kind, as one stable word.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Started(_) => "started",
            Event::SettingsInForce(_) => "settings_in_force",
            Event::PolicyInForce(_) => "policy_in_force",
            Event::StaffRecorded(_) => "staff_recorded",
            Event::SessionOpened(_) => "session_opened",
            Event::SessionClosed(_) => "session_closed",
            Event::GrantIssued(_) => "grant_issued",
            Event::Revealed(_) => "revealed",
            Event::Listed(_) => "listed",
            Event::Written(_) => "written",
            Event::Refused(_) => "refused",
            Event::Revoked(_) => "revoked",
            Event::Questioned(_) => "questioned",
            Event::Proposed(_) => "proposed",
            Event::Decided(_) => "decided",
            Event::Erased(_) => "erased",
            Event::IncidentOpened(_) => "incident_opened",
            Event::MarkIssued(_) => "mark_issued",
            Event::MarkFault(_) => "mark_fault",
            Event::MarkSound(_) => "mark_sound",
            Event::Finding(_) => "finding",
            Event::Contained(_) => "contained",
            Event::Lifted(_) => "lifted",
            Event::Triaged(_) => "triaged",
            Event::WatchInForce(_) => "watch_in_force",
            Event::Reauthenticated(_) => "reauthenticated",
            Event::RuleMatched(_) => "rule_matched",
            Event::CanariesPlanted(_) => "canaries_planted",
        }
    }

    /// The staff member who did it or whom it is about, where there is one.
    pub fn staff(&self) -> Option<&StaffId> {
        match self {
            Event::Started(_)
            | Event::SettingsInForce(_)
            | Event::PolicyInForce(_)
            | Event::SessionClosed(_)
            | Event::WatchInForce(_)
            | Event::CanariesPlanted(_)
            | Event::Erased(_) => None,
            Event::StaffRecorded(e) => Some(&e.record.staff),
            Event::SessionOpened(e) => Some(&e.staff),
            Event::GrantIssued(e) => Some(&e.staff),
            Event::Revealed(e) => Some(&e.by.staff),
            Event::Listed(e) => Some(&e.by.staff),
            Event::Written(e) => Some(&e.by.staff),
            Event::Refused(e) => e.staff.as_ref(),
            Event::Revoked(e) => match &e.target {
                Target::Staff(staff) => Some(staff),
                Target::Session(_) | Target::Grant(_) => None,
            },
            Event::Questioned(e) => e.by.staff(),
            Event::Proposed(e) => e.by.staff(),
            Event::Decided(e) => Some(&e.by),
            Event::IncidentOpened(e) => e.by.staff(),
            Event::MarkIssued(e) => Some(&e.by.staff),
            Event::MarkFault(e) => Some(&e.by.staff),
            Event::MarkSound(e) => Some(&e.by.staff),
            Event::Finding(e) => Some(&e.staff),
            Event::Contained(e) => Some(&e.staff),
            Event::Lifted(e) => Some(&e.staff),
            Event::Triaged(e) => Some(&e.by),
            Event::Reauthenticated(e) => Some(&e.staff),
            Event::RuleMatched(e) => e.staff.first(),
        }
    }

    /// Whether this takes something away: decisions made before it must be made again.
    pub fn is_fence(&self) -> bool {
        match self {
            Event::Revoked(_)
            | Event::SettingsInForce(_)
            | Event::PolicyInForce(_)
            | Event::StaffRecorded(_)
            | Event::SessionClosed(_)
            | Event::Decided(_)
            | Event::Erased(_)
            | Event::MarkFault(_)
            | Event::Contained(_)
            | Event::WatchInForce(_) => true,
            Event::Started(_)
            | Event::SessionOpened(_)
            | Event::GrantIssued(_)
            | Event::Revealed(_)
            | Event::Listed(_)
            | Event::Written(_)
            | Event::Refused(_)
            | Event::Questioned(_)
            | Event::Proposed(_)
            | Event::IncidentOpened(_)
            | Event::MarkIssued(_)
            | Event::MarkSound(_)
            | Event::Finding(_)
            | Event::Lifted(_)
            | Event::Triaged(_)
            | Event::Reauthenticated(_)
            | Event::RuleMatched(_)
            | Event::CanariesPlanted(_) => false,
        }
    }
}

/// Who did something that is not a look.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A staff member in the console.
    #[n(0)]
    Staff(#[n(0)] StaffId),
    /// Somebody with a shell on the machine and the right to read the keys.
    #[n(1)]
    Operator,
    /// Sightline itself.
    #[n(2)]
    System,
}

impl Actor {
    /// The staff member, if it was one.
    pub fn staff(&self) -> Option<&StaffId> {
        match self {
            Actor::Staff(staff) => Some(staff),
            Actor::Operator | Actor::System => None,
        }
    }
}

/// A gateway started.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Started {
    /// Name and version of the program.
    #[n(0)]
    pub software: String,
}

/// Settings that admission depends on.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct SettingsInForce {
    /// Digest of the configuration, without its secrets and without what is a node's own.
    #[n(0)]
    pub configuration: Digest,
    /// The budgets.
    #[n(1)]
    pub budgets: Budgets,
    /// Each app and its mode.
    #[n(2)]
    pub apps: Vec<AppMode>,
    /// Who put them in force.
    #[n(3)]
    pub by: Actor,
}

/// An app and what Sightline does in front of it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct AppMode {
    /// Which app.
    #[n(0)]
    pub app: AppId,
    /// Observe or enforce.
    #[n(1)]
    pub mode: Mode,
}

/// The policy.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct PolicyInForce {
    /// Digest over schema and policy text.
    #[n(0)]
    pub policy: Digest,
    /// Who put it in force.
    #[n(1)]
    pub by: Actor,
}

/// A staff record.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct StaffRecorded {
    /// The record from here on.
    #[n(0)]
    pub record: StaffRecord,
    /// Who made it: the login with the identity provider's groups, a file, SCIM.
    #[n(1)]
    pub by: Actor,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct SessionOpened {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// Whose.
    #[n(1)]
    pub staff: StaffId,
    /// Which door it opens: an app's name, or `console`.
    #[n(2)]
    pub door: AppId,
    /// SHA-256 of the cookie, which is 256 random bits.
    #[n(3)]
    pub token: Digest,
    /// The session ends then, whatever happens.
    #[n(4)]
    pub expires: Timestamp,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct SessionClosed {
    /// The session.
    #[n(0)]
    pub session: SessionId,
    /// Why it ended.
    #[n(1)]
    pub why: SessionEnd,
}

words! {
    /// Why a session ended by itself.
    pub enum SessionEnd as "end of a session" {
        /// The staff member logged out.
        Logout = 0 "logout",
        /// Nothing was asked for too long.
        Idle = 1 "idle",
        /// Its time was over.
        Expired = 2 "expired",
        /// The same person logged in anew at the same door.
        Replaced = 3 "replaced",
    }
}

/// A grant: staff × customer × classes × purpose × ticket × expiry.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct GrantIssued {
    /// The grant.
    #[n(0)]
    pub grant: GrantId,
    /// For whom.
    #[n(1)]
    pub staff: StaffId,
    /// In which app.
    #[n(2)]
    pub app: AppId,
    /// At which customer, by which ticket.
    #[n(3)]
    pub subject: Commitment,
    /// How much harm a look at this customer can do.
    #[n(4)]
    pub tier: Tier,
    /// Which field classes.
    #[n(5)]
    pub classes: ClassSet,
    /// What for.
    #[n(6)]
    pub purpose: Purpose,
    /// How it is explained.
    #[n(7)]
    pub evidence: Evidence,
    /// It ends then.
    #[n(8)]
    pub expires: Timestamp,
    /// Whether it counts against the budget of the shift: evidence F or G, and not merely more
    /// classes of a customer whom a live grant of this person already covers.
    #[n(9)]
    pub charged: bool,
    /// In `observe`: why enforcement would not have issued it.
    #[n(10)]
    pub would_refuse: Option<Why>,
}

/// Who looked, through what.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Viewer {
    /// The staff member.
    #[n(0)]
    pub staff: StaffId,
    /// In which session.
    #[n(1)]
    pub session: SessionId,
    /// In which app.
    #[n(2)]
    pub app: AppId,
}

words! {
    /// What was done with a record.
    pub enum Action as "action" {
        /// Opened.
        View = 0 "view",
        /// Seen in a list.
        List = 1 "list",
        /// Found by a search.
        Search = 2 "search",
        /// Downloaded.
        Export = 3 "export",
    }
}

/// A look: one response that showed something of one customer to one staff member.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Revealed {
    /// The response that showed it.
    #[n(0)]
    pub response: ResponseId,
    /// Who looked.
    #[n(1)]
    pub by: Viewer,
    /// At whom, by which ticket.
    #[n(2)]
    pub subject: Commitment,
    /// How much harm it can do.
    #[n(3)]
    pub tier: Tier,
    /// Opened or exported.
    #[n(4)]
    pub action: Action,
    /// Which classes the response may show at the most.
    #[n(5)]
    pub classes: ClassSet,
    /// How it is explained.
    #[n(6)]
    pub evidence: Evidence,
    /// Under which grant.
    #[n(7)]
    pub grant: GrantId,
    /// Observe or enforce.
    #[n(8)]
    pub mode: Mode,
    /// In `observe`: the classes that enforcement would have masked.
    #[n(9)]
    pub would_mask: ClassSet,
}

/// Rows of customers in one response: an exposure of listing for each.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Listed {
    /// The response that showed them.
    #[n(0)]
    pub response: ResponseId,
    /// Who looked.
    #[n(1)]
    pub by: Viewer,
    /// List, search or export.
    #[n(2)]
    pub action: Action,
    /// How many customers.
    #[n(3)]
    pub rows: u32,
    /// [`Digest::over`] the commitments to them, in order.
    #[n(4)]
    pub subjects: Digest,
    /// Which classes the rows show unmasked.
    #[n(5)]
    pub classes: ClassSet,
    /// Observe or enforce.
    #[n(6)]
    pub mode: Mode,
    /// In `observe`: the classes that enforcement would have masked.
    #[n(7)]
    pub would_mask: ClassSet,
    /// In `observe`: why enforcement would have refused the page.
    #[n(8)]
    pub would_refuse: Option<Why>,
    /// How many of the rows count against the budget: customers to whom neither a live grant nor a ticket of
    /// the viewer leads. Whoever looks at their own queue every five minutes is not browsing.
    #[n(9)]
    pub charged: u32,
}

/// A write that was passed on to the app.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Written {
    /// The response that answered it.
    #[n(0)]
    pub response: ResponseId,
    /// Who wrote.
    #[n(1)]
    pub by: Viewer,
    /// About whom, where the route says so.
    #[n(2)]
    pub subject: Option<Commitment>,
    /// How many masked values were put back to the original on the way.
    #[n(3)]
    pub restored: u32,
}

/// A request that was refused, or that could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Refused {
    /// The reference number on the page that says so.
    #[n(0)]
    pub response: ResponseId,
    /// In which app, if it came that far.
    #[n(1)]
    pub app: Option<AppId>,
    /// Who asked, if known.
    #[n(2)]
    pub staff: Option<StaffId>,
    /// In which session, if known.
    #[n(3)]
    pub session: Option<SessionId>,
    /// About whom, if known.
    #[n(4)]
    pub subject: Option<Commitment>,
    /// Why.
    #[n(5)]
    pub why: Why,
}

words! {
    /// Why a request was refused or could not be answered.
    pub enum Why as "reason for refusal" {
        /// The viewer has not said why they need this customer.
        NoReason = 0 "no_reason",
        /// The shift's budget of unexplained looks is used up.
        WeakBudget = 1 "weak_budget",
        /// The shift's budget of unexplained looks at high-value customers is used up.
        HighValueBudget = 2 "high_value_budget",
        /// The shift's budget of rows in lists is used up.
        ListingBudget = 3 "listing_budget",
        /// The policy lets nothing of this customer be shown to this person.
        Policy = 4 "policy",
        /// The session was revoked.
        SessionRevoked = 5 "session_revoked",
        /// The session is over.
        SessionEnded = 6 "session_ended",
        /// The staff member is suspended or has left.
        StaffInactive = 7 "staff_inactive",
        /// The grant was revoked.
        GrantRevoked = 8 "grant_revoked",
        /// The grant has expired.
        GrantExpired = 9 "grant_expired",
        /// The adapter does not know this route.
        UnknownRoute = 10 "unknown_route",
        /// The answer cannot be read in the way that the adapter says.
        UnreadableAnswer = 11 "unreadable_answer",
        /// A masked value came back in a write and could not be put back.
        MaskedWrite = 12 "masked_write",
        /// The app did not answer in time.
        AppTimeout = 13 "app_timeout",
        /// The app could not be reached, or broke off.
        AppUnreachable = 14 "app_unreachable",
        /// The app's answer is larger than the limit.
        AnswerTooLarge = 15 "answer_too_large",
        /// The request is malformed.
        BadRequest = 16 "bad_request",
        /// A form came without its token: it was not sent from our page.
        ForgedForm = 17 "forged_form",
        /// What the decision rested on has changed; try again.
        Stale = 18 "stale",
        /// The record could not be written, so nothing is shown (P9).
        LedgerUnavailable = 19 "ledger_unavailable",
        /// Too few witnesses have confirmed the ledger for too long, so nothing more is shown (P9).
        Unwitnessed = 20 "unwitnessed",
        /// The role of whoever asks does not permit it.
        NotPermitted = 21 "not_permitted",
        /// There is no such proposal, or it is decided or has expired.
        NoSuchProposal = 22 "no_such_proposal",
        /// The same person has confirmed the proposal before; it takes two.
        AlreadyConfirmed = 23 "already_confirmed",
        /// A fresh login is asked for, and the reason again.
        StepUp = 30 "step_up",
        /// Only one new customer in some minutes for now, and no lists of strangers.
        Throttled = 31 "throttled",
        /// Access is paused until two people have looked into it.
        Suspended = 32 "suspended",
    }
}

/// Access was taken away.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Revoked {
    /// From what.
    #[n(0)]
    pub target: Target,
    /// By whom.
    #[n(1)]
    pub by: Actor,
    /// Why.
    #[n(2)]
    pub reason: RevokeReason,
}

/// What a revocation is aimed at.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Every session and grant of this person; the person is suspended.
    #[n(0)]
    Staff(#[n(0)] StaffId),
    /// One session.
    #[n(1)]
    Session(#[n(0)] SessionId),
    /// One grant.
    #[n(2)]
    Grant(#[n(0)] GrantId),
}

words! {
    /// Why access was taken away. An enumeration, because free text may hold personal data.
    pub enum RevokeReason as "reason for revocation" {
        /// Looks that nothing explains.
        UnexplainedLooks = 0 "unexplained_looks",
        /// The account or device may be in other hands.
        AccountCompromised = 1 "account_compromised",
        /// The person has left or changed jobs.
        LeftOrMoved = 2 "left_or_moved",
        /// The grant was a mistake or is no longer needed.
        NoLongerNeeded = 3 "no_longer_needed",
        /// A drill.
        Drill = 4 "drill",
        /// Something else, documented elsewhere.
        Other = 5 "other",
    }
}

/// A question to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode, serde::Serialize)]
pub struct Questioned {
    /// Who asked.
    #[n(0)]
    pub by: Actor,
    /// What they asked.
    #[n(1)]
    pub question: Question,
    /// About which staff member.
    #[n(2)]
    pub staff: Option<StaffId>,
    /// About which customer.
    #[n(3)]
    pub subject: Option<Commitment>,
}

words! {
    /// What one may ask.
    pub enum Question as "question" {
        /// Who saw this customer?
        WhoSaw = 0 "who_saw",
        /// Whom could this person have shown?
        BlastRadius = 1 "blast_radius",
        /// What did this person do?
        StaffTimeline = 2 "staff_timeline",
        /// The first-hour report.
        FirstLook = 3 "first_look",
        /// Which sessions are open?
        Sessions = 4 "sessions",
        /// The overview page.
        Overview = 5 "overview",
        /// The entries themselves.
        Ledger = 6 "ledger",
        /// Which marks were issued, and whose looks cover what a leak shows?
        Leak = 7 "leak",
        /// What has detection told?
        Findings = 20 "findings",
    }
}
