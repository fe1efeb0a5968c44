//! What the answer to "Why do you need this customer?" earns.

use ledger::Draft;
use model::entry::Why;
use model::{ClassSet, Evidence, Mode, Purpose, TicketId};

use crate::decide::{Facts, Terms, observable};
use crate::{Access, Grant, Look};

/// What the viewer says on the page "Why do you need this customer?".
#[derive(Debug, Clone)]
pub struct Reason {
    /// What it is for.
    pub purpose: Purpose,
    /// Which ticket it is about.
    pub ticket: Option<TicketId>,
    /// A free note. It is kept and never counts as the reason.
    pub note: Option<String>,
    /// Classes asked for one by one, beyond what the policy shows unasked.
    pub asked: ClassSet,
}

impl Access {
    /// The grant that this reason earns: a draft to append, or why not.
    ///
    /// The budgets are looked at here for a friendly answer; the ledger looks again when the draft
    /// gets its place, and [`Why::Stale`] from there means that the state has moved on: ask again.
    pub fn justify(&self, look: &Look<'_>, reason: &Reason) -> Result<(Grant, Draft), Why> {
        let facts = self.facts(look);
        let ground = self.ground(look, &facts, reason)?;
        let held = facts.grants.iter().fold(ClassSet::EMPTY, |all, grant| all.union(grant.classes));
        let verdicts = self.under(look, &facts, ground.evidence, reason.purpose);
        let wanted = verdicts.show.union(reason.asked).union(held.intersection(verdicts.permitted()));
        let permitted = !verdicts.permitted().is_empty() && verdicts.permitted().covers(wanted);
        let refusal = match (permitted, ground.charged) {
            (false, _) => Some(Why::Policy),
            (true, true) => facts.remaining.over_with_weak(facts.tier),
            (true, false) => None,
        };
        let (classes, would_refuse) = match (facts.mode, refusal) {
            (Mode::Enforce, Some(why)) => return Err(why),
            (Mode::Enforce, None) => (wanted, None),
            (Mode::Observe, refusal) => (observable(), refusal),
        };
        let terms = Terms {
            classes,
            purpose: reason.purpose,
            evidence: ground.evidence,
            ticket: ground.ticket,
            note: reason.note.clone(),
            tier: facts.tier,
            expires: ground.expires,
            charged: ground.charged,
            would_refuse,
        };
        Ok(self.draft(look, terms))
    }

    /// What the reason stands on: a ticket, a live grant, or only the viewer's word.
    fn ground(&self, look: &Look<'_>, facts: &Facts, reason: &Reason) -> Result<Ground, Why> {
        let link = match &reason.ticket {
            Some(named) => facts.links.iter().find(|link| link.ticket == *named),
            None => facts.links.first(),
        };
        if let (Some(named), None) = (&reason.ticket, link)
            && self.tickets().customer_of(look.app, named).as_ref() != Some(look.customer)
        {
            return Err(Why::NoReason);
        }
        let evidence = link.map_or(Evidence::None, |link| link.evidence);
        let ticket = link.map(|link| link.ticket.clone()).or_else(|| reason.ticket.clone());
        let until = look.now.plus(facts.remaining.settings.grant());
        Ok(match facts.grants.first() {
            // A live grant carries a weak reason as far as it reaches itself, and no further: else one
            // charge would last for ever.
            Some(live) if evidence.is_weak() => Ground {
                evidence: live.evidence,
                ticket: live.ticket.clone(),
                expires: live.expires,
                charged: false,
            },
            Some(_) | None => Ground { evidence, ticket, expires: until, charged: evidence.is_weak() },
        })
    }
}

struct Ground {
    evidence: Evidence,
    ticket: Option<TicketId>,
    expires: model::Timestamp,
    charged: bool,
}
