//! HTML answers: one pass of a streaming parser finds where values stand; what lies between them is copied
//! as it is.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use lol_html::html_content::{Comment, Element, TextChunk, TextType};
use lol_html::{DocumentContentHandlers, ElementContentHandlers, HtmlRewriter, Selector, Settings};
use model::FieldClass;

use crate::entity::decode;
use crate::judge::{Owners, WHOLE};
use crate::{Part, Read};

/// What a route says about HTML.
#[derive(Debug, Clone)]
pub(crate) struct HtmlPlan {
    pub(crate) roles: Vec<(Selector, Role)>,
    /// Whether each of the route's parts is a record or a row, by its index.
    pub(crate) parts: Vec<Part>,
    /// The part that is the answer as a whole.
    pub(crate) whole: Option<usize>,
}

/// What an element that a selector matches is.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    /// What is within is of this class.
    Class(FieldClass),
    /// This attribute of it is of this class.
    Attribute(FieldClass, String),
    /// What is within is no personal data.
    Public,
    /// What is within and not declared is masked.
    CatchAll,
    /// A part that belongs to one customer.
    Part(usize),
    /// It holds the id of a customer or ticket.
    Id(IdFrom),
}

/// Where in an element an id stands.
#[derive(Debug, Clone)]
pub(crate) struct IdFrom {
    pub(crate) part: usize,
    pub(crate) is_customer: bool,
    /// None: in its text.
    pub(crate) attr: Option<String>,
    /// The id follows this text, up to the next character that ids in addresses do not hold.
    pub(crate) after: Option<String>,
}

impl IdFrom {
    fn cut<'a>(&self, text: &'a str) -> Option<&'a str> {
        let Some(after) = &self.after else { return Some(text) };
        let (_, id) = text.split_once(after.as_str())?;
        Some(&id[..id.find(['&', '#', '?', '/', ';', ' ', '"', '\'']).unwrap_or(id.len())])
    }
}

/// Where values stand in a page.
pub(crate) struct Page {
    pub(crate) owners: Owners,
    pub(crate) fields: Vec<Field>,
    /// Where the adapter says that nothing is personal.
    pub(crate) public: Vec<Range<usize>>,
    /// Text outside declared elements that is written with character references.
    pub(crate) encoded: Vec<Range<usize>>,
}

/// A value: the content of an element, or an attribute.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) class: FieldClass,
    pub(crate) owner: usize,
    /// Where it is written. Several places where other elements stand between.
    pub(crate) places: Vec<Place>,
    /// Attributes on or within the element that may repeat it.
    pub(crate) echoes: Vec<Place>,
    /// The form control it is the value of.
    pub(crate) control: Option<Control>,
    /// Where a link that asks for it can stand.
    pub(crate) ask_at: Option<usize>,
}

/// A form control whose value is personal data.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The name under which the form sends it.
    pub(crate) name: String,
    /// Where a hidden field can stand.
    pub(crate) hidden_at: Option<usize>,
    /// Where it says that it is of a kind that takes no mask.
    pub(crate) kind_at: Option<Place>,
    /// Of a `select`: the value that is chosen.
    chosen: Option<String>,
    is_textarea: bool,
}

impl Control {
    /// What the form would send.
    pub(crate) fn value(&self, text: &str) -> String {
        // Parsers drop a newline right after the tag (HTML section 13.2.6.4.7).
        let text = text.strip_prefix('\n').filter(|_| self.is_textarea).unwrap_or(text);
        self.chosen.clone().unwrap_or_else(|| text.to_owned())
    }
}

/// A place where a value is written.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Text, or an attribute value between quotes.
    Text,
    /// An attribute value without quotes.
    Unquoted,
    /// A comment, a script: nobody reads it, so it is left out where it may not be shown.
    Hidden,
    /// The options of a `select`.
    Options,
}

