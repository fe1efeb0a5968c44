//! What an auditor finds: entries that break a rule, a log that was rolled back or rewritten since they last
//! looked; and that what was verified once is not read again.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use common::{Home, START, erased, opening, proposed, started};
use model::clock::ManualClock;
use model::entry::{
    Act, Action, Actor, Decided, Decision, GrantIssued, Listed, Proposed, Revealed, RevokeReason, Revoked,
    SessionClosed, SessionEnd, SessionOpened, StaffRecorded, Target, Viewer,
};
use model::{
    AppId, ClassSet, Contained, Digest, Event, Evidence, FieldClass, GrantId, Level, LiftReason, Lifted,
    MarkFault, MarkFaultKind, MarkId, MarkIssued, MarkSound, Mode, ProposalId, Purpose, Reauthenticated,
    ResponseId, Role, SessionId, StaffId, StaffRecord, StaffStatus, Tier,
};
use sightline_ledger::verify::{Breach, Checked, Damage, Directory, Kept, Known, Options, Source, check};
use sightline_ledger::{Draft, Ledger, LogVerifier};

const SESSION: SessionId = SessionId::from_bytes([1; 10]);
const GRANT: GrantId = GrantId::from_bytes([2; 10]);
const HOUR: Duration = Duration::from_secs(3600);

fn viewer(staff: &str) -> Viewer {
    Viewer { staff: StaffId::new(staff), session: SESSION, app: AppId::new("desk") }
}

fn staff(status: StaffStatus, by: Actor) -> Draft {
    let record = StaffRecord {
        staff: StaffId::new("s-17"),
        role: Role::Agent,
        team: "t-1".into(),
        employer: "in-house".into(),
        site: None,
        status,
        cleared_until: None,
    };
    Draft::plain(Event::StaffRecorded(StaffRecorded { record, by }))
}

fn session() -> Draft {
    Draft::plain(Event::SessionOpened(SessionOpened {
        session: SESSION,
        staff: StaffId::new("s-17"),
        door: AppId::new("desk"),
        token: Digest([7; 32]),
        expires: START.plus(8 * HOUR),
    }))
}

fn grant(classes: ClassSet) -> Draft {
    let opening = opening("c-1");
    let event = Event::GrantIssued(GrantIssued {
        grant: GRANT,
        staff: StaffId::new("s-17"),
        app: AppId::new("desk"),
        subject: opening.commitment(),
        tier: Tier::Standard,
        classes,
        purpose: Purpose::CustomerSupport,
        evidence: Evidence::Assigned,
        expires: START.plus(2 * HOUR),
        charged: false,
        would_refuse: None,
    });
    Draft { event, openings: vec![opening] }
}

fn look_by(by: Viewer, classes: ClassSet) -> Draft {
    let opening = opening("c-1");
    let event = Event::Revealed(Revealed {
        response: ResponseId::from_bytes([3; 10]),
        by,
        subject: opening.commitment(),
        tier: Tier::Standard,
        action: Action::View,
        classes,
        evidence: Evidence::Assigned,
        grant: GRANT,
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
    });
    Draft { event, openings: vec![opening] }
}

fn look() -> Draft {
    look_by(viewer("s-17"), FieldClass::IdentityName.into())
}

fn list() -> Draft {
    let openings = vec![opening("c-1"), opening("c-2")];
    let commitments: Vec<_> = openings.iter().map(model::Opening::commitment).collect();
    let event = Event::Listed(Listed {
        response: ResponseId::from_bytes([4; 10]),
        by: viewer("s-17"),
        action: Action::List,
        rows: 2,
        subjects: Digest::over(&commitments),
        classes: ClassSet::EMPTY,
        mode: Mode::Enforce,
        would_mask: ClassSet::EMPTY,
        would_refuse: None,
        charged: 0,
    });
    Draft { event, openings }
}

