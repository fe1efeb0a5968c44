//! What a seal asks of the entries that are to open it.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use ledger::{AdmitAll, Draft, Fatal, Ledger, LedgerError, Options, Verified};
use model::entry::{Action, Listed, Refused, Revealed, Viewer, Why};
use model::{
    AppId, ClassSet, CustomerId, Digest, Event, Evidence, FieldClass, GrantId, MarkId, MarkIssued, Mode,
    Opening, OsEntropy, ResponseId, SessionId, StaffId, Subject, Tier, Timestamp,
};
use sightline_gateway::seal::{NotCovered, Sealed, Shows};

struct Scene {
    ledger: Ledger,
    response: ResponseId,
    viewer: Viewer,
    /// Swept away last, when the ledger is closed.
    _dir: tempfile::TempDir,
}

/// At the end of a test its directory is swept away, while the ledger's threads are still ending.
#[derive(Debug)]
struct Swept;

impl Fatal for Swept {
    fn fatal(&self, _: &LedgerError) {}
}

impl Scene {
    fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (path, options) =
            (dir.path().join("ledger"), Options { fatal: Arc::new(Swept), ..Options::default() });
        Ledger::create(&path, "ledger.test/seal", &options).unwrap();
        let ledger = Ledger::open(&path, &options, AdmitAll).unwrap();
        let viewer = Viewer {
            staff: StaffId::new("s-1"),
            session: SessionId::fresh(&OsEntropy),
            app: AppId::new("desk"),
        };
        Self { ledger, response: ResponseId::fresh(&OsEntropy), viewer, _dir: dir }
    }

    async fn record(&self, event: Event, openings: &[Opening]) -> Verified {
        let receipt = self.ledger.append(Draft { event, openings: openings.to_vec() }).await.unwrap();
        receipt.verify(self.ledger.verifier()).unwrap()
    }

    fn look(&self, opening: &Opening, classes: ClassSet) -> Revealed {
        Revealed {
            response: self.response,
            by: self.viewer.clone(),
            subject: opening.commitment(),
            tier: Tier::Standard,
            action: Action::View,
            classes,
            evidence: Evidence::Routed,
            grant: GrantId::fresh(&OsEntropy),
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
        }
    }

    fn listed(&self, rows: &[Opening], classes: ClassSet) -> Listed {
        let subjects: Vec<_> = rows.iter().map(Opening::commitment).collect();
        Listed {
            response: self.response,
            by: self.viewer.clone(),
            action: Action::List,
            rows: u32::try_from(rows.len()).unwrap(),
            subjects: Digest::over(&subjects),
            classes,
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
            would_refuse: None,
            charged: 0,
        }
    }

    fn seal(&self, shows: Shows) -> Sealed {
        Sealed::new(self.response, self.viewer.clone(), shows, Response::new(Body::from("sealed")))
    }
}

fn opening(customer: &str) -> Opening {
    Opening::fresh(&OsEntropy, Subject::of(CustomerId::new(customer)))
}

fn name() -> ClassSet {
    FieldClass::IdentityName.into()
}

fn name_and_email() -> ClassSet {
    [FieldClass::IdentityName, FieldClass::ContactEmail].into_iter().collect()
}

fn a_record(opening: &Opening, classes: ClassSet) -> Shows {
    let mut shows = Shows::nothing();
    shows.record(opening.clone(), classes);
    shows
}

fn rows_of(openings: &[Opening], classes: ClassSet) -> Shows {
    let mut shows = Shows::nothing();
    openings.iter().for_each(|opening| shows.row(opening.clone(), classes));
    shows
}

#[tokio::test]
async fn what_shows_nobody_opens_without_receipts() {
    assert!(Scene::set().seal(Shows::nothing()).open(&[]).is_ok());
}

#[tokio::test]
async fn a_record_opens_with_the_entry_of_exactly_this_look() {
    let scene = Scene::set();
    let jane = opening("c-1");
    let entry =
        scene.record(Event::Revealed(scene.look(&jane, name_and_email())), std::slice::from_ref(&jane)).await;
    assert!(scene.seal(a_record(&jane, name())).open(std::slice::from_ref(&entry)).is_ok());
    assert!(scene.seal(a_record(&jane, name_and_email())).open(&[entry]).is_ok());
}

#[tokio::test]
async fn a_record_stays_sealed_with_any_other_entry() {
    let scene = Scene::set();
    let (jane, joe) = (opening("c-1"), opening("c-2"));
    let good = scene.look(&jane, name());
    let mut others = vec![
        Revealed { response: ResponseId::fresh(&OsEntropy), ..good.clone() },
        Revealed { subject: joe.commitment(), ..good.clone() },
        Revealed { classes: FieldClass::ContactEmail.into(), ..good.clone() },
        Revealed { classes: ClassSet::EMPTY, ..good.clone() },
    ];
    let elsewhere = Viewer { session: SessionId::fresh(&OsEntropy), ..scene.viewer.clone() };
    others.push(Revealed { by: elsewhere, ..good.clone() });
    // The same customer under another salt is another commitment.
    others.push(Revealed { subject: opening("c-1").commitment(), ..good });

    assert_eq!(not_covered(scene.seal(a_record(&jane, name())), &[]), NotCovered::Record(scene.response));
    for other in others {
        let of = if other.subject == jane.commitment() { vec![jane.clone()] } else { vec![joe.clone()] };
        let Some(entry) = try_record(&scene, Event::Revealed(other.clone()), &of).await else { continue };
        let refused = not_covered(scene.seal(a_record(&jane, name())), &[entry]);
        assert_eq!(refused, NotCovered::Record(scene.response), "{other:?}");
    }
}

