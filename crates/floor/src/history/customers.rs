//! Whose tickets come in: a few customers often, most never.

use std::io;

use super::HistorySettings;
use super::sheet::Sheet;
use crate::dice::Dice;

/// The customers, by number.
#[derive(Debug, Clone)]
pub(super) struct Customers {
    count: u32,
    canaries: u32,
    /// One in so many is of high value.
    every: u32,
}

impl Customers {
    pub(super) fn new(settings: &HistorySettings) -> Self {
        Self { count: settings.customers.max(1000), canaries: settings.canaries, every: 200 }
    }

    /// Who is not standard; the others go without saying.
    pub(super) fn introduce(&self, sheet: &mut Sheet<'_>) -> io::Result<()> {
        for n in (0..self.count).step_by(self.every as usize) {
            let name = self.name(n);
            sheet.line(&format!(
                r#"{{"kind":"customer","customer":"{name}","tier":"high_value","canary":false}}"#
            ))?;
        }
        for n in 0..self.canaries {
            let name = self.name(self.count + n);
            sheet.line(&format!(
                r#"{{"kind":"customer","customer":"{name}","tier":"high_value","canary":true}}"#
            ))?;
        }
        Ok(())
    }

    pub(super) fn name(&self, n: u32) -> String {
        format!("c-{n:07}")
    }

    /// Whoever writes in: the top 1 % writes 16 % of tickets, the top 10 % writes 53 %.
    pub(super) fn of_ticket(&self, high_value: bool, dice: &mut Dice) -> String {
        let share = dice.unit();
        let (from, to) = match share {
            s if s < 0.16 => (0.0, 0.01),
            s if s < 0.53 => (0.01, 0.1),
            _ => (0.1, 1.0),
        };
        let n = (f64::from(self.count) * (from + (to - from) * dice.unit())) as u32;
        self.with_tier(n, high_value)
    }

    /// Anybody at all.
    pub(super) fn anybody(&self, high_value: bool, dice: &mut Dice) -> String {
        self.with_tier(dice.below(self.count as usize) as u32, high_value)
    }

    /// Anybody, as often of high value as customers are.
    pub(super) fn somebody(&self, dice: &mut Dice) -> String {
        self.name(dice.below(self.count as usize) as u32)
    }

    /// A row of a search for customers of high value: a canary now and then.
    pub(super) fn rich(&self, dice: &mut Dice) -> String {
        let rich = self.count / self.every;
        let n = dice.below((rich + self.canaries) as usize) as u32;
        if n < rich { self.name(n * self.every) } else { self.name(self.count + n - rich) }
    }

    fn with_tier(&self, n: u32, high_value: bool) -> String {
        let n = n.min(self.count - 1);
        let rich = n / self.every * self.every;
        self.name(match high_value {
            true => rich,
            false if n == rich => (n + 1).min(self.count - 1),
            false => n,
        })
    }
}
