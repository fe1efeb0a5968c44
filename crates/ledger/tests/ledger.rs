//! What a ledger promises to those who use it.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Home, START, listed, questioned, refused, revealed, started};
use model::entry::Why;
use model::{Event, Timestamp};
use sightline_ledger::cosignature::WitnessSigner;
use sightline_ledger::error::Malformed;
use sightline_ledger::note::SignerKey;
use sightline_ledger::tree::consistency_holds;
use sightline_ledger::{
    Admission, AdmitAll, AppendError, Draft, Ledger, LedgerError, LogVerifier, Receipt, Record,
};

#[tokio::test]
async fn a_receipt_proves_exactly_what_was_recorded() {
    let home = Home::new();
    let ledger = home.open();
    let draft = revealed("c-9");
    let receipt = ledger.append(draft.clone()).await.unwrap();
    let verified = receipt.verify(ledger.verifier()).unwrap();
    assert_eq!((verified.index(), verified.entry().time), (0, START));
    assert_eq!(verified.entry().event, draft.event);

    let vkey = std::fs::read_to_string(home.path("log.vkey")).unwrap();
    let elsewhere = LogVerifier::from_vkey(&vkey).unwrap();
    let text = receipt.to_tlog_proof();
    let read = Receipt::from_tlog_proof(&text).unwrap();
    assert_eq!(read.verify(&elsewhere).unwrap().entry(), verified.entry());
    ledger.close().await;
}

#[tokio::test]
async fn what_was_recorded_is_there_again_after_a_restart() {
    let home = Home::new();
    let ledger = home.open();
    let drafts: Vec<Draft> =
        (0..700).map(|n| if n % 3 == 0 { revealed(&format!("c-{}", n % 20)) } else { started(n) }).collect();
    for some in drafts[..600].chunks(50) {
        ledger.append_all(some.to_vec()).await.unwrap();
    }
    for draft in &drafts[600..] {
        ledger.append(draft.clone()).await.unwrap();
    }
    let before = ledger.read(0, 1000).unwrap();
    let tiles: Vec<_> =
        ["tile/0/000", "tile/entries/001", "tile/0/002.p/188"].map(|p| ledger.tile(p).unwrap()).into();
    ledger.close().await;

    let ledger = home.open();
    assert_eq!(ledger.size(), 700);
    let after = ledger.read(0, 1000).unwrap();
    assert_eq!(after, before);
    assert!(after.iter().map(|record| &record.entry.event).eq(drafts.iter().map(|draft| &draft.event)));
    assert!(after.iter().zip(&drafts).all(|(record, draft)| {
        record.openings.iter().flatten().eq(&draft.openings) && record.openings.len() == draft.openings.len()
    }));
    assert_eq!(ledger.read(650, 7).unwrap(), before[650..657]);
    assert_eq!(ledger.read(700, 7).unwrap(), []);
    for index in [0, 1, 255, 256, 511, 512, 599, 600, 698, 699] {
        let verified = ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
        assert_eq!(verified.entry(), &before[index as usize].entry);
    }
    assert!(matches!(ledger.prove(700), Err(LedgerError::NoSuchEntry { index: 700, size: 700 })));
    let again: Vec<_> =
        ["tile/0/000", "tile/entries/001", "tile/0/002.p/188"].map(|p| ledger.tile(p).unwrap()).into();
    assert!(tiles.iter().skip(2).all(Option::is_none), "not published before it was closed");
    assert!(again.iter().all(Option::is_some));
    ledger.close().await;
}

#[tokio::test]
async fn time_in_the_ledger_never_goes_back() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(started(0)).await.unwrap();
    home.clock.set(Timestamp(START.0 - 5_000));
    ledger.append(started(1)).await.unwrap();
    ledger.close().await;
    let ledger = home.open();
    ledger.append(started(2)).await.unwrap();
    home.clock.set(Timestamp(START.0 + 7));
    ledger.append(started(3)).await.unwrap();
    let times: Vec<u64> = ledger.read(0, 9).unwrap().iter().map(|r| r.entry.time.0 - START.0).collect();
    assert_eq!(times, [0, 0, 0, 7]);
    ledger.close().await;
}

/// Admits at most this many refusals of forms, ever.
struct AtMost(usize);

impl Admission for AtMost {
    fn admit(&mut self, group: &[Record]) -> Result<(), Why> {
        let forms =
            |record: &&Record| matches!(&record.entry.event, Event::Refused(e) if e.why == Why::ForgedForm);
        let wanted = group.iter().filter(forms).count();
        self.0 = self.0.checked_sub(wanted).ok_or(Why::WeakBudget)?;
        Ok(())
    }
    fn undo(&mut self) {}
    fn settle(&mut self) {}
}

