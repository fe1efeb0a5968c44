//! "May they?" The answer for a record and for a list.
//!
//! Nothing here changes anything: an answer is a proposal, made against the state as of now, and the
//! ledger admits what follows from it at its own place in the sequence. The answer itself is made
//! from lookups in memory; Cedar is asked once for each kind of case and staff record.

use std::sync::Arc;

use ledger::Draft;
use model::entry::{GrantIssued, Why};
use model::{
    AppId, ClassSet, CustomerId, Digest, Entropy, Event, Evidence, GrantId, Mode, Opening, Purpose, StaffId,
    StaffRecord, Subject, TicketId, Tier, Timestamp,
};

use crate::policy::Memo;
use crate::{Case, Grant, Policy, Remaining, SharedState, TicketLink, Tickets, Verdicts};

/// Policy, tickets and state together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    state: SharedState,
    tickets: Tickets,
    policy: Arc<Memo>,
    entropy: Arc<dyn Entropy>,
}

/// A question to [`Access::decide`].
#[derive(Debug, Clone)]
pub struct Look<'a> {
    /// Who looks.
    pub viewer: &'a StaffRecord,
    /// In which app.
    pub app: &'a AppId,
    /// At whom.
    pub customer: &'a CustomerId,
    /// The ticket that the route names, if it does.
    pub ticket: Option<&'a TicketId>,
    /// When.
    pub now: Timestamp,
}

/// The answer to "may they?".
#[derive(Debug, Clone)]
pub struct Decision {
    /// What may be shown. Nothing, unless the basis is a grant.
    pub verdicts: Verdicts,
    /// What the look rests on.
    pub basis: Basis,
    /// How the look is explained.
    pub evidence: Evidence,
    /// How much harm it can do.
    pub tier: Tier,
    /// The mode of the app.
    pub mode: Mode,
    /// In `observe`: what enforcement would have masked of `ClassSet::all()`.
    pub would_mask: ClassSet,
    /// In `observe`: why enforcement would have stopped the look.
    pub would_refuse: Option<Why>,
}

/// What a look rests on.
#[derive(Debug, Clone)]
pub enum Basis {
    /// A live grant covers it.
    Granted(Grant),
    /// No grant yet, but evidence (or, in `observe`, the mode) lets one be issued without a question:
    /// append this draft in front of the reveal.
    Issue {
        /// What the draft grants.
        grant: Grant,
        /// What to append.
        draft: Draft,
    },
    /// The viewer must say why first.
    AskWhy {
        /// The tickets that link them to the customer, though weakly.
        links: Vec<TicketLink>,
    },
    /// Refused, with the reason for the page.
    Refuse(Why),
}

/// In `observe`: what enforcement would have done to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow {
    /// The classes that it would have masked, of `ClassSet::all()`.
    pub would_mask: ClassSet,
    /// Why it would have refused the page.
    pub would_refuse: Option<Why>,
}

impl Access {
    /// Puts them together.
    pub fn new(state: SharedState, policy: Policy, tickets: Tickets, entropy: Arc<dyn Entropy>) -> Self {
        Self { state, tickets, policy: Arc::new(Memo::new(policy)), entropy }
    }

    /// The state that admission decides against.
    pub fn state(&self) -> &SharedState {
        &self.state
    }

    /// Tickets and tiers.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// The digest of the policy.
    pub fn policy_digest(&self) -> Digest {
        self.policy.policy().digest()
    }

    /// Decides about a record.
    pub fn decide(&self, look: &Look<'_>) -> Decision {
        let facts = self.facts(look);
        match facts.mode {
            Mode::Enforce => self.decide_enforced(look, &facts),
            Mode::Observe => self.decide_observed(look, &facts),
        }
    }

    /// Verdicts for rows of a list: what may be shown of customers to whom no grant leads.
    pub fn decide_listing(&self, viewer: &StaffRecord, app: &AppId, now: Timestamp) -> Verdicts {
        match self.state.read().mode_or_closed(app) {
            Mode::Enforce => self.policy.list(viewer, app, now),
            Mode::Observe => Verdicts { show: observable(), ask: ClassSet::EMPTY },
        }
    }

    /// Whether a row of this customer counts against the budget of rows: neither a live grant nor a ticket
    /// that others vouch for leads the viewer to them.
    pub fn charges_row(&self, look: &Look<'_>) -> bool {
        let Look { viewer, app, customer, now, .. } = *look;
        let links = self.tickets.links(app, &viewer.staff, customer, now);
        links.iter().all(|link| link.evidence.is_weak())
            && self.state.read().live_grants(&viewer.staff, app, customer, now).is_empty()
    }

