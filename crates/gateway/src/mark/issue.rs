//! The mark of a session in its five minutes: recorded once, drawn once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use ledger::{Draft, Verified};
use model::entry::Viewer;
use model::mark::BUCKET_MS;
use model::{Event, MarkId, MarkIssued, SessionId, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use trace::tile::Tile;
use trace::{Layout, MarkKey};

use crate::Gate;
use crate::refuse::Refusal;

/// So long after a mark's five minutes a page may still have it: it asks for the next one at their end.
const GRACE_MS: u64 = 60_000;

/// The marks of the sessions of one app.
#[derive(Debug)]
pub(super) struct Issues {
    key: MarkKey,
    layout: Layout,
    sessions: Mutex<HashMap<SessionId, Arc<Issue>>>,
}

/// One mark.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) mark: MarkId,
    /// When its five minutes began.
    pub(super) bucket: Timestamp,
    /// The mark of the five minutes before, if a page may still have it.
    before: Option<Arc<Issue>>,
    receipt: OnceCell<Verified>,
    drawn: OnceLock<Drawn>,
}

/// The mark as a picture.
#[derive(Debug)]
struct Drawn {
    png: Bytes,
    /// SHA-256 of the picture.
    digest: [u8; 32],
}

impl Issues {
    pub(super) fn new(key: MarkKey) -> Self {
        Self { layout: Layout::new(&key), key, sessions: Mutex::default() }
    }

    /// The mark of a session now.
    pub(super) fn of(&self, session: SessionId, now: Timestamp) -> Arc<Issue> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.get(&session).cloned();
        let (mark, bucket) = self.key.mark_of(session, now);
        match known {
            // A clock that was set back keeps the later mark.
            Some(issue) if issue.bucket >= bucket => issue,
            known => {
                // What no page has any more goes, and takes what was before it along.
                sessions.retain(|_, issue| issue.is_recent(now));
                let before = known.filter(|issue| issue.is_recent(now)).map(|issue| Arc::new(issue.alone()));
                let issue = Issue { mark, bucket, before, receipt: OnceCell::new(), drawn: OnceLock::new() };
                let issue = Arc::new(issue);
                sessions.insert(session, issue.clone());
                issue
            }
        }
    }

    fn drawn<'i>(&self, issue: &'i Issue) -> &'i Drawn {
        issue.drawn.get_or_init(|| {
            let png = Bytes::from(Tile::new(&self.key, &self.layout, &issue.mark).png());
            Drawn { digest: Sha256::digest(&png).into(), png }
        })
    }

    /// The mark as a PNG.
    pub(super) fn tile(&self, issue: &Issue) -> Bytes {
        self.drawn(issue).png.clone()
    }

    /// SHA-256 of the picture that a page of these five minutes has; none if no page may have it any more.
    pub(super) fn digest(&self, issue: &Issue, bucket: Timestamp) -> Option<[u8; 32]> {
        if issue.bucket == bucket {
            return Some(self.drawn(issue).digest);
        }
        let before = issue.before.as_deref().filter(|before| before.bucket == bucket)?;
        Some(self.drawn(before).digest)
    }
}

impl Issue {
    fn is_recent(&self, now: Timestamp) -> bool {
        now.0 < self.bucket.0 + BUCKET_MS + GRACE_MS
    }

    /// Without the one before it, so that they do not make a chain.
    fn alone(&self) -> Self {
        let drawn = OnceLock::new();
        if let Some(Drawn { png, digest }) = self.drawn.get() {
            let _ = drawn.set(Drawn { png: png.clone(), digest: *digest });
        }
        Self { mark: self.mark, bucket: self.bucket, before: None, receipt: OnceCell::new(), drawn }
    }

    /// How long its five minutes still last, in milliseconds.
    pub(super) fn left(&self, now: Timestamp) -> u64 {
        (self.bucket.0 + BUCKET_MS).saturating_sub(now.0)
    }

    /// The receipt of the entry that issues it. Recorded by whoever asks first; the others wait for that.
    pub(super) async fn receipt(&self, gate: &Gate, by: &Viewer) -> Result<Verified, Refusal> {
        let record = || async {
            let issued = MarkIssued { mark: self.mark, by: by.clone(), bucket: self.bucket };
            let receipts = gate.record(vec![Draft::plain(Event::MarkIssued(issued))]).await?;
            receipts.into_iter().next().ok_or_else(|| model::entry::Why::LedgerUnavailable.into())
        };
        self.receipt.get_or_try_init(record).await.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_have_the_mark_of_the_five_minutes_before_for_a_minute_and_no_older_one() {
        let issues = Issues::new(MarkKey::new([4; 32]));
        let session = SessionId::from_bytes([1; 10]);
        let at = |bucket: u64, ms: u64| Timestamp((100 + bucket) * BUCKET_MS + ms);
        let first = issues.of(session, at(0, 10));
        let of_first = issues.digest(&first, at(0, 0));
        assert!(of_first.is_some());
        let second = issues.of(session, at(1, 10));
        assert_ne!(second.mark, first.mark);
        assert_eq!(issues.digest(&second, at(0, 0)), of_first);
        assert!(issues.digest(&second, at(1, 0)).is_some_and(|digest| Some(digest) != of_first));
        assert_eq!(issues.digest(&second, at(2, 0)), None);
        let late = issues.of(session, at(3, 0));
        assert_eq!(issues.digest(&late, at(1, 0)), None);
        assert_eq!(issues.of(session, at(2, 0)).mark, late.mark, "a clock that was set back");
    }

    #[test]
    fn sessions_that_are_gone_are_let_go_of() {
        let issues = Issues::new(MarkKey::new([4; 32]));
        for n in 0..50 {
            issues.of(SessionId::from_bytes([n; 10]), Timestamp(u64::from(n) * BUCKET_MS));
        }
        assert!(issues.sessions.lock().unwrap().len() <= 2);
    }
}
