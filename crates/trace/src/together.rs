//! Two channels, one conclusion: what the mark and the record set say together.
//!
//! They are independent where it counts: the chips of a mark are coin flips to everything else, so whatever the record set
//! is, an innocent one's score on the mark is what chance gives. So the two tails may be combined by Fisher's rule. The
//! tail of the record set itself rests on an assumption that chips do not need: that an innocent one's looks are a draw
//! from everybody's. Two people who work one queue break it, which is why whatever rests on the record set must also be
//! far ahead of everybody else.

use model::{SessionId, StaffId};

use crate::answer::{Answer, Outcome, Standing};
use crate::records::{CLEAR, Ranking, tail};
use crate::score::LOG10_BAR;

/// What a conclusion rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// The mark alone.
    Mark,
    /// The record set alone.
    Records,
    /// Either would do by itself, and both say the same.
    Both,
    /// Neither would do by itself; their combination does.
    Combination,
    /// Each leads to somebody else. Nobody is named until that is explained.
    Contradiction,
    /// Nothing: inconclusive.
    None,
}

/// The conclusion.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Conclusion {
    /// What it rests on.
    pub ground: Ground,
    /// Who; nobody where the ground is a contradiction or nothing.
    pub staff: Vec<StaffId>,
    /// In which session, where the mark says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// A mark was named, also where nobody knows whose it is.
    pub mark_named: bool,
    /// Decimal logarithm of the bound on naming an innocent one: over everybody, everything that was tried, and the ways
    /// (mark, record set, combination) in which somebody can be named.
    pub log10_wrong: f64,
}

impl Conclusion {
    /// Whether a mark or a person is named.
    pub fn names_somebody(&self) -> bool {
        self.mark_named || !self.staff.is_empty()
    }
}

/// With both channels, somebody can be named in three ways; the bound is multiplied by them.
const WAYS: f64 = 3.0;

/// Draws the conclusion from what there is.
pub fn conclude(mark: Option<&Outcome>, records: Option<&Ranking<StaffId>>) -> Conclusion {
    let tried = if mark.is_some() && records.is_some() { WAYS.log10() } else { 0.0 };
    let named = mark.map(|m| &m.answer).filter(|a| a.named.is_some() && a.log10_wrong + tried <= LOG10_BAR);
    let lead = records.and_then(Ranking::lead).filter(|l| l.log10_wrong + tried <= LOG10_BAR);
    let owner = named.and_then(|a| a.named.as_ref()?.staff.as_ref());
    match (named, lead) {
        (Some(answer), Some(lead)) => match owner {
            Some(owner) if lead.who.contains(owner) => {
                let wrong = answer.log10_wrong.min(lead.log10_wrong) + tried;
                let wrong = if lead.who.len() > 1 { lead.log10_wrong + tried } else { wrong };
                of_mark(Ground::Both, lead.who.clone(), answer, wrong)
            }
            Some(_) => Conclusion { mark_named: false, ..nobody(Ground::Contradiction) },
            // A mark of nobody knows whom: the record set says who, the mark which page.
            None => of_mark(Ground::Both, lead.who.clone(), answer, lead.log10_wrong + tried),
        },
        (Some(answer), None) => {
            let staff = owner.cloned().into_iter().collect();
            of_mark(Ground::Mark, staff, answer, answer.log10_wrong + tried)
        }
        (None, Some(lead)) => Conclusion {
            staff: lead.who.clone(),
            log10_wrong: lead.log10_wrong + tried,
            ..nobody(Ground::Records)
        },
        (None, None) => match (mark, records) {
            (Some(mark), Some(records)) => combination(&mark.standings, records, tried),
            _ => nobody(Ground::None),
        },
    }
}

fn nobody(ground: Ground) -> Conclusion {
    Conclusion { ground, staff: Vec::new(), session: None, mark_named: false, log10_wrong: 0.0 }
}

fn of_mark(ground: Ground, staff: Vec<StaffId>, answer: &Answer, log10_wrong: f64) -> Conclusion {
    let session = answer.named.as_ref().and_then(|i| i.session);
    Conclusion { ground, staff, session, mark_named: true, log10_wrong }
}

