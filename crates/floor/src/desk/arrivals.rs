//! The outside world: customers who write. It calls the store, as a mail server would.

use std::time::Duration;

use model::{CustomerId, TicketId, Tier, Timestamp};

use super::store::{Author, Refused, Status, Store, Ticket};
use super::talk::{self, Topic};
use crate::dice::Dice;

/// Tickets that the desk begins with: closed ones of the last month, and those of this morning.
const CLOSED_BEFORE: usize = 400;
const OPEN_AT_START: usize = 70;

/// The mean time between two messages of customers: 23 agents with 24 tickets a shift of eight hours.
pub(super) const GAP: Duration = Duration::from_secs(52);

/// One customer writes: mostly about something new, sometimes on a ticket that was answered.
pub(super) fn one_writes(store: &mut Store, dice: &mut Dice, now: Timestamp) {
    let answered = |t: &&Ticket| t.status == Status::Waiting;
    let waiting: Vec<TicketId> =
        store.tickets().iter().rev().filter(answered).map(|t| t.id.clone()).collect();
    let written = match dice.choose(&waiting) {
        Some(ticket) if dice.chance(0.25) => store.customer_writes(ticket, talk::follow_up(dice), now),
        _ => opens(store, dice, now).map(drop),
    };
    // Ids come from the store itself, so it knows them; a customer who cannot write tries again later.
    debug_assert_eq!(written, Ok(()));
}

/// Fills the desk with what happened before it began.
pub(super) fn history(store: &mut Store, dice: &mut Dice, now: Timestamp) {
    let minutes = |n: u32| Duration::from_secs(u64::from(n) * 60);
    let mut opened: Vec<(Timestamp, bool)> = Vec::with_capacity(CLOSED_BEFORE + OPEN_AT_START);
    opened.extend((0..CLOSED_BEFORE).map(|_| (now.minus(minutes(dice.between(600, 30 * 24 * 60))), true)));
    opened.extend((0..OPEN_AT_START).map(|_| (now.minus(minutes(dice.between(1, 400))), false)));
    opened.sort();
    let agents = store.agents();
    for (at, is_done) in opened {
        let Ok((ticket, topic)) = opens(store, dice, at) else { continue };
        if is_done {
            let routed = store.ticket(&ticket).and_then(|t| t.assignee.clone());
            let login = routed.unwrap_or_else(|| dice.pick(&agents).clone());
            let answered = at.plus(minutes(dice.between(5, 90)));
            let done = store
                .reply(&ticket, &login, topic.reply, answered)
                .and_then(|()| store.close(&ticket, &login, answered.plus(minutes(dice.between(1, 400)))));
            debug_assert_eq!(done, Ok(()));
        }
    }
    store.order_journal();
}

fn opens(store: &mut Store, dice: &mut Dice, at: Timestamp) -> Result<(TicketId, &'static Topic), Refused> {
    let customer = who_writes(store, dice);
    let topic = talk::topic(dice);
    let text = dice.pick(topic.openings);
    let id = store.open_ticket(Author::Customer, &customer, topic.team, topic.subject, text, at)?;
    Ok((id, topic))
}

/// Few customers write much: a hundredth of them a sixth of all tickets, a tenth of them half. And
/// customers of high value write more than their share.
fn who_writes(store: &Store, dice: &mut Dice) -> CustomerId {
    let special: Vec<_> = store.customers().iter().filter(|c| c.tier == Tier::HighValue).collect();
    if dice.chance(0.04)
        && let Some(customer) = dice.choose(&special)
    {
        return customer.id.clone();
    }
    let all = store.customers().len();
    let among = match dice.unit() {
        u if u < 0.16 => all / 100,
        u if u < 0.53 => all / 10,
        _ => all,
    };
    // A step that shares no factor with their number visits every customer once, out of order.
    let place = (dice.below(among) * 7919 + 4242) % all;
    store.customers()[place].id.clone()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::population::{CUSTOMERS, Population};

    #[test]
    fn a_tenth_of_the_customers_writes_half_of_the_tickets_and_nobody_writes_most() {
        let store = Store::new(Population::generate(1), Timestamp(0));
        let mut dice = Dice::new(1);
        let mut written: HashMap<CustomerId, u32> = HashMap::new();
        for _ in 0..20_000 {
            *written.entry(who_writes(&store, &mut dice)).or_default() += 1;
        }
        let mut counts: Vec<u32> = written.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let of_the_top = |customers: u32| counts.iter().take(customers as usize).sum::<u32>();
        assert!((3_000..5_000).contains(&of_the_top(CUSTOMERS / 100)), "{}", of_the_top(CUSTOMERS / 100));
        assert!((10_000..13_000).contains(&of_the_top(CUSTOMERS / 10)), "{}", of_the_top(CUSTOMERS / 10));
        assert!(of_the_top(1) < 100);
    }

    #[test]
    fn the_morning_begins_with_tickets_in_every_state_but_few_that_wait_for_somebody() {
        let mut store = Store::new(Population::generate(1), Timestamp(0));
        history(&mut store, &mut Dice::new(1), Timestamp(100 * 24 * 3_600_000));
        let count = |status| store.tickets().iter().filter(|t| t.status == status).count();
        assert_eq!((count(Status::Closed), count(Status::New) + count(Status::Open)), (400, 70));
        assert!(count(Status::New) < 20, "{}", count(Status::New));
    }
}
