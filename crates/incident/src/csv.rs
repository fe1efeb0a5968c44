//! Answers as CSV (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;
use std::io;

use views::{BlastRadius, Exposure, How, Reached};

/// A row for each customer within the blast radius: first those seen, then those in lists. Looks at
/// customers who were erased since have no name and come last, one row each.
pub fn blast_radius(radius: &BlastRadius, out: impl io::Write) -> Result<(), ::csv::Error> {
    let mut out = Sheet::new(out);
    out.row([
        "exposure",
        "app",
        "customer",
        "tier",
        "classes",
        "weakest_evidence",
        "times",
        "first",
        "last",
        "entries",
    ])?;
    for (exposure, customers) in [("look", &radius.seen), ("listing", &radius.listed)] {
        for reached in customers {
            out.row(reached_row(exposure, reached))?;
        }
    }
    for entry in &radius.erased {
        let unknown = String::new;
        out.row([
            "look".to_owned(),
            unknown(),
            "(erased)".to_owned(),
            unknown(),
            unknown(),
            unknown(),
            "1".to_owned(),
            unknown(),
            unknown(),
            entry.to_string(),
        ])?;
    }
    out.finish()
}

fn reached_row(exposure: &str, reached: &Reached) -> [String; 10] {
    let Reached { customer, classes, first, last, weakest, entries } = reached;
    [
        exposure.to_owned(),
        text(customer.app.as_ref()),
        customer.customer.to_string(),
        text(customer.tier),
        classes.to_string(),
        text(*weakest),
        entries.len().to_string(),
        first.to_string(),
        last.to_string(),
        entries.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
    ]
}

/// A row for each exposure.
pub fn who_saw(exposures: &[Exposure], out: impl io::Write) -> Result<(), ::csv::Error> {
    let mut out = Sheet::new(out);
    out.row([
        "time", "staff", "team", "employer", "app", "exposure", "action", "classes", "evidence", "purpose",
        "ticket", "session", "response", "entry",
    ])?;
    for exposure in exposures {
        out.row(exposure_row(exposure))?;
    }
    out.finish()
}

fn exposure_row(exposure: &Exposure) -> [String; 14] {
    let (kind, evidence, purpose, ticket) = match &exposure.how {
        How::Look { evidence, purpose, ticket, .. } => ("look", Some(*evidence), *purpose, ticket.as_ref()),
        How::Listing => ("listing", None, None, None),
    };
    let post = exposure.post.as_ref();
    [
        exposure.time.to_string(),
        exposure.staff.to_string(),
        text(post.map(|post| &post.team)),
        text(post.map(|post| &post.employer)),
        exposure.app.to_string(),
        kind.to_owned(),
        exposure.action.to_string(),
        exposure.classes.to_string(),
        text(evidence),
        text(purpose),
        text(ticket),
        exposure.session.to_string(),
        exposure.response.to_string(),
        exposure.index.to_string(),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A CSV file none of whose cells a spreadsheet takes for a formula.
struct Sheet<W: io::Write>(::csv::Writer<W>);

impl<W: io::Write> Sheet<W> {
    fn new(out: W) -> Self {
        Self(::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out))
    }

    fn row<S: AsRef<str>, const N: usize>(&mut self, cells: [S; N]) -> Result<(), ::csv::Error> {
        for cell in &cells {
            self.0.write_field(inert(cell.as_ref()).as_bytes())?;
        }
        self.0.write_record(None::<&[u8]>)
    }

    fn finish(mut self) -> Result<(), ::csv::Error> {
        Ok(self.0.flush()?)
    }
}

/// The cell, with an apostrophe in front of what a spreadsheet would calculate: customers and tickets
/// are named by other systems, and by whoever opened an account there.
fn inert(cell: &str) -> Cow<'_, str> {
    let first = cell.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').chars().next();
    let calculated = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    if calculated || cell.starts_with(['\t', '\r', '\n']) { format!("'{cell}").into() } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sheet(cells: [&str; 3]) -> String {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(&mut out);
        sheet.row(cells).unwrap();
        sheet.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_spreadsheet_would_calculate_is_text() {
        let formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "＝1+1"];
        for formula in formulas {
            assert!(inert(formula).starts_with('\''), "{formula:?}");
        }
        for text in ["c-9", "jane@example.com", "", "17", "a=b"] {
            assert_eq!(inert(text), text);
        }
        assert_eq!(
            sheet(["=HYPERLINK(\"//evil\",\"x\")", "a,b", "c"]),
            "\"'=HYPERLINK(\"\"//evil\"\",\"\"x\"\")\",\"a,b\",c\r\n"
        );
    }

    proptest! {
        #[test]
        fn no_cell_begins_like_a_formula_and_no_cell_breaks_out(a: String, b: String, c: String) {
            let text = sheet([&a, &b, &c]);
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 1);
            for (cell, given) in rows[0].iter().zip([&a, &b, &c]) {
                prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
                prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), given.strip_prefix('\'').unwrap_or(given));
            }
        }
    }
}
