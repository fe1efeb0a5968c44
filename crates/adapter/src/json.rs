//! JSON answers: one pass over the bytes that knows at every place which paths lead there, and copies
//! what lies between masked values as it is.

use std::borrow::Cow;
use std::ops::Range;

use model::FieldClass;

use crate::automaton::{Active, Automaton, Mark};
use crate::judge::{Judge, Owners, WHOLE};
use crate::mask::mask as looks;
use crate::scan::{BadJson, Cursor, MAX_DEPTH, unescape};
use crate::{Gap, Masked, Part, Read, Treatment, Verdict, net};

/// What a route says about JSON.
#[derive(Debug, Clone)]
pub(crate) struct JsonPlan {
    pub(crate) automaton: Automaton,
    /// Whether each of the route's parts is a record or a row, by its index.
    pub(crate) parts: Vec<Part>,
    /// The part that is the answer as a whole.
    pub(crate) whole: Option<usize>,
}

/// A value that somebody may not be allowed to see.
struct Value<'a> {
    span: Range<usize>,
    raw: &'a str,
    class: FieldClass,
    owner: usize,
}

/// Masks a JSON text.
pub(crate) fn mask(
    plan: &JsonPlan,
    read: &Read,
    text: &str,
    treatment: &mut dyn Treatment,
) -> Result<Masked, BadJson> {
    let mut scanner = Scanner {
        cursor: Cursor::new(text),
        plan,
        active: Active::new(),
        owners: Owners::new(read, plan.whole, text.len()),
        values: Vec::with_capacity(text.len() / 64),
        gaps: Vec::new(),
    };
    plan.automaton.start(&mut scanner.active);
    scanner.cursor.skip_space();
    scanner.value(Inherited { from: 0, class: None, owner: WHOLE, public: false, depth: 0 })?;
    scanner.cursor.finish()?;

    let Scanner { owners, values, gaps, .. } = scanner;
    let mut gaps: Vec<Gap> =
        gaps.into_iter().map(|(kind, at)| Gap { kind, place: place(text, at) }).collect();
    let mut judge = Judge::new(owners, treatment);
    let mut body = Vec::with_capacity(text.len());
    let mut copied = 0;
    for value in values {
        let instead = match judge.verdict(value.owner, value.class) {
            Verdict::Mask | Verdict::Ask(_) => quoted(&looks(value.class, &unescape(value.raw))),
            Verdict::Show => match hide_secrets(&value, &mut judge) {
                Some((kinds, instead)) => {
                    gaps.extend(
                        kinds.into_iter().map(|kind| Gap { kind, place: place(text, value.span.start) }),
                    );
                    instead
                }
                None => continue,
            },
        };
        body.extend_from_slice(&text.as_bytes()[copied..value.span.start]);
        body.extend_from_slice(instead.as_bytes());
        copied = value.span.end;
    }
    body.extend_from_slice(&text.as_bytes()[copied..]);
    let (shown, masked) = judge.finish();
    Ok(Masked { body, shown, masked, gaps })
}

/// A shown value with the secrets in it masked, unless the treatment shows even those.
fn hide_secrets(value: &Value<'_>, judge: &mut Judge<'_>) -> Option<(Vec<&'static str>, String)> {
    if !net::may_hold_secrets(value.class) || !value.raw.starts_with('"') {
        return None;
    }
    let said = unescape(value.raw);
    let hits = net::secrets(&said);
    if hits.is_empty() {
        return None;
    }
    let hidden = net::hide(&said, &hits, |hit| judge.verdict(value.owner, hit.kind.class()));
    let kinds = hits.iter().map(|hit| hit.kind.word()).collect();
    Some((kinds, hidden.map_or_else(|| value.raw.to_owned(), |hidden| quoted(&hidden))))
}

#[allow(clippy::expect_used)]
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string can always be written as JSON")
}

struct Scanner<'a, 'p> {
    cursor: Cursor<'a>,
    plan: &'p JsonPlan,
    active: Active,
    owners: Owners,
    values: Vec<Value<'a>>,
    gaps: Vec<(&'static str, usize)>,
}

/// What a value has from the places above it.
#[derive(Clone, Copy)]
struct Inherited {
    /// Where its states begin in `active`.
    from: usize,
    class: Option<FieldClass>,
    owner: usize,
    /// An element of an array that is public.
    public: bool,
    depth: usize,
}

/// What the paths that lead to a value say about it.
#[derive(Clone, Copy, Default)]
struct Said {
    public: bool,
    customer_of: Option<usize>,
    ticket_of: Option<usize>,
}

impl<'a> Scanner<'a, '_> {
    fn value(&mut self, above: Inherited) -> Result<(), BadJson> {
        let start = self.cursor.at();
        let outer = above.owner;
        let (here, said) = self.consult(above, start);
        match self.cursor.peek() {
            Some(b'{') => self.object(here)?,
            Some(b'[') => self.array(here, said)?,
            Some(b'"') => {
                let raw = self.cursor.string()?;
                self.scalar(start, raw, here, said);
            }
            Some(b'-' | b'0'..=b'9') => {
                let raw = self.cursor.number()?;
                self.scalar(start, raw, here, said);
            }
            _ => {
                let raw = self.cursor.word()?;
                self.scalar(start, raw, here, said);
            }
        }
        if here.owner != outer {
            self.owners.end(here.owner, self.cursor.at());
        }
        Ok(())
    }

