//! Tests of rules: `NAME.test.json` beside `NAME.yml`.
//!
//! ```json
//! { "matches": [{ "why": "a look that nothing explains", "events": [{ "metadata.event_code": "revealed" }] }],
//!   "silent":  [{ "why": "a routed one", "events": [{ "metadata.event_code": "listed" }] }] }
//! ```
//! An event's keys are paths into the event that an entry becomes. It may say besides: `@after`, how many seconds after
//! the one before (1); `@times`, how often it happens (1), `@every` so many seconds (1), where `{n}` in a text counts
//! up. A case that matches is met by its last event and by none before; a silent one by none. A case begins at `at`.

use ledger::{Ledger, LedgerError};
use model::{OsEntropy, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Knowledge, Teller};
use crate::problem::Problem;
use crate::set::RuleSet;
use crate::source::RuleFile;

/// When a case begins that does not say it: a Monday, at nine.
const BEGIN: Timestamp = Timestamp(1_767_603_600_000);
/// The most events of one case.
const MAX_EVENTS: u64 = 100_000;

/// What was tested.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many rules there are that say something when they are met.
    pub rules: usize,
    /// How many cases were tried.
    pub cases: usize,
    /// What did not hold.
    pub failures: Vec<Problem>,
    /// Rules without a case that matches or without one that does not, by id.
    pub untested: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    #[serde(default)]
    matches: Vec<Case>,
    #[serde(default)]
    silent: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What happens, in a sentence.
    why: String,
    /// Which rule, by id, where the file has several.
    rule: Option<String>,
    at: Option<Timestamp>,
    events: Vec<Map<String, Value>>,
}

/// Compiles each file by itself and tries its cases, each from the beginning.
pub fn run(files: &[RuleFile]) -> Result<Report, Vec<Problem>> {
    let mut report = Report::default();
    for file in files {
        let set = RuleSet::compile(std::slice::from_ref(file))?;
        let telling: Vec<String> = set
            .rules()
            .iter()
            .filter(|rule| rule.applies && !rule.counted_only)
            .map(|r| r.id.clone())
            .collect();
        report.rules += telling.len();
        let tests = match file.tests.as_deref().map(serde_json::from_str::<Tests>) {
            None => Tests { matches: Vec::new(), silent: Vec::new() },
            Some(Ok(tests)) => tests,
            Some(Err(error)) => {
                let name = tests_of(&file.name);
                return Err(vec![Problem::new(&name, Some(error.line()), error.to_string())]);
            }
        };
        let mut tested = [Vec::new(), Vec::new()];
        for (cases, expected) in [(&tests.matches, true), (&tests.silent, false)] {
            for case in cases {
                report.cases += 1;
                match try_case(file, case, &telling, expected) {
                    Ok(rule) => tested[usize::from(expected)].push(rule),
                    Err(why) => {
                        let line = file.tests.as_deref().and_then(|tests| line_of(tests, &case.why));
                        let why = format!("{:?}: {why}", case.why);
                        report.failures.push(Problem::new(&tests_of(&file.name), line, why));
                    }
                }
            }
        }
        let both = |rule: &String| tested.iter().all(|tested| tested.contains(rule));
        report.untested.extend(telling.into_iter().filter(|rule| !both(rule)));
    }
    Ok(report)
}

/// The events that rules look at, of every entry of a ledger: to try rules on what has happened.
pub fn events(ledger: &Ledger, knows: &dyn Knowledge) -> Result<Vec<Value>, LedgerError> {
    let mut teller = Teller::new(ledger.verifier().origin(), &OsEntropy);
    ledger.read(0, ledger.size() as usize)?.iter().map(|record| teller.tell(record, ledger, knows)).collect()
}

/// The name of the tests of a file of rules.
fn tests_of(file: &str) -> String {
    std::path::Path::new(file).with_extension("test.json").display().to_string()
}

fn line_of(text: &str, what: &str) -> Option<usize> {
    let at = text.find(&serde_json::to_string(what).ok()?)?;
    Some(1 + text[..at].matches('\n').count())
}

/// Plays a case; which rule it is about, if it went as expected.
fn try_case(file: &RuleFile, case: &Case, telling: &[String], expected: bool) -> Result<String, String> {
    let rule = match (&case.rule, telling) {
        (Some(rule), _) if telling.contains(rule) => rule.clone(),
        (Some(rule), _) => return Err(format!("there is no rule {rule} in the file")),
        (None, [only]) => only.clone(),
        (None, _) => return Err("the file has several rules, so `rule` must say which".into()),
    };
    let mut set = RuleSet::compile(std::slice::from_ref(file)).map_err(|_| "the file does not compile")?;
    let events = play(case)?;
    let mut met = Vec::new();
    for (index, (time, event)) in events.iter().enumerate() {
        let hits = set.evaluate(index as u64, (time.0 / 1000) as i64, event);
        if hits.iter().any(|hit| set.rules()[hit.rule].id == rule) {
            met.push(index + 1);
        }
    }
    match (expected, met.as_slice()) {
        (true, [last]) if *last == events.len() => Ok(rule),
        (false, []) => Ok(rule),
        (true, []) => Err(format!("none of its {} events meets the rule", events.len())),
        (true, met) => {
            Err(format!("of its {} events, {met:?} meet the rule; only the last should", events.len()))
        }
        (false, met) => Err(format!("of its {} events, {met:?} meet the rule; none should", events.len())),
    }
}

/// The events of a case, each with its time.
fn play(case: &Case) -> Result<Vec<(Timestamp, Value)>, String> {
    let mut now = case.at.unwrap_or(BEGIN);
    let mut events = Vec::new();
    for step in &case.events {
        let mut step = step.clone();
        let mut number = |key: &str| match step.remove(key) {
            None => Ok(1),
            Some(value) => value.as_u64().ok_or_else(|| format!("{key} is a whole number")),
        };
        let (after, times, every) = (number("@after")?, number("@times")?, number("@every")?);
        if events.len() as u64 + times > MAX_EVENTS {
            return Err(format!("more than {MAX_EVENTS} events"));
        }
        for n in 0..times {
            let wait = if n == 0 { after } else { every };
            now = Timestamp(now.0 + wait * 1000);
            let mut event: Map<String, Value> =
                step.iter().map(|(key, value)| (key.clone(), numbered(value, n))).collect();
            event.insert("time".into(), now.0.into());
            event.insert("time_dt".into(), serde_json::json!(now));
            events.push((now, Value::Object(event)));
        }
    }
    Ok(events)
}

fn numbered(value: &Value, n: u64) -> Value {
    match value {
        Value::String(text) => text.replace("{n}", &n.to_string()).into(),
        Value::Array(values) => values.iter().map(|value| numbered(value, n)).collect(),
        other => other.clone(),
    }
}