/// Finds the values in a page.
pub(crate) fn scan(plan: &HtmlPlan, read: &Read, text: &str) -> Result<Page, String> {
    let state = Rc::new(RefCell::new(State {
        text: text.into(),
        open: Vec::new(),
        run: None,
        page: Page {
            owners: Owners::new(read, plan.whole, text.len()),
            fields: Vec::new(),
            public: Vec::new(),
            encoded: Vec::new(),
        },
    }));
    let mut settings = Settings::new();
    for (selector, role) in &plan.roles {
        let (state, parts) = (Rc::clone(&state), &plan.parts);
        let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
            matched(&state, element, role, parts);
            Ok(())
        });
        settings = settings.append_element_content_handler((Cow::Borrowed(selector), handler));
    }
    // Last, so that what an element is was said before its attributes are looked at.
    let every: Selector = "*".parse().map_err(|_| "the selector * is not understood".to_owned())?;
    let (elements, texts, comments) = (Rc::clone(&state), Rc::clone(&state), Rc::clone(&state));
    settings = settings
        .append_element_content_handler((
            Cow::Owned(every),
            ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                attributes(&elements, element);
                Ok(())
            }),
        ))
        .append_document_content_handler(
            DocumentContentHandlers::default()
                .text(move |chunk: &mut TextChunk<'_>| {
                    texts.borrow_mut().text(chunk);
                    Ok(())
                })
                .comments(move |comment: &mut Comment<'_>| {
                    comments.borrow_mut().comment(comment.source_location().bytes());
                    Ok(())
                }),
        );
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(text.as_bytes()).map_err(|error| error.to_string())?;
    rewriter.end().map_err(|error| error.to_string())?;
    let mut state = state.borrow_mut();
    state.close(0, text.len()..text.len());
    let empty = Page {
        owners: Owners::new(read, None, 0),
        fields: Vec::new(),
        public: Vec::new(),
        encoded: Vec::new(),
    };
    Ok(std::mem::replace(&mut state.page, empty))
}

struct State {
    text: Rc<str>,
    /// The open elements that some selector matched.
    open: Vec<Open>,
    /// The text node that is being read.
    run: Option<(Range<usize>, What)>,
    page: Page,
}

struct Open {
    start: usize,
    tag: String,
    region: Option<Region>,
    owner: Option<usize>,
    /// Its text is an id.
    id: Option<(IdFrom, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    /// What is within belongs to this field.
    Field(usize),
    Public,
    CatchAll,
}

impl State {
    fn owner(&self) -> usize {
        self.open.iter().rev().find_map(|open| open.owner).unwrap_or(WHOLE)
    }

    fn region(&self) -> Option<Region> {
        self.open.iter().rev().find_map(|open| open.region)
    }

    fn field(&mut self, class: FieldClass) -> usize {
        let owner = self.owner();
        self.page.fields.push(Field {
            class,
            owner,
            places: Vec::new(),
            echoes: Vec::new(),
            control: None,
            ask_at: None,
        });
        self.page.fields.len() - 1
    }

    fn raw(&self, span: &Range<usize>) -> &str {
        &self.text[span.clone()]
    }

    fn text(&mut self, chunk: &TextChunk<'_>) {
        let span = chunk.source_location().bytes();
        if !span.is_empty() {
            let what = match chunk.text_type() {
                TextType::Data | TextType::RCData => What::Text,
                _ => What::Hidden,
            };
            match &mut self.run {
                Some((run, _)) => run.end = span.end,
                None => self.run = Some((span, what)),
            }
        }
        if chunk.last_in_text_node() {
            self.finish_run();
        }
    }

