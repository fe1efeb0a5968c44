//! Checks events against the published OCSF schema (`tests/schema/`): attributes, requirements, types, enumerations
//! with their captions, profiles and constraints, in the event and in every object below it.

#![allow(unreachable_pub, clippy::unwrap_used, reason = "a part of a test")]

use std::collections::BTreeMap;

use model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub struct Schema {
    version: String,
    types: BTreeMap<String, Type>,
    classes: BTreeMap<String, Shape>,
    objects: BTreeMap<String, Shape>,
}

#[derive(Deserialize)]
struct Type {
    #[serde(rename = "type")]
    base: Option<String>,
    regex: Option<String>,
    range: Option<(i64, i64)>,
    max_len: Option<usize>,
}

/// A class or an object.
#[derive(Deserialize)]
struct Shape {
    caption: String,
    #[serde(default)]
    constraints: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    profiles: Vec<String>,
    attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    object_type: Option<String>,
    #[serde(default)]
    is_array: bool,
    requirement: String,
    /// Only there while one of these is used.
    #[serde(default)]
    profiles: Vec<String>,
    sibling: Option<String>,
    #[serde(rename = "enum", default)]
    values: BTreeMap<String, String>,
}

impl Schema {
    pub fn load() -> Self {
        serde_json::from_str(include_str!("../schema/ocsf-1.8.0.json")).unwrap()
    }

    /// What is wrong with an event, each with the path to it.
    pub fn faults(&self, event: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(class) = self.classes.get(&event["class_uid"].to_string()) else {
            return vec![format!("no class {}", event["class_uid"])];
        };
        if event["metadata"]["version"] != *self.version {
            faults.push("metadata.version".into());
        }
        let number = |name: &str| event[name].as_u64().unwrap_or(u64::MAX / 200);
        if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
            faults.push("type_uid is not class_uid * 100 + activity_id".into());
        }
        if event["class_name"] != *class.caption {
            faults.push("class_name".into());
        }
        let profiles: Vec<&str> = event["metadata"]["profiles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for profile in &profiles {
            if !class.profiles.iter().any(|known| known == profile) {
                faults.push(format!("the class has no profile {profile}"));
            }
        }
        let Some(attributes) = event.as_object() else { return vec!["not an object".into()] };
        self.shape("", class, attributes, &profiles, &mut faults);
        faults
    }

    fn shape(
        &self,
        path: &str,
        shape: &Shape,
        given: &Map<String, Value>,
        profiles: &[&str],
        faults: &mut Vec<String>,
    ) {
        let used = |attribute: &Attribute| {
            attribute.profiles.is_empty() || attribute.profiles.iter().any(|p| profiles.contains(&p.as_str()))
        };
        for (name, attribute) in shape.attributes.iter().filter(|(_, attribute)| used(attribute)) {
            if attribute.requirement == "required" && !given.contains_key(name) {
                faults.push(format!("{path}{name} is required"));
            }
        }
        for (name, value) in given {
            let path = format!("{path}{name}");
            let Some(attribute) = shape.attributes.get(name).filter(|attribute| used(attribute)) else {
                faults.push(format!("{path} is not an attribute (in these profiles)"));
                continue;
            };
            match (attribute.is_array, value) {
                (true, Value::Array(items)) => {
                    for (i, item) in items.iter().enumerate() {
                        self.value(&format!("{path}[{i}]"), attribute, item, profiles, faults);
                    }
                    if items.is_empty() && attribute.requirement == "required" {
                        faults.push(format!("{path} is empty"));
                    }
                }
                (false, item) => self.value(&path, attribute, item, profiles, faults),
                (true, _) => faults.push(format!("{path} is no array")),
            }
            caption(&path, attribute, value, given, faults);
        }
        for (rule, names) in &shape.constraints {
            let there = names.iter().filter(|name| given.contains_key(*name)).count();
            let holds = match rule.as_str() {
                "at_least_one" => there >= 1,
                "just_one" => there == 1,
                other => panic!("a constraint that this validator does not know: {other}"),
            };
            if !holds {
                faults.push(format!("{path}: {rule} of {names:?}, there are {there}"));
            }
        }
    }

    fn value(
        &self,
        path: &str,
        attribute: &Attribute,
        value: &Value,
        profiles: &[&str],
        faults: &mut Vec<String>,
    ) {
        if attribute.kind == "object_t" {
            let name = attribute.object_type.as_deref().unwrap_or_default();
            let Some(given) = value.as_object() else {
                return faults.push(format!("{path} is no object"));
            };
            if name != "object" {
                let shape = self.objects.get(name);
                let shape = shape.unwrap_or_else(|| panic!("{path}: add the object {name} to cut.py"));
                self.shape(&format!("{path}."), shape, given, profiles, faults);
            }
        } else if !self.is_of(&attribute.kind, value) {
            faults.push(format!("{path} is no {}: {value}", attribute.kind));
        }
    }

    fn is_of(&self, kind: &str, value: &Value) -> bool {
        match kind {
            "json_t" => return true,
            "boolean_t" => return value.is_boolean(),
            "integer_t" | "long_t" => return value.is_i64() || value.is_u64(),
            "float_t" => return value.is_number(),
            "string_t" => return value.is_string(),
            _ => {}
        }
        let known =
            self.types.get(kind).unwrap_or_else(|| panic!("a type that this schema does not have: {kind}"));
        let base = known.base.as_deref().unwrap_or_else(|| panic!("{kind} has no base"));
        let fits = |text: &str| match (&known.regex, kind) {
            (None, _) => true,
            // Its expression is RFC 3339 and a little more.
            (Some(_), "datetime_t") => text.contains('T') && Timestamp::parse(text).is_some(),
            (Some(_), other) => panic!("this validator does not read {other}"),
        };
        self.is_of(base, value)
            && value
                .as_str()
                .is_none_or(|text| fits(text) && known.max_len.is_none_or(|max| text.len() <= max))
            && value.as_i64().is_none_or(|n| known.range.is_none_or(|(low, high)| (low..=high).contains(&n)))
    }
}

/// A number of an enumeration is one of it, and the name beside it is its caption unless it is 99.
fn caption(
    path: &str,
    attribute: &Attribute,
    value: &Value,
    given: &Map<String, Value>,
    faults: &mut Vec<String>,
) {
    if attribute.values.is_empty() || attribute.is_array {
        return;
    }
    let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Some(caption) = attribute.values.get(&key) else {
        return faults.push(format!("{path}: {key} is not in the enumeration"));
    };
    if let Some(name) = attribute.sibling.as_ref().and_then(|sibling| given.get(sibling))
        && key != "99"
        && name != caption
    {
        faults.push(format!("{path}: {key} is {caption:?}, not {name}"));
    }
}