    /// In `observe`: what enforcement would have done to a list with so many rows that count.
    pub fn listing_shadow(&self, viewer: &StaffRecord, app: &AppId, rows: u32, now: Timestamp) -> Shadow {
        let remaining = self.state.read().budget_if_enforced(&viewer.staff, now);
        Shadow {
            would_mask: ClassSet::all().without(self.policy.list(viewer, app, now).show),
            would_refuse: remaining.over_with_rows(rows),
        }
    }

    fn decide_enforced(&self, look: &Look<'_>, facts: &Facts) -> Decision {
        let plan = self.plan(look, facts);
        let (verdicts, evidence, basis) = match plan {
            Plan::Granted(grant, verdicts) => (verdicts, grant.evidence, Basis::Granted(grant)),
            Plan::Issue(classes, verdicts) => {
                let terms = Terms::explained(look, facts, classes);
                (verdicts, facts.evidence(), self.issue(look, terms))
            }
            Plan::AskWhy => {
                (Verdicts::NOTHING, facts.evidence(), Basis::AskWhy { links: facts.links.clone() })
            }
            Plan::Refuse(why) => (Verdicts::NOTHING, facts.evidence(), Basis::Refuse(why)),
        };
        Decision {
            verdicts,
            basis,
            evidence,
            tier: facts.tier,
            mode: Mode::Enforce,
            would_mask: ClassSet::EMPTY,
            would_refuse: None,
        }
    }

    /// Blocks and masks nothing but `secret.*`; says what enforcement would have done.
    fn decide_observed(&self, look: &Look<'_>, facts: &Facts) -> Decision {
        let shown = observable();
        let decision = |basis, evidence, would_show: ClassSet, would_refuse| Decision {
            verdicts: Verdicts { show: shown, ask: ClassSet::EMPTY },
            basis,
            evidence,
            tier: facts.tier,
            mode: Mode::Observe,
            would_mask: ClassSet::all().without(would_show),
            would_refuse,
        };
        // A ticket that turned up after a look without a reason explains the looks from here on.
        let better = !facts.evidence().is_weak();
        let usable = |grant: &&Grant| grant.classes.covers(shown) && !(better && grant.evidence.is_weak());
        if let Some(grant) = facts.grants.iter().find(usable) {
            let would_show = self.under(look, facts, grant.evidence, grant.purpose).show;
            let (evidence, would_refuse) = (grant.evidence, grant.would_refuse);
            return decision(Basis::Granted(grant.clone()), evidence, would_show, would_refuse);
        }
        let alone = Facts { grants: Vec::new(), ..facts.clone() };
        let would_refuse = match self.plan(look, &alone) {
            Plan::Granted(..) | Plan::Issue(..) => None,
            Plan::AskWhy => Some(Why::NoReason),
            Plan::Refuse(why) => Some(why),
        };
        let evidence = facts.evidence();
        let terms =
            Terms { charged: evidence.is_weak(), would_refuse, ..Terms::explained(look, facts, shown) };
        let would_show = self.under(look, facts, evidence, Purpose::CustomerSupport).show;
        decision(self.issue(look, terms), evidence, would_show, would_refuse)
    }

    /// What enforcement does.
    fn plan(&self, look: &Look<'_>, facts: &Facts) -> Plan {
        let explained = !facts.evidence().is_weak();
        let fresh = self.under(look, facts, facts.evidence(), Purpose::CustomerSupport);
        if let Some((grant, verdicts)) = self.best_grant(look, facts) {
            // A ticket that turned up since may open more than the grant does.
            if explained && !verdicts.show.covers(fresh.show) {
                let classes = fresh.show.union(grant.classes.intersection(fresh.permitted()));
                let ask = fresh.permitted().without(classes);
                return Plan::Issue(classes, Verdicts { show: classes, ask });
            }
            return Plan::Granted(grant, verdicts);
        }
        if explained {
            return match fresh.permitted().is_empty() {
                true => Plan::Refuse(Why::Policy),
                false => Plan::Issue(fresh.show, fresh),
            };
        }
        let any_reason_helps = Purpose::ALL
            .iter()
            .any(|purpose| !self.under(look, facts, facts.evidence(), *purpose).permitted().is_empty());
        match facts.remaining.over_with_weak(facts.tier) {
            _ if !any_reason_helps => Plan::Refuse(Why::Policy),
            Some(over) => Plan::Refuse(over),
            None => Plan::AskWhy,
        }
    }

    /// The live grant that shows most, and of those the newest. What a grant covers was permitted when
    /// it was issued; what it shows must be permitted now.
    fn best_grant(&self, look: &Look<'_>, facts: &Facts) -> Option<(Grant, Verdicts)> {
        let under = |grant: &Grant| {
            let permitted = self.under(look, facts, grant.evidence, grant.purpose).permitted();
            let show = permitted.intersection(grant.classes);
            Verdicts { show, ask: permitted.without(show) }
        };
        let oldest_first = facts.grants.iter().rev().map(|grant| (grant, under(grant)));
        oldest_first
            .filter(|(_, verdicts)| !verdicts.permitted().is_empty())
            .max_by_key(|(_, verdicts)| verdicts.show.len())
            .map(|(grant, verdicts)| (grant.clone(), verdicts))
    }

