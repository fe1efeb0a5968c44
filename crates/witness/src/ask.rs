//! The log's side: asks its witnesses in the background, again and again, and gives out what they cosigned. Of several
//! nodes only the one that publishes asks; the others learn what came of it from the checkpoint that all give out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ledger::checkpoint::Checkpoint;
use ledger::cosignature::{Cosignature, WitnessKey};
use ledger::policy::Policy;
use ledger::{Ledger, LedgerError};
use model::clock::random;
use model::{Clock, Entropy, IncidentKind, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::client::{Client, ClientError};
use crate::round::{Contradiction, Outcome, Target, ask};
use crate::standing::{Quorum, Standing};

/// How often it is looked whether there is something to be cosigned.
const EVERY: Duration = Duration::from_millis(500);
/// How long a witness may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a witness that fails is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Without a quorum, the latest checkpoint is given out once the last one with a quorum is so old: that the log goes
/// on is also something to know.
const GRACE: Duration = Duration::from_secs(60);
/// How many findings may wait to be recorded.
const FINDINGS: usize = 64;

/// A witness contradicts the ledger: to be recorded as an incident, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which way.
    pub what: IncidentKind,
    /// The name of the witness's key.
    pub witness: String,
    /// How many entries the ledger had.
    pub size: u64,
    /// How many entries the witness has seen, as far as it says.
    pub seen: Option<u64>,
    /// Whether the witness showed a checkpoint that this log signed and that contradicts the ledger.
    pub proved: bool,
}

/// Asks the witnesses of a policy to cosign what a ledger publishes.
#[derive(Debug)]
pub struct Asker {
    ledger: Ledger,
    policy: Policy,
    standing: Standing,
    client: Client,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    witnesses: Vec<Remembered>,
    /// What came for the checkpoint of this size so far.
    current: (u64, Vec<Option<Cosignature>>),
    /// The checkpoint of another node that was read last.
    learned: String,
    findings: mpsc::Sender<Finding>,
}

/// What is remembered of one witness.
#[derive(Debug)]
struct Remembered {
    url: String,
    key: WitnessKey,
    /// The size that it has, as far as is known.
    old: u64,
    /// The size that it was last asked for with success.
    cosigned: Option<u64>,
    failures: u32,
    not_before: Instant,
}

impl Remembered {
    fn is_due(&self, size: u64, now: Instant) -> bool {
        self.cosigned.is_none_or(|cosigned| cosigned < size) && self.not_before <= now
    }

    fn pause(&mut self, entropy: &dyn Entropy) {
        self.failures = self.failures.saturating_add(1);
        let pause = EVERY.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
        // Witnesses that come back are not asked by every log in the same instant.
        let [jitter] = random::<1>(entropy);
        self.not_before = Instant::now() + pause.mul_f64(0.75 + f64::from(jitter) / 1024.0);
    }
}

impl Asker {
    /// Asks the witnesses of `policy` for `ledger`, which must have been opened with
    /// [`witnessed`](ledger::Options::witnessed). Looks are closed once the first entry without a quorum is older
    /// than `max_age`. What contradicts the ledger comes out of the receiver.
    pub fn new(
        ledger: Ledger,
        policy: Policy,
        max_age: Duration,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Standing, mpsc::Receiver<Finding>), ClientError> {
        let now = Instant::now();
        let witnesses = policy.witnesses().iter().map(|witness| Remembered {
            url: witness.url.clone().unwrap_or_default(),
            key: witness.key.clone(),
            old: 0,
            cosigned: None,
            failures: 0,
            not_before: now,
        });
        let witnesses: Vec<_> = witnesses.collect();
        let standing = Standing::new(policy.clone(), max_age);
        let (findings, found) = mpsc::channel(FINDINGS);
        let current = (0, vec![None; witnesses.len()]);
        let client = Client::new(PATIENCE)?;
        let asker = Self {
            ledger,
            policy,
            standing: standing.clone(),
            client,
            clock,
            entropy,
            witnesses,
            current,
            learned: String::new(),
            findings,
        };
        asker.recall();
        Ok((asker, standing, found))
    }

