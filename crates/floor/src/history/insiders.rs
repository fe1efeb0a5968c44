//! Insiders, as in the cases that became known and as they might be.

use model::Role;
use serde::Serialize;

use super::HistorySettings;
use super::day::{World, working_time};
use super::sheet::{HOUR, Look, MINUTE, Sheet};
use super::staff::{Place, Roster, address};
use crate::dice::Dice;

/// How somebody misuses their access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Forty customers a day without a ticket, filmed.
    K1,
    /// Fifteen a day between honest work.
    K2,
    /// A ring: a hub with 120 a day, four recruits with 30, and their lead with 10.
    C1,
    /// Customers of high value, found by a search sorted by balance; eight an hour.
    S1,
    /// Three a day with tickets that the viewer writes.
    S2,
    /// One named customer a day, for money.
    S3,
    /// One celebrity, once.
    S4,
    /// Twenty a night from another device: a session that was lent.
    S5,
    /// Six people with two a day each, who pass each other tickets that they wrote.
    S6,
    /// Somebody who leaves: 150 in the last two hours.
    S7,
    /// Every field of one's own tickets' customers.
    S8,
    /// Rows of searches, without opening any: 300 a day.
    S9,
    /// One a day at first, and five percent more each week.
    S10,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: &'static [Scenario] = &[
        Self::K1,
        Self::K2,
        Self::C1,
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::K1 => "k1",
            Self::K2 => "k2",
            Self::C1 => "c1",
            Self::S1 => "s1",
            Self::S2 => "s2",
            Self::S3 => "s3",
            Self::S4 => "s4",
            Self::S5 => "s5",
            Self::S6 => "s6",
            Self::S7 => "s7",
            Self::S8 => "s8",
            Self::S9 => "s9",
            Self::S10 => "s10",
        }
    }

    /// In a few words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::K1 => "no-ticket harvest, 40 a day",
            Self::K2 => "mixed harvest, 15 a day",
            Self::C1 => "ring of six, the hub 120 a day",
            Self::S1 => "high-value enumeration, 8 an hour",
            Self::S2 => "fabricated drip, 3 a day",
            Self::S3 => "lookup for hire, 1 a day",
            Self::S4 => "one celebrity, once",
            Self::S5 => "lent session, 20 a night",
            Self::S6 => "six who pass each other made-up tickets, 2 a day each",
            Self::S7 => "resigner, 150 in two hours",
            Self::S8 => "every field of one's own customers",
            Self::S9 => "rows of searches, 300 a day",
            Self::S10 => "1 a day, 5 % more each week",
        }
    }

    fn people(self) -> usize {
        match self {
            Self::C1 | Self::S6 => 6,
            _ => 1,
        }
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|s| s.word() == word.to_lowercase());
        found.copied().ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|s| s.word()).collect();
            format!("one of {}", all.join(", "))
        })
    }
}

/// A scenario to play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Insider {
    /// Which.
    pub scenario: Scenario,
    /// From which day on, from 0.
    pub begins: u32,
    /// Customers a day (an hour for S1), if not those of the scenario.
    pub rate: Option<f64>,
}

/// Who plays what: agents of the first line who were there from the beginning, nobody twice.
pub(super) fn cast(settings: &HistorySettings, roster: &Roster) -> Vec<(Insider, Vec<Place>)> {
    let mut dice = Dice::branch(settings.seed, 99);
    let mut free: Vec<Place> = (0..roster.staff.len())
        .filter(|p| {
            let s = &roster.staff[*p];
            s.role == Role::Agent && !s.second_line && s.joined == 0
        })
        .collect();
    let mut cast = Vec::new();
    for insider in &settings.insiders {
        let mut people: Vec<Place> = Vec::new();
        for _ in 0..insider.scenario.people() {
            if !free.is_empty() {
                people.push(free.swap_remove(dice.below(free.len())));
            }
        }
        if insider.scenario == Scenario::C1 && people.len() > 1 {
            let lead = roster.lead(people[0]);
            let last = people.len() - 1;
            people[last] = lead;
        }
        cast.push((*insider, people));
    }
    cast
}

