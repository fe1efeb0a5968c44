//! The adapter file as it is written. Everything wrong with it is said at once, each with its line, its key
//! and the nearest valid one.

use std::ops::Range;

use model::FieldClass;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// The file.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) sets: Vec<FieldSet>,
    pub(crate) routes: Vec<RouteDraft>,
    pub(crate) canaries: Option<CanaryDraft>,
}

/// `[canaries]`.
#[derive(Debug)]
pub(crate) struct CanaryDraft {
    pub(crate) method: At<String>,
    pub(crate) path: At<String>,
    pub(crate) json: Vec<(String, At<String>)>,
    pub(crate) form: Vec<(String, At<String>)>,
    pub(crate) customer: At<String>,
}

/// `[[fields]]`: declarations that several routes share; or those of one route.
#[derive(Debug, Default)]
pub(crate) struct FieldSet {
    pub(crate) name: String,
    pub(crate) json: Vec<(At<String>, FieldClass)>,
    pub(crate) html: Vec<HtmlField>,
    pub(crate) csv: Vec<(String, FieldClass)>,
    pub(crate) public: Vec<At<String>>,
    pub(crate) catch_all: Vec<At<String>>,
    pub(crate) parts: Vec<PartDraft>,
}

/// `[[….html]]`.
#[derive(Debug)]
pub(crate) struct HtmlField {
    pub(crate) select: At<String>,
    pub(crate) attr: Option<String>,
    /// None: it is no personal data.
    pub(crate) class: Option<FieldClass>,
}

/// `[[….record]]` or `[[….row]]`.
#[derive(Debug)]
pub(crate) struct PartDraft {
    pub(crate) row: bool,
    pub(crate) select: Option<At<String>>,
    pub(crate) json: Option<At<String>>,
    pub(crate) customer: Option<IdDraft>,
    pub(crate) ticket: Option<IdDraft>,
}

/// Where an id stands.
#[derive(Debug)]
pub(crate) struct IdDraft {
    pub(crate) select: Option<At<String>>,
    pub(crate) attr: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) json: Option<At<String>>,
    pub(crate) column: Option<String>,
}

/// `[[route]]`.
#[derive(Debug)]
pub(crate) struct RouteDraft {
    pub(crate) name: At<String>,
    pub(crate) kind: Kind,
    pub(crate) methods: Vec<At<String>>,
    pub(crate) paths: Vec<At<String>>,
    pub(crate) query: Vec<(String, At<String>)>,
    pub(crate) uses: Vec<At<String>>,
    pub(crate) whole: Option<FieldClass>,
    pub(crate) own: FieldSet,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Record,
    List,
    Search,
    Export,
    Write,
}

const KINDS: &[(&str, Kind)] = &[
    ("open", Kind::Open),
    ("record", Kind::Record),
    ("list", Kind::List),
    ("search", Kind::Search),
    ("export", Kind::Export),
    ("write", Kind::Write),
];

/// What is wrong so far.
pub(crate) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    pub(crate) said: Vec<String>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, said: Vec::new() }
    }

    /// Notes a problem at a place.
    pub(crate) fn at(&mut self, span: &Range<usize>, problem: impl std::fmt::Display) {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        self.said.push(format!("{}:{line}: {problem}", self.file));
    }

    fn unknown(&mut self, span: &Range<usize>, what: &str, given: &str, place: &str, known: &[&str]) {
        self.at(span, format!("unknown {what} {given:?}{place}{}", did_you_mean(given, known)));
    }
}

/// `; did you mean "select"?`, or all that is known where nothing is near.
pub(crate) fn did_you_mean(given: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= word.len().max(given.len()) / 2);
    match nearest {
        Some((_, word)) => format!("; did you mean {word:?}?"),
        None => format!("; known are: {}", known.join(", ")),
    }
}

