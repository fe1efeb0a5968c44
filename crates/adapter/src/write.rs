//! Writes on their way to the app: a masked value that comes back unchanged is replaced by the original; one
//! that cannot be is refused. Never passed on: it would destroy the record.

use std::borrow::Cow;

use crate::form::{FormKind, FormPart, find, multipart};
use crate::mask::{MARK, is_mask_of};
use crate::scan::{BadJson, Cursor, MAX_DEPTH, unescape};
use crate::{MaskedWrite, Restored};

/// What the names of the hidden fields begin with that carry sealed originals.
pub const SEALED: &str = "sightline.sealed.";

type Open<'o> = dyn FnMut(&str, &str) -> Option<String> + 'o;

/// Puts masked values back.
pub(crate) fn restore(content_type: &str, body: &[u8], open: &mut Open<'_>) -> Result<Restored, MaskedWrite> {
    match FormKind::of(Some(content_type)) {
        Some(FormKind::Urlencoded) => urlencoded(body, open),
        Some(FormKind::Multipart(boundary)) => match multipart(body, &boundary) {
            Some(parts) => parts_of(body, &parts, open),
            None => as_it_is(body),
        },
        None => json_or_other(body),
    }
}

fn refused(field: &str) -> MaskedWrite {
    MaskedWrite { field: field.to_owned() }
}

/// A form as its fields came in, and the sealed originals in it.
struct Form<'a> {
    fields: Vec<(&'a str, &'a str)>,
    sealed: Vec<(&'a str, &'a str)>,
}

impl<'a> Form<'a> {
    fn new(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut form = Self { fields: Vec::new(), sealed: Vec::new() };
        for (name, value) in pairs {
            match name.strip_prefix(SEALED) {
                Some(field) => form.sealed.push((field, value)),
                None => form.fields.push((name, value)),
            }
        }
        form
    }

    /// What to send instead of field number `at`; none if it holds no mask.
    fn original(&self, at: usize, open: &mut Open<'_>) -> Result<Option<String>, MaskedWrite> {
        let (name, value) = self.fields[at];
        if name.contains(MARK) {
            return Err(refused("body"));
        }
        if !value.contains(MARK) {
            return Ok(None);
        }
        let mut originals: Vec<String> = self
            .sealed
            .iter()
            .filter(|(field, _)| *field == name)
            .filter_map(|(_, sealed)| open(name, sealed))
            .filter(|original| is_mask_of(value, original))
            .collect();
        // Controls that share a name (boxes to tick) may look alike once masked. They are told apart by their
        // order, and only where all of them came back.
        let alike =
            |until: usize| self.fields[..until].iter().filter(|field| **field == (name, value)).count();
        let one = originals.iter().all(|original| *original == originals[0]);
        let all_came_back = alike(self.fields.len()) == originals.len();
        match originals.is_empty() || !(one || all_came_back) {
            true => Err(refused(name)),
            false => Ok(Some(originals.swap_remove(if one { 0 } else { alike(at) }))),
        }
    }
}

fn urlencoded(body: &[u8], open: &mut Open<'_>) -> Result<Restored, MaskedWrite> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(body).collect();
    let touched = pairs
        .iter()
        .any(|(name, value)| name.starts_with(SEALED) || name.contains(MARK) || value.contains(MARK));
    if !touched {
        return Ok(Restored { body: body.to_vec(), restored: 0 });
    }
    let form = Form::new(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    let mut restored = 0;
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    for (at, (name, value)) in form.fields.iter().enumerate() {
        let original = form.original(at, open)?;
        restored += u32::from(original.is_some());
        written.append_pair(name, original.as_deref().unwrap_or(value));
    }
    Ok(Restored { body: written.finish().into_bytes(), restored })
}

fn parts_of(body: &[u8], parts: &[FormPart], open: &mut Open<'_>) -> Result<Restored, MaskedWrite> {
    // A file is what the viewer has on their disk, not what a page showed.
    let fields = || parts.iter().filter(|part| !part.is_file);
    let mut texts = Vec::new();
    for part in fields() {
        match std::str::from_utf8(&body[part.value.clone()]) {
            Ok(text) => texts.push((part.name.as_str(), text)),
            Err(_) => return as_it_is(body),
        }
    }
    let form = Form::new(texts.into_iter());
    let mut out = Vec::with_capacity(body.len());
    let (mut copied, mut restored, mut at) = (0, 0, 0);
    for part in fields() {
        if part.name.starts_with(SEALED) {
            out.extend_from_slice(&body[copied..part.whole.start]);
            copied = part.whole.end;
            continue;
        }
        if let Some(original) = form.original(at, open)? {
            restored += 1;
            out.extend_from_slice(&body[copied..part.value.start]);
            out.extend_from_slice(original.as_bytes());
            copied = part.value.end;
        }
        at += 1;
    }
    out.extend_from_slice(&body[copied..]);
    Ok(Restored { body: out, restored })
}

/// JSON carries no seals: a masked value in it is refused. So is one in anything else.
fn json_or_other(body: &[u8]) -> Result<Restored, MaskedWrite> {
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(found) = marked(text)
    {
        return match found {
            Some(place) => Err(refused(&place)),
            None => Ok(Restored { body: body.to_vec(), restored: 0 }),
        };
    }
    as_it_is(body)
}

/// A body that cannot be read further: passed on if no mark can be in it.
fn as_it_is(body: &[u8]) -> Result<Restored, MaskedWrite> {
    let escaped = find(&body.to_ascii_lowercase(), br"\u2022\u2022\u2022").is_some();
    match escaped || find(body, MARK.as_bytes()).is_some() {
        true => Err(refused("body")),
        false => Ok(Restored { body: body.to_vec(), restored: 0 }),
    }
}

/// Where in a JSON text the mark stands.
fn marked(text: &str) -> Result<Option<String>, BadJson> {
    let mut cursor = Cursor::new(text);
    cursor.skip_space();
    let found = marked_value(&mut cursor, "$", 0)?;
    if found.is_none() {
        cursor.finish()?;
    }
    Ok(found)
}

fn marked_value(cursor: &mut Cursor<'_>, place: &str, depth: usize) -> Result<Option<String>, BadJson> {
    let close = match cursor.peek() {
        Some(b'{') => b'}',
        Some(b'[') => b']',
        Some(b'"') => {
            let marked = unescape(cursor.string()?).contains(MARK);
            return Ok(marked.then(|| place.to_owned()));
        }
        Some(b'-' | b'0'..=b'9') => return cursor.number().map(|_| None),
        _ => return cursor.word().map(|_| None),
    };
    if depth == MAX_DEPTH {
        return cursor.fail("too many levels");
    }
    let _ = cursor.take(b'{') || cursor.take(b'[');
    cursor.skip_space();
    if cursor.take(close) {
        return Ok(None);
    }
    for index in 0usize.. {
        let inner = if close == b'}' {
            let name = unescape(cursor.string()?);
            if name.contains(MARK) {
                return Ok(Some(place.to_owned()));
            }
            cursor.skip_space();
            cursor.expect(b':', "expected a colon")?;
            cursor.skip_space();
            format!("{place}.{name}")
        } else {
            format!("{place}[{index}]")
        };
        if let Some(found) = marked_value(cursor, &inner, depth + 1)? {
            return Ok(Some(found));
        }
        cursor.skip_space();
        if cursor.take(close) {
            break;
        }
        cursor.expect(b',', "expected a comma or the end")?;
        cursor.skip_space();
    }
    Ok(None)
}
