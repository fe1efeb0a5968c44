//! A trace's answer for the terminal and for programs. Who is not named is not in it, unless the case asks for that.

use std::fmt::Write as _;

use incident::leak::Covers;
use model::{SessionId, StaffId};
use trace::together::{Conclusion, Ground};
use trace::{Answer, Verdict};

use super::{Findings, Trace};

/// The whole answer.
pub(super) fn findings(mut findings: Findings, options: &Trace) -> Result<String, String> {
    if !options.case {
        hide(&mut findings);
    }
    if options.form.json {
        return serde_json::to_string_pretty(&findings).map(|t| t + "\n").map_err(|e| e.to_string());
    }
    let mut text = conclusion(&findings);
    if let Some(answer) = &findings.mark {
        text += &say_mark(answer);
    }
    if let Some(records) = &findings.records {
        text += &say_records(records, options.case);
    }
    for why in &findings.skipped {
        let _ = writeln!(text, "not read: {why}");
    }
    if let Some(report) = &options.report {
        let _ = writeln!(text, "\nThe report: {} (it shows what the leak shows)", report.display());
    }
    if !findings.next.is_empty() {
        let _ = writeln!(text, "\nWhom they could have shown to somebody:\n  {}", findings.next.join("\n  "));
    }
    Ok(text)
}

/// Takes out the pseudonyms of everybody who is not named: below the bar, and beside whoever is named.
fn hide(findings: &mut Findings) {
    let named = &findings.conclusion.staff;
    let session = findings.conclusion.session;
    // What names a mark by itself may not do so beside a record set that leads elsewhere.
    if let Some(mark) = findings.mark.as_mut().filter(|_| !findings.conclusion.mark_named) {
        mark.named = None;
    }
    if let Some(records) = &mut findings.records {
        let rows = records.staff.single.iter_mut().chain(&mut records.staff.groups);
        rows.filter(|row| !row.who.iter().all(|w| named.contains(w))).for_each(|row| row.who.clear());
        if let Some(sessions) = &mut records.sessions {
            let rows = sessions.single.iter_mut().chain(&mut sessions.groups);
            rows.filter(|row| !row.who.iter().all(|w| Some(*w) == session)).for_each(|row| row.who.clear());
        }
    }
}

fn conclusion(findings: &Findings) -> String {
    let c: &Conclusion = &findings.conclusion;
    let mut text = String::new();
    let who: Vec<String> = c.staff.iter().map(ToString::to_string).collect();
    let who = if who.is_empty() { "nobody knows whom".into() } else { who.join(" with ") };
    let consistent = findings.mark.as_ref().is_some_and(|m| m.verdict == Verdict::Consistent);
    let _ = match c.ground {
        Ground::Mark => writeln!(text, "The leak shows pages of {who}: the mark says so."),
        Ground::Records => writeln!(text, "The leak shows customers of {who}: their looks cover it."),
        Ground::Both => writeln!(text, "The leak shows pages of {who}: mark and record set say the same."),
        Ground::Combination => {
            writeln!(text, "The leak leads to {who}: mark and record set together, neither by itself.")
        }
        Ground::Contradiction => writeln!(
            text,
            "The mark leads to one person and the record set to another. Nobody is named until that is explained."
        ),
        Ground::None if consistent => {
            writeln!(text, "Consistent with an issued mark, not proof of one. Nobody is named.")
        }
        Ground::None => writeln!(text, "Inconclusive. Nobody is named."),
    };
    if c.names_somebody() {
        let _ = writeln!(
            text,
            "The chance that somebody innocent is named is at most 1e{:.0}. It says whose page was shown, not who held\n\
             the camera.",
            c.log10_wrong.ceil()
        );
    }
    if findings.interrupted {
        text += "Ended by Ctrl-C: this is the answer to what was seen until then.\n";
    }
    text
}

fn say_mark(answer: &Answer) -> String {
    let mut text = String::new();
    let z = format!("z {:.1}, the next best {:.1}", answer.z, answer.next_z);
    let _ = match (&answer.named, answer.verdict) {
        (Some(issued), _) => {
            let _ = writeln!(text, "\nThe mark is {} ({z}).", issued.mark);
            let or = |v: Option<String>| v.unwrap_or_else(|| "not in the list".into());
            let _ = writeln!(text, "  session {}", or(issued.session.map(|s| s.to_string())));
            let _ = writeln!(text, "  staff   {}", or(issued.staff.as_ref().map(ToString::to_string)));
            writeln!(text, "  issued  {}", or(issued.from.map(|t| t.to_string())))
        }
        (None, Verdict::Consistent) => writeln!(
            text,
            "\nThe best mark ({z}): chance alone gives this with up to 1e{:.0}, and the bar is 1e-9. More or better\n\
             frames may decide it.",
            answer.log10_wrong.ceil()
        ),
        (None, _) => writeln!(text, "\nNo issued mark stands out ({z})."),
    };
    let _ = writeln!(
        text,
        "Frames {}, with pilots {}; marks tried {}, readings scored {}.",
        answer.frames, answer.locked, answer.candidates, answer.readings
    );
    if let Some(found) = answer.best_frame.as_ref().filter(|_| answer.locked > 0) {
        let p = &found.placement;
        let mirrored = if p.mirrored { ", mirrored" } else { "" };
        let inverted = if p.inverted { ", inverted" } else { "" };
        let _ = writeln!(
            text,
            "Best frame {}: {:.2} pixels for each CSS pixel, turned by {:.1}°{mirrored}{inverted}.",
            found.frame, p.scale, p.roll_degrees
        );
    }
    text
}

fn say_records(records: &Covers, case: bool) -> String {
    let mut text = String::new();
    let ranking = &records.staff;
    let _ = writeln!(
        text,
        "\nRecord set: {} customers of the leak were shown to somebody ({} ids put right, {} ambiguous, {} unknown);\n\
         {} customers and {} staff in the log.",
        ranking.customers,
        records.corrected,
        records.ambiguous.len(),
        records.unknown.len(),
        ranking.population,
        ranking.candidates
    );
    let _ = writeln!(text, "{:<24} {:>8} {:>8} {:>14}", "who", "covered", "seen", "by chance");
    let mut row = |who: String, covered: usize, seen: usize, wrong: f64| {
        let _ =
            writeln!(text, "{who:<24} {covered:>8} {seen:>8} {:>14}", format!("<= 1e{:.0}", wrong.ceil()));
    };
    for s in ranking.single.iter().take(5).chain(ranking.groups.iter().take(3)) {
        row(names(&s.who, StaffId::to_string), s.covered, s.seen, s.log10_wrong);
    }
    for s in records.sessions.iter().flat_map(|r| r.single.iter().take(3)) {
        row(names(&s.who, SessionId::to_string), s.covered, s.seen, s.log10_wrong);
    }
    if !case {
        text += "(Who is not named is not listed by pseudonym; in an opened case, --case does.)\n";
    }
    text
}

fn names<W>(who: &[W], name: impl Fn(&W) -> String) -> String {
    let who: Vec<String> = who.iter().map(name).collect();
    if who.is_empty() { "somebody".into() } else { who.join(" + ") }
}
