//! Files of rules: what ships, what is wrong with others, and what they may cost.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;
use sightline_rules::{Kind, Problem, RuleFile, RuleSet, read, shipped, testing};

fn file(name: &str, text: &str) -> RuleFile {
    RuleFile { name: name.into(), text: text.into(), tests: None }
}

fn detection(id: &str, detection: &str) -> String {
    format!(
        "title: t\nid: {id}\nlogsource:\n    product: sightline\ndetection:\n{detection}\n    condition: selection\n"
    )
}

fn correlation(id: &str, rule: &str, of: &str, by: &str, condition: &str) -> String {
    format!(
        "title: t\nid: {id}\ncorrelation:\n    type: {of}\n    rules: [{rule}]\n    group-by: [{by}]\n    timespan: 1h\n    \
         condition: {condition}\n"
    )
}

fn problems(text: &str) -> Vec<Problem> {
    RuleSet::compile(&[file("mine.yml", text)]).unwrap_err()
}

const ANY: &str = "    selection:\n        kind: look";

#[test]
fn what_ships_is_what_lies_in_the_directory_and_every_rule_is_tested_both_ways() {
    let on_disk = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")).unwrap();
    let name = |file: &RuleFile| Path::new(&file.name).file_name().unwrap().to_owned();
    let shipped = shipped::files();
    assert_eq!(shipped.iter().map(name).collect::<Vec<_>>(), on_disk.iter().map(name).collect::<Vec<_>>());
    let report = testing::run(&shipped).unwrap();
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.untested.is_empty(), "{:?}", report.untested);
    assert!(report.rules >= 25 && report.cases >= 2 * report.rules, "{report:?}");
    let set = RuleSet::compile(&shipped).unwrap();
    assert!(set.rules().iter().all(|rule| rule.applies && rule.description.is_some()));
    assert!(set.rules().iter().any(|rule| rule.kind == Kind::Correlation));
    assert_eq!(set.longest_window(), Duration::from_secs(30 * 24 * 3600));
}

#[test]
fn a_case_that_does_not_hold_is_reported_by_file_and_line() {
    let mut mine = file("mine.yml", &detection("a", ANY));
    mine.tests = Some(
        "{ \"matches\": [\n{ \"why\": \"first\", \"events\": [{ \"kind\": \"look\" }, { \"kind\": \"look\" }] }],\n  \
         \"silent\": [\n{ \"why\": \"second\", \"events\": [{ \"kind\": \"look\" }] }] }"
            .into(),
    );
    let report = testing::run(&[mine]).unwrap();
    let said: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "mine.test.json:2: \"first\": of its 2 events, [1, 2] meet the rule; only the last should",
            "mine.test.json:4: \"second\": of its 1 events, [1] meet the rule; none should",
        ]
    );
    assert_eq!(report.untested, ["a"]);
}

#[test]
fn what_is_wrong_is_said_by_file_and_line_and_all_of_it() {
    let text = format!(
        "{}---\n{}---\ntitle: no detection\nid: c\nlogsource:\n    product: sightline\n---\ntitle: x\n  id: [\n",
        detection("a", "    selection:\n        kind|re: '('"),
        detection("b", "    selection:\n        kind|nonsense: x"),
    );
    let said: Vec<String> = problems(&text).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[0].starts_with("mine.yml:2: ") && said[0].contains("regex"), "{said:#?}");
    assert!(said[1].starts_with("mine.yml:10: ") && said[1].contains("nonsense"), "{said:#?}");
    assert!(said[2].starts_with("mine.yml:19: "), "{said:#?}");
    assert!(said[3].starts_with("mine.yml:25: "), "{said:#?}");
}

#[test]
fn ids_are_needed_and_are_a_rules_own() {
    let text = detection("a", ANY);
    assert!(problems(&text.replace("id: a\n", ""))[0].why.contains("no id"));
    assert!(problems(&text.replace("id: a\n", "id: a b\n"))[0].why.contains("UUID"));
    assert!(problems(&format!("{text}---\n{text}"))[0].why.contains("already"));
    assert!(
        problems(&correlation("c", "nobody", "event_count", "who", "{ gte: 2 }"))[0].why.contains("nobody")
    );
    let circle = format!(
        "{}---\n{}",
        correlation("c", "d", "event_count", "who", "{ gte: 2 }"),
        correlation("d", "c", "event_count", "who", "{ gte: 2 }")
    );
    assert!(problems(&circle)[0].why.contains("cycle"));
}

#[test]
fn another_products_rule_is_compiled_and_never_met() {
    let text = detection("a", ANY).replace("sightline", "windows");
    let mut set = RuleSet::compile(&[file("mine.yml", &text)]).unwrap();
    assert!(!set.rules()[0].applies);
    assert!(set.evaluate(0, 0, &json!({ "kind": "look" })).is_empty());
}

