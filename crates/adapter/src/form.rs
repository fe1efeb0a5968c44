//! The two ways in which HTML forms are sent.

use std::borrow::Cow;
use std::ops::Range;

/// Name and value of each field of a form, if the body is one; no field if it is not; none at all if it
/// claims to be one and cannot be read.
pub(crate) fn arguments<'a>(
    content_type: Option<&str>,
    body: &'a [u8],
) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
    match FormKind::of(content_type) {
        Some(FormKind::Urlencoded) => Some(url::form_urlencoded::parse(body).collect()),
        Some(FormKind::Multipart(boundary)) => {
            let parts = multipart(body, &boundary)?;
            let text = |range: Range<usize>| String::from_utf8_lossy(&body[range]);
            Some(
                parts
                    .into_iter()
                    .filter(|part| !part.is_file)
                    .map(|part| (Cow::Owned(part.name), text(part.value)))
                    .collect(),
            )
        }
        None => Some(Vec::new()),
    }
}

/// How a form is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FormKind {
    Urlencoded,
    /// With its boundary.
    Multipart(String),
}

impl FormKind {
    pub(crate) fn of(content_type: Option<&str>) -> Option<Self> {
        let content_type = content_type?;
        let essence = essence(content_type);
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Some(Self::Urlencoded);
        }
        if essence.eq_ignore_ascii_case("multipart/form-data") {
            return parameter(content_type, "boundary").map(Self::Multipart);
        }
        None
    }
}

/// `text/html` of `text/html; charset=utf-8`.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The value of a parameter of a content type or disposition, without its quotes.
pub(crate) fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next()? {
                        (i, '"') => break i + 1,
                        (_, '\\') => value.push(chars.next()?.1),
                        (_, c) => value.push(c),
                    }
                };
                (value, &quoted[end..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormPart {
    pub(crate) name: String,
    pub(crate) is_file: bool,
    /// From its delimiter to the next one.
    pub(crate) whole: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The parts of a multipart body (RFC 7578), or none if it is not one from the first byte to the last.
pub(crate) fn multipart(body: &[u8], boundary: &str) -> Option<Vec<FormPart>> {
    let delimiter = format!("--{boundary}");
    if boundary.is_empty() || !body.starts_with(delimiter.as_bytes()) {
        return None;
    }
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    let mut at = delimiter.len();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let head = at + rest.starts_with(b"\r\n").then_some(2)?;
        let value = head + find(&body[head..], b"\r\n\r\n")? + 4;
        let end = value + find(&body[value..], between.as_bytes())?;
        let headers = std::str::from_utf8(&body[head..value]).ok()?;
        let disposition = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        })?;
        parts.push(FormPart {
            name: parameter(disposition, "name")?,
            is_file: parameter(disposition, "filename").is_some(),
            whole: at - delimiter.len()..end + 2,
            value: value..end,
        });
        at = end + between.len();
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