#[tokio::test]
async fn a_group_is_recorded_whole_or_leaves_no_trace() {
    let home = Home::new();
    let ledger = Ledger::open(&home.dir(), &home.options, AtMost(2)).unwrap();
    let form = || refused(Why::ForgedForm);
    ledger.append_all(vec![form(), started(0)]).await.unwrap();
    let too_much = ledger.append_all(vec![started(1), form(), form()]).await;
    assert!(matches!(too_much, Err(AppendError::Refused(Why::WeakBudget))));
    let receipts = ledger.append_all(vec![form(), started(2)]).await.unwrap();
    assert_eq!(receipts.iter().map(Receipt::index).collect::<Vec<_>>(), [2, 3]);
    assert!(matches!(ledger.append(form()).await, Err(AppendError::Refused(_))));
    assert_eq!(ledger.size(), 4);
    ledger.close().await;

    // Replay gives the same state: nothing is left of the two.
    let ledger = Ledger::open(&home.dir(), &home.options, AtMost(2)).unwrap();
    assert!(matches!(ledger.append(form()).await, Err(AppendError::Refused(_))));
    ledger.close().await;
    let contradiction = Ledger::open(&home.dir(), &home.options, AtMost(1));
    assert!(matches!(contradiction, Err(LedgerError::Contradiction { index: 2, .. })));
}

#[tokio::test]
async fn openings_must_open_what_the_event_commits_to() {
    let home = Home::new();
    let ledger = home.open();
    let good =
        [revealed("c-1"), listed(&["c-1", "c-2"]), listed(&[]), questioned("c-3"), refused(Why::Policy)];
    for draft in &good {
        ledger.append(draft.clone()).await.unwrap();
    }
    let malformed = async |draft: Draft| match ledger.append(draft).await {
        Err(AppendError::Malformed(why)) => why,
        other => panic!("{other:?}"),
    };
    for draft in &good[..2] {
        let other = Draft { openings: vec![common::opening("c-1"); draft.openings.len()], ..draft.clone() };
        assert_eq!(malformed(other).await, Malformed::Mismatch);
        let none = Draft { openings: vec![], ..draft.clone() };
        assert!(matches!(malformed(none).await, Malformed::Count { openings: 0, .. }));
    }
    let mut swapped = good[1].clone();
    swapped.openings.reverse();
    assert_eq!(malformed(swapped).await, Malformed::Mismatch);
    let more = Draft { openings: vec![common::opening("c-1")], ..started(0) };
    assert_eq!(malformed(more).await, Malformed::Count { commitments: 0, openings: 1 });
    assert_eq!(ledger.size(), good.len() as u64);
    ledger.close().await;
}

#[tokio::test]
async fn an_entry_larger_than_the_format_allows_is_refused_and_the_largest_is_not() {
    let home = Home::new();
    let ledger = home.open();
    let of_length =
        |length: usize| Draft::plain(Event::Started(model::entry::Started { software: "x".repeat(length) }));
    let fits = (65_400..65_600).rev().find(|length| {
        let event = of_length(*length).event;
        model::Entry { time: Timestamp(u64::MAX), event }.encode().len() == model::entry::MAX_ENTRY_BYTES
    });
    let fits = fits.unwrap();
    ledger.append(of_length(fits)).await.unwrap();
    let refused = ledger.append(of_length(fits + 1)).await;
    assert!(matches!(refused, Err(AppendError::Malformed(Malformed::TooLarge(65_536)))));
    ledger.close().await;
    assert_eq!(home.open().read(0, 1).unwrap()[0].entry.event, of_length(fits).event);
}

#[tokio::test]
async fn a_closed_ledger_takes_nothing_and_can_be_opened_again() {
    let home = Home::new();
    let ledger = home.open();
    let second = Ledger::open(&home.dir(), &home.options, AdmitAll);
    assert!(matches!(second, Err(LedgerError::Locked { .. })));
    let other = ledger.clone();
    ledger.append(started(0)).await.unwrap();
    ledger.close().await;
    ledger.close().await;
    assert!(matches!(other.append(started(1)).await, Err(AppendError::Closed)));
    assert_eq!(home.open().size(), 1);
}

#[tokio::test]
async fn writers_at_once_get_receipts_that_verify_and_one_number_each() {
    let home = Home::new();
    let ledger = home.open();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut indices = Vec::new();
            for n in 0..20 {
                let draft = revealed(&format!("c-{}", (writer * n) % 37));
                let receipt = ledger.append(draft.clone()).await.unwrap();
                let verified = receipt.verify(ledger.verifier()).unwrap();
                assert_eq!(verified.entry().event, draft.event);
                indices.push(verified.index());
            }
            indices
        });
    }
    let mut indices = tasks.join_all().await.concat();
    indices.sort();
    assert!(indices.into_iter().eq(0..64 * 20));
    ledger.close().await;
}