#[test]
fn a_correlation_names_the_entries_that_it_counted_and_counts_anew() {
    let text =
        format!("{}---\n{}", detection("a", ANY), correlation("c", "a", "event_count", "who", "{ gte: 3 }"));
    let mut set = RuleSet::compile(&[file("mine.yml", &text)]).unwrap();
    let mut hits = Vec::new();
    for index in 0..9u64 {
        let who = if index % 2 == 0 { "even" } else { "odd" };
        for hit in set.evaluate(index, index as i64, &json!({ "kind": "look", "who": who })) {
            hits.push((set.rules()[hit.rule].id.clone(), hit.entries));
        }
    }
    assert_eq!(hits, [("c".into(), vec![0, 2, 4]), ("c".into(), vec![1, 3, 5])]);
    // Eight and six were counted, but then an hour went by.
    assert!(set.evaluate(9, 8000, &json!({ "kind": "look", "who": "even" })).is_empty());
}

#[test]
fn explosive_patterns_are_refused_when_they_are_compiled_and_soon() {
    let begin = Instant::now();
    let nested = detection("a", "    selection:\n        kind|re: '((\\w{100}){100}){100}'");
    assert!(problems(&nested)[0].why.contains("regular expression"), "{:?}", problems(&nested));
    let soup = detection("a", &format!("    selection:\n        kind: '{}'", "*a".repeat(500)));
    assert!(problems(&soup)[0].why.contains("wildcards"));
    let long = detection("a", &format!("    selection:\n        kind: '{}'", "a".repeat(10_000)));
    assert!(problems(&long)[0].why.contains("bytes"));
    let many = (0..200).map(|n| format!("\n            - '(\\w{n}.{{50}}){{80}}'")).collect::<String>();
    let many = detection("a", &format!("    selection:\n        kind|re:{many}"));
    assert!(problems(&many)[0].why.contains("50000"), "{:?}", problems(&many));
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for n in 1..12 {
        let below = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs += &format!("a{n}: &a{n} [{below}]\n");
    }
    assert!(!problems(&laughs).is_empty());
    assert!(!problems(&format!("title: {}", "[".repeat(50_000))).is_empty());
    let far = format!(
        "{}---\n{}",
        detection("a", ANY),
        correlation("c", "a", "event_count", "who", "{ gte: 1000000 }")
    );
    assert!(problems(&far)[0].why.contains("4096"));
    assert!(problems(&far.replace("1000000", "3").replace("1h", "400d"))[0].why.contains("31 days"));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn the_most_expensive_pattern_that_is_let_in_is_fast_on_the_longest_text() {
    let text = detection(
        "a",
        "    selection:\n        kind|re: '(a|aa|a.){1,990}b'\n        other|contains: '*a*a*a*a*a*a*a*a*a*a*a*a*b'",
    );
    let mut set = RuleSet::compile(&[file("mine.yml", &text)]).unwrap();
    let long = "a".repeat(4096);
    let begin = Instant::now();
    assert!(set.evaluate(0, 0, &json!({ "kind": long, "other": long })).is_empty());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// A million customers at one rule: its memory is bounded, it says so, and the rule beside it counts on.
#[test]
fn a_million_distinct_keys_push_out_their_own_counts_and_nobody_elses() {
    let text = [
        detection("any", ANY),
        correlation("by-customer", "any", "event_count", "customer", "{ gte: 2 }"),
        correlation("distinct", "any", "value_count", "kind", "{ field: customer, gte: 64, lte: 63 }"),
        detection("rare", "    selection:\n        rare: yes"),
        correlation("beside", "rare", "event_count", "who", "{ gte: 2 }"),
    ]
    .join("---\n");
    let mut set = RuleSet::compile(&[file("mine.yml", &text)]).unwrap();
    let id = |set: &RuleSet, rule: usize| set.rules()[rule].id.clone();
    assert!(set.evaluate(0, 0, &json!({ "rare": "yes", "who": "s-7" })).is_empty());
    let begin = resident();
    let mut overflows = Vec::new();
    for n in 1..=1_000_000u64 {
        let seconds = (n / 400) as i64;
        let hits = set.evaluate(n, seconds, &json!({ "kind": "look", "customer": format!("c-{n}") }));
        assert!(hits.is_empty(), "no customer came twice");
        overflows.extend(set.take_overflows());
    }
    let grown = resident().saturating_sub(begin);
    assert!(grown < 128, "grew by {grown} MiB");
    let said: Vec<_> = overflows.iter().map(|o| (o.rules.as_slice(), o.why.as_str())).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, ["by-customer"]);
    let hits = set.evaluate(1_000_001, 2600, &json!({ "rare": "yes", "who": "s-7" }));
    assert_eq!(
        hits.iter().map(|h| (id(&set, h.rule), h.entries.clone())).collect::<Vec<_>>(),
        [("beside".to_owned(), vec![0, 1_000_001])]
    );
    let again = json!({ "kind": "look", "customer": "c-1000000" });
    let hits = set.evaluate(1_000_002, 2601, &again);
    assert_eq!(hits.iter().map(|h| id(&set, h.rule)).collect::<Vec<_>>(), ["by-customer"], "it goes on too");
}

/// MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn a_directory_is_read_below_and_large_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("below")).unwrap();
    std::fs::write(dir.path().join("below/b.yaml"), detection("b", ANY)).unwrap();
    std::fs::write(dir.path().join("a.yml"), detection("a", ANY)).unwrap();
    std::fs::write(dir.path().join("a.test.json"), "{}").unwrap();
    std::fs::write(dir.path().join("README.md"), "#").unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("below/up")).unwrap();
    let files = read(dir.path()).unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].tests.as_deref(), Some("{}"));
    std::fs::write(dir.path().join("large.yml"), "#".repeat(300_000)).unwrap();
    assert!(read(dir.path()).unwrap_err().to_string().contains("large.yml: 300000 bytes"));
    assert!(read(&dir.path().join("nowhere")).is_err());
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(text in ".{0,400}") {
        let _ = RuleSet::compile(&[file("any.yml", &text)]);
    }

    #[test]
    fn any_change_of_a_rule_is_compiled_or_refused(at in 0usize..500, put in "[\\x20-\\x7e\n]{0,6}") {
        let rule = detection("a", "    selection:\n        kind|re: 'a+'\n        other|contains|all:\n            - b\n            - c");
        let at = rule.char_indices().map(|(i, _)| i).nth(at % rule.len()).unwrap();
        let text = format!("{}{put}{}", &rule[..at], &rule[at..]);
        if let Ok(mut set) = RuleSet::compile(&[file("any.yml", &text)]) {
            set.evaluate(0, 0, &json!({ "kind": "aaa", "other": ["b", "c"] }));
        }
    }
}

