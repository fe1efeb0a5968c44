//! From readings to an answer: every issued mark against every reading, and what may be said about the best.

use std::collections::BTreeMap;

use model::{MarkId, SessionId, StaffId, Timestamp};

use crate::chips::Chips;
use crate::detect::{Detector, Placement, Sight};
use crate::mark::{Layout, MarkKey};
use crate::raster::Grey;
use crate::score::{LOG10_BAR, Reading, Scorer, log10_wrong};
use crate::surface::Surface;

/// Readings that are scored at the most: single frames and sums over stretches of frames. Each is a throw of the dice.
const READINGS: usize = 64;
/// Below this family-wise chance, but above the bar: worth a word, not worth a name.
const LOG10_CONSISTENT: f64 = -3.0;
/// Bars of the histogram, from −6 up, each half a standard deviation wide.
const BARS: usize = 24;

/// A mark that was issued, as the ledger or a file tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Issued {
    /// The mark.
    pub mark: MarkId,
    /// To which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Whose session that is, by pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffId>,
    /// From when on it was shown, for five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
}

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The family-wise chance of naming an innocent one is at most 1e-9.
    Named,
    /// More than chance would give, less than the bar asks for: consistent with a mark, not proof of one. No name.
    Consistent,
    /// Nothing can be said.
    Inconclusive,
}

/// The answer to a leak.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Answer {
    /// What may be said.
    pub verdict: Verdict,
    /// Whose mark it is; only where the verdict is [`Verdict::Named`].
    pub named: Option<Issued>,
    /// The best score.
    pub z: f32,
    /// The best score of any other mark in the same reading: what innocent ones reach.
    pub next_z: f32,
    /// Decimal logarithm of the bound on naming an innocent one: over all candidates and readings.
    pub log10_wrong: f64,
    /// Marks that were tried.
    pub candidates: usize,
    /// Readings that were scored.
    pub readings: usize,
    /// Frames looked at.
    pub frames: usize,
    /// Frames in which the pilots were found.
    pub locked: usize,
    /// The frame in which they stand out most.
    pub best_frame: Option<Found>,
    /// How many candidates score from −6 + i/2 to half a deviation more, in the best reading; the first and the last bar
    /// hold what is beyond.
    pub histogram: Vec<u64>,
}

/// A frame, and how the page lies in it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Found {
    /// The picture's name, or the time in the video.
    pub frame: String,
    /// How far above noise the pilots are.
    pub pilots: f32,
    /// How the page lies in it.
    #[serde(flatten)]
    pub placement: Placement,
}

/// How one staff member's marks score.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Who.
    pub staff: StaffId,
    /// How many marks of theirs were tried.
    pub marks: usize,
    /// The best score of any of these.
    pub z: f32,
    /// Decimal logarithm of a bound on the chance that a fixed innocent one scores so in any of their marks and readings.
    pub log10_p: f64,
}

/// The answer, with what the other channels and the report need.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// Everybody whose marks were tried, the best first. For the case only: below the bar these are no names.
    pub standings: Vec<Standing>,
    /// How well the best mark fits the best reading at every small shift of the tile.
    pub surface: Option<Surface>,
}

/// What was seen in frames; answers at any time with what was seen so far.
pub struct Investigation {
    key: MarkKey,
    detector: Detector,
    issued: Vec<Issued>,
    chips: Vec<Chips>,
    sights: Vec<(String, Sight)>,
    frames: usize,
}

/// The best score of one candidate, and the reading that gave it.
type Best = (f32, usize);

impl Investigation {
    /// Against these marks.
    pub fn new(key: &MarkKey, issued: Vec<Issued>) -> Self {
        let chips = issued.iter().map(|i| Chips::of(key, &i.mark)).collect();
        let detector = Detector::new(key);
        Self { key: key.clone(), detector, issued, chips, sights: Vec::new(), frames: 0 }
    }

    /// What reads the frames: for [`crate::crew::read`], which does so on several threads.
    pub fn detector(&self) -> Detector {
        self.detector.clone()
    }

    /// Looks at one more frame. Says whether the pilots are in it.
    pub fn look(&mut self, name: String, frame: &Grey) -> bool {
        let sight = self.detector.read(frame);
        self.add(name, sight)
    }

    /// Takes in what was seen in one more frame, in the frames' order. Says whether the pilots are in it.
    pub fn add(&mut self, name: String, sight: Option<Sight>) -> bool {
        self.frames += 1;
        let Some(sight) = sight else { return false };
        let locked = sight.is_locked();
        self.sights.push((name, sight));
        locked
    }

    /// What can be said by now.
    pub fn answer(&self) -> Answer {
        self.outcome().answer
    }

