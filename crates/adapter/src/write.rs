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

/// The sealed originals of a form, by the name of the field that each belongs to.
struct Sealed<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Sealed<'a> {
    /// What to send instead of `value`; none if it is no mask.
    fn original(
        &mut self,
        name: &str,
        value: &str,
        open: &mut Open<'_>,
    ) -> Result<Option<String>, MaskedWrite> {
        if !value.contains(MARK) {
            return Ok(None);
        }
        // Several controls may share a name: each seal is used once.
        for i in 0..self.0.len() {
            let (field, sealed) = self.0[i];
            if field == name
                && let Some(original) = open(name, sealed)
                && is_mask_of(value, &original)
            {
                self.0.remove(i);
                return Ok(Some(original));
            }
        }
        Err(refused(name))
    }
}

fn urlencoded(body: &[u8], open: &mut Open<'_>) -> Result<Restored, MaskedWrite> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(body).collect();
    let mut sealed = Sealed(
        pairs.iter().filter_map(|(name, value)| Some((name.strip_prefix(SEALED)?, value.as_ref()))).collect(),
    );
    let touched = pairs
        .iter()
        .any(|(name, value)| name.starts_with(SEALED) || name.contains(MARK) || value.contains(MARK));
    if !touched {
        return Ok(Restored { body: body.to_vec(), restored: 0 });
    }
    let mut restored = 0;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(name, _)| !name.starts_with(SEALED)) {
        match sealed.original(name, value, open)? {
            Some(original) => {
                restored += 1;
                form.append_pair(name, &original);
            }
            None => {
                form.append_pair(name, value);
            }
        }
    }
    Ok(Restored { body: form.finish().into_bytes(), restored })
}

fn parts_of(body: &[u8], parts: &[FormPart], open: &mut Open<'_>) -> Result<Restored, MaskedWrite> {
    let text = |part: &FormPart| std::str::from_utf8(&body[part.value.clone()]).unwrap_or_default();
    let mut sealed =
        Sealed(parts.iter().filter_map(|part| Some((part.name.strip_prefix(SEALED)?, text(part)))).collect());
    let mut out = Vec::with_capacity(body.len());
    let mut copied = 0;
    let mut restored = 0;
    for part in parts {
        if part.name.starts_with(SEALED) {
            out.extend_from_slice(&body[copied..part.whole.start]);
            copied = part.whole.end;
        } else if part.is_file {
            // A file is what the viewer has on their disk, not what a page showed.
        } else if let Some(original) = sealed.original(&part.name, text(part), open)? {
            restored += 1;
            out.extend_from_slice(&body[copied..part.value.start]);
            out.extend_from_slice(original.as_bytes());
            copied = part.value.end;
        }
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