/// Plays a day of it.
pub(super) fn play(
    insider: &Insider,
    people: &[Place],
    world: &World,
    sheet: &mut Sheet<'_>,
    dice: &mut Dice,
) {
    let Some(days) = world.day.checked_sub(insider.begins) else { return };
    for (n, place) in people.iter().enumerate() {
        let Some(shift) = world.shifts[*place] else { continue };
        let act = Act { place: *place, begins: world.begins + shift, world };
        let a_day = |usual: f64| insider.rate.unwrap_or(usual);
        match insider.scenario {
            Scenario::K1 => act.harvest(a_day(40.0), 0.05, sheet, dice),
            Scenario::K2 => act.harvest(a_day(15.0), 0.1, sheet, dice),
            Scenario::C1 => {
                let share = [1.0, 0.25, 0.25, 0.25, 0.25, 0.08][n.min(5)];
                act.harvest(a_day(120.0) * share, 0.3, sheet, dice);
            }
            Scenario::S1 => act.by_balance(a_day(8.0), sheet, dice),
            Scenario::S2 => act.made_up(a_day(3.0), None, sheet, dice),
            Scenario::S3 => act.harvest(a_day(1.0), 0.3, sheet, dice),
            Scenario::S4 => {
                if days == 0
                    || (days < 7
                        && sheet.exposures.iter().all(|e| e.staff.as_str() != world.roster.name(*place)))
                {
                    act.open(act.some_time(dice), &world.customers.name(0), sheet, dice);
                }
            }
            Scenario::S5 => act.at_night(a_day(20.0), sheet, dice),
            Scenario::S6 => act.made_up(a_day(2.0), Some(people[(n + 1) % people.len()]), sheet, dice),
            Scenario::S7 => {
                if days == 0
                    || (days < 7
                        && sheet.exposures.iter().all(|e| e.staff.as_str() != world.roster.name(*place)))
                {
                    act.last_hours(a_day(150.0), sheet, dice);
                }
            }
            Scenario::S8 => act.every_field(a_day(10.0), sheet, dice),
            Scenario::S9 => act.rows(a_day(300.0), sheet, dice),
            Scenario::S10 => {
                let weeks = f64::from(days / 7);
                act.harvest(a_day(1.0) * 1.05f64.powf(weeks), 0.1, sheet, dice);
            }
        }
    }
}

/// One person's doing on one day.
struct Act<'a> {
    place: Place,
    begins: u64,
    world: &'a World,
}

