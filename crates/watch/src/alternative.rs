//! What misuse looks like, by direction only: less that others vouch for, less done afterwards, more of high value.

use crate::baseline::{Null, Outcome};
use crate::cell::{CELLS, Cell};

/// In which direction looks differ under misuse: shares of cells, and of looks after which nothing is done.
pub(crate) struct Alternative {
    /// What part of the average it has.
    pub(crate) weight: f64,
    pub(crate) cells: [f64; CELLS],
    pub(crate) high_value: Option<f64>,
    idle: f64,
}

/// How many there are.
pub(crate) const ALTERNATIVES: usize = 6;
/// What misuse may look like. Their weights sum to one, and so do the shares of each.
pub(crate) const ALTERNATIVE: [Alternative; ALTERNATIVES] = [
    // No ticket.
    Alternative { weight: 0.24, cells: mostly(Cell::Nothing), high_value: None, idle: 0.9 },
    // No ticket, and the worthwhile customers.
    Alternative { weight: 0.2, cells: mostly(Cell::Nothing), high_value: Some(0.6), idle: 0.9 },
    // Tickets that the viewer wrote.
    Alternative { weight: 0.2, cells: mostly(Cell::SelfMade), high_value: None, idle: 0.7 },
    // Tickets that the viewer wrote, for the worthwhile customers.
    Alternative { weight: 0.16, cells: mostly(Cell::SelfMade), high_value: Some(0.5), idle: 0.7 },
    // Tickets that the viewer chose, for the worthwhile customers.
    Alternative { weight: 0.08, cells: mostly(Cell::Picked), high_value: Some(0.6), idle: 0.8 },
    // Tickets that somebody else gave.
    Alternative {
        weight: 0.12,
        cells: [0.02, 0.40, 0.45, 0.07, 0.02, 0.01, 0.01, 0.01, 0.01],
        high_value: None,
        idle: 0.8,
    },
];

/// Most looks in one cell; some, as chance has it, in others.
const fn mostly(cell: Cell) -> [f64; CELLS] {
    let mut cells = [0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.05, 0.05];
    cells[cell as usize] = 0.0;
    let (mut rest, mut i) = (0.0, 0);
    while i < CELLS {
        rest += cells[i];
        i += 1;
    }
    cells[cell as usize] = 1.0 - rest;
    cells
}

/// Cells with a smaller share are honest work in between, of which becomes what usually does.
const OF_MISUSE: f64 = 0.05;
/// Under misuse a ticket comes after a weak look this often…
const EXPLAINED_LATER: f64 = 0.04;
/// …and a look that a ticket explains follows at once this often.
const CORRECTED: f64 = 0.1;

impl Alternative {
    /// How probable it is under misuse that this became of a look to which no ticket came, as a multiple of the usual.
    pub(crate) fn outcome(&self, null: &Null, cell: Cell, outcome: Outcome) -> f64 {
        if self.cells[cell as usize] < OF_MISUSE {
            return 1.0;
        }
        let of = |is: bool, share: f64| if is { share } else { 1.0 - share };
        let usual = null.after[cell as usize][outcome.index()];
        let idle = of(outcome.idle, self.idle);
        if cell.is_weak() {
            idle * (1.0 - EXPLAINED_LATER) * of(outcome.corrected, CORRECTED) / usual
        } else {
            idle / usual
        }
    }
}