    fn finish_run(&mut self) {
        let Some((span, what)) = self.run.take() else { return };
        let text = Rc::clone(&self.text);
        let raw = &text[span.clone()];
        for open in &mut self.open {
            if let Some((_, id)) = &mut open.id {
                id.push_str(&decode(raw).text);
            }
        }
        let blank = raw.trim().is_empty();
        let lead = raw.len() - raw.trim_start().len();
        let trimmed = span.start + lead..span.start + lead + raw.trim().len();
        match self.region() {
            Some(Region::Field(field)) => {
                let field = &mut self.page.fields[field];
                // What a control holds is kept to the letter: it is given back to the app.
                let kept = if field.control.is_some() { span } else { trimmed };
                if !blank {
                    field.places.push(Place { span: kept, what });
                }
            }
            Some(Region::CatchAll) if !blank => {
                let field = self.field(FieldClass::Undeclared);
                self.page.fields[field].places.push(Place { span: trimmed, what });
            }
            None if what == What::Text && raw.contains('&') => self.page.encoded.push(trimmed),
            Some(Region::Public | Region::CatchAll) | None => {}
        }
    }

    fn comment(&mut self, span: Range<usize>) {
        if let Some(Region::Field(_) | Region::CatchAll) = self.region() {
            let field = self.field(FieldClass::Undeclared);
            self.page.fields[field].places.push(Place { span, what: What::Hidden });
        }
    }

    /// Closes the open elements from number `depth` on.
    fn close(&mut self, depth: usize, end_tag: Range<usize>) {
        self.finish_run();
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { return };
            if let Some((from, id)) = &open.id {
                let owner = open.owner.unwrap_or_else(|| self.owner());
                name(&mut self.page.owners, owner, from, id);
            }
            if let Some(owner) = open.owner {
                self.page.owners.end(owner, end_tag.end);
            }
            match open.region {
                Some(Region::Public) => self.page.public.push(open.start..end_tag.end),
                Some(Region::Field(field)) => self.close_field(field, &open.tag, &end_tag),
                Some(Region::CatchAll) | None => {}
            }
        }
    }

    fn close_field(&mut self, field: usize, tag: &str, end_tag: &Range<usize>) {
        let field = &mut self.page.fields[field];
        if end_tag.is_empty() {
            return;
        }
        if let Some(control) = &mut field.control {
            control.hidden_at = Some(end_tag.end);
            field.ask_at = Some(end_tag.end);
            if tag == "select"
                && let Some(first) = field.places.first()
            {
                let span = first.span.start..end_tag.start;
                field.places = vec![Place { span, what: What::Options }];
            }
            return;
        }
        field.ask_at = match tag {
            "title" | "option" | "script" | "style" | "noscript" | "iframe" => None,
            "tr" | "table" | "tbody" | "thead" | "tfoot" | "ul" | "ol" | "dl" => None,
            "a" | "button" | "label" => Some(end_tag.end),
            _ => Some(end_tag.start),
        };
    }
}

fn name(owners: &mut Owners, owner: usize, from: &IdFrom, text: &str) {
    if let Some(id) = from.cut(text) {
        match from.is_customer {
            true => owners.name_customer(owner, from.part, id),
            false => owners.name_ticket(owner, from.part, id),
        }
    }
}

/// The entry of an element in the list of open ones; none if it has no content.
fn open(state: &Rc<RefCell<State>>, element: &mut Element<'_, '_>) -> Option<usize> {
    let start = element.source_location().bytes().start;
    let mut here = state.borrow_mut();
    if here.open.last().is_some_and(|open| open.start == start) {
        return Some(here.open.len() - 1);
    }
    if !element.can_have_content() {
        return None;
    }
    let depth = here.open.len();
    here.finish_run();
    here.open.push(Open { start, tag: element.tag_name(), region: None, owner: None, id: None });
    let state = Rc::clone(state);
    // Called with the end tag that really closes the element, be it its own or that of one around it.
    let closing = element.on_end_tag(Box::new(move |end| {
        state.borrow_mut().close(depth, end.source_location().bytes());
        Ok(())
    }));
    closing.is_ok().then_some(depth)
}

