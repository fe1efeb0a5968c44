//! One export at work: reads, writes messages, delivers, and only then moves its cursor.
//!
//! A crash between the receiver's acknowledgement and the cursor sends the batch again: at least once, never less.
//! Batches are not overlapped, so what arrives is in the order of the ledger, apart from what is sent again.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Ledger, LedgerError};
use model::clock::random;
use model::{Clock, Entropy};
use tokio::time::sleep;

use crate::cursor::Cursor;
use crate::exports::Handle;
use crate::format::Writer;
use crate::status::State;
use crate::target::{Batch, Remedy, Target};

/// A batch ends after about so many bytes: what is in memory is bounded whatever the receiver does.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How an export keeps time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
    /// The first wait after a failure; each further one is twice as long …
    pub first: Duration,
    /// … up to this.
    pub longest: Duration,
    /// The most entries in a batch.
    pub batch: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(1),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
            batch: 500,
        }
    }
}

impl Pace {
    /// How long to wait after so many failures in a row: at random between a half and the whole of the step, so that
    /// gateways that failed together do not come back together.
    fn wait(&self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let doublings = 1 << failures.saturating_sub(1).min(16);
        let step = self.first.saturating_mul(doublings).min(self.longest);
        let share = f64::from(u32::from_be_bytes(random(entropy))) / f64::from(u32::MAX);
        step / 2 + (step / 2).mul_f64(share)
    }
}

/// One export, ready to run.
pub struct Exporter {
    pub(crate) handle: Arc<Handle>,
    pub(crate) ledger: Ledger,
    pub(crate) cursor: Cursor,
    pub(crate) writer: Writer,
    pub(crate) target: Target,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Exporter {
    /// Exports for as long as the ledger is open.
    pub async fn run(mut self) {
        let mut growth = self.ledger.growth();
        let mut limit = self.pace.batch;
        let mut failures = 0;
        loop {
            self.go_back();
            let size = *growth.borrow_and_update();
            if self.cursor.next() >= size {
                self.handle.status().state = State::Idle;
                tokio::select! {
                    grown = growth.changed() => if grown.is_err() { return },
                    () = self.handle.told_to_go_back() => {}
                }
                continue;
            }
            if size - self.cursor.next() < limit as u64 {
                sleep(self.pace.linger).await;
            }
            match self.step(limit).await {
                Ok(()) => {
                    failures = 0;
                    limit = (limit * 2).min(self.pace.batch);
                }
                Err((_, Remedy::Fewer)) if limit > 1 => limit /= 2,
                Err((why, remedy)) => {
                    failures += 1;
                    let wait = match remedy {
                        Remedy::Again => self.pace.wait(failures, &*self.entropy),
                        Remedy::After(delay) => delay.max(self.pace.first),
                        Remedy::Fewer | Remedy::Operator => self.pace.longest,
                    };
                    self.report(why, failures, remedy, wait);
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.handle.told_to_go_back() => {}
                    }
                }
            }
        }
    }

    /// Delivers one batch and moves the cursor behind it.
    async fn step(&mut self, limit: usize) -> Result<(), (String, Remedy)> {
        let again = |why: String| (why, Remedy::Again);
        let batch = self.gather(limit).await.map_err(|e| again(e.to_string()))?;
        {
            let mut status = self.handle.status();
            status.oldest_waiting = batch.oldest();
            if status.failures == 0 {
                status.state = State::Sending;
            }
        }
        let delivered = self.target.deliver(&batch, &*self.clock).await;
        delivered.map_err(|error| (error.to_string(), error.remedy()))?;
        // A crash here sends the batch again.
        self.cursor.set(batch.next).map_err(|e| again(e.to_string()))?;
        self.handle.delivered(batch.next, self.clock.now());
        Ok(())
    }

    /// Reads the next batch and writes its messages, on a thread that may block.
    async fn gather(&mut self, limit: usize) -> Result<Batch, LedgerError> {
        let (ledger, first) = (self.ledger.clone(), self.cursor.next());
        let fresh = Writer::new(self.writer.origin(), self.writer.format());
        let mut writer = std::mem::replace(&mut self.writer, fresh);
        let gathered = tokio::task::spawn_blocking(move || {
            let batch = gather(&ledger, &mut writer, first, limit);
            (writer, batch)
        });
        match gathered.await {
            Ok((writer, batch)) => {
                self.writer = writer;
                batch
            }
            // A task that cannot be joined was ended with the runtime, and this one is next.
            Err(_) => std::future::pending().await,
        }
    }

    /// Moves the cursor to where the operator wants it, if that is in front of where it is.
    fn go_back(&mut self) {
        let Some(to) = self.handle.take_replay() else { return };
        if to < self.cursor.next() {
            match self.cursor.set(to) {
                Ok(()) => self.handle.status().next = to,
                Err(error) => tracing::warn!(export = self.handle.name(), %error, "cannot replay"),
            }
        }
    }

    fn report(&self, why: String, failures: u32, remedy: Remedy, wait: Duration) {
        let behind = self.ledger.size() - self.cursor.next();
        tracing::warn!(
            export = self.handle.name(), error = %why, failures, behind, again_in_seconds = wait.as_secs(),
            "nothing was exported; it is kept, and sent when the receiver takes it"
        );
        let mut status = self.handle.status();
        status.state = match remedy {
            Remedy::Again | Remedy::After(_) => State::Retrying,
            Remedy::Fewer | Remedy::Operator => State::Refused,
        };
        status.error = Some(why);
        status.failures = failures;
        status.retry_at = Some(self.clock.now().plus(wait));
    }
}

fn gather(ledger: &Ledger, writer: &mut Writer, first: u64, limit: usize) -> Result<Batch, LedgerError> {
    let mut messages = Vec::new();
    let mut bytes = 0;
    for record in ledger.read(first, limit)? {
        if bytes > BATCH_BYTES {
            break;
        }
        let message = writer.write(&record, ledger)?;
        bytes += message.body.len();
        messages.push(message);
    }
    let next = first + messages.len() as u64;
    Ok(Batch { origin: writer.origin().to_owned(), first, next, messages })
}

#[cfg(test)]
mod tests {
    use model::OsEntropy;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_and_end_at_the_longest(failures in 1u32..5_000) {
            let pace = Pace::default();
            let wait = pace.wait(failures, &OsEntropy);
            prop_assert!(wait >= pace.first / 2 && wait <= pace.longest);
            if failures > 9 {
                prop_assert!(wait >= pace.longest / 2);
            }
        }
    }
}
