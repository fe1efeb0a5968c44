//! Files as records.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::Value;

use crate::read::MAX_LINE;

/// How a file falls into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// With a line of column names.
    Csv,
    /// One document that holds a list.
    Json,
    /// One object a line.
    Jsonl,
    /// The combined log format of nginx and Apache; keys: `address`, `user`, `time`, `method`, `url`, `status`.
    Combined,
}

/// A record: a JSON value with paths into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Value);

impl From<Value> for Record {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// A record that cannot be read; the others can.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Not CSV, or more or fewer columns than names.
    #[error("not CSV: {0}")]
    Csv(#[from] csv::Error),
    /// Not a line of the combined log format.
    #[error("not a line of the combined log format")]
    Combined,
    /// A line without end.
    #[error("a line of more than {MAX_LINE} bytes")]
    TooLong,
    /// No list where the mapping says.
    #[error("there is no list at {0:?}")]
    NoList(String),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RecordError {
    /// Whether nothing can follow.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Io(_) | Self::NoList(_))
    }
}

impl Record {
    /// The text of a value by its path; none if there is none, or if it is a list or an object.
    pub fn get(&self, path: &str) -> Option<String> {
        match at(&self.0, path)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The record once for each element of the list at `path`, with the element in its place.
    pub(super) fn each(&self, path: &str) -> Vec<Record> {
        let Some(Value::Array(elements)) = at(&self.0, path) else { return vec![self.clone()] };
        let with = |element: &Value| {
            let mut record = self.0.clone();
            if let Some(place) = record.pointer_mut(&format!("/{}", path.replace('.', "/"))) {
                place.clone_from(element);
            }
            Record(record)
        };
        elements.iter().map(with).collect()
    }
}

/// A column may have dots in its name: the whole path is tried first.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    value.get(path).or_else(|| value.pointer(&format!("/{}", path.replace('.', "/"))))
}

/// The records of a file.
pub struct Records<'a>(Box<dyn Iterator<Item = Result<Record, RecordError>> + 'a>);

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

impl<'a> Records<'a> {
    /// From a file of this format. `list` says where in a JSON document the records are.
    pub fn new(format: Format, list: Option<&str>, from: impl BufRead + 'a) -> Self {
        Self(match format {
            Format::Csv => Box::new(csv_records(from)),
            Format::Json => Box::new(json_records(list, from)),
            Format::Jsonl => Box::new(text_lines(from).map(|line| Ok(Record(serde_json::from_str(&line?)?)))),
            Format::Combined => {
                Box::new(text_lines(from).map(|line| combined(&line?).ok_or(RecordError::Combined)))
            }
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, RecordError>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

fn csv_records<'a>(from: impl BufRead + 'a) -> impl Iterator<Item = Result<Record, RecordError>> + 'a {
    let mut reader = csv::Reader::from_reader(from);
    let names: Result<Vec<String>, _> =
        reader.headers().map(|h| h.iter().map(|n| n.trim_start_matches('\u{feff}').to_owned()).collect());
    let mut failed = None;
    let names = names.unwrap_or_else(|e| {
        failed = Some(Err(RecordError::Csv(e)));
        Vec::new()
    });
    failed.into_iter().chain(reader.into_records().map(move |row| {
        let row = row?;
        let cells = names.iter().zip(&row).map(|(name, cell)| (name.clone(), cell.into()));
        Ok(Record(Value::Object(cells.collect())))
    }))
}

/// A document is held whole: exports that are large come as JSON Lines.
fn json_records<'a>(
    list: Option<&str>,
    from: impl BufRead + 'a,
) -> Box<dyn Iterator<Item = Result<Record, RecordError>> + 'a> {
    let document: Value = match serde_json::from_reader(from) {
        Ok(document) => document,
        Err(e) => return Box::new(std::iter::once(Err(e.into()))),
    };
    let found = match list {
        Some(path) => at(&document, path).cloned(),
        None => Some(document),
    };
    match found {
        Some(Value::Array(records)) => Box::new(records.into_iter().map(|value| Ok(Record(value)))),
        _ => Box::new(std::iter::once(Err(RecordError::NoList(list.unwrap_or("the top").to_owned())))),
    }
}

fn text_lines<'a>(mut from: impl BufRead + 'a) -> impl Iterator<Item = Result<String, RecordError>> + 'a {
    let mut buffer = Vec::new();
    std::iter::from_fn(move || {
        loop {
            buffer.clear();
            let limit = MAX_LINE as u64 + 1;
            let read = io::Read::take(&mut from, limit).read_until(b'\n', &mut buffer);
            match read {
                Ok(0) => return None,
                Ok(n) if n as u64 == limit && buffer.last() != Some(&b'\n') => {
                    // The rest of the line goes too, without being held.
                    return Some(from.skip_until(b'\n').map_err(Into::into).and(Err(RecordError::TooLong)));
                }
                Ok(_) if buffer.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(String::from_utf8_lossy(buffer.trim_ascii()).into_owned())),
                Err(e) => return Some(Err(e.into())),
            }
        }
    })
}

/// `address - user [time] "METHOD url HTTP/1.1" status …`
fn combined(line: &str) -> Option<Record> {
    let (before, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once('"')?;
    let mut who = before.split(' ');
    let (address, user) = (who.next()?, who.nth(1)?);
    let mut request = request.split(' ');
    let (method, url) = (request.next()?, request.next()?);
    let status = rest.split_whitespace().next()?;
    let user = Some(user).filter(|user| *user != "-");
    let record = serde_json::json!({
        "address": address, "user": user, "time": time, "method": method, "url": url, "status": status,
    });
    Some(Record(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(format: Format, text: &str) -> Vec<Result<Record, RecordError>> {
        Records::new(format, None, text.as_bytes()).collect()
    }

    #[test]
    fn a_bad_record_does_not_stop_the_others() {
        let rows = all(Format::Csv, "a,b\n1,2\n3\n4,\"5,\n6\"\n");
        assert_eq!(rows.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(rows[2].as_ref().unwrap().get("b").as_deref(), Some("5,\n6"));
        let rows = all(Format::Jsonl, "{\"a\":{\"b\":[7]}}\n\nnot\n{\"a.b\":1}");
        assert_eq!(rows.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(rows[0].as_ref().unwrap().get("a.b.0").as_deref(), Some("7"));
        assert_eq!(rows[2].as_ref().unwrap().get("a.b").as_deref(), Some("1"));
    }

    #[test]
    fn a_line_of_nginx_is_taken_apart() {
        let line = r#"10.0.0.7 - anna [02/Mar/2026:10:00:00 +0100] "GET /customers/c-9?x=1 HTTP/1.1" 200 512 "-" "Mozilla""#;
        let rows = all(Format::Combined, line);
        let record = rows[0].as_ref().unwrap();
        assert_eq!(record.get("user").as_deref(), Some("anna"));
        assert_eq!(record.get("url").as_deref(), Some("/customers/c-9?x=1"));
        assert_eq!(record.get("status").as_deref(), Some("200"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_come_to_an_end(bytes: Vec<u8>) {
            for format in [Format::Csv, Format::Json, Format::Jsonl, Format::Combined] {
                let _ = Records::new(format, Some("a.b"), &bytes[..]).count();
            }
        }
    }
}
