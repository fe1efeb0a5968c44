//! The JSON engine against `serde_json` and `serde_json_path`, and both engines against planted values.
#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failed test

mod common;

use common::{DenyAll, answer, read, rule};
use model::FieldClass;
use proptest::prelude::*;
use serde_json::Value;
use sightline_adapter::{Adapter, mask};

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![Just("a"), Just("b"), Just("c"), Just("émail")];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\\u{e9}\n]{1,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..4).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        Just(".a"),
        Just(".b"),
        Just("['c']"),
        Just("['émail']"),
        Just("[*]"),
        Just(".*"),
        Just("[0]"),
        Just("[1]"),
        Just("..a"),
        Just("..b"),
        Just("..*"),
        Just("..[0]"),
    ];
    proptest::collection::vec(step, 0..4).prop_map(|steps| format!("${}", steps.concat()))
}

fn adapter(paths: &[String]) -> Adapter {
    let fields: String = paths
        .iter()
        .map(|path| {
            format!("[[route.json]]\npath = {}\nclass = \"support.note\"\n", Value::from(path.as_str()))
        })
        .collect();
    let text =
        format!("[app]\nname = \"t\"\n[[route]]\nname = \"r\"\nkind = \"record\"\npath = \"/\"\n{fields}");
    Adapter::parse("t.toml", &text).unwrap()
}

/// What masking is, said slowly: every scalar at or below a located place.
fn masked_slowly(value: &mut Value, declared: bool, located: &dyn Fn(&str) -> bool, place: &str) {
    let declared = declared || located(place);
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let pointer = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                masked_slowly(member, declared, located, &pointer);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                masked_slowly(element, declared, located, &format!("{place}/{index}"));
            }
        }
        Value::Null => {}
        scalar if declared => *scalar = Value::from(mask(FieldClass::SupportNote, "x")),
        _ => {}
    }
}

proptest! {
    #[test]
    fn paths_lead_where_others_say_they_lead(document in any_json(), paths in proptest::collection::vec(any_path(), 1..4)) {
        let mut pointers = Vec::new();
        for path in &paths {
            let located = serde_json_path::JsonPath::parse(path).unwrap().query_located(&document);
            pointers.extend(located.locations().map(|location| location.to_json_pointer()));
        }
        let mut expected = document.clone();
        masked_slowly(&mut expected, false, &|place| pointers.iter().any(|p| p == place), "");

        let text = serde_json::to_string_pretty(&document).unwrap();
        let mut only_declared = rule(|_, _, class| class != FieldClass::SupportNote);
        let masked = adapter(&paths).mask(&read("r"), &answer("application/json", &text), &mut only_declared).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&masked.body).unwrap(), expected);
    }

    #[test]
    fn what_is_json_here_is_json_to_others(text in "[\\[\\]{}\",:0-9eE.+\\-a-c \\\\untrflse]{0,24}") {
        let adapter = adapter(&["$.a".to_owned()]);
        let ours = adapter.read(&read("r"), &answer("application/json", &text)).is_ok();
        let theirs = serde_json::from_str::<Value>(&text);
        // They refuse numbers that no f64 holds; here a number is kept as it is written.
        let too_big = theirs.as_ref().is_err_and(|e| e.to_string().contains("number out of range"));
        prop_assert!(ours == (theirs.is_ok() || too_big) || text.is_empty(), "{} {:?}", ours, theirs);
    }

    #[test]
    fn no_planted_value_survives_in_json(
        document in any_json(), secret in "[a-z]{6}@[a-z]{6}\\.[a-z]{3}", key in "[a-z]{1,5}", escaped: bool,
    ) {
        let mut text = serde_json::json!({ key.clone(): [document, {"email": secret, "id": 1}] }).to_string();
        if escaped {
            text = text.replace('@', "\\u0040");
        }
        let masked = adapter(&["$..a".to_owned()]).mask(&read("r"), &answer("text/html", &text), &mut DenyAll).unwrap();
        let shown = String::from_utf8(masked.body).unwrap().replace("\\u0040", "@");
        prop_assert!(!shown.contains(&secret), "{}", shown);
        prop_assert!(serde_json::from_str::<Value>(&shown).is_ok());
    }

    #[test]
    fn nothing_makes_the_engines_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        kind in proptest::sample::select(&["application/json", "text/html", "text/csv", "text/plain", ""][..]),
        route in proptest::sample::select(&["customer", "ticket", "api ticket", "export", "edit customer"][..]),
    ) {
        let answer = sightline_adapter::Answer { status: 200, content_type: Some(kind), body: &bytes };
        let _ = common::desk().mask(&read(route), &answer, &mut DenyAll);
    }

    #[test]
    fn no_text_makes_the_reader_of_adapters_panic(text: String) {
        let _ = Adapter::parse("t.toml", &text);
    }

    #[test]
    fn no_planted_value_survives_in_html(
        secret in "[a-z]{8}", before in "[ a-z<>/\"'=!\\-]{0,30}", after in "[ a-z<>/\"'=&;]{0,30}",
        wrap in proptest::sample::select(WRAPS),
    ) {
        let body = format!("<p>{before}</p></p><section class=customer>{}</section>{after}", wrap.replace('§', &secret));
        if let Ok(masked) = common::desk().mask(&read("customer"), &answer("text/html", &body), &mut DenyAll) {
            let shown = String::from_utf8(masked.body).unwrap();
            let elsewhere = before.contains(&secret) || after.contains(&secret);
            // What stands before may open a comment, a script or an attribute that swallows the element: then
            // no browser shows it as one either.
            let parsed = scraper::Html::parse_document(&body);
            let css = scraper::Selector::parse("section.customer dd").unwrap();
            let is_there = parsed.select(&css).next().is_some();
            prop_assert!(elsewhere || !is_there || !shown.contains(&secret), "{}\n{}", body, shown);
        }
    }
}

/// Ways in which a value can stand in a declared element; § is the value.
const WRAPS: &[&str] = &[
    "<dd data-field=email>§</dd>",
    "<dd data-field=\"email\"><b>x</b><i>§",
    "<dd data-field=phone title='§'>§</dd>",
    "<dd data-field=address><a href=\"mailto:§@x.com\">§</a></dd>",
    "<dd data-field=name><!-- § --><span data-name=§>§</span></dd>",
    "<dd data-field=unheard-of>§</dd>",
    "<dd data-field=email><input name=email value=§></dd>",
    "<dd data-field=email><textarea name=email>\n§</textarea></dd>",
    "<dd data-field=tier><dd data-field=email>§</dd></dd>",
    "<dd data-field=email><script>var a = '§'</script><noscript>§</noscript></dd>",
    "<dd data-field=email><select name=e><option>a<option selected value='§'>§</select></dd>",
];
