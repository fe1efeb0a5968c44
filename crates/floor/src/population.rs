//! The people of the floor: customers and staff who do not exist, from a seed.

mod pools;

use std::collections::HashSet;

use model::{CustomerId, Role, StaffId, StaffRecord, StaffStatus, Tier};

use crate::dice::Dice;

/// How many customers the company has.
pub const CUSTOMERS: u32 = 10_000;

/// Everybody on the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// What everything was made from.
    pub seed: u64,
    /// The customers; the one with id `c-00001` is first, and so on.
    pub customers: Vec<Customer>,
    /// The staff; the one with id `s-01` is first, and so on.
    pub staff: Vec<Staff>,
    insider: usize,
}

/// A customer, and what the desk knows of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// What the desk calls them, `c-00001`.
    pub id: CustomerId,
    /// Their name.
    pub name: String,
    /// Under a domain that is reserved for examples.
    pub email: String,
    /// In a range that is reserved for fiction.
    pub phone: String,
    /// In a town that is not on a map.
    pub address: String,
    /// An IBAN with valid check digits, at a bank that cannot exist.
    pub account: String,
    /// What is in the account.
    pub balance: Cents,
    /// How much harm a look can do.
    pub tier: Tier,
    /// How long they have been a customer.
    pub since_days_ago: u32,
    /// What happened on the account, the newest first.
    pub activity: Vec<Activity>,
    /// What staff wrote about them.
    pub notes: Vec<String>,
}

/// Something that happened on an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub minutes_ago: u32,
    /// What, in words.
    pub what: String,
    /// How much moved, if anything did.
    pub amount: Option<Cents>,
}

/// An amount in euro cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(pub i64);

impl std::fmt::Display for Cents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (euros, cents) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        let digits = euros.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let sign = if self.0 < 0 { "−" } else { "" };
        write!(f, "{sign}€{grouped}.{cents:02}")
    }
}

/// A staff member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// What Sightline's ledger may know of them.
    pub record: StaffRecord,
    /// The name under which the desk signs them in.
    pub login: String,
    /// The name to show.
    pub name: String,
}

impl Population {
    /// The people that this seed stands for.
    pub fn generate(seed: u64) -> Self {
        let mut dice = Dice::branch(seed, 1);
        let mut addresses_taken = HashSet::with_capacity(CUSTOMERS as usize);
        let tiers = tiers(&mut dice);
        let customers: Vec<Customer> =
            (0..CUSTOMERS).map(|n| customer(n, tiers[n as usize], &mut addresses_taken, &mut dice)).collect();
        let staff = staff(&customers, &mut Dice::branch(seed, 2));
        let agents: Vec<usize> = (0..staff.len()).filter(|i| staff[*i].record.role == Role::Agent).collect();
        // The first agent is left for the person at the keyboard.
        let insider = *Dice::branch(seed, 3).pick(&agents[1..]);
        Self { seed, customers, staff, insider }
    }

    /// The one who will harvest. Nothing on the desk tells them from their colleagues.
    pub fn insider(&self) -> &Staff {
        &self.staff[self.insider]
    }
}

impl Customer {
    /// Somebody whom the desk takes in as its customer number `n`, with an account as others of the tier have.
    pub(crate) fn taken_in(n: u32, tier: Tier, [name, email, phone, address]: [String; 4]) -> Self {
        let mut dice = Dice::branch(u64::from(n), 4);
        Self { name, email, phone, address, ..customer(n, tier, &mut HashSet::new(), &mut dice) }
    }
}

/// Half a percent are of high value, and a few are protected.
fn tiers(dice: &mut Dice) -> Vec<Tier> {
    let mut tiers = vec![Tier::Standard; CUSTOMERS as usize];
    let mut mark = |tier, count| {
        let mut left = count;
        while left > 0 {
            let at = dice.below(tiers.len());
            if tiers[at] == Tier::Standard {
                tiers[at] = tier;
                left -= 1;
            }
        }
    };
    mark(Tier::HighValue, CUSTOMERS / 200);
    mark(Tier::Protected, 8);
    tiers
}

fn customer(n: u32, tier: Tier, addresses_taken: &mut HashSet<String>, dice: &mut Dice) -> Customer {
    let (given, family) = (*dice.pick(pools::GIVEN), *dice.pick(pools::FAMILY));
    let since_days_ago = dice.between(20, 2900);
    Customer {
        id: CustomerId::new(format!("c-{:05}", n + 1)),
        name: format!("{given} {family}"),
        email: email(given, family, addresses_taken, dice),
        phone: phone(dice),
        address: address(dice),
        account: iban(dice),
        balance: balance(tier, dice),
        tier,
        since_days_ago,
        activity: activity(since_days_ago, dice),
        notes: (0..dice.below(3)).map(|_| (*dice.pick(pools::NOTES)).to_owned()).collect(),
    }
}

