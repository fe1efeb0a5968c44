//! What honest people do that looks odd.

use model::Role;

use super::day::{World, working_time};
use super::sheet::{HOUR, MINUTE, Sheet};
use super::staff::Place;
use crate::dice::Dice;

/// Lets everything odd happen that happens on this day.
pub(super) fn happen(world: &World, sheet: &mut Sheet<'_>, dice: &mut Dice) {
    for place in 0..world.roster.staff.len() {
        let Some(shift) = world.shifts[place] else { continue };
        if world.roster.staff[place].role != Role::Agent {
            continue;
        }
        if dice.chance(0.004) {
            help_a_colleague(world, place, shift, sheet, dice);
        }
        if dice.chance(0.001) {
            on_call(world, place, sheet, dice);
        }
    }
    if dice.chance(0.03) {
        incident(world, sheet, dice);
    }
}

/// Two to five customers of a colleague, who called across the desk.
fn help_a_colleague(world: &World, place: Place, shift: u64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
    let mut time = world.begins + shift + working_time(dice);
    let colleague = world.roster.colleague(place, dice);
    for _ in 0..dice.between(2, 5) {
        let customer = world.customers.of_ticket(dice.chance(0.04), dice);
        // The customer has a ticket, and it is the colleague's. One in five never had one.
        if dice.chance(0.8) {
            let ticket = sheet.new_ticket(false);
            let name = world.roster.name(colleague);
            sheet.ticket(time.saturating_sub(50 * MINUTE), "opened", ticket, &customer, "customer", None);
            sheet.ticket(
                time.saturating_sub(40 * MINUTE),
                "assigned",
                ticket,
                &customer,
                "router",
                Some(name),
            );
        }
        world.look(place, time, &customer, None, sheet, dice);
        time += MINUTE + dice.below(5 * MINUTE as usize) as u64;
    }
}

/// Paged at night, from home.
fn on_call(world: &World, place: Place, sheet: &mut Sheet<'_>, dice: &mut Dice) {
    let time = world.begins + 23 * HOUR + dice.below(50 * MINUTE as usize) as u64;
    let customer = world.customers.of_ticket(false, dice);
    let ticket = sheet.new_ticket(false);
    let name = world.roster.name(place);
    sheet.ticket(time - 10 * MINUTE, "opened", ticket, &customer, "router", None);
    sheet.ticket(time - 9 * MINUTE, "assigned", ticket, &customer, "router", Some(name));
    world.look(place, time, &customer, Some(ticket), sheet, dice);
    sheet.ticket(time + 10 * MINUTE, "acted", ticket, &customer, name, None);
}

/// Something broke for many: six agents of a team go through a list that a lead has linked to the incident.
fn incident(world: &World, sheet: &mut Sheet<'_>, dice: &mut Dice) {
    let first = dice.below(world.roster.staff.len());
    let team = world.roster.staff[first].team;
    let lead = world.roster.lead(first);
    let people: Vec<Place> = (0..world.roster.staff.len())
        .filter(|p| world.roster.staff[*p].team == team && world.roster.staff[*p].role == Role::Agent)
        .filter(|p| world.shifts[*p].is_some())
        .take(6)
        .collect();
    for place in people {
        let Some(shift) = world.shifts[place] else { continue };
        let ticket = sheet.new_ticket(false);
        let mut time = world.begins + shift + 2 * HOUR + dice.below(HOUR as usize) as u64;
        let (me, by) = (world.roster.name(place), world.roster.name(lead));
        let named = world.customers.somebody(dice);
        sheet.ticket(time - 20 * MINUTE, "opened", ticket, &named, "router", None);
        sheet.ticket(time - 15 * MINUTE, "assigned", ticket, &named, by, Some(me));
        for _ in 0..dice.between(50, 200) {
            let customer = world.customers.somebody(dice);
            sheet.ticket(time - 10_000, "linked", ticket, &customer, by, None);
            world.look(place, time, &customer, Some(ticket), sheet, dice);
            time += 30_000 + dice.below(2 * MINUTE as usize) as u64;
        }
        sheet.ticket(time, "acted", ticket, &named, me, None);
    }
}
