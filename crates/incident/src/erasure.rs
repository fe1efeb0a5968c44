//! Erasing a customer, as two administrators decided, and forgetting months, as retention says.
//!
//! What is done for a customer, in this order: the tickets that the apps reported are deleted; the ledger destroys
//! the keys and records that it did ([`Erased`]); the views forget when they fold that entry. Each step may be
//! repeated, and the proposal stays open until the last one is recorded: whatever a crash interrupts is done at
//! the next start, before anybody can look.

use std::time::Duration;

use access::{AccessError, Proposal, SharedState, Tickets};
use ledger::{AppendError, Draft, Ledger, LedgerError};
use model::entry::{Act, Actor, Erased, Event, Proposed, Why};
use model::{Clock, CustomerId, Entropy, Month, Opening, ProposalId, SessionId, Subject};
use std::sync::Arc;

/// How often the worker looks whether a month has ended, or tries again what failed.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// How long it is known whom entries are about: `[retention]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// So many whole months besides the current one; for ever, where it is not set.
    pub openings_months: Option<u32>,
}

impl Retention {
    /// What is wrong with the setting.
    pub fn check(&self) -> Result<(), String> {
        match self.openings_months {
            Some(0) => {
                Err("[retention] openings_months: at least 1, or leave it out to keep everything".into())
            }
            _ => Ok(()),
        }
    }

    /// What the log keeps and what it forgets, as it is published next to the checkpoint.
    pub fn pruning_policy(&self) -> String {
        let openings = match self.openings_months {
            None => "They are kept until the customer is erased.".to_owned(),
            Some(months) => format!(
                "They are kept for {months} calendar month{} (UTC) after the month of their entry, or until the \
                 customer is erased.",
                if months == 1 { "" } else { "s" }
            ),
        };
        format!(
            "Pruning policy of this log\n\n\
             Never pruned: entries, tiles, entry bundles, checkpoints and their signatures. Every receipt that was \
             ever given verifies for as long as this log exists.\n\n\
             Forgotten: the openings that say which customer an entry is about. They are not part of this log and \
             are not published. {openings} To forget is to destroy keys, and is an entry of its own: `erased`.\n"
        )
    }
}

/// Why an erasure was not proposed or not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// It could not be recorded.
    #[error("it could not be recorded: {0}")]
    NotRecorded(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The tickets could not be deleted.
    #[error("the tickets of the customer could not be deleted: {0}")]
    Tickets(#[from] AccessError),
    /// The process is ending.
    #[error("it was interrupted; it is done at the next start")]
    Interrupted,
}

/// Proposes erasures and carries them out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The record.
    pub ledger: Ledger,
    /// What was decided.
    pub state: SharedState,
    /// What the apps reported, beside the ledger.
    pub tickets: Tickets,
    /// How long whom is known.
    pub retention: Retention,
    /// What months are counted by.
    pub clock: Arc<dyn Clock>,
    /// For salts and ids.
    pub entropy: Arc<dyn Entropy>,
}

impl Erasure {
    /// Proposes to erase a customer. `session` is that of an administrator in the console, who thereby confirms it
    /// for their part; none for the operator. Answers the proposal and the number of its entry.
    pub async fn propose(
        &self,
        customer: CustomerId,
        by: Actor,
        session: Option<SessionId>,
    ) -> Result<(ProposalId, u64), ErasureError> {
        let opening = Opening::fresh(&*self.entropy, Subject::of(customer));
        let proposal = ProposalId::fresh(&*self.entropy);
        let act = Act::Erase { subject: opening.commitment() };
        let event = Event::Proposed(Proposed { proposal, act, by, session });
        let receipt = self.ledger.append(Draft { event, openings: vec![opening] }).await?;
        Ok((proposal, receipt.index()))
    }

    /// Whether this is the customer whom a proposal is about.
    pub fn is_about(&self, proposal: &Proposal, customer: &CustomerId) -> Result<bool, ErasureError> {
        Ok(self.customer_of(proposal)?.as_ref() == Some(customer))
    }

    /// Carries out everything that was decided and that retention asks for, and answers the entries that say so.
    pub async fn carry_out(&self) -> Result<Vec<u64>, ErasureError> {
        let confirmed: Vec<Proposal> = self.state.read().confirmed_proposals().cloned().collect();
        let mut done = Vec::new();
        for proposal in confirmed {
            let Act::Erase { .. } = proposal.act else { continue };
            done.extend(self.erase(proposal).await?);
        }
        done.extend(self.retain().await?);
        Ok(done)
    }

    /// Does so for as long as the ledger grows.
    pub async fn follow(self) {
        let mut growth = self.ledger.growth();
        loop {
            growth.mark_unchanged();
            if let Err(error) = self.carry_out().await {
                tracing::error!(%error, "an erasure is not done yet; it is tried again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            match tokio::time::timeout(AGAIN, growth.changed()).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => return,
            }
        }
    }

    /// A crash before the entry leaves the proposal confirmed, and all of this is done again. If it came between
    /// the keys and the entry, nobody can name the customer any more, and there is nothing left to delete.
    async fn erase(&self, proposal: Proposal) -> Result<Option<u64>, ErasureError> {
        let customer = self.customer_of(&proposal)?;
        let mut openings = Vec::new();
        if let Some(customer) = customer {
            let (tickets, theirs) = (self.tickets.clone(), customer.clone());
            let deleted = tokio::task::spawn_blocking(move || tickets.forget(&theirs)).await;
            deleted.map_err(|_| ErasureError::Interrupted)??;
            openings.push(Opening::fresh(&*self.entropy, Subject::of(customer)));
        }
        let subject = openings.first().map(Opening::commitment);
        let event = Event::Erased(Erased::Customer { proposal: proposal.id, subject });
        match self.ledger.append(Draft { event, openings }).await {
            Ok(receipt) => Ok(Some(receipt.index())),
            // Somebody else was faster.
            Err(AppendError::Refused(Why::NoSuchProposal)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn customer_of(&self, proposal: &Proposal) -> Result<Option<CustomerId>, ErasureError> {
        let record = self.ledger.read(proposal.index, 1)?.pop();
        let opening = record.and_then(|record| record.openings.into_iter().flatten().next());
        Ok(opening.map(|opening| opening.subject.customer))
    }

    /// Months in which there was no ledger need not be forgotten.
    async fn retain(&self) -> Result<Option<u64>, ErasureError> {
        let Some(months) = self.retention.openings_months else { return Ok(None) };
        let month = Month::of(self.clock.now()).minus(months);
        if self.state.read().erased_before().is_some_and(|before| before >= month) {
            return Ok(None);
        }
        let first = self.ledger.read(0, 1)?;
        if first.first().is_none_or(|first| Month::of(first.entry.time) >= month) {
            return Ok(None);
        }
        let event = Event::Erased(Erased::Before { month });
        Ok(Some(self.ledger.append(Draft::plain(event)).await?.index()))
    }
}