#[tokio::test]
async fn proofs_from_tiles_hold_over_three_tile_levels() {
    let home = Home::new();
    let ledger = home.open();
    const SIZE: u64 = 65_536 + 700;
    let mut roots = Vec::new();
    for first in (0..SIZE).step_by(4_000) {
        ledger.append_all((first..(first + 4_000).min(SIZE)).map(started).collect()).await.unwrap();
        let (_, note) = ledger.prove_growth(0).unwrap();
        roots.push(ledger.verifier().checkpoint(&note).unwrap());
    }
    ledger.close().await;
    let ledger = home.open();
    for index in [0, 1, 255, 256, 30_000, 65_279, 65_280, 65_535, 65_536, 66_047, 66_048, SIZE - 1] {
        let verified = ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
        assert_eq!(verified.entry().event, started(index).event);
    }
    let now = roots.last().unwrap();
    for old in &roots {
        let (proof, note) = ledger.prove_growth(old.size).unwrap();
        assert_eq!(ledger.verifier().checkpoint(&note).as_ref(), Ok(now));
        assert!(consistency_holds(old.size, &old.root, now.size, &now.root, &proof), "from {}", old.size);
    }
    assert!(ledger.prove_growth(SIZE + 1).is_err());
    ledger.close().await;
}

#[tokio::test]
async fn more_rows_or_more_bytes_than_may_be_are_refused() {
    let home = Home::new();
    let ledger = home.open();
    let one = common::opening("c-1");
    let Event::Listed(listed) = listed(&[]).event else { panic!() };
    let rows = 65_537;
    let event = Event::Listed(model::entry::Listed { rows, ..listed });
    let refused = ledger.append(Draft { event, openings: vec![one; rows as usize] }).await;
    assert!(matches!(refused, Err(AppendError::Malformed(Malformed::TooManyRows(65_537)))));
    let large = Draft::plain(Event::Started(model::entry::Started { software: "x".repeat(65_000) }));
    let refused = ledger.append_all(vec![large; 1_100]).await;
    assert!(matches!(refused, Err(AppendError::Malformed(Malformed::GroupTooLarge))));
    let refused = ledger.append_all(vec![started(0); 4_097]).await;
    assert!(matches!(refused, Err(AppendError::Malformed(Malformed::GroupTooLarge))));
    assert_eq!(ledger.size(), 0);
    ledger.close().await;
}

#[tokio::test]
async fn no_file_of_the_ledger_names_a_customer() {
    let home = Home::new();
    let ledger = home.open();
    ledger.append(revealed("jane-doe")).await.unwrap();
    ledger.append(listed(&["jane-doe", "john-roe"])).await.unwrap();
    ledger.close().await;
    for path in common::files(&home.dir()) {
        let bytes = std::fs::read(&path).unwrap();
        for name in ["jane", "john"] {
            assert!(!bytes.windows(4).any(|window| window == name.as_bytes()), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn with_witnesses_a_checkpoint_is_given_out_only_by_hand_and_never_an_older_or_a_foreign_one() {
    let mut home = Home::new();
    (home.options.witnessed, home.options.publish_every) = (true, Duration::from_millis(5));
    let ledger = home.open();
    let size_of = |ledger: &Ledger| ledger.verifier().checkpoint(&ledger.checkpoint()).unwrap().size;
    ledger.append_all((0..5).map(started).collect()).await.unwrap();
    let published = |size| {
        let ledger = ledger.clone();
        async move {
            while ledger.verifier().checkpoint(&ledger.published()).unwrap().size < size {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            ledger.published().to_string()
        }
    };
    let five = published(5).await;
    assert_eq!(size_of(&ledger), 0, "published, and not given out yet");
    let witness = WitnessSigner::new("w.example", &[3; 32]).unwrap();
    let text = five.split_inclusive("\n\n").next().unwrap().trim_end().to_owned() + "\n";
    let line = witness.cosign(&text, 1_750_000_000).line;
    ledger.give_out(&format!("{five}{line}")).unwrap();
    assert!(ledger.checkpoint().contains(&line) && ledger.checkpoint().contains("— grease.invalid/"));
    assert_eq!(std::fs::read_to_string(home.path("public/checkpoint")).unwrap(), format!("{five}{line}"));
    // Receipts are against what the witness has signed, as far as it goes.
    ledger.append(started(6)).await.unwrap();
    let proof = |index| ledger.prove(index).unwrap().to_tlog_proof();
    assert!(proof(4).contains(&line) && !proof(5).contains(&line));
    for index in 0..6 {
        ledger.prove(index).unwrap().verify(ledger.verifier()).unwrap();
    }
    let six = published(6).await;
    ledger.give_out(&six).unwrap();
    ledger.give_out(&five).unwrap();
    assert_eq!(size_of(&ledger), 6, "never back");
    let foreign = SignerKey::new(common::ORIGIN, &[9; 32]).unwrap().sign(&text);
    assert!(ledger.give_out(&foreign).is_err());
    // Growth is proved between any two sizes, as a witness asks for it.
    for (old, new) in [(0, 5), (5, 5), (3, 6), (5, 6)] {
        let proof = ledger.prove_growth_between(old, new).unwrap();
        let root = |size| ledger.root_at(size).unwrap();
        assert!(consistency_holds(old, &root(old), new, &root(new), &proof), "{old} in {new}");
    }
    assert!(ledger.prove_growth_between(6, 5).is_err() && ledger.root_at(7).is_err());
    ledger.close().await;
    drop(ledger);
    // What was given out survives a restart.
    assert_eq!(size_of(&home.open()), 6);
}