fn revoked(target: Target) -> Draft {
    let by = Actor::Operator;
    Draft::plain(Event::Revoked(Revoked { target, by, reason: RevokeReason::Drill }))
}

/// Somebody at work: staff, session, grant.
fn at_work() -> Vec<Draft> {
    vec![staff(StaffStatus::Active, Actor::Operator), session(), grant(FieldClass::IdentityName.into())]
}

/// A log of these entries, written by a ledger that admits everything. Each waits until the one before it stands.
async fn log_of(drafts: Vec<Draft>, wait: impl Fn(usize, &ManualClock)) -> Home {
    let home = Home::new();
    let ledger = home.open();
    for (at, draft) in drafts.into_iter().enumerate() {
        wait(at, &home.clock);
        ledger.append(draft).await.unwrap();
    }
    ledger.close().await;
    home
}

fn verifier(home: &Home) -> LogVerifier {
    LogVerifier::from_vkey(&fs::read_to_string(home.path("log.vkey")).unwrap()).unwrap()
}

fn verify(home: &Home, options: Options<'_>) -> Result<Checked, Damage> {
    check(&Directory::open(&home.dir()).unwrap(), &verifier(home), options, &mut |_, _| {})
}

/// Which rule the entry with this number breaks.
async fn breach_at(index: u64, drafts: Vec<Draft>) -> Breach {
    let home = log_of(drafts, |_, _| {}).await;
    match verify(&home, Options::default()) {
        Err(Damage::Breach { index: found, breach, .. }) if found == index => breach,
        other => panic!("{other:?}"),
    }
}

fn and(more: Vec<Draft>) -> Vec<Draft> {
    at_work().into_iter().chain(more).collect()
}

#[tokio::test]
async fn a_day_of_work_keeps_the_rules_and_is_counted() {
    let closed =
        Draft::plain(Event::SessionClosed(SessionClosed { session: SESSION, why: SessionEnd::Logout }));
    let drafts = and(vec![look(), list(), look(), revoked(Target::Grant(GRANT)), closed]);
    let home = log_of(drafts, |_, clock| clock.advance(Duration::from_secs(1))).await;
    let checked = verify(&home, Options::default()).unwrap();
    let tally = checked.summary.tally.unwrap();
    assert_eq!((tally.looks, tally.lists, tally.rows, tally.sessions), (2, 1, 2, 1));
    assert_eq!((tally.grants, tally.revocations, tally.evidence), (1, 1, [0, 2, 0, 0, 0, 0, 0]));
    assert_eq!(
        (checked.summary.first, checked.summary.last),
        (Some(START.plus(Duration::from_secs(1))), Some(START.plus(Duration::from_secs(8))))
    );
}

#[tokio::test]
async fn nothing_may_be_shown_after_the_revocation_of_its_session_grant_or_viewer() {
    let session_ended = Breach::Ended { what: SESSION.to_string(), by: 3 };
    assert_eq!(breach_at(4, and(vec![revoked(Target::Session(SESSION)), look()])).await, session_ended);
    assert_eq!(
        breach_at(5, and(vec![revoked(Target::Session(SESSION)), started(1), list()])).await,
        session_ended
    );
    let grant_ended = Breach::Ended { what: GRANT.to_string(), by: 3 };
    assert_eq!(breach_at(4, and(vec![revoked(Target::Grant(GRANT)), look()])).await, grant_ended);
    let of_staff = revoked(Target::Staff(StaffId::new("s-17")));
    assert_eq!(breach_at(4, and(vec![of_staff, look()])).await, session_ended);
    let suspended = staff(StaffStatus::Suspended, Actor::Operator);
    assert_eq!(breach_at(4, and(vec![suspended, list()])).await, session_ended);
    let closed =
        Draft::plain(Event::SessionClosed(SessionClosed { session: SESSION, why: SessionEnd::Idle }));
    assert_eq!(breach_at(4, and(vec![closed, look()])).await, session_ended);
}

