//! An ordinary day.

use model::{Role, Timestamp};

use super::HistorySettings;
use super::customers::Customers;
use super::sheet::{HOUR, Look, MINUTE, Sheet};
use super::staff::{Place, Roster};
use crate::dice::Dice;

/// Fields that every look at a case shows.
const ALWAYS: [&str; 3] = ["identity.name", "contact.email", "support.history"];
/// And those that it shows now and then.
const SOMETIMES: [(&str, f64); 6] = [
    ("contact.phone", 0.40),
    ("account.activity", 0.35),
    ("support.note", 0.30),
    ("account.balance", 0.25),
    ("contact.address", 0.12),
    ("kyc.document", 0.04),
];

/// The floor as it is today.
pub(super) struct World {
    pub(super) customers: Customers,
    pub(super) roster: Roster,
    seed: u64,
    pub(super) day: u32,
    /// Midnight.
    pub(super) begins: u64,
    /// When each shift begins; none for those who are off.
    pub(super) shifts: Vec<Option<u64>>,
    /// From which address and in which session.
    pub(super) seats: Vec<(String, String)>,
    /// Customers whom each has worked for lately.
    recent: Vec<Vec<String>>,
    /// A team whose tickets do not reach the log today.
    pub(super) outage: Option<usize>,
    busy: f64,
}

/// How a case comes to whoever works on it.
#[derive(Clone, Copy)]
enum Way {
    Routed,
    Assigned,
    Picked,
    /// On the telephone, verified; the ticket is written during the call.
    Call,
    /// Written by the agent without a contact, for example after a mail that was sent to them.
    OwnTicket,
}

impl World {
    pub(super) fn new(settings: &HistorySettings, customers: Customers, roster: Roster) -> Self {
        let count = roster.staff.len();
        Self {
            customers,
            roster,
            seed: settings.seed,
            day: 0,
            begins: 0,
            shifts: vec![None; count],
            seats: vec![(String::new(), String::new()); count],
            recent: vec![Vec::new(); count],
            outage: None,
            busy: 1.0,
        }
    }

    pub(super) fn begin(&mut self, day: u32, begins: Timestamp, dice: &mut Dice) {
        (self.day, self.begins) = (day, begins.0);
        let monday = if day.is_multiple_of(7) { 1.25 } else { 1.0 };
        self.busy = monday * (0.15 * dice.normal()).exp();
        // One day in twenty, of one team.
        self.outage = dice.chance(0.05).then(|| self.roster.staff[dice.below(self.roster.staff.len())].team);
        for place in 0..self.roster.staff.len() {
            self.shifts[place] = self.roster.shift(place, day, dice);
            // Networks change: a new address now and then, and from then on.
            if dice.chance(0.03) {
                self.roster.staff[place].ip = super::staff::address(dice);
            }
            self.seats[place] = (format!("w-{day}-{place}"), self.roster.staff[place].ip.clone());
        }
    }

    /// How many are at work.
    pub(super) fn at_work(&self) -> u64 {
        self.shifts.iter().flatten().count() as u64
    }

    pub(super) fn work(&mut self, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        for place in 0..self.roster.staff.len() {
            let Some(shift) = self.shifts[place] else { continue };
            // Each has dice of their own, so that what one does changes nothing for others.
            let part = 1_000_000 + u64::from(self.day) * 10_000 + place as u64;
            let mut dice_of_one = Dice::branch(self.seed, part);
            let begins = self.begins + shift;
            match self.roster.staff[place].role {
                Role::Qa => self.review(place, begins, sheet, &mut dice_of_one),
                Role::Fraud => self.investigate(place, begins, sheet, &mut dice_of_one),
                Role::Lead => self.cases(place, begins, 0.3, sheet, &mut dice_of_one),
                _ => self.cases(place, begins, 1.0, sheet, &mut dice_of_one),
            }
        }
        // Two devices at once are rare and honest: a laptop beside the desk.
        for place in 0..self.roster.staff.len() {
            if self.shifts[place].is_some() && dice.chance(0.004) {
                self.second_device(place, sheet, dice);
            }
        }
    }

    fn cases(&mut self, place: Place, begins: u64, share: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let staff = &self.roster.staff[place];
        let new = self.day < staff.joined + 14 && staff.joined > 0;
        let ramp = if new { 0.4 + 0.04 * f64::from(self.day - staff.joined) } else { 1.0 };
        let line = if staff.second_line { 0.6 } else { 1.0 };
        let mean = 24.0 * self.busy * staff.pace * share * ramp * line;
        let hv_share = if staff.second_line { 0.10 } else { 0.04 };
        for _ in 0..negative_binomial(mean, 5, dice) {
            let time = begins + working_time(dice);
            let high_value = dice.chance(hv_share);
            let way = match dice.unit() {
                p if p < 0.62 => Way::Routed,
                p if p < 0.70 => Way::Assigned,
                p if p < 0.82 => Way::Picked,
                p if p < 0.975 => Way::Call,
                _ => Way::OwnTicket,
            };
            self.case(place, time, way, high_value, sheet, dice);
        }
    }