/// An element that a selector of the route matches.
fn matched(state: &Rc<RefCell<State>>, element: &mut Element<'_, '_>, role: &Role, parts: &[Part]) {
    let start = element.source_location().bytes().start;
    let depth = match role {
        Role::Attribute(..) => None,
        Role::Id(IdFrom { attr: Some(_), .. }) => None,
        _ => open(state, element),
    };
    let mut state = state.borrow_mut();
    match (role, depth) {
        (Role::Class(class), Some(depth)) => {
            // Of several declarations of one element a secret wins, then public, then the first class.
            match state.open[depth].region {
                Some(Region::Field(field)) if class.is_secret() => state.page.fields[field].class = *class,
                Some(Region::Field(_)) => {}
                Some(Region::Public) if !class.is_secret() => {}
                Some(Region::Public | Region::CatchAll) | None => {
                    let field = state.field(*class);
                    state.open[depth].region = Some(Region::Field(field));
                    state.page.fields[field].control = control(element);
                }
            }
        }
        (Role::Class(class), None) => add_attribute(&mut state, element, *class, "value"),
        (Role::Attribute(class, attr), _) => add_attribute(&mut state, element, *class, attr),
        (Role::Public, Some(depth)) => {
            let secret = match state.open[depth].region {
                Some(Region::Field(field)) => state.page.fields[field].class.is_secret(),
                Some(Region::Public | Region::CatchAll) | None => false,
            };
            if !secret {
                state.open[depth].region = Some(Region::Public);
            }
        }
        (Role::CatchAll, Some(depth)) => {
            state.open[depth].region.get_or_insert(Region::CatchAll);
        }
        (Role::Part(kind), Some(depth)) => {
            let parent = state.owner();
            let owner = state.page.owners.begin(*kind, parts[*kind], parent, start);
            state.open[depth].owner = Some(owner);
        }
        (Role::Id(from), depth) => match (&from.attr, depth) {
            (Some(attr), _) => {
                if let Some(value) = element.get_attribute(attr) {
                    let owner = state.owner();
                    name(&mut state.page.owners, owner, from, &decode(&value).text);
                }
            }
            (None, Some(depth)) => state.open[depth].id = Some((from.clone(), String::new())),
            (None, None) => {}
        },
        (Role::Public, None) => state.page.public.push(element.source_location().bytes()),
        (Role::CatchAll | Role::Part(_), None) => {}
    }
}

/// The control that an element is, if it is one that holds its value as content.
fn control(element: &Element<'_, '_>) -> Option<Control> {
    matches!(element.tag_name().as_str(), "textarea" | "select")
        .then(|| Control { name: attribute(element, "name").unwrap_or_default(), ..Control::default() })
}

fn attribute(element: &Element<'_, '_>, name: &str) -> Option<String> {
    element.get_attribute(name).map(|value| decode(&value).text.into_owned())
}

/// Where the attributes of this name stand. Browsers count the first of several; none is to leak.
fn places(state: &State, element: &Element<'_, '_>, wanted: impl Fn(&str) -> bool) -> Vec<(String, Place)> {
    let mut places = Vec::new();
    for attribute in element.attributes() {
        let name = attribute.name();
        if let Some(location) = attribute.value_source_location().filter(|_| wanted(&name)) {
            let span = location.bytes();
            let quoted = matches!(state.text.as_bytes().get(span.start - 1), Some(b'"' | b'\''));
            let what = if quoted { What::Text } else { What::Unquoted };
            if !state.raw(&span).trim().is_empty() {
                places.push((name, Place { span, what }));
            }
        }
    }
    places
}

/// Kinds of input whose value browsers check before they send it, or throw away where it does not fit.
const TAKES_NO_MASK: &[&str] =
    &["email", "url", "number", "range", "date", "datetime-local", "month", "week", "time", "color"];

