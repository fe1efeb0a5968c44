//! Which pages are open, and whether each still proves that its mark is in place. Pure: time and randomness come in.
//!
//! A page proves it by answering a challenge: an HMAC-SHA-256 over what it says of itself, under the SHA-256 of the
//! picture that it painted. Whoever takes the mark away with the page's script still running is reported by the script;
//! whoever stops the script is silent. Somebody who takes the protocol apart and answers from elsewhere is not seen:
//! docs/trace.md says so.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::clock::random;
use model::entry::Viewer;
use model::{Entropy, MarkFaultKind, ResponseId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How often a page proves itself, in milliseconds.
pub(super) const EVERY_MS: u64 = 2_000;
/// A page that shows customers and has not proved itself for so long is silent.
pub(super) const SILENCE_MS: u64 = 7_000;
/// So long a page that was left is remembered.
const REMEMBERED_MS: u64 = 60_000;

/// What a page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Seen {
    /// It is on the screen.
    Shown,
    /// It is in a tab behind others, or minimised.
    Hidden,
    /// It is being left.
    Gone,
    /// It was left and somebody went back to it. Then it begins anew, with a first word.
    Back,
}

/// A heartbeat.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Beat {
    /// Which page: what [`super::Marks::token`] sealed.
    pub(super) page: String,
    /// The challenge that it answers; empty on a page's first word.
    pub(super) challenge: String,
    pub(super) seen: Seen,
    /// Of the mark that it has, in milliseconds since 1970; 0 if it has none yet.
    pub(super) bucket: u64,
    /// What its script noticed since the last one.
    pub(super) faults: BTreeSet<MarkFaultKind>,
    /// HMAC-SHA-256 over the rest but the page, as unpadded URL-safe base64.
    pub(super) answer: String,
}

impl Beat {
    /// What is signed: `PAGE\nCHALLENGE\nSEEN\nBUCKET\nFAULT,FAULT`.
    fn signed(&self) -> String {
        let seen = match self.seen {
            Seen::Shown => "shown",
            Seen::Hidden => "hidden",
            Seen::Gone => "gone",
            Seen::Back => "back",
        };
        let faults: Vec<&str> = self.faults.iter().map(|fault| fault.word()).collect();
        format!("{}\n{}\n{seen}\n{}\n{}", self.page, self.challenge, self.bucket, faults.join(","))
    }

    fn is_signed_with(&self, picture: &[u8; 32]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(picture) else { return false };
        mac.update(self.signed().as_bytes());
        URL_SAFE_NO_PAD.decode(&self.answer).is_ok_and(|answer| mac.verify_slice(&answer).is_ok())
    }
}

/// A page that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) page: ResponseId,
    pub(super) at: Timestamp,
    /// Whether it shows something of customers.
    pub(super) shows: bool,
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// To be answered next.
    pub(super) challenge: String,
    /// Faults that this page has not reported before.
    pub(super) faults: Vec<MarkFaultKind>,
    /// Whether it proved that the mark is in place, and noticed nothing.
    pub(super) sound: bool,
}

#[derive(Debug)]
struct Page {
    by: Viewer,
    shows: bool,
    hidden: bool,
    /// Whether it was left: what was under way then still arrives, and nothing is expected of it.
    gone: bool,
    /// When it proved itself last; until then, when it was sent.
    proved: Timestamp,
    challenge: String,
    reported: BTreeSet<MarkFaultKind>,
}

/// Every open page of an app.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pages: HashMap<ResponseId, Page>,
    /// Sessions of which some page has proved itself.
    proved: BTreeSet<SessionId>,
}

impl Watch {
    /// A page goes out.
    pub(super) fn sent(&mut self, sent: Sent, by: Viewer, entropy: &dyn Entropy) {
        let page = Page {
            by,
            shows: sent.shows,
            hidden: false,
            gone: false,
            proved: sent.at,
            challenge: challenge(entropy),
            reported: BTreeSet::new(),
        };
        self.pages.insert(sent.page, page);
    }

