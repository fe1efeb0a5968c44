//! Grants that have not expired.

use model::entry::{GrantIssued, Why};
use model::{
    AppId, ClassSet, CustomerId, Evidence, GrantId, Purpose, StaffId, Subject, TicketId, Tier, Timestamp,
    Turn, Undo, UndoMap,
};

/// A grant, to whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Grant {
    /// Its id.
    #[n(0)]
    pub id: GrantId,
    /// Which field classes it covers.
    #[n(1)]
    pub classes: ClassSet,
    /// How it is explained.
    #[n(2)]
    pub evidence: Evidence,
    /// What it is for.
    #[n(3)]
    pub purpose: Purpose,
    /// The ticket that explains it.
    #[n(4)]
    pub ticket: Option<TicketId>,
    /// The customer's tier when it was issued.
    #[n(5)]
    pub tier: Tier,
    /// It ends then.
    #[n(6)]
    pub expires: Timestamp,
    /// In `observe`: why enforcement would not have issued it.
    #[n(7)]
    pub would_refuse: Option<Why>,
}

/// A grant in somebody's hands.
#[derive(Debug, Clone, minicbor::Encode, minicbor::Decode)]
pub(super) struct Held {
    #[n(0)]
    pub(super) grant: Grant,
    #[n(1)]
    pub(super) staff: StaffId,
    #[n(2)]
    pub(super) app: AppId,
    /// None at a replay, if the customer has been erased.
    #[n(3)]
    customer: Option<CustomerId>,
    #[n(4)]
    pub(super) revoked: bool,
}

impl Held {
    pub(super) fn new(e: &GrantIssued, subject: Option<&Subject>) -> Self {
        let grant = Grant {
            id: e.grant,
            classes: e.classes,
            evidence: e.evidence,
            purpose: e.purpose,
            ticket: subject.and_then(|s| s.ticket.clone()),
            tier: e.tier,
            expires: e.expires,
            would_refuse: e.would_refuse,
        };
        Self {
            grant,
            staff: e.staff.clone(),
            app: e.app.clone(),
            customer: subject.map(|s| s.customer.clone()),
            revoked: false,
        }
    }

    /// False only if both customers are known and differ.
    pub(super) fn may_be_about(&self, customer: Option<&CustomerId>) -> bool {
        match (&self.customer, customer) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, _) | (_, None) => true,
        }
    }

    fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && now < self.grant.expires
    }

    fn holder(&self) -> Option<Holder> {
        Some((self.staff.clone(), self.app.clone(), self.customer.clone()?))
    }
}

type Holder = (StaffId, AppId, CustomerId);

#[derive(Debug, Clone, Default, minicbor::Encode, minicbor::Decode)]
pub(super) struct Grants {
    #[n(0)]
    held: UndoMap<GrantId, Held>,
    /// Oldest first.
    #[n(1)]
    by_holder: UndoMap<Holder, Vec<GrantId>>,
    /// What `held` says, in another order.
    #[cbor(skip)]
    by_expiry: UndoMap<(Timestamp, GrantId), ()>,
}

impl Grants {
    /// Makes up for what is not encoded.
    pub(super) fn order_by_expiry(&mut self) {
        for (id, held) in self.held.iter() {
            self.by_expiry.insert((held.grant.expires, *id), ());
        }
    }

    pub(super) fn has(&self, id: GrantId) -> bool {
        self.held.contains_key(&id)
    }

    /// Revoked or not. When expired grants are dropped must not be seen from outside: that is when a batch is
    /// durable, and another replay may cut the batches elsewhere.
    pub(super) fn unexpired(&self, id: GrantId, now: Timestamp) -> Option<&Held> {
        self.held.get(&id).filter(|held| now < held.grant.expires)
    }

    pub(super) fn iter_live(&self, now: Timestamp) -> impl Iterator<Item = &Held> {
        self.held.values().filter(move |held| held.is_live(now))
    }

    /// Newest first.
    pub(super) fn live(
        &self,
        staff: &StaffId,
        app: &AppId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Vec<Grant> {
        let holder = (staff.clone(), app.clone(), customer.clone());
        let ids = self.by_holder.get(&holder).into_iter().flatten().rev();
        ids.filter_map(|id| self.held.get(id))
            .filter(|held| held.is_live(now))
            .map(|held| held.grant.clone())
            .collect()
    }

    pub(super) fn insert(&mut self, id: GrantId, held: Held) {
        self.by_expiry.insert((held.grant.expires, id), ());
        if let Some(holder) = held.holder() {
            match self.by_holder.get_mut(&holder) {
                Some(ids) => ids.push(id),
                None => self.by_holder.insert(holder, vec![id]),
            }
        }
        self.held.insert(id, held);
    }

    pub(super) fn revoke(&mut self, id: GrantId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.revoked = true;
        }
    }

    pub(super) fn revoke_where(&mut self, condition: impl Fn(&Held) -> bool) {
        self.held.change_where(|held| !held.revoked && condition(held), |held| held.revoked = true);
    }

    /// Forgets whom the grants at this customer are about.
    pub(super) fn forget(&mut self, customer: &CustomerId) {
        let about = |held: &Held| held.customer.as_ref() == Some(customer);
        self.held.change_where(about, |held| (held.customer, held.grant.ticket) = (None, None));
        self.by_holder.retain(|(_, _, theirs), _| theirs != customer);
    }

    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        while let Some((&(expires, id), ())) = self.by_expiry.first_key_value()
            && expires <= now
        {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: GrantId) {
        let Some((expires, holder)) = self.held.get(&id).map(|held| (held.grant.expires, held.holder()))
        else {
            return;
        };
        self.held.remove(&id);
        self.by_expiry.remove(&(expires, id));
        if let Some(holder) = holder
            && let Some(ids) = self.by_holder.get_mut(&holder)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_holder.remove(&holder);
            }
        }
    }
}

impl Undo for Grants {
    fn turn(&mut self, turn: Turn) {
        let Self { held, by_holder, by_expiry } = self;
        held.turn(turn);
        by_holder.turn(turn);
        by_expiry.turn(turn);
    }
}
