//! Where issued marks and looks come from: the installation's ledger, or files.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use incident::leak::{Covers, MOST_IDS, Shown, covers};
use model::{CustomerId, MarkId, StaffId, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use trace::together::Conclusion;
use trace::{Issued, MarkKey};

use super::Trace;
use crate::cli::{Place, Span};
use crate::command::{Command, Form, Print};
use crate::house::{self, Layout};
use crate::operate::{self, Desk};

/// Where everything comes from, as the options say.
pub(super) struct Sources<'a> {
    options: &'a Trace,
    /// Opened when something is asked of it.
    desk: Option<Desk>,
    /// What was asked, for the report.
    pub(super) said: Vec<String>,
    /// Lines that could not be read, and why.
    pub(super) skipped: Vec<String>,
}

/// An answer of the ledger, as far as it is needed here.
#[derive(Deserialize)]
struct Answered<T> {
    asked_as: u64,
    log: String,
    answer: T,
}

impl<'a> Sources<'a> {
    pub(super) fn new(options: &'a Trace) -> Self {
        Self { options, desk: None, said: Vec::new(), skipped: Vec::new() }
    }

    /// The key of the marks.
    pub(super) fn key(&self) -> Result<MarkKey, String> {
        match &self.options.key {
            Some(file) => house::key(file).map(MarkKey::new),
            None => Layout::of(&operate::site(&self.options.place)?.data).mark_key(),
        }
    }

    /// The marks to try.
    pub(super) fn issued(&mut self) -> Result<Vec<Issued>, String> {
        if let Some(file) = &self.options.candidates {
            let issued = read_issued(file, &self.options.span)?;
            self.said.push(format!("{} issued marks in {}", issued.len(), file.display()));
            return Ok(issued);
        }
        let answer: Answered<Vec<Issued>> =
            self.ask(&Command::IssuedMarks { span: self.options.span.into() })?;
        if answer.answer.is_empty() {
            return Err(
                "the ledger has no issued mark in that time; --from and --to may be too narrow, or the mark \
                        is switched off"
                    .into(),
            );
        }
        let n = answer.answer.len();
        self.said.push(format!(
            "{n} marks issued in the ledger {} (asked as entry {})",
            name(&answer.log),
            answer.asked_as
        ));
        Ok(answer.answer)
    }

    /// Whose looks cover these customers.
    pub(super) fn covers(&mut self, ids: Vec<String>) -> Result<Covers, String> {
        if ids.len() > MOST_IDS {
            return Err(format!("{} ids, and at most {MOST_IDS} are compared; cut the list", ids.len()));
        }
        if let Some(log) = &self.options.access_log {
            let shown = read_log(log, &self.options.span, &mut self.skipped)?;
            self.said.push(format!("{} looks in {}", shown.len(), log.display()));
            return Ok(covers(&ids, &shown));
        }
        let answer: Answered<Covers> = self.ask(&Command::Covers { ids, span: self.options.span.into() })?;
        self.said.push(format!(
            "looks in the ledger {} (asked as entry {})",
            name(&answer.log),
            answer.asked_as
        ));
        Ok(answer.answer)
    }

    /// The command lines that lead on from a conclusion.
    pub(super) fn next(&self, conclusion: &Conclusion) -> Vec<String> {
        let from_ledger = self.options.candidates.is_none() || self.options.access_log.is_none();
        if !from_ledger {
            return Vec::new();
        }
        let place = place(&self.options.place);
        let session =
            conclusion.session.iter().map(|s| format!("sightline blast-radius --session {s}{place}"));
        let staff = conclusion
            .staff
            .iter()
            .map(|s| format!("sightline blast-radius --staff {s}{place} --out evidence-{s}.tar.zst"));
        session.chain(staff).collect()
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &Command) -> Result<Answered<T>, String> {
        if self.desk.is_none() {
            self.desk = Some(Desk::open(&self.options.place)?);
        }
        // Filled two lines above.
        let desk = self.desk.as_ref().ok_or("the ledger did not open")?;
        let outcome = desk.ask(command, Form { print: Print::Json, width: 0 })?;
        serde_json::from_str(&outcome.text).map_err(|e| {
            format!("the running Sightline answers in another form ({e}): it is of another version")
        })
    }
}

/// A log by its name.
fn name(vkey: &str) -> &str {
    vkey.split('+').next().unwrap_or(vkey)
}

/// The options that lead to the same installation.
fn place(place: &Place) -> String {
    match &place.data {
        Some(dir) => format!(" --data {}", dir.display()),
        None if place.config == Path::new("sightline.toml") => String::new(),
        None => format!(" --config {}", place.config.display()),
    }
}

