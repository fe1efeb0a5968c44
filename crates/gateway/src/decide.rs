//! May they? One customer, one decision, and the entries that go with it.

use access::{Basis, Look};
use adapter::Read;
use ledger::Draft;
use model::entry::{Revealed, Why, Written};
use model::{ClassSet, CustomerId, Event, GrantId, Opening, Subject, TicketId};

use crate::reason::Wanted;
use crate::refuse::Refusal;
use crate::way::Way;

/// What may be shown of one customer in one response, and what must be recorded for it.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) customer: CustomerId,
    /// Shown as it is.
    pub(crate) show: ClassSet,
    /// Masked, with a button that asks for it.
    pub(crate) ask: ClassSet,
    /// Opens the commitment in the entry of the look.
    pub(crate) opening: Opening,
    /// The grant that the look rests on.
    pub(crate) grant: GrantId,
    /// The entry that issues the grant, if it is issued with the look. Until it is taken, it is not recorded.
    issue: Option<Draft>,
    /// The look. Until it is taken, it is not recorded.
    look: Option<Draft>,
}

impl Permit {
    /// What is still to be recorded: the grant, in front of the look.
    pub(crate) fn take_drafts(&mut self) -> Vec<Draft> {
        self.issue.take().into_iter().chain(self.look.take()).collect()
    }

    /// The grant alone, for a write whose answer is yet to come.
    pub(crate) fn take_grant(&mut self) -> Option<Draft> {
        self.issue.take()
    }

    /// Whether it rests on a grant that is issued only with it.
    pub(crate) fn issues_grant(&self) -> bool {
        self.issue.is_some()
    }

    /// Whom it is about.
    pub(crate) fn subject(&self) -> Subject {
        self.opening.subject.clone()
    }
}

impl Way<'_> {
    /// Decides about one customer.
    pub(crate) fn decide(
        &self,
        read: &Read,
        customer: &CustomerId,
        ticket: Option<&TicketId>,
    ) -> Result<Permit, Refusal> {
        let subject = |ticket: Option<&TicketId>| Subject {
            customer: customer.clone(),
            ticket: ticket.cloned(),
            note: None,
        };
        let decision = self.gate.access.decide(&Look {
            viewer: &self.seated.record,
            app: &self.viewer.app,
            customer,
            ticket,
            now: self.gate.clock.now(),
        });
        let (grant, issue) = match decision.basis {
            Basis::Granted(grant) => (grant, None),
            Basis::Issue { grant, draft } => (grant, Some(draft)),
            Basis::AskWhy { .. } => {
                let question = self.question(customer, ticket, ClassSet::EMPTY);
                return Err(Refusal::from(Why::NoReason).about(subject(ticket)).way_on(question));
            }
            Basis::Refuse(why) => return Err(Refusal::from(why).about(subject(ticket))),
        };
        let never = ClassSet::SECRET.union(self.masked());
        let show = decision.verdicts.show.without(never);
        let opening = Opening::fresh(&*self.gate.entropy, subject(grant.ticket.as_ref()));
        let look = Event::Revealed(Revealed {
            response: self.response,
            by: self.viewer.clone(),
            subject: opening.commitment(),
            tier: grant.tier,
            action: read.action,
            classes: show,
            evidence: grant.evidence,
            grant: grant.id,
            mode: decision.mode,
            would_mask: decision.would_mask,
        });
        Ok(Permit {
            customer: customer.clone(),
            show,
            ask: decision.verdicts.ask.without(never),
            look: Some(Draft { event: look, openings: vec![opening.clone()] }),
            opening,
            grant: grant.id,
            issue,
        })
    }

    /// The entry that says that a write is passed on.
    pub(crate) fn written(&self, permit: Option<&Permit>, restored: u32) -> Draft {
        let opening = permit.map(|permit| Opening::fresh(&*self.gate.entropy, permit.subject()));
        let event = Event::Written(Written {
            response: self.response,
            by: self.viewer.clone(),
            subject: opening.as_ref().map(Opening::commitment),
            restored,
        });
        Draft { event, openings: opening.into_iter().collect() }
    }

    /// The page where the viewer says why they need this customer, or one more class of theirs.
    pub(crate) fn question(
        &self,
        customer: &CustomerId,
        ticket: Option<&TicketId>,
        asked: ClassSet,
    ) -> String {
        let wanted =
            Wanted { customer: customer.clone(), ticket: ticket.cloned(), asked, next: self.come_back() };
        let page = if asked.is_empty() { "why" } else { "ask" };
        format!("/.sightline/{page}?for={}", wanted.seal(self.gate, self.viewer.session))
    }
}