/// SigmaHQ's rules use all of these; whether theirs compile is tried with `sightline rules check` over a copy of them.
#[test]
fn every_modifier_and_every_form_of_condition_and_correlation_of_sigma_compiles() {
    let items = [
        "a|contains: x",
        "a|startswith: x",
        "a|endswith: x",
        "a|contains|all: [x, y]",
        "a|windash|contains: ' -x'",
        "a|base64: x",
        "a|base64offset|contains: x",
        "a|wide|base64offset|contains: x",
        "a|utf16le|base64: x",
        "a|utf16be|base64: x",
        "a|utf16|base64: x",
        "a|re: 'x+'",
        "a|re|i: 'x+'",
        "a|re|m: '^x'",
        "a|re|s: 'x.y'",
        "a|cidr: 10.0.0.0/8",
        "a|cased: X",
        "a|contains|cased: X",
        "a|exists: true",
        "a|fieldref: b",
        "a|gt: 1",
        "a|gte: 1",
        "a|lt: 1",
        "a|lte: 1",
        "a|neq: 1",
        "a|minute: 1",
        "a|hour: 1",
        "a|day: 1",
        "a|week: 1",
        "a|month: 1",
        "a|year: 2026",
        "a: null",
        "a: ''",
        "a: true",
        "a: 7",
        "a: 7.5",
        "a: ['x*', '?y', 'z\\*']",
    ];
    for item in items {
        let text = detection("a", &format!("    selection:\n        {item}"));
        assert!(RuleSet::compile(&[file("mine.yml", &text)]).is_ok(), "{item}: {:?}", problems(&text));
    }
    for condition in [
        "selection and not filter",
        "1 of sel*",
        "all of them",
        "any of them",
        "not 1 of filter*",
        "(selection or filter) and selection",
        "1 of them",
    ] {
        let text =
            detection("a", "    selection:\n        a: x\n    filter:\n        - b: y\n        - c: z")
                .replace("condition: selection", &format!("condition: {condition}"));
        assert!(RuleSet::compile(&[file("mine.yml", &text)]).is_ok(), "{condition}: {:?}", problems(&text));
    }
    let keywords = detection("a", "    selection:\n        - x\n        - y");
    assert!(RuleSet::compile(&[file("mine.yml", &keywords)]).is_ok());
    for (kind, condition) in [
        ("event_count", "{ gte: 3 }"),
        ("value_count", "{ field: b, gt: 3 }"),
        ("value_sum", "{ field: b, gte: 3 }"),
        ("value_avg", "{ field: b, gte: 3 }"),
        ("value_percentile", "{ field: b, gte: 3 }"),
        ("value_median", "{ field: b, gte: 3 }"),
        ("temporal", "{ gte: 1 }"),
        ("temporal_ordered", "{ gte: 1 }"),
    ] {
        let text = format!("{}---\n{}", detection("a", ANY), correlation("c", "a", kind, "who", condition));
        assert!(RuleSet::compile(&[file("mine.yml", &text)]).is_ok(), "{kind}: {:?}", problems(&text));
    }
}