    /// What was given out before this process started still counts, if it is of this history.
    fn recall(&self) {
        let Ok(accepted) = self.policy.check(&self.ledger.checkpoint()) else { return };
        let Checkpoint { size, root, .. } = accepted.checkpoint;
        if self.ledger.root_at(size).is_ok_and(|ours| ours == root)
            && let Ok(cosignatures) = self.policy.cosignatures(&self.ledger.checkpoint())
        {
            self.note_quorum(size, &cosignatures);
        }
    }

    /// Asks for as long as it is polled.
    pub async fn run(mut self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if !self.ledger.publishes() {
                self.learn();
                continue;
            }
            if let Err(error) = self.round().await {
                tracing::error!(%error, "what witnesses cosigned could not be given out");
            }
            self.pass_on().await;
        }
    }

    /// Reads what another node, which publishes, has got from the witnesses: the same rules hold on every node.
    fn learn(&mut self) {
        let what = self.ledger.publishing().lease.and_then(|lease| lease.contradicted);
        if let Some(what) = what {
            self.standing.update(|known| known.contradicted = Some(what));
        }
        let note = self.ledger.checkpoint();
        if note == self.learned {
            return;
        }
        let said = self.ledger.verifier().checkpoint(&note).ok();
        let Some((Checkpoint { size, .. }, cosignatures)) = said.zip(self.policy.cosignatures(&note).ok())
        else {
            return;
        };
        for (at, cosignature) in cosignatures.iter().enumerate() {
            let Some(cosignature) = cosignature else { continue };
            let time = Timestamp(cosignature.time.saturating_mul(1000));
            self.witnesses[at].cosigned = Some(size);
            self.standing.update(|known| {
                known.witnesses[at].cosigned = Some(Quorum { size, time });
                known.witnesses[at].error = None;
            });
        }
        self.note_quorum(size, &cosignatures);
        // Where this node comes to publish, it goes on from there.
        self.current = (size, cosignatures);
        self.learned = note;
    }

    /// Tells the other nodes what a witness has proved.
    async fn pass_on(&self) {
        let proved = self.standing.contradicted();
        let told = self.ledger.publishing().lease.map(|lease| lease.contradicted);
        if let (Some(what), Some(None)) = (proved, told) {
            let ledger = self.ledger.clone();
            let done = tokio::task::spawn_blocking(move || ledger.contradict(what)).await;
            if !matches!(done, Ok(Ok(()))) {
                tracing::warn!(?done, "the other nodes could not be told what a witness has proved");
            }
        }
    }

    /// Asks every witness that has not cosigned the latest published checkpoint, all at once.
    async fn round(&mut self) -> Result<(), LedgerError> {
        let note = self.ledger.published();
        let Ok(Checkpoint { origin, size, .. }) = self.ledger.verifier().checkpoint(&note) else {
            return Ok(());
        };
        let now = Instant::now();
        if !self.witnesses.iter().any(|witness| witness.is_due(size, now)) {
            return Ok(());
        }
        if self.current.0 != size {
            self.current = (size, vec![None; self.witnesses.len()]);
        }
        let target = Target { note: note.to_string(), origin, size };
        let (client, ledger, asked) = (&self.client, &self.ledger, &target);
        let due = self.witnesses.iter_mut().enumerate().filter(|(_, witness)| witness.is_due(size, now));
        let mut answers: FuturesUnordered<_> = due
            .map(|(at, witness)| async move {
                let outcome = ask(client, &witness.url, &witness.key, ledger, asked, &mut witness.old).await;
                (at, outcome)
            })
            .collect();
        let mut outcomes = Vec::new();
        let mut given = self.policy.is_quorum(&self.current.1);
        while let Some((at, outcome)) = answers.next().await {
            if let Outcome::Cosigned(cosignature) = &outcome {
                self.current.1[at] = Some(cosignature.clone());
                if !given && self.policy.is_quorum(&self.current.1) {
                    // The quorum does not wait for whoever is slow.
                    given = true;
                    give_out(&self.ledger, &target, &self.current.1).await?;
                    note_quorum(&self.standing, &self.policy, &*self.clock, size, &self.current.1);
                }
            }
            outcomes.push((at, outcome));
        }
        drop(answers);
        for (at, outcome) in outcomes {
            self.take_note(at, size, outcome);
        }
        self.finish(&target, given).await
    }

    /// Gives out what came, once everybody has answered or failed.
    async fn finish(&self, target: &Target, has_quorum: bool) -> Result<(), LedgerError> {
        let cosignatures = &self.current.1;
        if has_quorum {
            self.note_quorum(target.size, cosignatures);
            return give_out(&self.ledger, target, cosignatures).await;
        }
        let now = self.clock.now();
        let status = self.standing.status(&self.ledger, now);
        let is_young = status.and_then(|s| s.quorum).is_some_and(|q| now.since(q.time) < GRACE);
        if is_young { Ok(()) } else { give_out(&self.ledger, target, cosignatures).await }
    }

    fn note_quorum(&self, size: u64, cosignatures: &[Option<Cosignature>]) {
        note_quorum(&self.standing, &self.policy, &*self.clock, size, cosignatures);
    }

    fn take_note(&mut self, at: usize, size: u64, outcome: Outcome) {
        let witness = &mut self.witnesses[at];
        let name = witness.key.name().to_owned();
        match outcome {
            Outcome::Cosigned(Cosignature { time, .. }) => {
                (witness.failures, witness.cosigned) = (0, Some(size));
                let time = Timestamp(time.saturating_mul(1000));
                self.standing.update(|known| {
                    known.witnesses[at].cosigned = Some(Quorum { size, time });
                    known.witnesses[at].error = None;
                });
            }
            Outcome::Failed(failure) => {
                tracing::warn!(witness = name, error = %failure, "a witness did not cosign");
                witness.pause(&*self.entropy);
                self.standing.update(|known| known.witnesses[at].error = Some(failure.to_string()));
            }
            Outcome::Contradiction(Contradiction { what, size, seen, proved }) => {
                tracing::error!(witness = name, %what, size, seen, proved, "A WITNESS CONTRADICTS THE LEDGER");
                witness.pause(&*self.entropy);
                self.standing.update(|known| {
                    known.witnesses[at].error = Some(format!("it contradicts the ledger: {what}"));
                    if proved {
                        known.contradicted = Some(what);
                    }
                });
                let finding = Finding { what, witness: name, size, seen, proved };
                // Full: the same was found many times already, and nobody has recorded it yet.
                let _ = self.findings.try_send(finding);
            }
        }
    }
}

fn note_quorum(
    standing: &Standing,
    policy: &Policy,
    clock: &dyn Clock,
    size: u64,
    cosignatures: &[Option<Cosignature>],
) {
    let now = clock.now();
    let time = policy.quorum_time(cosignatures).map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    if let Some(time) = time {
        // A witness whose clock is ahead makes nothing younger than now.
        standing.update(|known| known.note_quorum(Quorum { size, time: time.min(now) }));
    }
}

/// On a thread of its own: it may wait for a database.
async fn give_out(
    ledger: &Ledger,
    target: &Target,
    cosignatures: &[Option<Cosignature>],
) -> Result<(), LedgerError> {
    let lines: String = cosignatures.iter().flatten().map(|cosignature| cosignature.line.as_str()).collect();
    let (ledger, note) = (ledger.clone(), format!("{}{lines}", target.note));
    tokio::task::spawn_blocking(move || ledger.give_out(&note)).await.unwrap_or(Err(LedgerError::Stopped))
}