    /// The same, with what else there is to show.
    pub fn outcome(&self) -> Outcome {
        let readings = self.readings();
        let scores = self.scores(&readings);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].0.total_cmp(&scores[*b].0));
        let best = best.filter(|i| scores[*i].0 > 0.0);
        let z = best.map_or(0.0, |i| scores[i].0);
        let throws = (self.chips.len() * readings.len()) as u64;
        let wrong = log10_wrong(z, throws);
        let verdict = match wrong {
            w if w <= LOG10_BAR => Verdict::Named,
            w if w <= LOG10_CONSISTENT => Verdict::Consistent,
            _ => Verdict::Inconclusive,
        };
        let (histogram, next_z) = best.map_or((vec![0; BARS], 0.0), |winner| {
            self.against_others(&Scorer::new(&readings[scores[winner].1]), winner)
        });
        let best_frame = self.sights.iter().max_by(|a, b| a.1.pilots.total_cmp(&b.1.pilots));
        let answer = Answer {
            verdict,
            named: best.filter(|_| verdict == Verdict::Named).map(|i| self.issued[i].clone()),
            z,
            next_z,
            log10_wrong: wrong,
            candidates: self.chips.len(),
            readings: readings.len(),
            frames: self.frames,
            locked: self.sights.iter().filter(|(_, s)| s.is_locked()).count(),
            best_frame: best_frame.map(|(name, sight)| Found {
                frame: name.clone(),
                pilots: sight.pilots,
                placement: sight.placement,
            }),
            histogram,
        };
        let surface =
            best.map(|i| Surface::new(&Layout::new(&self.key), &readings[scores[i].1], &self.chips[i]));
        Outcome { answer, standings: self.standings(&scores, readings.len()), surface }
    }

    fn scores(&self, readings: &[Reading]) -> Vec<Best> {
        let mut scores = vec![(f32::MIN, 0); if readings.is_empty() { 0 } else { self.chips.len() }];
        for (r, reading) in readings.iter().enumerate() {
            let scorer = Scorer::new(reading);
            for (best, chips) in scores.iter_mut().zip(&self.chips) {
                let z = scorer.z(chips);
                if z > best.0 {
                    *best = (z, r);
                }
            }
        }
        scores
    }

    /// The histogram of one reading, and the best score in it but for the winner's.
    fn against_others(&self, scorer: &Scorer, winner: usize) -> (Vec<u64>, f32) {
        let (mut histogram, mut next_z) = (vec![0; BARS], 0.0f32);
        for (i, chips) in self.chips.iter().enumerate() {
            let z = scorer.z(chips);
            histogram[(2.0 * (z + 6.0)).clamp(0.0, BARS as f32 - 1.0) as usize] += 1;
            if i != winner {
                next_z = next_z.max(z);
            }
        }
        (histogram, next_z)
    }

    fn standings(&self, scores: &[Best], readings: usize) -> Vec<Standing> {
        let mut by_staff: BTreeMap<&StaffId, (usize, f32)> = BTreeMap::new();
        for (issued, (z, _)) in self.issued.iter().zip(scores) {
            if let Some(staff) = &issued.staff {
                let (marks, best) = by_staff.entry(staff).or_insert((0, f32::MIN));
                *marks += 1;
                *best = best.max(*z);
            }
        }
        let standing = |(staff, (marks, z)): (&StaffId, (usize, f32))| Standing {
            staff: staff.clone(),
            marks,
            z,
            log10_p: log10_wrong(z, (marks * readings) as u64),
        };
        let mut standings: Vec<Standing> = by_staff.into_iter().map(standing).collect();
        standings.sort_by(|a, b| a.log10_p.total_cmp(&b.log10_p));
        standings
    }

    /// What is scored: sums over the whole, the halves, the quarters and so on of the frames with pilots, because a
    /// video may run over the end of a five-minute bucket; down to single frames where there are few. Where no frame
    /// has pilots, the likeliest few are tried by themselves. None of this depends on any candidate.
    fn readings(&self) -> Vec<Reading> {
        let locked: Vec<&Reading> =
            self.sights.iter().filter(|(_, s)| s.is_locked()).map(|(_, s)| &s.reading).collect();
        if locked.is_empty() {
            let mut tries: Vec<&Sight> = self.sights.iter().map(|(_, s)| s).collect();
            tries.sort_by(|a, b| b.pilots.total_cmp(&a.pilots));
            let tries = tries.into_iter().take(4);
            return tries.flat_map(|s| [Some(&s.reading), s.second.as_ref()]).flatten().cloned().collect();
        }
        let mut stretches = vec![&locked[..]];
        let mut out = Vec::new();
        while !stretches.is_empty() && out.len() + stretches.len() <= READINGS {
            out.extend(stretches.iter().filter_map(|stretch| {
                let (first, rest) = stretch.split_first()?;
                let mut sum = (*first).clone();
                rest.iter().for_each(|r| sum.add(r));
                Some(sum)
            }));
            let halves = stretches.iter().filter(|s| s.len() > 1).flat_map(|s| {
                let (a, b) = s.split_at(s.len() / 2);
                [a, b]
            });
            stretches = halves.collect();
        }
        out
    }
}