/// A field that is the value of an attribute.
fn add_attribute(state: &mut State, element: &Element<'_, '_>, class: FieldClass, attr: &str) {
    let found = places(state, element, |name| name == attr);
    if found.is_empty() {
        return;
    }
    let field = state.field(class);
    state.page.fields[field].places = found.into_iter().map(|(_, place)| place).collect();
    if element.tag_name() == "input" && attr == "value" {
        let after = element.source_location().bytes().end;
        let hidden = attribute(element, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("hidden"));
        let name = attribute(element, "name").unwrap_or_default();
        let kind_at = attribute(element, "type")
            .filter(|kind| TAKES_NO_MASK.iter().any(|known| kind.eq_ignore_ascii_case(known)))
            .and_then(|_| places(state, element, |name| name == "type").into_iter().next())
            .map(|(_, place)| place);
        let field = &mut state.page.fields[field];
        field.control = Some(Control { name, hidden_at: Some(after), kind_at, ..Control::default() });
        field.ask_at = (!hidden).then_some(after);
    }
}

/// Attributes that people read.
const READ_ALOUD: &[&str] =
    &["title", "alt", "aria-label", "aria-description", "placeholder", "content", "label"];

/// The attributes of an element within a declared element or a catch-all region.
fn attributes(shared: &Rc<RefCell<State>>, element: &mut Element<'_, '_>) {
    let region = shared.borrow().region();
    let (class, field) = match region {
        Some(Region::Field(field)) => (shared.borrow().page.fields[field].class, Some(field)),
        Some(Region::CatchAll) => (FieldClass::Undeclared, None),
        Some(Region::Public) | None => return,
    };
    let tag = element.tag_name();
    if matches!(tag.as_str(), "textarea" | "select") {
        own_control(shared, element, class);
    }
    let mut state = shared.borrow_mut();
    if tag == "option" {
        choose(&mut state, element, field);
        return;
    }
    if tag == "input" {
        let kind = attribute(element, "type").unwrap_or_default().to_ascii_lowercase();
        if !matches!(kind.as_str(), "submit" | "button" | "reset" | "hidden" | "image") {
            add_attribute(&mut state, element, class, "value");
        }
    }
    for (name, mut place) in places(&state, element, |name| !matches!(name, "class" | "id" | "style")) {
        let scheme = scheme_length(state.raw(&place.span));
        if place.what == What::Text {
            place.span.start += scheme;
        }
        if READ_ALOUD.contains(&name.as_str()) || scheme > 0 {
            let own = state.field(class);
            state.page.fields[own].places.push(place);
        } else if let Some(field) = field {
            state.page.fields[field].echoes.push(place);
        }
    }
}

/// How long the scheme is of an address that is a person's own.
fn scheme_length(value: &str) -> usize {
    let Some((scheme, _)) = value.split_once(':') else { return 0 };
    let personal = ["mailto", "tel", "sms"].iter().any(|known| scheme.trim().eq_ignore_ascii_case(known));
    if personal { scheme.len() + 1 } else { 0 }
}

/// A `textarea` or `select` within a declared element is a field of its own: it is sent back on its own.
fn own_control(shared: &Rc<RefCell<State>>, element: &mut Element<'_, '_>, class: FieldClass) {
    let Some(depth) = open(shared, element) else { return };
    let mut state = shared.borrow_mut();
    if !matches!(state.open[depth].region, Some(Region::Field(_))) {
        let field = state.field(class);
        state.page.fields[field].control = control(element);
        state.open[depth].region = Some(Region::Field(field));
    }
}

/// An option of a `select`: the first one is chosen until one says that it is.
fn choose(state: &mut State, element: &Element<'_, '_>, field: Option<usize>) {
    let value = attribute(element, "value");
    let start = element.source_location().bytes().start;
    let Some(field) = field.map(|field| &mut state.page.fields[field]) else { return };
    let Some(control) = &mut field.control else { return };
    if field.places.is_empty() {
        field.places.push(Place { span: start..start, what: What::Options });
    }
    if control.chosen.is_none() || element.has_attribute("selected") {
        control.chosen = value.or(control.chosen.take());
    }
}