#[tokio::test]
async fn every_look_needs_a_session_of_its_viewer_and_a_grant_that_covers_it() {
    let [record, opened, granted] = <[Draft; 3]>::try_from(at_work()).unwrap();
    let without_session = vec![record.clone(), granted.clone(), look()];
    assert_eq!(breach_at(2, without_session).await, Breach::NoSession(SESSION));
    let without_grant = vec![record, opened.clone(), look()];
    assert_eq!(breach_at(2, without_grant).await, Breach::NoGrant(GRANT));
    assert_eq!(breach_at(0, vec![opened]).await, Breach::NoStaff(StaffId::new("s-17")));
    let email = look_by(viewer("s-17"), FieldClass::ContactEmail.into());
    let uncovered = Breach::Uncovered { grant: GRANT, classes: FieldClass::ContactEmail.into() };
    assert_eq!(breach_at(3, and(vec![email])).await, uncovered);
    let other = look_by(viewer("s-18"), FieldClass::IdentityName.into());
    assert!(
        matches!(breach_at(3, and(vec![other])).await, Breach::NotTheirs { owner, .. } if owner.as_str() == "s-17")
    );
    let secret = look_by(viewer("s-17"), FieldClass::SecretPassword.into());
    assert_eq!(breach_at(3, and(vec![secret])).await, Breach::Secret(FieldClass::SecretPassword.into()));
    assert_eq!(breach_at(3, and(vec![granted])).await, Breach::Twice(GRANT.to_string()));
}

#[tokio::test]
async fn what_a_fault_of_the_mark_masks_is_not_shown_until_a_page_is_sound() {
    let email = || look_by(viewer("s-17"), FieldClass::ContactEmail.into());
    let drafts = |more: Vec<Draft>| {
        let granted = ClassSet::from(FieldClass::ContactEmail).union(FieldClass::IdentityName.into());
        vec![staff(StaffStatus::Active, Actor::Operator), session(), grant(granted)]
            .into_iter()
            .chain(more)
            .collect()
    };
    let by = viewer("s-17");
    let fault = |masks| {
        let what = MarkFaultKind::Removed;
        Draft::plain(Event::MarkFault(MarkFault { by: by.clone(), what, masks }))
    };
    let sound = Draft::plain(Event::MarkSound(MarkSound { by: by.clone() }));
    let unmarked = Breach::Unmarked { session: SESSION, classes: FieldClass::ContactEmail.into() };
    assert_eq!(
        breach_at(5, drafts(vec![fault(ClassSet::NEEDS_MARK), look(), email()])).await,
        unmarked,
        "a name is shown, an address is not"
    );
    let home = log_of(
        drafts(vec![fault(ClassSet::EMPTY), email(), fault(ClassSet::NEEDS_MARK), look(), sound, email()]),
        |_, _| {},
    )
    .await;
    assert_eq!(verify(&home, Options::default()).unwrap().summary.tally.unwrap().looks, 3);
    let issued = MarkIssued { mark: MarkId::from_bytes([9; 10]), by: viewer("s-18"), bucket: START };
    let breach = breach_at(3, and(vec![Draft::plain(Event::MarkIssued(issued))])).await;
    assert!(matches!(breach, Breach::NotTheirs { .. }), "{breach}");
}

fn contained(staff: &str, level: Level) -> Draft {
    Draft::plain(Event::Contained(Contained {
        staff: StaffId::new(staff),
        level,
        by: Actor::Operator,
        session: None,
        finding: None,
        reason: RevokeReason::Drill,
    }))
}

fn lifted(by: &str, session: SessionId, reason: LiftReason) -> Draft {
    let (staff, by) = (StaffId::new("s-17"), StaffId::new(by));
    let purpose = (reason == LiftReason::SteppedUp).then_some(Purpose::CustomerSupport);
    Draft::plain(Event::Lifted(Lifted { staff, by, session, reason, purpose }))
}