impl Act<'_> {
    fn some_time(&self, dice: &mut Dice) -> u64 {
        self.begins + working_time(dice)
    }

    fn open(&self, time: u64, customer: &str, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        self.world.look(self.place, time, customer, None, sheet, dice);
        sheet.exposed(time, self.world.roster.name(self.place), customer, false);
    }

    /// So many a day, at any time of the shift, without a ticket.
    fn harvest(&self, a_day: f64, high_value: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        for _ in 0..count(a_day, dice) {
            let customer = self.world.customers.anybody(dice.chance(high_value), dice);
            self.open(self.some_time(dice), &customer, sheet, dice);
        }
    }

    fn by_balance(&self, an_hour: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let mut time = self.begins + HOUR;
        while time < self.begins + 7 * HOUR {
            let rows: Vec<String> = (0..10).map(|_| self.world.customers.rich(dice)).collect();
            for row in &rows {
                self.world.row(self.place, time, row, sheet);
                sheet.exposed(time, self.world.roster.name(self.place), row, true);
            }
            let opened = count(an_hour, dice) as usize;
            for (n, row) in rows.iter().cycle().take(opened.min(rows.len())).enumerate() {
                self.open(time + (n as u64 + 1) * 5 * MINUTE, row, sheet, dice);
            }
            time += HOUR;
        }
    }

    /// Tickets that the viewer, or the one who passes them on, writes.
    fn made_up(&self, a_day: f64, from: Option<Place>, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        for _ in 0..count(a_day, dice) {
            let time = self.some_time(dice);
            let customer = self.world.customers.anybody(dice.chance(0.3), dice);
            let ticket = sheet.new_ticket(true);
            let me = self.world.roster.name(self.place);
            let by = from.map_or(me, |from| self.world.roster.name(from));
            sheet.ticket(time - 2 * MINUTE, "opened", ticket, &customer, by, None);
            if from.is_some() {
                sheet.ticket(time - MINUTE, "transferred", ticket, &customer, by, Some(me));
            }
            self.world.look(self.place, time, &customer, Some(ticket), sheet, dice);
            sheet.exposed(time, me, &customer, false);
            if dice.chance(0.5) {
                sheet.ticket(time + 5 * MINUTE, "acted", ticket, &customer, me, None);
            }
            sheet.ticket(time + 30 * MINUTE, "closed", ticket, &customer, me, None);
        }
    }

    fn at_night(&self, a_night: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let ip = address(&mut Dice::branch(self.place as u64, 4));
        let session = format!("w-{}-{}", self.world.day, self.place + 5000);
        let mut time = self.world.begins + HOUR + dice.below(HOUR as usize) as u64;
        for _ in 0..count(a_night, dice) {
            let customer = self.world.customers.anybody(dice.chance(0.2), dice);
            let staff = self.world.roster.name(self.place);
            let fields = &["identity.name", "contact.email", "contact.phone", "account.balance"];
            let (customer, session, ip) = (&*customer, &*session, &*ip);
            sheet.look(&Look { time, staff, customer, action: "view", fields, ticket: None, session, ip });
            sheet.exposed(time, staff, customer, false);
            time += MINUTE + dice.below(6 * MINUTE as usize) as u64;
        }
    }

    fn last_hours(&self, wanted: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let step = (2.0 * HOUR as f64 / wanted.max(1.0)) as u64;
        for n in 0..wanted as u64 {
            let customer = self.world.customers.anybody(dice.chance(0.1), dice);
            self.open(self.begins + 6 * HOUR + n * step, &customer, sheet, dice);
        }
    }

    /// Own tickets, routed and worked, and every field of them.
    fn every_field(&self, a_day: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        const EVERY: [&str; 10] = [
            "identity.name",
            "contact.email",
            "contact.phone",
            "contact.address",
            "account.id",
            "account.balance",
            "account.activity",
            "support.history",
            "support.note",
            "kyc.document",
        ];
        for _ in 0..count(a_day, dice) {
            let time = self.some_time(dice);
            let customer = self.world.customers.of_ticket(dice.chance(0.04), dice);
            let ticket = sheet.new_ticket(true);
            let staff = self.world.roster.name(self.place);
            sheet.ticket(time - 20 * MINUTE, "opened", ticket, &customer, "customer", None);
            sheet.ticket(time - MINUTE, "assigned", ticket, &customer, "router", Some(staff));
            let (session, ip) = &self.world.seats[self.place];
            let (fields, ticket_of, customer) = (&EVERY, Some(ticket), &*customer);
            sheet.look(&Look {
                time,
                staff,
                customer,
                action: "view",
                fields,
                ticket: ticket_of,
                session,
                ip,
            });
            sheet.exposed(time, staff, customer, false);
            sheet.ticket(time + 6 * MINUTE, "acted", ticket, customer, staff, None);
        }
    }

    fn rows(&self, a_day: f64, sheet: &mut Sheet<'_>, dice: &mut Dice) {
        let mut time = self.some_time(dice);
        for n in 0..a_day as u64 {
            if n % 10 == 0 {
                time += 30_000 + dice.below(MINUTE as usize) as u64;
            }
            let row = self.world.customers.somebody(dice);
            self.world.row(self.place, time, &row, sheet);
            sheet.exposed(time, self.world.roster.name(self.place), &row, true);
        }
    }
}

/// A whole number with this mean.
fn count(mean: f64, dice: &mut Dice) -> u32 {
    mean as u32 + u32::from(dice.chance(mean.fract()))
}