/// Ids as somebody typed them: one a line, or CSV with a column that is called `customer`, `customer_id` or `id`.
pub(super) fn ids(file: &Path) -> Result<Vec<String>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES).read_to_end(&mut text).map_err(|e| fail(&e))?;
    } else {
        let from = std::fs::File::open(file).map_err(|e| fail(&e))?;
        from.take(MOST_BYTES).read_to_end(&mut text).map_err(|e| fail(&e))?;
    }
    let found = ids_in(&text).map_err(|e| fail(&e))?;
    if found.is_empty() { Err(fail(&"no id in it")) } else { Ok(found) }
}

/// Bytes of a list of ids that are read.
const MOST_BYTES: u64 = 4 << 20;

fn ids_in(text: &[u8]) -> Result<Vec<String>, csv::Error> {
    let mut lines =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text);
    let (mut column, mut found) = (None, Vec::new());
    for line in lines.byte_records() {
        let line = line?;
        let cells: Vec<String> = line
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim_start_matches('\u{feff}').to_owned())
            .collect();
        let heading =
            |cell: &String| ["customer", "customer_id", "id"].contains(&cell.to_lowercase().as_str());
        if column.is_none() {
            let named = cells.iter().position(heading);
            column = Some(named.unwrap_or(0));
            if named.is_some() {
                continue;
            }
        }
        found.extend(column.and_then(|c| cells.get(c)).filter(|id| !id.is_empty()).cloned());
    }
    Ok(found)
}

/// A line of the list of issued marks.
#[derive(Deserialize)]
struct IssuedLine {
    mark: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    staff: String,
    #[serde(default)]
    from: String,
}

fn read_issued(file: &Path, span: &Span) -> Result<Vec<Issued>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|e| fail(&e))?;
    let mut issued = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, line) in reader.deserialize::<IssuedLine>().enumerate() {
        let at = |e: &dyn std::fmt::Display| format!("{}: line {}: {e}", file.display(), i + 2);
        let line = line.map_err(|e| fail(&e))?;
        let mark: MarkId = line.mark.parse().map_err(|e| at(&e))?;
        let session = Some(line.session).filter(|s| !s.is_empty()).map(|s| s.parse()).transpose();
        let from = Some(line.from).filter(|f| !f.is_empty());
        let from = from
            .map(|f| Timestamp::parse(&f).ok_or_else(|| at(&"from: not an RFC 3339 time")))
            .transpose()?;
        let staff = Some(line.staff).filter(|s| !s.is_empty()).map(StaffId::new);
        if within(from, span) && seen.insert(mark) {
            issued.push(Issued { mark, session: session.map_err(|e| at(&e))?, staff, from });
        }
    }
    if issued.is_empty() {
        return Err(fail(&"no issued mark in it in that time"));
    }
    Ok(issued)
}

fn within(time: Option<Timestamp>, span: &Span) -> bool {
    time.is_none_or(|t| span.from.is_none_or(|from| t >= from) && span.to.is_none_or(|to| t <= to))
}

/// A line of the access log; other kinds of lines and keys are passed over.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LogLine {
    Access {
        time: Timestamp,
        staff: StaffId,
        customer: CustomerId,
        #[serde(default)]
        action: String,
    },
    #[serde(other)]
    Other,
}

fn read_log(log: &Path, span: &Span, skipped: &mut Vec<String>) -> Result<Vec<Shown>, String> {
    let text = std::fs::read_to_string(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut shown = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(LogLine::Access { time, staff, customer, action }) if within(Some(time), span) => {
                let opened = !matches!(action.as_str(), "list" | "search");
                shown.push(Shown { staff, session: None, customer, time, opened });
            }
            Ok(_) => {}
            Err(e) => skipped.push(format!("{}: line {}: {e}", log.display(), i + 1)),
        }
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lines_or_a_column_of_a_table() {
        let read = |text: &str| ids_in(text.as_bytes()).unwrap_or_default();
        assert_eq!(read("a-1\n\n b-2 \n"), ["a-1", "b-2"]);
        assert_eq!(read("seen,Customer,who\n1,a-1,x\n2,b-2\n3\n"), ["a-1", "b-2"]);
        assert_eq!(read("\u{feff}id\r\na-1\r\n"), ["a-1"]);
        assert_eq!(read("a-1,first\nb-2,second"), ["a-1", "b-2"]);
        assert!(read("").is_empty());
    }
}