    /// What the policy says of this look, if it is explained so.
    pub(crate) fn under(
        &self,
        look: &Look<'_>,
        facts: &Facts,
        evidence: Evidence,
        purpose: Purpose,
    ) -> Verdicts {
        let case = Case { app: look.app.clone(), evidence, tier: facts.tier, purpose };
        self.policy.record(look.viewer, &case, look.now)
    }

    /// Everything that is known of a look, as of one moment.
    pub(crate) fn facts(&self, look: &Look<'_>) -> Facts {
        let Look { viewer, app, customer, now, .. } = *look;
        let mut links = self.tickets.links(app, &viewer.staff, customer, now);
        // Of tickets that explain equally well, the one that the viewer is working in.
        links.sort_by_key(|link| (link.evidence, Some(&link.ticket) != look.ticket));
        let state = self.state.read();
        let mode = state.mode_or_closed(app);
        Facts {
            mode,
            tier: self.tickets.tier(app, customer),
            links,
            grants: state.live_grants(&viewer.staff, app, customer, now),
            remaining: match mode {
                Mode::Enforce => state.budget(&viewer.staff, now),
                Mode::Observe => state.budget_if_enforced(&viewer.staff, now),
            },
        }
    }

    fn issue(&self, look: &Look<'_>, terms: Terms) -> Basis {
        let (grant, draft) = self.draft(look, terms);
        Basis::Issue { grant, draft }
    }

    /// A grant on these terms, and the entry that issues it.
    pub(crate) fn draft(&self, look: &Look<'_>, terms: Terms) -> (Grant, Draft) {
        let entropy = &*self.entropy;
        let subject =
            Subject { customer: look.customer.clone(), ticket: terms.ticket.clone(), note: terms.note };
        let opening = Opening::fresh(entropy, subject);
        let grant = Grant {
            id: GrantId::fresh(entropy),
            classes: terms.classes,
            evidence: terms.evidence,
            purpose: terms.purpose,
            ticket: terms.ticket,
            tier: terms.tier,
            expires: terms.expires,
            would_refuse: terms.would_refuse,
        };
        let event = Event::GrantIssued(GrantIssued {
            grant: grant.id,
            staff: look.viewer.staff.clone(),
            app: look.app.clone(),
            subject: opening.commitment(),
            tier: grant.tier,
            classes: grant.classes,
            purpose: grant.purpose,
            evidence: grant.evidence,
            expires: grant.expires,
            charged: terms.charged,
            would_refuse: terms.would_refuse,
        });
        (grant, Draft { event, openings: vec![opening] })
    }

    /// What is left of a person's budgets.
    pub fn remaining(&self, staff: &StaffId, now: Timestamp) -> Remaining {
        self.state.read().budget(staff, now)
    }
}

/// What is shown where nothing is enforced: all but `secret.*`, which is shown to nobody anywhere.
pub(crate) fn observable() -> ClassSet {
    ClassSet::all().without(ClassSet::SECRET)
}

/// Everything that is known of a look.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) mode: Mode,
    pub(crate) tier: Tier,
    /// The strongest first.
    pub(crate) links: Vec<TicketLink>,
    /// Newest first.
    pub(crate) grants: Vec<Grant>,
    pub(crate) remaining: Remaining,
}

impl Facts {
    pub(crate) fn evidence(&self) -> Evidence {
        self.links.first().map_or(Evidence::None, |link| link.evidence)
    }
}

/// What enforcement does about a look.
enum Plan {
    Granted(Grant, Verdicts),
    /// A grant of these classes.
    Issue(ClassSet, Verdicts),
    AskWhy,
    Refuse(Why),
}

/// What a grant is to say.
pub(crate) struct Terms {
    pub(crate) classes: ClassSet,
    pub(crate) purpose: Purpose,
    pub(crate) evidence: Evidence,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) note: Option<String>,
    pub(crate) tier: Tier,
    pub(crate) expires: Timestamp,
    pub(crate) charged: bool,
    pub(crate) would_refuse: Option<Why>,
}

impl Terms {
    /// What the tickets explain by themselves.
    fn explained(look: &Look<'_>, facts: &Facts, classes: ClassSet) -> Self {
        Self {
            classes,
            purpose: Purpose::CustomerSupport,
            evidence: facts.evidence(),
            ticket: facts.links.first().map(|link| link.ticket.clone()),
            note: None,
            tier: facts.tier,
            expires: look.now.plus(facts.remaining.settings.grant()),
            charged: false,
            would_refuse: None,
        }
    }
}