fn email(given: &str, family: &str, taken: &mut HashSet<String>, dice: &mut Dice) -> String {
    let (given, family) = (pools::ascii(given), pools::ascii(family));
    let domain = dice.pick(pools::MAIL_DOMAINS);
    let local = match dice.below(4) {
        0 => format!("{given}.{family}"),
        1 => format!("{}.{family}", &given[..1]),
        2 => format!("{family}.{given}"),
        _ => format!("{given}{}", dice.between(60, 99)),
    };
    let mut address = format!("{local}@{domain}");
    let mut again = 1;
    while !taken.insert(address.clone()) {
        again += 1;
        address = format!("{local}{again}@{domain}");
    }
    address
}

/// Numbers that Ofcom, ARCEP, the Bundesnetzagentur and the NANPA set aside for drama.
fn phone(dice: &mut Dice) -> String {
    let n = dice.below(1000);
    match dice.below(6) {
        0 => format!("+44 20 7946 0{n:03}"),
        1 => format!("+44 7700 900{n:03}"),
        2 => format!("+44 161 496 0{n:03}"),
        3 => format!("+33 6 39 98 {:02} {:02}", n / 10, dice.below(100)),
        4 => format!("+49 30 23125 {n:03}"),
        _ => format!("+1 212 555 01{:02}", n % 100),
    }
}

fn address(dice: &mut Dice) -> String {
    let (town, code) = *dice.pick(pools::TOWNS);
    let letters = ["AB", "DE", "FG", "HJ", "LN", "PQ", "RS", "TU"];
    format!(
        "{} {}, {town} {code}{} {}{}",
        dice.between(1, 180),
        dice.pick(pools::STREETS),
        dice.between(1, 19),
        dice.between(1, 9),
        dice.pick(&letters),
    )
}

/// German bank codes do not begin with 0, and nobody has the British or Dutch bank code ZZZZ.
fn iban(dice: &mut Dice) -> String {
    let mut digits = |count: usize| -> String {
        (0..count).map(|_| char::from_digit(dice.below(10) as u32, 10).unwrap_or('0')).collect()
    };
    let (country, rest) = match digits(1).as_str() {
        "0" | "1" | "2" | "3" | "4" => ("DE", format!("0{}", digits(17))),
        "5" | "6" | "7" => ("GB", format!("ZZZZ{}", digits(14))),
        _ => ("NL", format!("ZZZZ{}", digits(10))),
    };
    let check = 98 - mod_97(&format!("{rest}{country}00"));
    let whole = format!("{country}{check:02}{rest}");
    let groups: Vec<&str> = (0..whole.len()).step_by(4).map(|i| &whole[i..whole.len().min(i + 4)]).collect();
    groups.join(" ")
}

/// ISO 13616: letters count as 10 to 35.
fn mod_97(text: &str) -> u32 {
    text.chars().filter_map(|c| c.to_digit(36)).fold(0, |rest, value| {
        let shifted = if value < 10 { rest * 10 } else { rest * 100 };
        (shifted + value) % 97
    })
}

fn balance(tier: Tier, dice: &mut Dice) -> Cents {
    let euros = match tier {
        Tier::Standard | Tier::Protected => (7.4 + 1.3 * dice.normal()).exp().min(180_000.0),
        Tier::HighValue => 400_000.0 * (0.9 * dice.normal()).exp().max(1.0),
    };
    Cents((euros * 100.0) as i64)
}

fn activity(since_days_ago: u32, dice: &mut Dice) -> Vec<Activity> {
    let mut minutes_ago = 0;
    let newest_first = (0..dice.between(3, 9)).map_while(|_| {
        minutes_ago += dice.between(30, 4 * 24 * 60);
        (minutes_ago < since_days_ago * 24 * 60).then(|| happened(minutes_ago, dice))
    });
    newest_first.collect()
}

fn happened(minutes_ago: u32, dice: &mut Dice) -> Activity {
    let amount =
        |dice: &mut Dice, typical: f64| Cents((typical * (0.8 * dice.normal()).exp() * 100.0) as i64);
    let (what, amount) = match dice.below(10) {
        0..=4 => (format!("Card payment, {}", dice.pick(pools::SHOPS)), Some(Cents(-amount(dice, 24.0).0))),
        5 => ("Transfer received".to_owned(), Some(amount(dice, 900.0))),
        6 => ("Transfer sent".to_owned(), Some(Cents(-amount(dice, 300.0).0))),
        7 => ("Signed in to the app".to_owned(), None),
        8 => ("Statement downloaded".to_owned(), None),
        _ => (format!("Direct debit, {}", dice.pick(pools::SHOPS)), Some(Cents(-amount(dice, 55.0).0))),
    };
    Activity { minutes_ago, what, amount }
}

/// The teams that agents work in; the desk routes tickets by them.
pub const TEAMS: [&str; 4] = ["payments", "cards", "accounts", "access"];