/// Somebody at work, and two administrators. The first entry behind them has the number 7.
fn among_administrators(more: Vec<Draft>) -> Vec<Draft> {
    and([administrator(1), administrator(2)].into_iter().flatten().chain(more).collect())
}

#[tokio::test]
async fn nothing_is_shown_to_whom_containment_shows_nothing() {
    for level in [Level::StepUp, Level::Suspend, Level::Revoke] {
        let by = 3;
        let breach = Breach::Contained { staff: StaffId::new("s-17"), by };
        for shown in [look(), list(), grant(FieldClass::IdentityName.into())] {
            assert_eq!(breach_at(4, and(vec![contained("s-17", level), shown])).await, breach, "{level}");
        }
    }
    for level in [Level::Nudge, Level::Throttle] {
        let home = log_of(and(vec![contained("s-17", level), look()]), |_, _| {}).await;
        verify(&home, Options::default()).unwrap();
    }
}

#[tokio::test]
async fn a_rung_is_lifted_by_what_it_asks_or_by_an_analyst_and_a_suspension_by_two() {
    let theirs = |reason| lifted("s-17", SESSION, reason);
    let admin = |n: u8| SessionId::from_bytes([100 + n; 10]);
    let breach = |more| breach_at(8, among_administrators(more));
    let (staff, by) = (StaffId::new("s-17"), 7);

    // A fresh login, asked for since; nothing else.
    let fresh = |asked| {
        let again = Reauthenticated { session: SESSION, staff: StaffId::new("s-17"), asked };
        Draft::plain(Event::Reauthenticated(again))
    };
    let step_up = || contained("s-17", Level::StepUp);
    let unanswered = Breach::Unanswered { staff: staff.clone(), by };
    assert_eq!(breach(vec![step_up(), theirs(LiftReason::SteppedUp)]).await, unanswered);
    let before = vec![step_up(), fresh(START.minus(HOUR)), theirs(LiftReason::SteppedUp)];
    assert_eq!(breach_at(9, among_administrators(before)).await, unanswered);
    let throttle = vec![contained("s-17", Level::Throttle), theirs(LiftReason::Answered)];
    assert_eq!(breach(throttle).await, unanswered);
    let good = vec![step_up(), fresh(START), theirs(LiftReason::SteppedUp), look()];
    verify(&log_of(among_administrators(good), |_, _| {}).await, Options::default()).unwrap();

    // Somebody else, if it is for them to say.
    let explained = |n| lifted(&format!("a-{n}"), admin(n), LiftReason::Explained);
    verify(
        &log_of(among_administrators(vec![step_up(), explained(1), look()]), |_, _| {}).await,
        Options::default(),
    )
    .unwrap();
    let suspend = || contained("s-17", Level::Suspend);
    let alone = Breach::LiftedAlone { staff: staff.clone(), by };
    assert_eq!(breach(vec![suspend(), explained(1)]).await, alone);
    assert_eq!(breach(vec![suspend(), theirs(LiftReason::Answered)]).await, alone);
    let suspended = vec![contained("a-1", Level::Suspend), explained(1)];
    assert_eq!(breach(suspended).await, Breach::Contained { staff: StaffId::new("a-1"), by });

    // Two, each for themselves.
    let proposal = ProposalId::from_bytes([1; 10]);
    let proposed = Draft::plain(Event::Proposed(Proposed {
        proposal,
        act: Act::Lift { staff },
        by: Actor::Operator,
        session: None,
    }));
    let one = [suspend(), proposed, decided_by(1, Decision::Confirm)];
    let with = |more: Vec<Draft>| among_administrators(one.iter().cloned().chain(more).collect());
    let by_one = breach_at(10, with(vec![look()])).await;
    assert_eq!(by_one, Breach::Contained { staff: StaffId::new("s-17"), by });
    let by_two = with(vec![decided_by(2, Decision::Confirm), look()]);
    verify(&log_of(by_two, |_, _| {}).await, Options::default()).unwrap();
}

