//! Lines of the log, kept until their time has come.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};

use model::{StaffId, Timestamp};

use super::Exposure;

pub(super) const MINUTE: u64 = 60_000;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// Writes lines in time order.
pub(super) struct Sheet<'a> {
    out: &'a mut dyn Write,
    waiting: VecDeque<(u64, String)>,
    next_ticket: [u32; 2],
    /// Nothing comes before this.
    written_until: u64,
    pub(super) lines: u64,
    pub(super) looks: u64,
    pub(super) exposures: Vec<Exposure>,
}

/// A look, or a row of a list.
pub(super) struct Look<'a> {
    pub(super) time: u64,
    pub(super) staff: &'a str,
    pub(super) customer: &'a str,
    pub(super) action: &'a str,
    pub(super) fields: &'a [&'a str],
    pub(super) ticket: Option<u64>,
    pub(super) session: &'a str,
    pub(super) ip: &'a str,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            waiting: VecDeque::new(),
            next_ticket: [0; 2],
            written_until: 0,
            lines: 0,
            looks: 0,
            exposures: Vec::new(),
        }
    }

    /// A line without a time, at once.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.lines += 1;
        writeln!(self.out, "{line}")
    }

    /// The number of a new ticket. Those of the insiders' own making are counted apart, so that nothing else
    /// depends on them, and mixed in, so that the numbers do not tell.
    pub(super) fn new_ticket(&mut self, by_insider: bool) -> u64 {
        let next = &mut self.next_ticket[usize::from(by_insider)];
        *next += 1;
        // Multiplying by an odd number permutes the residues of 2^32.
        u64::from((*next * 2 + u32::from(by_insider)).wrapping_mul(0x9e37_79b1))
    }

    pub(super) fn ticket(
        &mut self,
        time: u64,
        what: &str,
        ticket: u64,
        customer: &str,
        by: &str,
        to: Option<&str>,
    ) {
        let time = time.max(self.written_until);
        let mut line = format!(
            r#"{{"kind":"ticket","time":"{}","event":"{what}","ticket":"k-{ticket}","customer":"{customer}","by":"{by}""#,
            Timestamp(time)
        );
        if let Some(to) = to {
            // Writing to a String does not fail.
            let _ = write!(line, r#","to":"{to}""#);
        }
        line.push('}');
        self.waiting.push_back((time, line));
    }

    pub(super) fn look(&mut self, look: &Look<'_>) {
        let time = look.time.max(self.written_until);
        let ticket = look.ticket.map_or("null".to_owned(), |t| format!("\"k-{t}\""));
        let fields = look.fields.iter().map(|f| format!("\"{f}\"")).collect::<Vec<_>>().join(",");
        let Look { staff, customer, action, session, ip, .. } = look;
        self.waiting.push_back((
            time,
            format!(
                r#"{{"kind":"access","time":"{}","staff":"{staff}","customer":"{customer}","action":"{action}","fields":[{fields}],"ticket":{ticket},"session":"{session}","ip":"{ip}"}}"#,
                Timestamp(time)
            ),
        ));
        self.looks += u64::from(*action == "view");
    }

    /// An insider saw somebody without need.
    pub(super) fn exposed(&mut self, time: u64, staff: &str, customer: &str, listed: bool) {
        self.exposures.push(Exposure {
            time: Timestamp(time),
            staff: StaffId::new(staff),
            customer: customer.to_owned(),
            listed,
        });
    }

    /// Writes what happened before `until`; the rest waits.
    pub(super) fn flush_until(&mut self, until: Timestamp) -> io::Result<()> {
        self.waiting.make_contiguous().sort_by_key(|(time, _)| *time);
        while let Some((time, line)) = self.waiting.pop_front() {
            if time >= until.0 {
                self.waiting.push_front((time, line));
                break;
            }
            self.line(&line)?;
        }
        self.written_until = until.0;
        Ok(())
    }
}