#[tokio::test]
async fn each_of_two_customers_needs_an_entry_of_their_own() {
    let scene = Scene::set();
    let (jane, joe) = (opening("c-1"), opening("c-2"));
    let both = || {
        let mut shows = a_record(&jane, name());
        shows.record(joe.clone(), name());
        shows
    };
    let of_jane = scene.record(Event::Revealed(scene.look(&jane, name())), std::slice::from_ref(&jane)).await;
    let of_joe = scene.record(Event::Revealed(scene.look(&joe, name())), std::slice::from_ref(&joe)).await;
    assert!(scene.seal(both()).open(std::slice::from_ref(&of_jane)).is_err());
    assert!(scene.seal(both()).open(&[of_joe, of_jane]).is_ok());
}

#[tokio::test]
async fn rows_open_with_the_listing_of_exactly_these_rows() {
    let scene = Scene::set();
    let rows = [opening("c-1"), opening("c-2"), opening("c-3")];
    let entry = scene.record(Event::Listed(scene.listed(&rows, name())), &rows).await;
    let entry = [entry];
    assert!(scene.seal(rows_of(&rows, name())).open(&entry).is_ok());
    assert!(scene.seal(rows_of(&rows, ClassSet::EMPTY)).open(&entry).is_ok());

    let refused = NotCovered::Rows(scene.response);
    let (fewer, swapped) = (&rows[..2], [rows[1].clone(), rows[0].clone(), rows[2].clone()]);
    assert_eq!(not_covered(scene.seal(rows_of(&rows, name_and_email())), &entry), refused);
    assert_eq!(not_covered(scene.seal(rows_of(fewer, name())), &entry), refused);
    assert_eq!(not_covered(scene.seal(rows_of(&swapped, name())), &entry), refused);
    // A listing is no look, and a look is no listing.
    assert!(scene.seal(a_record(&rows[0], name())).open(&entry).is_err());
}

#[tokio::test]
async fn what_nobody_has_read_opens_only_with_an_entry_that_says_so() {
    let scene = Scene::set();
    let note = Refused {
        response: scene.response,
        app: Some(scene.viewer.app.clone()),
        staff: Some(scene.viewer.staff.clone()),
        session: Some(scene.viewer.session),
        subject: None,
        why: Why::UnknownRoute,
    };
    let other = Refused { response: ResponseId::fresh(&OsEntropy), ..note.clone() };
    let (note, other) =
        (scene.record(Event::Refused(note), &[]).await, scene.record(Event::Refused(other), &[]).await);
    assert_eq!(not_covered(scene.seal(Shows::unread()), &[other]), NotCovered::Unread(scene.response));
    assert!(scene.seal(Shows::unread()).open(&[note]).is_ok());
}

fn not_covered(sealed: Sealed, receipts: &[Verified]) -> NotCovered {
    sealed.open(receipts).expect_err("it must stay sealed")
}

/// The ledger itself refuses an entry whose opening does not open it: then nobody has a receipt for it.
async fn try_record(scene: &Scene, event: Event, openings: &[Opening]) -> Option<Verified> {
    let receipt = scene.ledger.append(Draft { event, openings: openings.to_vec() }).await.ok()?;
    receipt.verify(scene.ledger.verifier()).ok()
}

#[tokio::test]
async fn a_mark_stays_sealed_until_the_entry_that_issues_it_to_this_viewer_is_there() {
    let scene = Scene::set();
    let mark = MarkId::fresh(&OsEntropy);
    let marked = || {
        let mut shows = Shows::nothing();
        shows.mark(mark);
        scene.seal(shows)
    };
    let issued = |mark, by: Viewer| Event::MarkIssued(MarkIssued { mark, by, bucket: Timestamp(0) });
    let other = Viewer { session: SessionId::fresh(&OsEntropy), ..scene.viewer.clone() };
    let wrong = [
        scene.record(issued(MarkId::fresh(&OsEntropy), scene.viewer.clone()), &[]).await,
        scene.record(issued(mark, other), &[]).await,
    ];
    assert_eq!(marked().open(&[]).err(), Some(NotCovered::Mark(scene.response)));
    assert_eq!(marked().open(&wrong).err(), Some(NotCovered::Mark(scene.response)));
    let right = scene.record(issued(mark, scene.viewer.clone()), &[]).await;
    assert!(marked().open(&[right]).is_ok());
}