#[tokio::test]
async fn what_has_expired_opens_nothing() {
    for (after, what) in [(2 * HOUR, GRANT.to_string()), (8 * HOUR, SESSION.to_string())] {
        let home = log_of(and(vec![look()]), |at, clock| {
            if at == 3 {
                clock.advance(after);
            }
        });
        match verify(&home.await, Options::default()) {
            Err(Damage::Breach { index: 3, breach: Breach::Expired { what: found, at }, .. }) => {
                assert_eq!((found, at), (what, START.plus(after)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_alone_reinstates_nobody_and_a_person_can() {
    let of_staff = || revoked(Target::Staff(StaffId::new("s-17")));
    let login = staff(StaffStatus::Active, Actor::System);
    let reinstated = Breach::Reinstated { staff: StaffId::new("s-17"), by: 3 };
    assert_eq!(breach_at(4, and(vec![of_staff(), login])).await, reinstated);
    let by_hand = staff(StaffStatus::Active, Actor::Operator);
    let home = log_of(and(vec![of_staff(), by_hand]), |_, _| {}).await;
    verify(&home, Options::default()).unwrap();
}

/// An administrator at the console, by their number.
fn administrator(n: u8) -> [Draft; 2] {
    let name = StaffId::new(format!("a-{n}"));
    let record = StaffRecord {
        staff: name.clone(),
        role: Role::Admin,
        team: "security".into(),
        employer: "in-house".into(),
        site: None,
        status: StaffStatus::Active,
        cleared_until: None,
    };
    let session = SessionOpened {
        session: SessionId::from_bytes([100 + n; 10]),
        staff: name,
        door: AppId::new(AppId::CONSOLE),
        token: Digest([100 + n; 32]),
        expires: START.plus(30 * 24 * HOUR),
    };
    let record = StaffRecorded { record, by: Actor::Operator };
    [Draft::plain(Event::StaffRecorded(record)), Draft::plain(Event::SessionOpened(session))]
}

fn decided_by(n: u8, decision: Decision) -> Draft {
    Draft::plain(Event::Decided(Decided {
        proposal: ProposalId::from_bytes([1; 10]),
        by: StaffId::new(format!("a-{n}")),
        session: SessionId::from_bytes([100 + n; 10]),
        decision,
    }))
}

/// Two administrators, and what an operator proposed. The first entry behind it has the number 5.
fn proposed_to_two(more: Vec<Draft>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = [administrator(1), administrator(2)].into_iter().flatten().collect();
    drafts.push(proposed("c-1", 1));
    drafts.extend(more);
    drafts
}

#[tokio::test]
async fn keys_are_destroyed_only_by_what_two_administrators_confirmed() {
    use Decision::{Confirm, Reject};
    let proposal = ProposalId::from_bytes([1; 10]);
    let good = vec![decided_by(1, Confirm), decided_by(2, Confirm), erased("c-1", 1)];
    verify(&log_of(proposed_to_two(good.clone()), |_, _| {}).await, Options::default()).unwrap();

    let unconfirmed = |confirmed| Breach::Unconfirmed { proposal, confirmed };
    assert_eq!(breach_at(5, proposed_to_two(vec![erased("c-1", 1)])).await, unconfirmed(0));
    let by_one = vec![decided_by(1, Confirm), erased("c-1", 1)];
    assert_eq!(breach_at(6, proposed_to_two(by_one)).await, unconfirmed(1));
    let one_twice = vec![decided_by(1, Confirm), decided_by(1, Confirm)];
    let twice = Breach::ConfirmedTwice { proposal, by: StaffId::new("a-1") };
    assert_eq!(breach_at(6, proposed_to_two(one_twice)).await, twice);
    let rejected = vec![decided_by(1, Reject), decided_by(2, Confirm)];
    assert_eq!(breach_at(6, proposed_to_two(rejected)).await, Breach::NoProposal(proposal));
    let again = good.iter().cloned().chain([erased("c-1", 1)]).collect();
    assert_eq!(breach_at(8, proposed_to_two(again)).await, Breach::NoProposal(proposal));
    assert_eq!(breach_at(0, vec![erased("c-1", 1)]).await, Breach::NoProposal(proposal));
}

#[tokio::test]
async fn only_an_administrator_in_a_session_of_their_own_decides() {
    let agent_at_console = || {
        let mut opened = session();
        if let Event::SessionOpened(e) = &mut opened.event {
            (e.door, e.session) = (AppId::new(AppId::CONSOLE), SessionId::from_bytes([117; 10]));
        }
        vec![staff(StaffStatus::Active, Actor::Operator), opened]
    };
    let by = |staff: &str, session: u8| {
        let mut decided = decided_by(1, Decision::Confirm);
        if let Event::Decided(e) = &mut decided.event {
            (e.by, e.session) = (StaffId::new(staff), SessionId::from_bytes([session; 10]));
        }
        decided
    };
    let mut by_agent = agent_at_console();
    by_agent.push(by("s-17", 117));
    assert_eq!(breach_at(7, proposed_to_two(by_agent)).await, Breach::NotAdministrator(StaffId::new("s-17")));
    let in_anothers = vec![by("a-1", 102)];
    assert!(matches!(breach_at(5, proposed_to_two(in_anothers)).await, Breach::NotTheirs { .. }));
    let in_none = vec![by("a-1", 99)];
    let none = Breach::NoSession(SessionId::from_bytes([99; 10]));
    assert_eq!(breach_at(5, proposed_to_two(in_none)).await, none);
}

/// A log that notes what it is asked for.
struct Noted {
    inner: Directory,
    asked: Mutex<HashSet<String>>,
}

impl Source for Noted {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        self.asked.lock().unwrap().insert(path.to_owned());
        self.inner.fetch(path)
    }
}

async fn grow(home: &Home, by: u64) {
    let ledger = home.open();
    for _ in 0..by.div_ceil(1000) {
        let entries = (0..by.min(1000)).map(started).collect();
        ledger.append_all(entries).await.unwrap();
    }
    ledger.close().await;
}

fn keep(checked: Checked) -> Kept {
    Kept { at: START, checkpoint: checked.checkpoint.to_string(), fold: checked.fold }
}

#[tokio::test]
async fn what_was_verified_once_is_not_read_again_and_its_state_goes_on() {
    let home = log_of(at_work(), |_, _| {}).await;
    for size in [3, 259, 512, 700, 66_000] {
        let ledger = home.open();
        let before = ledger.size();
        ledger.close().await;
        let kept = keep(verify(&home, Options::default()).unwrap());
        grow(&home, if size > 3000 { 65_000 } else { size - before }).await;
        let ledger = home.open();
        ledger.append(look()).await.unwrap();
        ledger.close().await;
        let source = Noted { inner: Directory::open(&home.path("public")).unwrap(), asked: Mutex::default() };
        let options = || Options { kept: Some(&kept), only_new: true, ..Options::default() };
        let log = verifier(&home);
        let new = check(&source, &log, options(), &mut |_, _| {}).unwrap();
        let all = verify(&home, Options::default()).unwrap();
        assert_eq!((new.fold, &new.checkpoint), (all.fold, &all.checkpoint), "the same as when all is read");
        assert_eq!((new.summary.verified_before, new.summary.grown_from), (before, 1));
        let bundles = new.summary.entries.div_ceil(256) - before / 256;
        assert_eq!(new.summary.bundles, bundles);
        let asked = source.asked.lock().unwrap();
        let read = asked.iter().filter(|path| path.starts_with("tile/entries")).count() as u64;
        assert_eq!(read, bundles, "{asked:?}");
    }
}

#[tokio::test]
async fn a_revocation_before_the_kept_checkpoint_counts_behind_it() {
    let home = log_of(and(vec![revoked(Target::Grant(GRANT))]), |_, _| {}).await;
    let kept = keep(verify(&home, Options::default()).unwrap());
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    let ledger = home.open();
    ledger.append(look()).await.unwrap();
    ledger.close().await;
    let options = Options { kept: Some(&kept), only_new: true, ..Options::default() };
    let damage = verify(&home, options).unwrap_err();
    assert!(
        matches!(damage, Damage::Breach { index: 4, breach: Breach::Ended { by: 3, .. }, .. }),
        "{damage}"
    );
}

/// Two logs with one key that part after `common` entries; the second has `more` entries then.
async fn twins(common: u64, more: u64) -> (Home, PathBuf) {
    let home = log_of(at_work(), |_, _| {}).await;
    grow(&home, common - 3).await;
    let twin = home.root.path().join("twin");
    copy(&home.dir(), &twin);
    let ledger = Ledger::open(&twin, &home.options, sightline_ledger::AdmitAll).unwrap();
    ledger.append_all((1000..1000 + more).map(started).collect()).await.unwrap();
    ledger.close().await;
    (home, twin)
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for path in common::files(from) {
        let there = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(&path, there).unwrap();
    }
}

#[tokio::test]
async fn a_rollback_and_a_fork_against_what_was_kept_are_named() {
    for (common, mine, theirs) in [(10, 5, 5), (256, 10, 300), (700, 1, 600)] {
        let (home, twin) = twins(common, theirs).await;
        let log = verifier(&home);
        let at_common = keep(verify(&home, Options::default()).unwrap());
        grow(&home, mine).await;
        let kept = keep(verify(&home, Options::default()).unwrap());
        for only_new in [false, true] {
            let look = |dir: &PathBuf, kept: Option<&Kept>, known: &[Known]| {
                let options = Options { kept, only_new, known, ..Options::default() };
                check(&Directory::open(dir).unwrap(), &log, options, &mut |_, _| {})
            };
            look(&twin, Some(&at_common), &[]).unwrap();
            let forked = look(&twin, Some(&kept), &[]).unwrap_err();
            assert!(matches!(forked, Damage::Forked { old, .. } if old == common + mine), "{forked}");
            let known = [Known { name: "kept.txt".into(), note: kept.checkpoint.clone() }];
            let forked = look(&twin, Some(&at_common), &known).unwrap_err().to_string();
            assert!(forked.contains("FORKED") && forked.contains("kept.txt"), "{forked}");
            grow(&home, 1000).await;
            let grown = keep(look(&home.dir(), Some(&kept), &known).unwrap());
            let back = look(&twin, Some(&grown), &[]).unwrap_err();
            assert!(matches!(back, Damage::RolledBack { size, .. } if size == common + theirs), "{back}");
            assert!(back.to_string().contains("ROLLED BACK"), "{back}");
        }
    }
}

#[tokio::test]
async fn what_is_no_part_of_a_log_and_a_partial_tile_that_is_none_are_named() {
    let home = log_of(at_work(), |_, _| {}).await;
    grow(&home, 100).await;
    verify(&home, Options::default()).unwrap();
    for foreign in ["public/thesis.txt", "public/tile/0/extra", "public/tile/0/000.p/300"] {
        fs::write(home.path(foreign), "x").unwrap();
        let damage = verify(&home, Options::default()).unwrap_err();
        let name = foreign.strip_prefix("public/").unwrap();
        assert!(matches!(&damage, Damage::Foreign { path } if path == name), "{damage}");
        assert_eq!(fs::read(home.path(foreign)).unwrap(), b"x", "it is left alone");
        fs::remove_file(home.path(foreign)).unwrap();
    }
    let old = home.path("public/tile/0/000.p/3");
    let mut bytes = fs::read(&old).unwrap();
    bytes[40] ^= 1;
    fs::write(&old, bytes).unwrap();
    let damage = verify(&home, Options::default()).unwrap_err();
    assert!(matches!(&damage, Damage::Partial { path } if path == "tile/0/000.p/3"), "{damage}");
}