/// Reads the file as far as it can be read.
pub(crate) fn read(problems: &mut Problems<'_>) -> File {
    let (root, errors) = DeTable::parse_recoverable(problems.text);
    for error in &errors {
        problems.at(&error.span().unwrap_or(0..0), error.message().trim());
    }
    let mut file = File::default();
    if !errors.is_empty() {
        return file;
    }
    let mut root =
        Table::checked(root.as_ref(), 0..0, String::new(), problems, &["app", "fields", "route", "canaries"]);
    if let Some(mut app) = root.table("app", &["name", "about"]) {
        file.name = app.required("name").map(|name| name.value).unwrap_or_default();
        app.string("about");
    } else {
        root.missing("app");
    }
    root.each("fields", FIELD_SET_KEYS, |set| {
        let name = set.required("name").map(|name| name.value).unwrap_or_default();
        file.sets.push(FieldSet { name, ..field_set(set) });
    });
    root.each("route", ROUTE_KEYS, |route| file.routes.extend(read_route(route)));
    if let Some(mut table) = root.table("canaries", &["method", "path", "json", "form", "customer"]) {
        let (json, form) = (table.string_map("json"), table.string_map("form"));
        let asked = (table.required("method"), table.required("path"), table.required("customer"));
        if let (Some(method), Some(path), Some(customer)) = asked {
            file.canaries = Some(CanaryDraft { method, path, json, form, customer });
        }
    }
    file
}

const FIELD_SET_KEYS: &[&str] = &["name", "json", "html", "csv", "public", "catch_all", "record", "row"];
const ROUTE_KEYS: &[&str] = &[
    "name",
    "kind",
    "method",
    "path",
    "query",
    "fields",
    "whole",
    "json",
    "html",
    "csv",
    "public",
    "catch_all",
    "record",
    "row",
];

fn read_route(table: &mut Table<'_, '_, '_>) -> Option<RouteDraft> {
    let name = table.required("name");
    let kind = table.required("kind").and_then(|kind| {
        let known = KINDS.iter().find(|(word, _)| *word == kind.value).map(|(_, kind)| *kind);
        if known.is_none() {
            let words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
            table.problems.unknown(&kind.span, "kind", &kind.value, "", &words);
        }
        known
    });
    let paths = table.strings("path");
    if paths.is_empty() {
        table.missing("path");
    }
    let own = field_set(table);
    let draft = RouteDraft {
        name: name?,
        kind: kind?,
        methods: table.strings("method"),
        paths,
        query: table.string_map("query"),
        uses: table.strings("fields"),
        whole: table.class("whole"),
        own,
    };
    Some(draft)
}

fn field_set(table: &mut Table<'_, '_, '_>) -> FieldSet {
    let mut set = FieldSet {
        public: table.strings("public"),
        catch_all: table.strings("catch_all"),
        ..FieldSet::default()
    };
    table.each("json", &["path", "class"], |field| {
        let (path, class) = (field.required("path"), field.required_class("class"));
        set.json.extend(path.zip(class));
    });
    table.each("html", &["select", "attr", "class", "public"], |field| {
        let select = field.required("select");
        let attr = field.string("attr").map(|attr| attr.value);
        let class = match field.boolean("public") {
            Some(true) => Some(None),
            _ => field.required_class("class").map(Some),
        };
        if let Some((select, class)) = select.zip(class) {
            set.html.push(HtmlField { select, attr, class });
        }
    });
    table.each("csv", &["column", "class"], |field| {
        let (column, class) = (field.required("column"), field.required_class("class"));
        set.csv.extend(column.map(|column| column.value).zip(class));
    });
    for key in ["record", "row"] {
        table.each(key, &["select", "json", "customer", "ticket"], |part| {
            set.parts.push(PartDraft {
                row: key == "row",
                select: part.string("select"),
                json: part.string("json"),
                customer: id(part, "customer"),
                ticket: id(part, "ticket"),
            });
        });
    }
    set
}

fn id(part: &mut Table<'_, '_, '_>, key: &str) -> Option<IdDraft> {
    let mut id = part.table(key, &["select", "attr", "after", "json", "column"])?;
    Some(IdDraft {
        select: id.string("select"),
        attr: id.string("attr").map(|attr| attr.value),
        after: id.string("after").map(|after| after.value),
        json: id.string("json"),
        column: id.string("column").map(|column| column.value),
    })
}

/// A table of the file, and where to say what is wrong with it.
struct Table<'t, 'p, 'a> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
    what: String,
    problems: &'p mut Problems<'a>,
}

