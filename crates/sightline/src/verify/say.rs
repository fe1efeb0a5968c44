//! What `sightline verify` says.

use std::fmt::Write as _;
use std::path::PathBuf;

use ledger::verify::{BundleSummary, Damage, JournalSummary, Summary, Tally};
use model::{Evidence, Timestamp};
use serde::Serialize;

use super::state::State;

/// What `--json` prints of a log.
#[derive(Serialize)]
pub(super) struct Verdict {
    pub(super) good: bool,
    pub(super) damage: Option<String>,
    /// Nothing is known to be wrong: it could not be read.
    pub(super) inconclusive: bool,
    #[serde(flatten)]
    pub(super) summary: Option<Summary>,
    #[serde(rename = "kept_in")]
    pub(super) state: State,
}

impl Verdict {
    pub(super) fn code(&self) -> u8 {
        match (self.good, self.inconclusive) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}

/// The damage, and what to do about it.
pub(super) fn damage(damage: &Damage) -> String {
    format!("{damage}{}", super::advice(damage))
}

/// The numbers.
pub(super) fn summary(summary: &Summary, state: &State) -> String {
    let mut text = format!("{}: good\n", summary.origin);
    // Writing to a String cannot fail.
    let _ = tell(&mut text, summary, state);
    text
}

fn tell(text: &mut String, s: &Summary, state: &State) -> std::fmt::Result {
    let time = |t: Option<Timestamp>| t.map_or("-".to_owned(), |t| t.to_string());
    let read = s.entries - s.verified_before;
    writeln!(text, "  {read} entries: each read, decoded, hashed and found in the tree")?;
    if s.verified_before > 0 {
        writeln!(
            text,
            "  {} before them were verified earlier and not read again (--full)",
            s.verified_before
        )?;
    }
    if s.grown_from > 0 {
        writeln!(text, "  grown from {} known before", count(s.grown_from, "checkpoint"))?;
    }
    if let Some(tally) = &s.tally {
        rules(text, tally)?;
    }
    if s.replayed {
        writeln!(text, "  each admitted again where it stands")?;
    }
    writeln!(text, "  {} tiles and {} bundles, {} bytes", s.tiles, s.bundles, s.bytes)?;
    writeln!(text, "  {} signatures of checkpoints", s.signatures)?;
    match &s.cosigned {
        Some(cosigned) => text.push_str(&self::cosigned(cosigned)),
        None => writeln!(text, "  no witnesses were asked for (--policy)")?,
    }
    writeln!(text, "  from {} to {}", time(s.first), time(s.last))?;
    writeln!(text, "  root {}", s.root)?;
    if let Some(journal) = &s.journal {
        tell_journal(text, journal)?;
    }
    match state {
        State::Kept(file) => writeln!(text, "  this checkpoint is kept in {}", file.display()),
        State::NoPlace => {
            writeln!(text, "  nothing was kept: you have no home directory; name a file with --state")
        }
        State::NotAsked | State::Unchanged => Ok(()),
    }
}

fn rules(text: &mut String, tally: &Tally) -> std::fmt::Result {
    let by_class: Vec<_> = Evidence::ALL
        .iter()
        .zip(tally.evidence)
        .filter(|(_, n)| *n > 0)
        .map(|(class, n)| format!("{class} {n}"))
        .collect();
    let by_class = if by_class.is_empty() { String::new() } else { format!(" ({})", by_class.join(", ")) };
    writeln!(
        text,
        "  {}{by_class}, each in an open session of its viewer and under a grant in force that covers it",
        count(tally.looks, "look")
    )?;
    writeln!(
        text,
        "  {} of {} and {}, each in an open session",
        count(tally.lists, "list"),
        count(tally.rows, "row"),
        count(tally.writes, "write")
    )?;
    writeln!(
        text,
        "  {}, {}, {}; nothing shown behind a revocation; time never goes back",
        count(tally.sessions, "session"),
        count(tally.grants, "grant"),
        count(tally.revocations, "revocation")
    )
}

fn tell_journal(text: &mut String, journal: &JournalSummary) -> std::fmt::Result {
    let JournalSummary { entries, batches, bytes, unfinished_bytes } = journal;
    writeln!(text, "  journal: {entries} entries in {batches} batches, {bytes} bytes, tells the same")?;
    if *unfinished_bytes > 0 {
        writeln!(text, "  {unfinished_bytes} bytes of an unfinished write; nothing was released of it")?;
    }
    Ok(())
}

/// The numbers of an evidence bundle.
pub(super) fn bundle(summary: &BundleSummary) -> String {
    let mut text = format!("{}: good evidence, made {}\n", summary.origin, summary.made);
    // Writing to a String cannot fail.
    let _ = tell_bundle(&mut text, summary);
    text
}

fn tell_bundle(text: &mut String, summary: &BundleSummary) -> std::fmt::Result {
    writeln!(text, "  {}, each the one that the manifest was signed over", count(summary.files, "file"))?;
    writeln!(
        text,
        "  {}, each of which proves its entry in the tree of the first {} entries",
        count(summary.receipts, "receipt"),
        summary.entries
    )?;
    rules(text, &summary.tally)?;
    match &summary.cosigned {
        Some(cosigned) => text.push_str(&self::cosigned(cosigned)),
        None => writeln!(text, "  no witnesses were asked for (--policy)")?,
    }
    writeln!(text, "  as far as these entries go: that none was left out shows only a check of the whole log")
}

/// Who cosigned.
pub(super) fn cosigned(cosigned: &[(String, u64)]) -> String {
    if cosigned.is_empty() {
        return "  cosigned by nobody, which the policy allows\n".to_owned();
    }
    let each = |(name, time): &(String, u64)| format!("{name} at {}", Timestamp(time.saturating_mul(1000)));
    format!("  cosigned by {}\n", cosigned.iter().map(each).collect::<Vec<_>>().join(", "))
}

fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

impl Serialize for State {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let file: Option<&PathBuf> = match self {
            State::Kept(file) => Some(file),
            State::NoPlace | State::NotAsked | State::Unchanged => None,
        };
        file.serialize(s)
    }
}