    /// A script got something of customers: from now on every open page of the session may show it.
    pub(super) fn fetched(&mut self, session: SessionId) {
        self.pages.values_mut().filter(|page| page.by.session == session).for_each(|page| page.shows = true);
    }

    /// Whether some page of the session has proved itself.
    pub(super) fn has_proved(&self, session: SessionId) -> bool {
        self.proved.contains(&session)
    }

    /// Hears a page of `by`. `picture` is the SHA-256 of the picture that it says to have painted; none if no page can
    /// have that. A page that is not known was sent before a restart or by another gateway, and is watched from now on.
    pub(super) fn hear(
        &mut self,
        beat: &Beat,
        sent: Sent,
        by: &Viewer,
        picture: Option<[u8; 32]>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Heard {
        if beat.seen == Seen::Gone {
            // Not signed: a page that is being left has no time to.
            let page = self.pages.get_mut(&sent.page).filter(|page| page.by == *by);
            let reported = page.map(|page| {
                (page.gone, page.proved) = (true, now);
                std::mem::take(&mut page.reported)
            });
            let faults = beat.faults.difference(&reported.unwrap_or_default()).copied().collect();
            return Heard { challenge: String::new(), faults, sound: false };
        }
        let is_left = |page: &Page| page.gone && beat.seen != Seen::Back;
        if self.pages.get(&sent.page).is_some_and(is_left) {
            return Heard { challenge: String::new(), faults: Vec::new(), sound: false };
        }
        if beat.seen == Seen::Back || !self.pages.contains_key(&sent.page) {
            self.sent(Sent { at: now, ..sent }, by.clone(), entropy);
        }
        let Some(page) = self.pages.get_mut(&sent.page).filter(|page| page.by == *by) else {
            return Heard { challenge: String::new(), faults: vec![MarkFaultKind::Forged], sound: false };
        };
        let mut faults = beat.faults.clone();
        let answers = beat.challenge == page.challenge;
        let signed = picture.is_some_and(|picture| beat.is_signed_with(&picture));
        if answers {
            page.challenge = challenge(entropy);
            if picture.is_some() && !signed {
                faults.insert(MarkFaultKind::Forged);
            }
        }
        let sound = answers && signed && faults.is_empty();
        if sound {
            page.proved = now;
            page.hidden = beat.seen == Seen::Hidden;
            page.reported.remove(&MarkFaultKind::Silent);
            self.proved.insert(by.session);
        }
        let fresh = faults.difference(&page.reported).copied().collect();
        page.reported.extend(&faults);
        Heard { challenge: page.challenge.clone(), faults: fresh, sound }
    }

    /// The viewers of pages that are silent, each page once until it proves itself again. Forgets the pages of sessions
    /// that are over.
    pub(super) fn silent(&mut self, now: Timestamp, is_open: impl Fn(SessionId) -> bool) -> Vec<Viewer> {
        self.pages.retain(|_, page| is_open(page.by.session));
        self.proved.retain(|session| is_open(*session));
        self.pages.retain(|_, page| !page.gone || now.0 < page.proved.0.saturating_add(REMEMBERED_MS));
        let is_overdue =
            |page: &Page| !page.hidden && !page.gone && now.0 >= page.proved.0.saturating_add(SILENCE_MS);
        // One that shows nobody may be silent, and is let go of.
        self.pages.retain(|_, page| page.shows || !is_overdue(page));
        let overdue = self.pages.values_mut().filter(|page| is_overdue(page));
        overdue
            .filter_map(|page| page.reported.insert(MarkFaultKind::Silent).then(|| page.by.clone()))
            .collect()
    }
}

fn challenge(entropy: &dyn Entropy) -> String {
    URL_SAFE_NO_PAD.encode(random::<16>(entropy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AppId, OsEntropy, StaffId};

    const PICTURE: [u8; 32] = [5; 32];
    const START: Timestamp = Timestamp(1_000_000);

    fn viewer(n: u8) -> Viewer {
        Viewer {
            staff: StaffId::new("s-1"),
            session: SessionId::from_bytes([n; 10]),
            app: AppId::new("desk"),
        }
    }

    fn page(n: u8, shows: bool) -> Sent {
        Sent { page: ResponseId::from_bytes([n; 10]), at: START, shows }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp(START.0 + ms)
    }

    fn beat(challenge: &str, seen: Seen, faults: &[MarkFaultKind], picture: [u8; 32]) -> Beat {
        let mut beat = Beat {
            page: "p".to_owned(),
            challenge: challenge.to_owned(),
            seen,
            bucket: 7,
            faults: faults.iter().copied().collect(),
            answer: String::new(),
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&picture).unwrap();
        mac.update(beat.signed().as_bytes());
        beat.answer = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        beat
    }

    /// A watch over page 1 of viewer 1, and the challenge that it was given.
    fn watching(shows: bool) -> (Watch, String) {
        let mut watch = Watch::default();
        watch.sent(page(1, shows), viewer(1), &OsEntropy);
        let hello = Beat { answer: String::new(), ..beat("", Seen::Shown, &[], PICTURE) };
        let heard = watch.hear(&hello, page(1, shows), &viewer(1), Some(PICTURE), at(10), &OsEntropy);
        assert!(!heard.sound && heard.faults.is_empty());
        (watch, heard.challenge)
    }

    fn hear(watch: &mut Watch, beat: &Beat, ms: u64) -> Heard {
        watch.hear(beat, page(1, true), &viewer(1), Some(PICTURE), at(ms), &OsEntropy)
    }

    #[test]
    fn a_page_that_answers_is_sound_and_one_that_stops_is_silent_once() {
        let (mut watch, mut challenge) = watching(true);
        for ms in [2_000, 4_000, 6_000] {
            let heard = hear(&mut watch, &beat(&challenge, Seen::Shown, &[], PICTURE), ms);
            assert!(heard.sound);
            challenge = heard.challenge;
        }
        assert!(watch.has_proved(viewer(1).session));
        assert!(watch.silent(at(6_000 + SILENCE_MS - 1), |_| true).is_empty());
        assert_eq!(watch.silent(at(6_000 + SILENCE_MS), |_| true), [viewer(1)]);
        assert!(watch.silent(at(60_000), |_| true).is_empty());
        // The machine wakes up, and falls asleep again.
        assert!(hear(&mut watch, &beat(&challenge, Seen::Shown, &[], PICTURE), 70_000).sound);
        assert_eq!(watch.silent(at(80_000), |_| true), [viewer(1)]);
    }

    #[test]
    fn a_page_that_never_says_a_word_is_silent_if_it_shows_customers() {
        let mut watch = Watch::default();
        watch.sent(page(1, true), viewer(1), &OsEntropy);
        watch.sent(page(2, false), viewer(2), &OsEntropy);
        assert_eq!(watch.silent(at(SILENCE_MS), |_| true), [viewer(1)]);
        let (mut watch, _) = watching(false);
        watch.fetched(viewer(1).session);
        assert_eq!(watch.silent(at(SILENCE_MS), |_| true), [viewer(1)], "its script got customers");
    }

    #[test]
    fn a_first_word_again_and_again_does_not_keep_a_page_alive() {
        let (mut watch, _) = watching(true);
        for ms in (0..SILENCE_MS).step_by(500) {
            let hello = Beat { answer: String::new(), ..beat("", Seen::Shown, &[], PICTURE) };
            assert!(!hear(&mut watch, &hello, ms).sound);
        }
        assert_eq!(watch.silent(at(SILENCE_MS), |_| true), [viewer(1)]);
    }

    #[test]
    fn an_answer_to_an_old_challenge_proves_nothing_and_one_with_another_picture_is_forged() {
        let (mut watch, first) = watching(true);
        let answer = beat(&first, Seen::Shown, &[], PICTURE);
        let heard = hear(&mut watch, &answer, 1_000);
        assert!(heard.sound);
        let again = hear(&mut watch, &answer, 2_000);
        assert!(!again.sound && again.faults.is_empty(), "an answer that was lost on the way is no fault");
        let forged = hear(&mut watch, &beat(&again.challenge, Seen::Shown, &[], [6; 32]), 3_000);
        assert_eq!((forged.sound, forged.faults), (false, vec![MarkFaultKind::Forged]));
        let mut lied = beat(&forged.challenge, Seen::Shown, &[MarkFaultKind::Removed], PICTURE);
        lied.faults.clear();
        assert!(!hear(&mut watch, &lied, 4_000).sound);
    }

    #[test]
    fn a_hidden_page_need_not_answer_and_one_that_was_left_is_forgotten() {
        let (mut watch, challenge) = watching(true);
        let heard = hear(&mut watch, &beat(&challenge, Seen::Hidden, &[], PICTURE), 1_000);
        assert!(heard.sound && watch.silent(at(3_600_000), |_| true).is_empty());
        hear(&mut watch, &beat(&heard.challenge, Seen::Shown, &[], PICTURE), 3_700_000);
        let left = hear(&mut watch, &beat(&heard.challenge, Seen::Shown, &[], PICTURE), 3_700_050);
        hear(&mut watch, &beat("", Seen::Gone, &[], PICTURE), 3_700_100);
        // What was under way when it was left.
        let late = hear(&mut watch, &beat(&left.challenge, Seen::Shown, &[], PICTURE), 3_700_150);
        assert!(!late.sound && late.faults.is_empty());
        assert!(watch.silent(at(3_720_000), |_| true).is_empty());
        // Somebody goes back to it.
        let back = hear(&mut watch, &beat("", Seen::Back, &[], PICTURE), 3_721_000);
        assert!(hear(&mut watch, &beat(&back.challenge, Seen::Shown, &[], PICTURE), 3_722_000).sound);
        hear(&mut watch, &beat("", Seen::Gone, &[], PICTURE), 3_723_000);
        assert!(watch.silent(at(3_800_000), |_| true).is_empty());
        assert!(watch.pages.is_empty());
    }

    #[test]
    fn a_fault_is_told_once_a_page_and_makes_it_unsound() {
        let (mut watch, challenge) = watching(true);
        let removed = [MarkFaultKind::Removed];
        let heard = hear(&mut watch, &beat(&challenge, Seen::Shown, &removed, PICTURE), 1_000);
        assert_eq!((heard.sound, &heard.faults[..]), (false, &removed[..]));
        let again = hear(&mut watch, &beat(&heard.challenge, Seen::Shown, &removed, PICTURE), 2_000);
        assert_eq!((again.sound, again.faults), (false, vec![]));
        let gone = hear(&mut watch, &beat("", Seen::Gone, &[MarkFaultKind::Printed], PICTURE), 2_500);
        assert_eq!(gone.faults, [MarkFaultKind::Printed]);
    }

    #[test]
    fn nobody_speaks_for_the_page_of_another_session() {
        let (mut watch, challenge) = watching(true);
        let forged = beat(&challenge, Seen::Shown, &[], PICTURE);
        let heard = watch.hear(&forged, page(1, true), &viewer(2), Some(PICTURE), at(1), &OsEntropy);
        assert_eq!((heard.sound, heard.faults), (false, vec![MarkFaultKind::Forged]));
    }

    #[test]
    fn pages_of_sessions_that_are_over_are_forgotten_without_a_word() {
        let (mut watch, _) = watching(true);
        assert!(watch.silent(at(60_000), |_| false).is_empty());
        assert!(watch.pages.is_empty() && watch.proved.is_empty());
    }

    #[test]
    fn a_page_from_before_a_restart_is_watched_again() {
        let mut watch = Watch::default();
        let hello = Beat { answer: String::new(), ..beat("", Seen::Shown, &[], PICTURE) };
        let heard = hear(&mut watch, &hello, 100_000);
        assert!(hear(&mut watch, &beat(&heard.challenge, Seen::Shown, &[], PICTURE), 101_000).sound);
        assert_eq!(watch.silent(at(101_000 + SILENCE_MS), |_| true), [viewer(1)]);
    }
}