/// Whom the product of both tails names, if anybody: under the bar, and far ahead of everybody else.
fn combination(marks: &[Standing], records: &Ranking<StaffId>, tried: f64) -> Conclusion {
    // The ranking holds the best rows only: nobody else can have a smaller tail than the last of them.
    let complete = records.single.len() == records.candidates;
    let beyond = if complete { 0.0 } else { records.single.last().map_or(0.0, |s| s.log10_p) };
    let by_records = |staff: &StaffId| {
        records.single.iter().find(|s| s.who.first() == Some(staff)).map_or(beyond, |s| s.log10_p)
    };
    let everybody = (marks.len().max(records.candidates).max(1) as f64).log10();
    let mut all: Vec<(f64, &StaffId)> = marks
        .iter()
        .map(|m| ((tail::fisher(m.log10_p, by_records(&m.staff)) + everybody + tried).min(0.0), &m.staff))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    match all[..] {
        [(wrong, staff), ref rest @ ..]
            if wrong <= LOG10_BAR && rest.first().is_none_or(|next| wrong + CLEAR <= next.0) =>
        {
            Conclusion { staff: vec![staff.clone()], log10_wrong: wrong, ..nobody(Ground::Combination) }
        }
        _ => nobody(Ground::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Issued, Verdict};
    use crate::records;
    use model::MarkId;

    fn staff(n: u32) -> StaffId {
        StaffId::new(format!("s-{n}"))
    }

    /// The mark of staff member 1 scores this; everybody else what chance gives.
    fn mark(z: f32, log10_wrong: f64) -> Outcome {
        let named = log10_wrong <= LOG10_BAR;
        let issued = Issued {
            mark: MarkId::from_bytes([1; 10]),
            session: Some(SessionId::from_bytes([2; 10])),
            staff: Some(staff(1)),
            from: None,
        };
        let standings = (1..=50)
            .map(|n| Standing {
                staff: staff(n),
                marks: 10,
                z: if n == 1 { z } else { 2.0 },
                log10_p: if n == 1 { log10_wrong - 2.0 } else { 0.0 },
            })
            .collect();
        let answer = Answer {
            verdict: if named { Verdict::Named } else { Verdict::Inconclusive },
            named: named.then_some(issued),
            z,
            next_z: 4.0,
            log10_wrong,
            candidates: 500,
            readings: 1,
            frames: 1,
            locked: 1,
            best_frame: None,
            histogram: vec![],
        };
        Outcome { answer, standings, surface: None }
    }

    /// Fifty people, of whom `who` covers the leak with this tail.
    fn ranking(who: &[u32], log10_p: f64) -> Ranking<StaffId> {
        let row = |who: Vec<StaffId>, log10_p: f64| records::Standing {
            who,
            covered: 5,
            seen: 100,
            log10_p,
            log10_wrong: (log10_p + 2.0).min(0.0),
        };
        let lead = row(who.iter().map(|n| staff(*n)).collect(), log10_p);
        let (mut single, groups) = if who.len() == 1 { (vec![lead], vec![]) } else { (vec![], vec![lead]) };
        single.extend((1..=50).filter(|n| !who.contains(n)).map(|n| row(vec![staff(n)], -0.1)));
        Ranking { customers: 10, population: 1_000, candidates: single.len(), single, groups }
    }

    #[test]
    fn each_channel_names_by_itself_and_both_together_say_so() {
        let by_mark = conclude(Some(&mark(12.0, -20.0)), None);
        assert_eq!(
            (by_mark.ground, &by_mark.staff[..], by_mark.session.is_some()),
            (Ground::Mark, &[staff(1)][..], true)
        );
        let by_records = conclude(None, Some(&ranking(&[7], -30.0)));
        assert_eq!((by_records.ground, &by_records.staff[..]), (Ground::Records, &[staff(7)][..]));
        let both = conclude(Some(&mark(12.0, -20.0)), Some(&ranking(&[1], -30.0)));
        assert_eq!((both.ground, both.staff), (Ground::Both, vec![staff(1)]));
        let ring = conclude(Some(&mark(12.0, -20.0)), Some(&ranking(&[1, 9], -30.0)));
        assert_eq!((ring.ground, ring.staff), (Ground::Both, vec![staff(1), staff(9)]));
    }

    #[test]
    fn a_mark_of_one_and_looks_of_another_name_nobody() {
        let torn = conclude(Some(&mark(12.0, -20.0)), Some(&ranking(&[7], -30.0)));
        assert_eq!(torn.ground, Ground::Contradiction);
        assert!(!torn.names_somebody() && torn.session.is_none());
    }

    #[test]
    fn two_weak_channels_name_together_only_whom_both_mean() {
        let (weak_mark, weak_records) = (mark(5.8, -5.0), -9.0);
        let same = conclude(Some(&weak_mark), Some(&ranking(&[1], weak_records)));
        assert_eq!((same.ground, &same.staff[..]), (Ground::Combination, &[staff(1)][..]));
        assert!(same.log10_wrong <= LOG10_BAR);
        let other = conclude(Some(&weak_mark), Some(&ranking(&[7], weak_records)));
        assert_eq!(other, nobody(Ground::None));
        assert_eq!(conclude(Some(&mark(4.0, 0.0)), Some(&ranking(&[1], -4.0))).ground, Ground::None);
    }

    #[test]
    fn more_ways_to_be_named_ask_for_more_evidence() {
        let just = mark(8.1, -9.2);
        assert!(conclude(Some(&just), None).names_somebody());
        assert!(!conclude(Some(&just), Some(&ranking(&[7], -1.0))).names_somebody());
    }

    #[test]
    fn nothing_is_inconclusive() {
        assert_eq!(conclude(None, None), nobody(Ground::None));
    }
}
