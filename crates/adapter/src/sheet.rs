//! CSV answers: columns by the names in the first line.

use model::FieldClass;

use crate::judge::{Judge, Owners, WHOLE};
use crate::mask::mask as looks;
use crate::{Gap, Masked, Part, Read, Treatment, Verdict, net};

/// What a route says about CSV.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvPlan {
    pub(crate) columns: Vec<(String, FieldClass)>,
    pub(crate) public: Vec<String>,
    /// The columns that hold the ids of the row's customer and ticket.
    pub(crate) customer: Option<String>,
    pub(crate) ticket: Option<String>,
}

/// Masks a CSV text. Quotes are written where they are needed, whatever the app did.
pub(crate) fn mask(
    plan: &CsvPlan,
    read: &Read,
    text: &str,
    treatment: &mut dyn Treatment,
) -> Result<Masked, csv::Error> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let classes: Vec<Option<FieldClass>> = header.iter().map(|name| plan.class(name)).collect();
    let column = |wanted: &Option<String>| header.iter().position(|name| Some(name) == wanted.as_deref());
    let (customer, ticket) = (column(&plan.customer), column(&plan.ticket));
    let rows: Vec<csv::StringRecord> = reader.into_records().collect::<Result<_, _>>()?;

    let mut owners = Owners::new(read, None, text.len());
    let row_owners: Vec<usize> = rows
        .iter()
        .map(|row| {
            let owner = owners.begin(ROW, Part::Row, WHOLE, 0);
            let cell = |column: Option<usize>| column.and_then(|i| row.get(i)).unwrap_or_default();
            owners.name_customer(owner, ROW, cell(customer));
            owners.name_ticket(owner, ROW, cell(ticket));
            owner
        })
        .collect();
    let mut judge = Judge::new(owners, treatment);
    let mut gaps = Vec::new();
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(text.len()));
    writer.write_record(&header)?;
    for ((number, row), owner) in rows.iter().enumerate().zip(row_owners) {
        for (cell, class) in row.iter().zip(&classes) {
            let hits = if class.is_none_or(net::may_hold_secrets) { net::hits(cell) } else { Vec::new() };
            let counts = |hit: &&net::Hit| class.is_none() || hit.kind.class().is_secret();
            let caught = hits.iter().find(counts);
            if let Some(hit) = caught {
                gaps.push(Gap { kind: hit.kind.word(), place: format!("row {}", number + 1) });
            }
            let class = caught.map(|hit| hit.kind.class()).or(*class).filter(|_| !cell.is_empty());
            let shown = class.is_none_or(|class| judge.verdict(owner, class) == Verdict::Show);
            match class.filter(|_| !shown) {
                Some(class) => writer.write_field(looks(class, cell))?,
                None => writer.write_field(cell)?,
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    let body = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    let (shown, masked) = judge.finish();
    Ok(Masked { body, shown, masked, gaps })
}

/// The number by which the rows of a sheet are known among an answer's parts.
const ROW: usize = 0;

impl CsvPlan {
    /// The class of a column; none if it is no personal data.
    fn class(&self, name: &str) -> Option<FieldClass> {
        let declared = self.columns.iter().find(|(column, _)| column == name).map(|(_, class)| *class);
        let is_id = [&self.customer, &self.ticket].into_iter().any(|id| id.as_deref() == Some(name));
        match declared {
            Some(class) => Some(class),
            None if is_id || self.public.iter().any(|column| column == name) => None,
            None => Some(FieldClass::Undeclared),
        }
    }
}
