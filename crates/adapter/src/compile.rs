//! From the adapter file to what the way of a look uses.

use std::sync::Arc;

use http::Method;
use lol_html::Selector;

use crate::automaton::{Automaton, Mark};
use crate::canary;
use crate::html::{HtmlPlan, IdFrom, Role};
use crate::json::JsonPlan;
use crate::path;
use crate::route::{PathPattern, QueryPattern, Route, order};
use crate::schema::{At, FieldSet, File, IdDraft, Kind, PartDraft, Problems, RouteDraft, did_you_mean};
use crate::sheet::CsvPlan;
use crate::{Adapter, AdapterErrors, Part};

/// Compiles the text of an adapter file.
pub(crate) fn compile(file: &str, text: &str) -> Result<Adapter, AdapterErrors> {
    let mut problems = Problems::new(file, text);
    let draft = crate::schema::read(&mut problems);
    let routes: Vec<Route> =
        draft.routes.iter().filter_map(|route| compile_route(&draft, route, &mut problems)).collect();
    unique_names(&draft.routes, &mut problems);
    let canaries = draft.canaries.as_ref().and_then(|canaries| canary::compile(canaries, &mut problems));
    if problems.said.is_empty() {
        Ok(Adapter {
            name: draft.name,
            order: order(&routes).into(),
            routes: routes.into(),
            canaries: canaries.map(Arc::new),
        })
    } else {
        Err(AdapterErrors(problems.said))
    }
}

/// A route is found again by its name when its answer comes.
fn unique_names(routes: &[RouteDraft], problems: &mut Problems<'_>) {
    for (i, route) in routes.iter().enumerate() {
        if routes[..i].iter().any(|earlier| earlier.name.value == route.name.value) {
            problems.at(&route.name.span, format!("there are two routes called {:?}", route.name.value));
        }
    }
}

fn compile_route(file: &File, draft: &RouteDraft, problems: &mut Problems<'_>) -> Option<Route> {
    let before = problems.said.len();
    let known: Vec<&str> = file.sets.iter().map(|set| set.name.as_str()).collect();
    let mut sets = vec![&draft.own];
    for used in &draft.uses {
        match file.sets.iter().find(|set| set.name == used.value) {
            Some(set) => sets.push(set),
            None => problems.at(
                &used.span,
                format!("there are no [[fields]] {:?}{}", used.value, did_you_mean(&used.value, &known)),
            ),
        }
    }
    let paths = draft.paths.iter().filter_map(|path| ok(problems, path, PathPattern::parse)).collect();
    let query = draft
        .query
        .iter()
        .filter_map(|(key, value)| ok(problems, value, |value| QueryPattern::parse(key, value)))
        .collect();
    let methods = methods(draft, problems);
    let mut parts = Parts::default();
    let mut json = Automaton::new();
    let mut json_used = false;
    let mut html = Vec::new();
    let mut csv = CsvPlan::default();
    for set in &sets {
        json_used |= !set.json.is_empty() || set.parts.iter().any(|part| part.json.is_some());
        json_fields(set, &mut json, problems);
        html_fields(set, &mut html, problems);
        csv.columns.extend(set.csv.iter().cloned());
        csv.public.extend(set.public.iter().map(|name| name.value.clone()));
        for part in &set.parts {
            compile_part(part, &mut parts, &mut json, &mut html, &mut csv, problems);
        }
    }
    if problems.said.len() > before {
        return None;
    }
    let html_used = !html.is_empty();
    // On one element: whose it is has to be known before what it is.
    html.sort_by_key(|(_, role)| match role {
        Role::Part(_) => 0,
        Role::Id(_) => 1,
        Role::Class(_) | Role::Attribute(..) | Role::Public | Role::CatchAll => 2,
    });
    Some(Route {
        name: draft.name.value.clone(),
        kind: draft.kind,
        methods,
        paths,
        query,
        whole: draft.whole,
        html: html_used.then(|| HtmlPlan { roles: html, parts: parts.kinds.clone(), whole: parts.whole }),
        csv: (!csv.columns.is_empty()).then_some(csv),
        json: JsonPlan { automaton: json, parts: parts.kinds, whole: parts.whole },
        json_used,
    })
}

/// The parts of a route, as both engines number them.
#[derive(Default)]
struct Parts {
    kinds: Vec<Part>,
    whole: Option<usize>,
}

fn ok<T>(
    problems: &mut Problems<'_>,
    written: &At<String>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    parse(&written.value).map_err(|why| problems.at(&written.span, why)).ok()
}