    fn consult(&mut self, above: Inherited, start: usize) -> (Inherited, Said) {
        let mut here = above;
        let mut said = Said { public: above.public, ..Said::default() };
        let mut class: Option<FieldClass> = None;
        for mark in self.plan.automaton.marks(&self.active[above.from..]) {
            match mark {
                // Of several, a secret wins, then the first one declared.
                Mark::Class(c) if class.is_none() || c.is_secret() => class = Some(c),
                Mark::Class(_) => {}
                Mark::Public => said.public = true,
                Mark::Part(kind) => {
                    here.owner = self.owners.begin(kind, self.plan.parts[kind], here.owner, start);
                }
                Mark::CustomerOf(kind) => said.customer_of = Some(kind),
                Mark::TicketOf(kind) => said.ticket_of = Some(kind),
            }
        }
        here.class = class.or(above.class);
        (here, said)
    }

    fn object(&mut self, here: Inherited) -> Result<(), BadJson> {
        let below = self.descend(here)?;
        if self.cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let start = self.cursor.at();
            let key = self.cursor.string()?;
            let name = unescape(key);
            self.key(start, key, &name, here);
            self.cursor.skip_space();
            self.cursor.expect(b':', "expected a colon")?;
            self.cursor.skip_space();
            self.plan.automaton.enter_name(&mut self.active, here.from, &name);
            self.value(below)?;
            self.active.truncate(below.from);
            self.cursor.skip_space();
            if self.cursor.take(b'}') {
                return Ok(());
            }
            self.cursor.expect(b',', "expected a comma or the end of an object")?;
            self.cursor.skip_space();
        }
    }

    fn array(&mut self, here: Inherited, said: Said) -> Result<(), BadJson> {
        let below = Inherited { public: said.public, ..self.descend(here)? };
        if self.cursor.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            self.plan.automaton.enter_index(&mut self.active, here.from, index);
            self.value(below)?;
            self.active.truncate(below.from);
            self.cursor.skip_space();
            if self.cursor.take(b']') {
                break;
            }
            self.cursor.expect(b',', "expected a comma or the end of an array")?;
            self.cursor.skip_space();
        }
        Ok(())
    }

    /// Past the opening bracket; what is within begins its states where those of this one end.
    fn descend(&mut self, here: Inherited) -> Result<Inherited, BadJson> {
        if here.depth == MAX_DEPTH {
            return self.cursor.fail("too many levels");
        }
        let _ = self.cursor.take(b'{') || self.cursor.take(b'[');
        self.cursor.skip_space();
        Ok(Inherited { from: self.active.len(), public: false, depth: here.depth + 1, ..here })
    }

    fn scalar(&mut self, start: usize, raw: &'a str, here: Inherited, said: Said) {
        if matches!(raw, "null" | "\"\"") {
            return;
        }
        if let Some(kind) = said.customer_of {
            self.owners.name_customer(here.owner, kind, &plain(raw));
        }
        if let Some(kind) = said.ticket_of {
            self.owners.name_ticket(here.owner, kind, &plain(raw));
        }
        let span = start..self.cursor.at();
        if let Some(class) = here.class {
            self.values.push(Value { span, raw, class, owner: here.owner });
            return;
        }
        let declared = said.public || said.customer_of.is_some() || said.ticket_of.is_some();
        let hits = net::hits(&plain(raw));
        self.gaps.extend(hits.iter().map(|hit| (hit.kind.word(), start)));
        let worst = hits.iter().map(|hit| hit.kind.class()).min_by_key(|class| !class.is_secret());
        if let Some(class) = worst.or((!declared).then_some(FieldClass::Undeclared)) {
            self.values.push(Value { span, raw, class, owner: here.owner });
        }
    }

    /// A key is shown as it is, unless the safety net sees data in it: some apps key by address.
    fn key(&mut self, start: usize, raw: &'a str, name: &str, here: Inherited) {
        if name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
            return;
        }
        if let Some(hit) = net::hits(name).first() {
            self.gaps.push((hit.kind.word(), start));
            let class = hit.kind.class();
            self.values.push(Value { span: start..self.cursor.at(), raw, class, owner: here.owner });
        }
    }
}

/// What a scalar says: a string without quotes and escapes, anything else as it is written.
fn plain(raw: &str) -> Cow<'_, str> {
    if raw.starts_with('"') { unescape(raw) } else { Cow::Borrowed(raw) }
}

/// The path of the value at a byte of a valid text. Names that hold data themselves are left out.
fn place(text: &str, target: usize) -> String {
    let mut cursor = Cursor::new(text);
    cursor.skip_space();
    let mut path = String::from("$");
    // The text was read before, so this walk cannot fail.
    let _ = walk_to(&mut cursor, target, &mut path);
    path
}

fn walk_to(cursor: &mut Cursor<'_>, target: usize, path: &mut String) -> Result<bool, BadJson> {
    if cursor.at() == target {
        return Ok(true);
    }
    let length = path.len();
    let close = match cursor.peek() {
        Some(b'{') => b'}',
        Some(b'[') => b']',
        Some(b'"') => return cursor.string().map(|_| false),
        Some(b'-' | b'0'..=b'9') => return cursor.number().map(|_| false),
        _ => return cursor.word().map(|_| false),
    };
    let _ = cursor.take(b'{') || cursor.take(b'[');
    cursor.skip_space();
    let mut index = 0;
    while !cursor.take(close) {
        if close == b'}' {
            if cursor.at() == target {
                path.push_str(".~");
                return Ok(true);
            }
            let name = unescape(cursor.string()?);
            path.push('.');
            path.push_str(if net::hits(&name).is_empty() { &name } else { "*" });
            cursor.skip_space();
            cursor.take(b':');
            cursor.skip_space();
        } else {
            path.push_str(&format!("[{index}]"));
            index += 1;
        }
        if walk_to(cursor, target, path)? {
            return Ok(true);
        }
        path.truncate(length);
        cursor.skip_space();
        cursor.take(b',');
        cursor.skip_space();
    }
    Ok(false)
}