    /// One case, from its ticket to its end.
    fn case(&mut self, place: Place, time: u64, way: Way, hv: bool, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let me = self.roster.name(place).to_owned();
        let customer = match self.recent[place].last() {
            Some(_) if dice.chance(0.18) => dice.pick(&self.recent[place]).clone(),
            _ => self.customers.of_ticket(hv, dice),
        };
        let ticket = sheet.new_ticket(false);
        let lost = self.outage == Some(self.roster.staff[place].team) && dice.chance(0.3);
        let waited = (dice.exponential(25.0) * MINUTE as f64) as u64 + MINUTE;
        let tell = |sheet: &mut Sheet<'_>, at: u64, what: &str, by: &str, to: Option<&str>| {
            if !lost {
                sheet.ticket(at, what, ticket, &customer, by, to);
            }
        };
        match way {
            Way::Routed => {
                tell(sheet, time.saturating_sub(waited), "opened", "customer", None);
                tell(sheet, time - MINUTE / 2, "assigned", "router", Some(&me));
            }
            Way::Assigned => {
                let lead = self.roster.lead(place);
                let by = if lead == place { "router" } else { self.roster.name(lead) };
                tell(sheet, time.saturating_sub(waited), "opened", "customer", None);
                tell(sheet, time - MINUTE / 2, "assigned", by, Some(&me));
            }
            Way::Picked => {
                tell(sheet, time.saturating_sub(waited), "opened", "customer", None);
                tell(sheet, time - MINUTE / 3, "picked", &me, Some(&me));
            }
            Way::Call => {
                // A third of calls are written down after the first look.
                let late = if dice.chance(0.33) { dice.below(9 * MINUTE as usize) as u64 } else { 0 };
                tell(sheet, time + late - 20_000, "opened", &me, None);
                tell(sheet, time + late - 10_000, "contact", "router", None);
            }
            Way::OwnTicket => tell(sheet, time - MINUTE, "opened", &me, None),
        }
        self.find(place, time, &customer, sheet, dice);
        self.look(place, time, &customer, Some(ticket).filter(|_| !lost), sheet, dice);
        let mut end = time + (2.0 * MINUTE as f64 + dice.exponential(6.0) * MINUTE as f64) as u64;
        if dice.chance(0.08) {
            // Looked at, put off to later.
            end += 40 * MINUTE;
        }
        tell(sheet, end, "acted", &me, None);
        match dice.unit() {
            p if p < 0.6 => tell(sheet, end + MINUTE, "closed", &me, None),
            p if p < 0.75 => {
                let other = self.roster.colleague(place, dice);
                let name = self.roster.name(other).to_owned();
                tell(sheet, end + MINUTE, "transferred", &me, Some(&name));
                let at_work = self.shifts[other].map(|s| self.begins + s).filter(|s| *s < end + 4 * HOUR);
                if let Some(shift) = at_work {
                    let takes_up =
                        (end + (dice.exponential(30.0) * MINUTE as f64) as u64 + 2 * MINUTE).max(shift);
                    self.look(other, takes_up, &customer, Some(ticket).filter(|_| !lost), sheet, dice);
                    if !dice.chance(0.1) {
                        tell(sheet, takes_up + 7 * MINUTE, "acted", &name, None);
                    }
                }
            }
            _ => {}
        }
        if dice.chance(0.05) && matches!(way, Way::Routed | Way::Assigned) {
            let linked = self.customers.somebody(dice);
            let lead = self.roster.lead(place);
            sheet.ticket(time + MINUTE, "linked", ticket, &linked, self.roster.name(lead), None);
            self.look(place, time + 2 * MINUTE, &linked, Some(ticket), sheet, dice);
        }
        let recent = &mut self.recent[place];
        recent.push(customer);
        if recent.len() > 60 {
            recent.remove(0);
        }
    }

    /// Most look their customer up first; some names are common, and now and then the wrong row is opened.
    fn find(&self, place: Place, time: u64, customer: &str, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        if !dice.chance(0.5) {
            return;
        }
        let others = if dice.chance(0.15) { dice.between(1, 6) } else { 0 };
        let rows: Vec<String> = (0..others).map(|_| self.customers.somebody(dice)).collect();
        for row in rows.iter().map(String::as_str).chain([customer]) {
            self.row(place, time - 8_000, row, sheet);
        }
        if let Some(wrong) = rows.first().filter(|_| dice.chance(0.04)) {
            self.look(place, time - 5_000, wrong, None, sheet, dice);
        }
    }

    pub(super) fn row(&self, place: Place, time: u64, customer: &str, sheet: &mut Sheet<'_>) {
        let (session, ip) = &self.seats[place];
        let staff = self.roster.name(place);
        let fields = &["identity.name"];
        sheet.look(&Look { time, staff, customer, action: "search", fields, ticket: None, session, ip });
    }

    pub(super) fn look(
        &self,
        place: Place,
        time: u64,
        customer: &str,
        ticket: Option<u64>,
        sheet: &mut Sheet<'_>,
        dice: &mut Dice,
    ) {
        let sometimes = SOMETIMES.iter().filter(|(_, p)| dice.chance(*p)).map(|(field, _)| *field);
        let fields: Vec<&str> = ALWAYS.into_iter().chain(sometimes).collect();
        let (session, ip) = &self.seats[place];
        let staff = self.roster.name(place);
        sheet.look(&Look { time, staff, customer, action: "view", fields: &fields, ticket, session, ip });
    }

    /// Quality review: forty customers of a list, whose tickets others have.
    fn review(&mut self, place: Place, begins: u64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        for _ in 0..negative_binomial(38.0, 8, dice) {
            let colleague = dice.below(self.recent.len());
            let theirs = dice.choose(&self.recent[colleague]).cloned();
            let customer = theirs.unwrap_or_else(|| self.customers.of_ticket(false, dice));
            self.look(place, begins + working_time(dice), &customer, None, sheet, dice);
        }
    }

    /// Fraud: a few cases a shift, each with accounts that lead from one to the next.
    fn investigate(&mut self, place: Place, begins: u64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        for _ in 0..dice.between(1, 3) {
            let me = self.roster.name(place).to_owned();
            let time = begins + working_time(dice);
            let customer = self.customers.of_ticket(dice.chance(0.1), dice);
            let ticket = sheet.new_ticket(false);
            sheet.ticket(time - 30 * MINUTE, "opened", ticket, &customer, "router", None);
            sheet.ticket(time - 20 * MINUTE, "assigned", ticket, &customer, "router", Some(&me));
            self.look(place, time, &customer, Some(ticket), sheet, dice);
            let mut at = time;
            for _ in 0..dice.between(8, 35) {
                at += 20_000 + dice.below(3 * MINUTE as usize) as u64;
                let next = self.customers.somebody(dice);
                sheet.ticket(at - 5_000, "linked", ticket, &next, &me, None);
                self.look(place, at, &next, Some(ticket), sheet, dice);
            }
            sheet.ticket(at + 5 * MINUTE, "acted", ticket, &customer, &me, None);
        }
    }

    fn second_device(&self, place: Place, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let Some(shift) = self.shifts[place] else { return };
        let (begins, ip) = (self.begins + shift + working_time(dice), super::staff::address(dice));
        let Some(customer) = dice.choose(&self.recent[place]) else { return };
        for n in 0..4 {
            let (session, ip) = match n % 2 {
                0 => (format!("d-{}-{place}", self.day), ip.clone()),
                _ => self.seats[place].clone(),
            };
            let staff = self.roster.name(place);
            let (time, action, fields) = (begins + n * MINUTE, "view", &ALWAYS);
            let (session, ip) = (&*session, &*ip);
            sheet.look(&Look { time, staff, customer, action, fields, ticket: None, session, ip });
        }
    }
}

/// Since the beginning of the shift: two humps and a break.
pub(super) fn working_time(dice: &mut Dice) -> u64 {
    let hours: f64 = if dice.chance(0.55) { 2.0 + 0.9 * dice.normal() } else { 6.0 + 0.9 * dice.normal() };
    (hours.clamp(0.1, 8.2) * HOUR as f64) as u64
}

/// A Poisson whose mean is drawn from a gamma with this shape.
pub(super) fn negative_binomial(mean: f64, shape: u32, dice: &mut Dice) -> u32 {
    let gamma: f64 = (0..shape).map(|_| dice.exponential(1.0)).sum::<f64>() / f64::from(shape);
    let (goal, mut sum, mut count) = (mean * gamma, dice.exponential(1.0), 0);
    while sum < goal && count < 500 {
        count += 1;
        sum += dice.exponential(1.0);
    }
    count
}
