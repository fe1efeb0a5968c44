//! When tickets do not reach the log, colleagues show it: all of a sudden many looks have no ticket, of many people.
//!
//! For each share of looks that an outage may leave without a ticket, colleagues' looks are likelihood ratios against the
//! usual, multiplied up and begun anew whenever the product falls below 1 (Page's CUSUM), so that an outage shows after a few
//! looks whenever it begins. The probability of the look in hand is the mean over these outages and none.

use model::Timestamp;

use crate::baseline::Null;
use crate::cell::Cell;
use crate::clock::HOUR;

/// What share of looks an outage leaves without a ticket…
const SHARES: [f64; 4] = [0.1, 0.3, 0.6, 0.95];
/// …and how probable it is that one of these has just begun.
const PROBABLE: f64 = 0.001;
/// Whose look has shown an outage is not heard for so long: what befalls everybody shows in many people, and what one does
/// does not become usual for the others.
const DEAF: u64 = HOUR;
/// After so long without a look an outage is no news any more.
const FORGOTTEN: u64 = 4 * HOUR;
/// In which ways an outage shows: by tickets of which the beginning is missing, and by tickets that are missing.
const WAYS: usize = 2;

/// The way in which an outage would lead to this cell.
fn way(cell: Cell) -> Option<usize> {
    match cell {
        Cell::SelfMade => Some(0),
        Cell::OthersCustomer | Cell::Nothing => Some(1),
        Cell::Routed | Cell::Assigned | Cell::ColleagueMade | Cell::Linked | Cell::Picked | Cell::Contact => {
            None
        }
    }
}

/// What is told of a look: what explains it, or, 15 minutes later, what still does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The cell at first sight.
    AtOnce = 0,
    /// The weak cell to which no ticket has come.
    Later = 1,
}

impl Told {
    /// How probable a look is that shows this way.
    fn usual(self, null: &Null, at: usize) -> f64 {
        let cells = Cell::ALL.into_iter().filter(|cell| way(*cell) == Some(at));
        let probable = |cell: Cell| match self {
            Told::AtOnce => null.cells[cell as usize],
            Told::Later => null.unexplained(cell),
        };
        cells.map(probable).sum::<f64>().clamp(1e-5, 0.99)
    }
}

/// The products for one team or role, as logarithms.
#[derive(Debug, Clone, Copy, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Signal {
    #[n(0)]
    sums: [[f64; SHARES.len()]; WAYS],
    /// How often each has begun anew.
    #[n(1)]
    begun: [[u32; SHARES.len()]; WAYS],
    #[n(2)]
    last: Timestamp,
}

/// One person's part of the products of their team or role.
#[derive(Debug, Clone, Copy, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Part {
    #[n(0)]
    sums: [[f64; SHARES.len()]; WAYS],
    #[n(1)]
    begun: [[u32; SHARES.len()]; WAYS],
}

/// Until when a person is not heard, by what is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Deaf(#[n(0)] [Timestamp; 2]);

impl Deaf {
    /// Whether this look is heard.
    pub(crate) fn hears(&mut self, now: Timestamp, told: Told, cell: Option<Cell>) -> bool {
        let until = &mut self.0[told as usize];
        let heard = now >= *until;
        if heard && cell.is_some_and(|cell| way(cell).is_some()) {
            *until = Timestamp(now.0 + DEAF);
        }
        heard
    }
}

impl Signal {
    /// A look that is heard. `cell`: what it shows.
    pub(crate) fn see(
        &mut self,
        now: Timestamp,
        part: &mut Part,
        told: Told,
        cell: Option<Cell>,
        null: &Null,
    ) {
        let stale = self.is_stale(now);
        self.last = now;
        for at in 0..WAYS {
            let usual = told.usual(null, at);
            let shows = cell.and_then(way) == Some(at);
            for (i, share) in SHARES.into_iter().enumerate() {
                let share = share.max(usual);
                let more = if shows { (share / usual).ln() } else { ((1.0 - share) / (1.0 - usual)).ln() };
                let sum = if stale { more } else { self.sums[at][i] + more };
                if sum <= 0.0 || stale {
                    self.begun[at][i] = self.begun[at][i].wrapping_add(1);
                }
                self.sums[at][i] = sum.max(0.0);
                if part.begun[at][i] != self.begun[at][i] {
                    (part.sums[at][i], part.begun[at][i]) = (0.0, self.begun[at][i]);
                }
                if sum > 0.0 {
                    part.sums[at][i] += more;
                }
            }
        }
    }

    /// How many times likelier than usual a look of this weak cell is just now by what the others show; at least 1.
    pub(crate) fn excess(&self, now: Timestamp, part: &Part, told: Told, cell: Cell, null: &Null) -> f64 {
        let Some(at) = way(cell).filter(|_| !self.is_stale(now)) else { return 1.0 };
        let usual = told.usual(null, at);
        let (mut all, mut probable) = (1.0, usual);
        for (i, share) in SHARES.into_iter().enumerate() {
            let own = if part.begun[at][i] == self.begun[at][i] { part.sums[at][i].max(0.0) } else { 0.0 };
            let others = (self.sums[at][i] - own).max(0.0);
            let weight = PROBABLE * others.min(60.0).exp();
            all += weight;
            probable += weight * share.max(usual);
        }
        (probable / all / usual).max(1.0)
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        now.0.saturating_sub(self.last.0) > FORGOTTEN
    }
}