impl<'t, 'p, 'a> Table<'t, 'p, 'a> {
    fn checked(
        table: &'t DeTable<'t>,
        span: Range<usize>,
        what: String,
        problems: &'p mut Problems<'a>,
        known: &[&str],
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.as_ref();
            if !known.contains(&name) {
                let place = if what.is_empty() { String::new() } else { format!(" in {what}") };
                problems.unknown(&key.span(), "key", name, &place, known);
            }
        }
        Self { table, span, what, problems }
    }

    /// How the header of a table below this one is written.
    fn header(&self, key: &str, open: &str, close: &str) -> String {
        match self.what.trim_matches(['[', ']']) {
            "" => format!("{open}{key}{close}"),
            above => format!("{open}{above}.{key}{close}"),
        }
    }

    fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.iter().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value)
    }

    fn missing(&mut self, key: &str) {
        let place = if self.what.is_empty() { "the file" } else { &self.what };
        self.problems.at(&self.span, format!("{key:?} is missing in {place}"));
    }

    fn wrong(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.as_ref().type_str();
        self.problems.at(&value.span(), format!("{key:?} in {} is to be {wanted}, not {found}", self.what));
    }

    fn string(&mut self, key: &str) -> Option<At<String>> {
        let value = self.get(key)?;
        match value.as_ref() {
            DeValue::String(text) => Some(At { value: text.clone().into_owned(), span: value.span() }),
            _ => {
                self.wrong(key, value, "a string");
                None
            }
        }
    }

    fn required(&mut self, key: &str) -> Option<At<String>> {
        if self.get(key).is_none() {
            self.missing(key);
        }
        self.string(key)
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.as_ref().as_bool();
        if found.is_none() {
            self.wrong(key, value, "true or false");
        }
        found
    }

    fn class(&mut self, key: &str) -> Option<FieldClass> {
        let word = self.string(key)?;
        let class = word.value.parse().ok();
        if class.is_none() {
            let known: Vec<&str> = FieldClass::ALL.iter().map(|class| class.word()).collect();
            self.problems.unknown(&word.span, "field class", &word.value, "", &known);
        }
        class
    }

    fn required_class(&mut self, key: &str) -> Option<FieldClass> {
        if self.get(key).is_none() {
            self.missing(key);
        }
        self.class(key)
    }

    /// A string, or an array of them.
    fn strings(&mut self, key: &str) -> Vec<At<String>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.as_ref() else { return self.string(key).into_iter().collect() };
        let mut strings = Vec::new();
        for item in array.iter() {
            match item.as_ref() {
                DeValue::String(text) => {
                    strings.push(At { value: text.clone().into_owned(), span: item.span() });
                }
                _ => self.wrong(key, item, "an array of strings"),
            }
        }
        strings
    }

    fn string_map(&mut self, key: &str) -> Vec<(String, At<String>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Table(table) = value.as_ref() else {
            self.wrong(key, value, "a table of strings");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, item) in table {
            match item.as_ref() {
                DeValue::String(text) => pairs.push((
                    name.as_ref().clone().into_owned(),
                    At { value: text.clone().into_owned(), span: item.span() },
                )),
                _ => self.wrong(key, item, "a table of strings"),
            }
        }
        pairs
    }

    fn table(&mut self, key: &str, known: &[&str]) -> Option<Table<'t, '_, 'a>> {
        let value = self.get(key)?;
        match value.as_ref() {
            DeValue::Table(table) => {
                let what = self.header(key, "[", "]");
                Some(Table::checked(table, value.span(), what, self.problems, known))
            }
            _ => {
                self.wrong(key, value, "a table");
                None
            }
        }
    }

    /// Each table of an array of tables.
    fn each(&mut self, key: &str, known: &[&str], mut read: impl FnMut(&mut Table<'t, '_, 'a>)) {
        let Some(value) = self.get(key) else { return };
        let DeValue::Array(array) = value.as_ref() else {
            self.wrong(key, value, "an array of tables");
            return;
        };
        for item in array.iter() {
            match item.as_ref() {
                DeValue::Table(table) => {
                    let what = self.header(key, "[[", "]]");
                    read(&mut Table::checked(table, item.span(), what, self.problems, known));
                }
                _ => self.wrong(key, item, "an array of tables"),
            }
        }
    }
}