const IN_HOUSE: &str = "in-house";
const VENDORS: [&str; 2] = ["Larkmoor Services", "Tessel Support"];

/// Nobody of the staff shares a name with a customer or a colleague.
fn staff(customers: &[Customer], dice: &mut Dice) -> Vec<Staff> {
    let mut names_taken: HashSet<String> = customers.iter().map(|c| c.name.clone()).collect();
    let agents = (0..22).map(|n| {
        let employer = if n % 5 < 2 { IN_HOUSE } else { VENDORS[n % 2] };
        (Role::Agent, TEAMS[n % TEAMS.len()], employer)
    });
    let others = [
        (Role::Lead, "payments", IN_HOUSE),
        (Role::Lead, "accounts", IN_HOUSE),
        (Role::Qa, "quality", IN_HOUSE),
        (Role::Fraud, "fraud", IN_HOUSE),
        (Role::Analyst, "security", IN_HOUSE),
        (Role::Auditor, "audit", IN_HOUSE),
        (Role::Admin, "security", IN_HOUSE),
        (Role::Admin, "platform", IN_HOUSE),
    ];
    let posts = agents.chain(others).enumerate();
    posts
        .map(|(n, (role, team, employer))| {
            let (name, login) = loop {
                let (given, family) = (dice.pick(pools::GIVEN), dice.pick(pools::FAMILY));
                let name = format!("{given} {family}");
                if names_taken.insert(name.clone()) {
                    break (name, format!("{}.{}", pools::ascii(given), pools::ascii(family)));
                }
            };
            let site = if employer == IN_HOUSE { "Northmere" } else { "Hallowbridge" };
            let record = StaffRecord {
                staff: StaffId::new(format!("s-{:02}", n + 1)),
                role,
                team: team.to_owned(),
                employer: employer.to_owned(),
                site: Some(site.to_owned()),
                status: StaffStatus::Active,
                cleared_until: None,
            };
            Staff { record, login, name }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_seed_gives_others() {
        assert_eq!(Population::generate(7), Population::generate(7));
        assert_ne!(Population::generate(7).customers, Population::generate(8).customers);
    }

    #[test]
    fn there_are_ten_thousand_customers_of_whom_fifty_are_of_high_value() {
        let population = Population::generate(1);
        let of = |tier| population.customers.iter().filter(|c| c.tier == tier).count();
        assert_eq!((of(Tier::Standard), of(Tier::HighValue), of(Tier::Protected)), (9942, 50, 8));
        for (n, customer) in population.customers.iter().enumerate() {
            assert_eq!(customer.id.as_str(), format!("c-{:05}", n + 1));
        }
    }

    #[test]
    fn account_numbers_pass_the_iban_check_at_banks_that_cannot_exist() {
        for customer in Population::generate(2).customers {
            let account = customer.account.replace(' ', "");
            assert_eq!(mod_97(&format!("{}{}", &account[4..], &account[..4])), 1, "{account}");
            assert!(account[4..].starts_with('0') || account[4..].starts_with("ZZZZ"), "{account}");
        }
        assert_eq!(mod_97("WEST12345698765432GB82"), 1, "the example of ISO 13616");
    }

    #[test]
    fn addresses_are_unique_and_under_reserved_domains() {
        let customers = Population::generate(3).customers;
        let unique: HashSet<_> = customers.iter().map(|c| &c.email).collect();
        assert_eq!(unique.len(), customers.len());
        for customer in &customers {
            let (local, domain) = customer.email.split_once('@').unwrap();
            assert!(!local.is_empty() && local.is_ascii(), "{local}");
            assert!(domain.starts_with("example.") || domain.ends_with(".example"), "{domain}");
        }
    }

    #[test]
    fn thirty_staff_hold_the_posts_and_the_insider_is_an_agent_but_not_the_first() {
        for seed in 0..20 {
            let population = Population::generate(seed);
            let posts = |role| population.staff.iter().filter(|s| s.record.role == role).count();
            let logins: HashSet<_> = population.staff.iter().map(|s| &s.login).collect();
            assert_eq!((population.staff.len(), logins.len()), (30, 30));
            assert_eq!((posts(Role::Agent), posts(Role::Lead), posts(Role::Analyst)), (22, 2, 1));
            assert_eq!(posts(Role::Admin), 2, "some things take two");
            let employers: HashSet<_> = population.staff.iter().map(|s| &s.record.employer).collect();
            assert_eq!(employers.len(), 3);
            assert_eq!(population.insider().record.role, Role::Agent);
            assert_ne!(population.insider().record.staff.as_str(), "s-01");
        }
    }

    #[test]
    fn amounts_read_as_money() {
        assert_eq!(Cents(123_456_789).to_string(), "€1,234,567.89");
        assert_eq!(Cents(-5).to_string(), "−€0.05");
        assert_eq!(Cents(100_000).to_string(), "€1,000.00");
    }
}
