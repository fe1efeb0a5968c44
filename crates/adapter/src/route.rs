//! Routes: which requests they are for. Whatever a request does to look like another one (dots, doubled or
//! encoded slashes, doubled keys, method overrides), it is either read as the app reads it or not known.

use std::borrow::Cow;

use http::Method;
use model::entry::Action;
use model::{CustomerId, FieldClass, TicketId};

use crate::form;
use crate::html::HtmlPlan;
use crate::json::JsonPlan;
use crate::schema::Kind;
use crate::sheet::CsvPlan;
use crate::{Read, Recognised, Request};

/// A compiled route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) methods: Vec<Method>,
    pub(crate) paths: Vec<PathPattern>,
    pub(crate) query: Vec<QueryPattern>,
    /// The whole body is one value of this class.
    pub(crate) whole: Option<FieldClass>,
    pub(crate) json: JsonPlan,
    /// Whether the route says anything about JSON.
    pub(crate) json_used: bool,
    pub(crate) html: Option<HtmlPlan>,
    pub(crate) csv: Option<CsvPlan>,
}

/// `/customers/{customer}`, in segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Segment>);

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Capture(Capture),
    Rest,
}

/// What a captured text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Capture {
    Customer,
    Ticket,
    Other,
}

impl Capture {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix('{')?.strip_suffix('}')?;
        match name {
            "customer" => Some(Self::Customer),
            "ticket" => Some(Self::Ticket),
            _ if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                Some(Self::Other)
            }
            _ => None,
        }
    }
}

impl PathPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("the path {text:?} is to begin with /"));
        };
        let mut segments = Vec::new();
        let written: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        for (i, segment) in written.iter().enumerate() {
            segments.push(match *segment {
                "" => return Err(format!("the path {text:?} holds an empty segment")),
                s if s.starts_with("{*") && s.ends_with('}') && i + 1 == written.len() => Segment::Rest,
                s if !s.contains(['{', '}']) => Segment::Literal(s.to_owned()),
                s => Segment::Capture(Capture::parse(s).ok_or_else(|| {
                    format!("{s:?} in the path {text:?} is no segment; write {{customer}}, {{ticket}}, {{name}}, or {{*rest}} at the end")
                })?),
            });
        }
        Ok(Self(segments))
    }

    /// Patterns that say more come first: segment by segment a literal, a capture, the rest.
    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Capture(_) => 1,
            Segment::Rest => 2,
        };
        self.0.iter().map(rank).collect()
    }

    fn matches(&self, path: &[Cow<'_, str>]) -> Option<Captured> {
        let mut found = Captured::default();
        for (i, segment) in self.0.iter().enumerate() {
            match (segment, path.get(i)?) {
                (Segment::Rest, _) => return Some(found),
                (Segment::Literal(literal), there) if literal == there => {}
                (Segment::Literal(_), _) => return None,
                (Segment::Capture(capture), there) => found.take(*capture, there),
            }
        }
        (path.len() == self.0.len()).then_some(found)
    }

    /// Whether an app that does not care for case might take `path` for one of this pattern.
    fn might_match(&self, path: &[Cow<'_, str>]) -> bool {
        for (i, segment) in self.0.iter().enumerate() {
            match (segment, path.get(i)) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::Literal(literal), Some(there)) if literal.eq_ignore_ascii_case(there) => {}
                (Segment::Capture(_), Some(_)) => {}
                _ => return false,
            }
        }
        path.len() == self.0.len()
    }
}

/// `id = "{ticket}"` or `format = "html"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryPattern {
    key: String,
    value: QueryValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum QueryValue {
    Is(String),
    Capture(Capture),
}

impl QueryPattern {
    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, String> {
        let value = match Capture::parse(value) {
            Some(capture) => QueryValue::Capture(capture),
            None if value.contains(['{', '}']) => {
                return Err(format!(
                    "{value:?} is no condition; write a value, {{customer}}, {{ticket}} or {{any}}"
                ));
            }
            None => QueryValue::Is(value.to_owned()),
        };
        Ok(Self { key: key.to_owned(), value })
    }
}

#[derive(Debug, Default)]
struct Captured {
    customer: Option<CustomerId>,
    ticket: Option<TicketId>,
}

impl Captured {
    fn take(&mut self, capture: Capture, value: &str) {
        match capture {
            Capture::Customer => self.customer = Some(CustomerId::new(value)),
            Capture::Ticket => self.ticket = Some(TicketId::new(value)),
            Capture::Other => {}
        }
    }
}

impl Route {
    fn action(&self) -> Action {
        match self.kind {
            Kind::List => Action::List,
            Kind::Search => Action::Search,
            Kind::Export => Action::Export,
            Kind::Open | Kind::Record | Kind::Write => Action::View,
        }
    }