fn methods(draft: &RouteDraft, problems: &mut Problems<'_>) -> Vec<Method> {
    let default = if draft.kind == Kind::Write { &[Method::POST][..] } else { &[Method::GET] };
    let mut methods: Vec<Method> = draft
        .methods
        .iter()
        .filter_map(|method| {
            ok(problems, method, |word| match word.parse() {
                Ok(method) if word.bytes().all(|b| b.is_ascii_uppercase()) => Ok(method),
                _ => Err(format!("{word:?} is not an HTTP method; write it in capitals")),
            })
        })
        .collect();
    if draft.methods.is_empty() {
        methods.extend_from_slice(default);
    }
    methods
}

fn json_path(problems: &mut Problems<'_>, written: &At<String>) -> Option<Vec<path::Step>> {
    ok(problems, written, |text| path::parse(text).map_err(|bad| bad.to_string()))
}

fn json_fields(set: &FieldSet, json: &mut Automaton, problems: &mut Problems<'_>) {
    for (written, class) in &set.json {
        if let Some(path) = json_path(problems, written) {
            json.add(&path, Mark::Class(*class));
        }
    }
    for public in &set.public {
        if public.value.starts_with('$') {
            if let Some(path) = json_path(problems, public) {
                json.add(&path, Mark::Public);
            }
        } else {
            json.add(&[path::Step::Below, path::Step::Name(public.value.clone())], Mark::Public);
        }
    }
}

fn selector(problems: &mut Problems<'_>, written: &At<String>) -> Option<Selector> {
    ok(problems, written, |text| {
        text.parse::<Selector>().map_err(|why| format!("{text:?} is not a selector that works here: {why}"))
    })
}

fn html_fields(set: &FieldSet, html: &mut Vec<(Selector, Role)>, problems: &mut Problems<'_>) {
    for field in &set.html {
        let role = match (field.class, &field.attr) {
            (Some(class), Some(attr)) => Role::Attribute(class, attr.to_ascii_lowercase()),
            (Some(class), None) => Role::Class(class),
            (None, _) => Role::Public,
        };
        html.extend(selector(problems, &field.select).map(|selector| (selector, role)));
    }
    for region in &set.catch_all {
        html.extend(selector(problems, region).map(|selector| (selector, Role::CatchAll)));
    }
}

fn compile_part(
    draft: &PartDraft,
    parts: &mut Parts,
    json: &mut Automaton,
    html: &mut Vec<(Selector, Role)>,
    csv: &mut CsvPlan,
    problems: &mut Problems<'_>,
) {
    let ids = [&draft.customer, &draft.ticket];
    if let Some(column) = draft.customer.as_ref().and_then(|id| id.column.clone()) {
        csv.customer = Some(column);
        csv.ticket = draft.ticket.as_ref().and_then(|id| id.column.clone());
        return;
    }
    let number = parts.kinds.len();
    parts.kinds.push(if draft.row { Part::Row } else { Part::Record });
    let mut below = Vec::new();
    match (&draft.select, &draft.json) {
        (Some(select), None) => {
            html.extend(selector(problems, select).map(|selector| (selector, Role::Part(number))));
        }
        (None, Some(written)) => {
            below = json_path(problems, written).unwrap_or_default();
            json.add(&below, Mark::Part(number));
        }
        (None, None) if !draft.row => parts.whole = Some(number),
        (None, None) => {
            return parts_problem(problems, ids, "a row needs \"select\", \"json\" or a \"column\"");
        }
        (Some(_), Some(_)) => {
            return parts_problem(problems, ids, "\"select\" and \"json\" exclude each other");
        }
    }
    for (id, is_customer) in [(&draft.customer, true), (&draft.ticket, false)] {
        let Some(id) = id else { continue };
        if let Some(written) = &id.json {
            let mark = if is_customer { Mark::CustomerOf(number) } else { Mark::TicketOf(number) };
            let path = json_path(problems, written).unwrap_or_default();
            json.add(&[below.clone(), path].concat(), mark);
            continue;
        }
        let from = IdFrom { part: number, is_customer, attr: id.attr.clone(), after: id.after.clone() };
        if let Some(written) = id.select.as_ref().or(draft.select.as_ref()) {
            html.extend(selector(problems, written).map(|selector| (selector, Role::Id(from))));
        }
    }
}

fn parts_problem(problems: &mut Problems<'_>, ids: [&Option<IdDraft>; 2], why: &str) {
    let span = ids
        .into_iter()
        .flatten()
        .find_map(|id| id.select.as_ref().or(id.json.as_ref()))
        .map_or(0..0, |written| written.span.clone());
    problems.at(&span, why);
}
