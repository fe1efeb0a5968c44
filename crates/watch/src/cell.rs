//! What explains a look, as the detectors see it: the evidence class, and within two of the classes a
//! difference that the viewer cannot make either. A ticket that a colleague wrote and passed on is not
//! one that a customer opened; and a customer whose ticket is on a colleague's desk is not a customer of
//! whom nobody has heard for weeks.

use model::Evidence;
use model::ticket::Proof;

/// How many cells there are.
pub(crate) const CELLS: usize = 9;

/// What explains a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Cell {
    /// Class A.
    #[n(0)]
    Routed,
    /// Class B: assigned by another person, and a customer or a verified contact is behind it.
    #[n(1)]
    Assigned,
    /// Class B: assigned by another person, and a colleague wrote it without contact.
    #[n(2)]
    ColleagueMade,
    /// Class C.
    #[n(3)]
    Linked,
    /// Class D.
    #[n(4)]
    Picked,
    /// Class E.
    #[n(5)]
    Contact,
    /// Class F.
    #[n(6)]
    SelfMade,
    /// Class G, and somebody else has a live ticket of this customer.
    #[n(7)]
    OthersCustomer,
    /// Class G, and no ticket of this customer is alive.
    #[n(8)]
    Nothing,
}

impl Cell {
    pub(crate) const ALL: [Cell; CELLS] = [
        Cell::Routed,
        Cell::Assigned,
        Cell::ColleagueMade,
        Cell::Linked,
        Cell::Picked,
        Cell::Contact,
        Cell::SelfMade,
        Cell::OthersCustomer,
        Cell::Nothing,
    ];

    pub(crate) fn of(proof: Option<Proof>, others_have_it: bool) -> Self {
        match proof.map(|p| (p.evidence, p.by_colleague)) {
            Some((Evidence::Routed, _)) => Cell::Routed,
            Some((Evidence::Assigned, true)) => Cell::ColleagueMade,
            Some((Evidence::Assigned, false)) => Cell::Assigned,
            Some((Evidence::Linked, _)) => Cell::Linked,
            Some((Evidence::Picked, _)) => Cell::Picked,
            Some((Evidence::Contact, _)) => Cell::Contact,
            Some((Evidence::SelfMade, _)) => Cell::SelfMade,
            Some((Evidence::None, _)) | None if others_have_it => Cell::OthersCustomer,
            Some((Evidence::None, _)) | None => Cell::Nothing,
        }
    }

    /// The evidence class.
    pub fn evidence(self) -> Evidence {
        match self {
            Cell::Routed => Evidence::Routed,
            Cell::Assigned | Cell::ColleagueMade => Evidence::Assigned,
            Cell::Linked => Evidence::Linked,
            Cell::Picked => Evidence::Picked,
            Cell::Contact => Evidence::Contact,
            Cell::SelfMade => Evidence::SelfMade,
            Cell::OthersCustomer | Cell::Nothing => Evidence::None,
        }
    }

    /// Classes F and G: a ticket that comes within the grace may still explain the look.
    pub fn is_weak(self) -> bool {
        self.evidence().is_weak()
    }

    /// Half a sentence, after "a look at a customer".
    pub fn sentence(self) -> &'static str {
        match self {
            Cell::Routed => "whose ticket was routed to them",
            Cell::Assigned => "whose ticket another person gave to them",
            Cell::ColleagueMade => "for whom a colleague wrote a ticket without contact and passed it on",
            Cell::Linked => "whose account was linked to a case of theirs",
            Cell::Picked => "whose ticket they picked from the queue",
            Cell::Contact => "with a verified contact",
            Cell::SelfMade => {
                "for whom they wrote the ticket without contact, or whose ticket is stale or reopened"
            }
            Cell::OthersCustomer => "whose ticket is somebody else's",
            Cell::Nothing => "to whom no live ticket leads",
        }
    }
}