    fn matches(&self, pattern: &PathPattern, asked: &Asked<'_>) -> Option<Captured> {
        if !self.methods.contains(asked.method) {
            return None;
        }
        let mut found = pattern.matches(&asked.path)?;
        for condition in &self.query {
            let (_, value) = asked.arguments.iter().find(|(key, _)| *key == condition.key)?;
            match &condition.value {
                QueryValue::Is(wanted) if wanted == value => {}
                QueryValue::Is(_) => return None,
                QueryValue::Capture(_) if value.is_empty() => return None,
                QueryValue::Capture(capture) => found.take(*capture, value),
            }
        }
        Some(found)
    }

    /// Whether a key that this route looks at stands in the request in another case, or twice with different
    /// values: apps disagree on which one counts.
    fn is_ambiguous(&self, asked: &Asked<'_>) -> bool {
        self.query.iter().any(|condition| {
            let mut alike =
                asked.arguments.iter().filter(|(key, _)| key.eq_ignore_ascii_case(&condition.key));
            let Some((first_key, first)) = alike.next() else { return false };
            *first_key != condition.key || alike.any(|(key, value)| key != first_key || value != first)
        })
    }
}

/// A request in the form in which routes are compared with it.
struct Asked<'a> {
    method: &'a Method,
    path: Vec<Cow<'a, str>>,
    arguments: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Keys by which frameworks let a request say that it is of another method.
const METHOD_OVERRIDES: &[&str] = &["_method", "_httpmethod", "x-http-method-override", "x-http-method"];

impl<'a> Asked<'a> {
    /// None where different readers would read different things.
    fn new(request: &Request<'a>) -> Option<Self> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let mut segments = Vec::new();
        let raw = path.strip_prefix('/')?;
        let raw = raw.strip_suffix('/').unwrap_or(raw);
        if !raw.is_empty() {
            for segment in raw.split('/') {
                segments.push(plain_segment(segment)?);
            }
        }
        let mut arguments: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        arguments.extend(form::arguments(request.content_type, request.body)?);
        let overridden = arguments
            .iter()
            .any(|(key, _)| METHOD_OVERRIDES.iter().any(|word| key.eq_ignore_ascii_case(word)));
        let method = if *request.method == Method::HEAD { &Method::GET } else { request.method };
        (!overridden).then_some(Self { method, path: segments, arguments })
    }
}

/// A path segment without its percent encoding, if it is one segment to everybody.
fn plain_segment(raw: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode(raw)?;
    let dots = decoded.split(';').next().unwrap_or_default();
    let tricky = decoded.is_empty()
        || matches!(dots, "." | "..")
        || decoded.contains(|c: char| matches!(c, '/' | '\\' | '#' | '?') || c.is_control())
        // Still encoded after one decoding: the app may decode twice.
        || (decoded.contains('%') && percent_decode(&decoded).is_none_or(|twice| twice != decoded));
    (!tricky).then_some(decoded)
}

fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let value = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
        bytes.push(value(digits[0])? << 4 | value(digits[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Every path pattern with the route it belongs to, in order of preference.
pub(crate) fn order(routes: &[Route]) -> Vec<(PathPattern, usize)> {
    let mut patterns: Vec<(PathPattern, usize)> = routes
        .iter()
        .enumerate()
        .flat_map(|(i, route)| route.paths.iter().map(move |pattern| (pattern.clone(), i)))
        .collect();
    patterns.sort_by_key(|(pattern, i)| {
        let route = &routes[*i];
        (pattern.rank(), std::cmp::Reverse(route.query.len()), route.kind == Kind::Open, *i)
    });
    patterns
}

/// What a request asks for: the first route, in order of preference, that it matches.
pub(crate) fn recognise(
    routes: &[Route],
    order: &[(PathPattern, usize)],
    request: &Request<'_>,
) -> Recognised {
    let Some(asked) = Asked::new(request) else { return Recognised::Unknown };
    let mut matched = None;
    for (pattern, i) in order.iter().filter(|(pattern, _)| pattern.might_match(&asked.path)) {
        let route = &routes[*i];
        let only_in_another_case = matched.is_none() && pattern.matches(&asked.path).is_none();
        // The app may read the request in the way that leads there.
        if only_in_another_case || route.is_ambiguous(&asked) {
            return Recognised::Unknown;
        }
        matched = matched.or_else(|| Some((route, route.matches(pattern, &asked)?)));
    }
    let Some((route, found)) = matched else { return Recognised::Unknown };
    let read = Read {
        route: route.name.clone(),
        action: route.action(),
        customer: found.customer,
        ticket: found.ticket,
    };
    match route.kind {
        Kind::Open => Recognised::Open,
        Kind::Write => Recognised::Write(read),
        Kind::Record | Kind::List | Kind::Search | Kind::Export => Recognised::Read(read),
    }
}
