//! Files become a set: parsed, bounded, compiled, all of them or none.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{Engine, EvaluationResult, compile_rule};
use rsigma_parser::{CorrelationRule, FilterRule, SigmaCollection, SigmaRule, parse_sigma_yaml};
use serde_json::Value;

use crate::bounds;
use crate::count::{Counter, Overflow};
use crate::problem::Problem;
use crate::rule::{Place, Rule};
use crate::source::RuleFile;

/// Rules, compiled, with what their correlations have counted.
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
    engine: Engine,
    counters: Vec<Counter>,
    /// Which counters want to know when a rule is met.
    wanted: HashMap<String, Vec<usize>>,
}

/// An entry met a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The rule, by its place in [`RuleSet::rules`].
    pub rule: usize,
    /// The entries that met it, as far as a correlation still knows them; the last is the one that was evaluated.
    pub entries: Vec<u64>,
}

impl RuleSet {
    /// Compiles files. Every problem is said, and then there is no set.
    pub fn compile(files: &[RuleFile]) -> Result<Self, Vec<Problem>> {
        let mut draft = Draft::default();
        for file in files {
            draft.add(file);
        }
        draft.finish()
    }

    /// Every rule, in the order of the files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How far back correlations look at the most: with the entries of so long, a set counts as if it had always been
    /// there.
    pub fn longest_window(&self) -> Duration {
        self.rules.iter().filter_map(|rule| rule.window).max().unwrap_or_default()
    }

    /// Evaluates an entry: what it is as an event, its number, and when it was committed. Entries come in the order of
    /// the ledger.
    pub fn evaluate(&mut self, index: u64, seconds: i64, event: &Value) -> Vec<Hit> {
        // By which a correlation names the entries that it counted.
        let mut event = event.clone();
        if let Value::Object(event) = &mut event {
            event.insert("id".into(), index.into());
        }
        let event = JsonEvent::borrow(&event);
        let met = self.engine.evaluate(&event);
        if met.is_empty() {
            return Vec::new();
        }
        let mut wanting: Vec<usize> = met
            .iter()
            .filter_map(|result| self.wanted.get(result.header.rule_id.as_ref()?))
            .flatten()
            .copied()
            .collect();
        wanting.sort_unstable();
        wanting.dedup();
        let mut hits: Vec<Hit> = met.iter().filter_map(|result| self.hit(index, result)).collect();
        for at in wanting {
            let counted = self.counters[at].count(seconds, &event, &met);
            hits.extend(counted.iter().filter_map(|result| self.hit(index, result)));
        }
        hits
    }

    /// Which rules counted too much since this was last asked.
    pub fn take_overflows(&mut self) -> Vec<Overflow> {
        self.counters.iter_mut().filter_map(Counter::take_overflow).collect()
    }

    fn hit(&self, index: u64, result: &EvaluationResult) -> Option<Hit> {
        let rule = *self.by_id.get(result.header.rule_id.as_ref()?)?;
        if self.rules[rule].counted_only {
            return None;
        }
        let mut entries: Vec<u64> = match result.as_correlation().and_then(|c| c.event_refs.as_ref()) {
            Some(refs) => refs.iter().filter_map(|r| r.id.as_ref()?.parse().ok()).collect(),
            None => Vec::new(),
        };
        entries.push(index);
        entries.dedup();
        Some(Hit { rule, entries })
    }
}

/// A set on its way.
#[derive(Default)]
struct Draft {
    problems: Vec<Problem>,
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
    detections: Vec<SigmaRule>,
    correlations: Vec<CorrelationRule>,
    filters: Vec<FilterRule>,
    /// Ids and names, each to an id.
    names: HashMap<String, String>,
}

impl Draft {
    fn add(&mut self, file: &RuleFile) {
        for (line, document) in file.documents() {
            match parse_sigma_yaml(&document) {
                Ok(collection) => self.add_document(file, line, collection),
                Err(error) => self.problem(file, line, &error.to_string()),
            }
        }
    }

    fn add_document(&mut self, file: &RuleFile, line: usize, collection: SigmaCollection) {
        for error in &collection.errors {
            self.problem(file, line, error);
        }
        for rule in collection.rules {
            let Some(id) = self.identify(file, line, rule.id.as_deref(), rule.name.as_deref(), &rule.title)
            else {
                continue;
            };
            let place = Place { file: &file.name, line: file.line_of(&id), digest: file.digest() };
            let known = Rule::detection(id.clone(), &rule, place);
            let compiled = bounds::check_rule(&rule)
                .and_then(|()| compile_rule(&rule).map(drop).map_err(|error| error.to_string()));
            match compiled {
                Ok(()) => {
                    self.by_id.insert(id, self.rules.len());
                    self.detections.push(rule);
                    self.rules.push(known);
                }
                Err(why) => self.problems.push(Problem::new(&file.name, known.line, why)),
            }
        }
        for rule in collection.correlations {
            let Some(id) = self.identify(file, line, rule.id.as_deref(), rule.name.as_deref(), &rule.title)
            else {
                continue;
            };
            let place = Place { file: &file.name, line: file.line_of(&id), digest: file.digest() };
            let known = Rule::correlation(id.clone(), &rule, place);
            match bounds::check_correlation(&rule) {
                Ok(()) => {
                    self.by_id.insert(id, self.rules.len());
                    self.correlations.push(rule);
                    self.rules.push(known);
                }
                Err(why) => self.problems.push(Problem::new(&file.name, known.line, why)),
            }
        }
        self.filters.extend(collection.filters);
    }

    /// A rule's id, remembered with its name. Entries say by it which rule was met, so it must be there and be one's own.
    fn identify(
        &mut self,
        file: &RuleFile,
        line: usize,
        id: Option<&str>,
        name: Option<&str>,
        title: &str,
    ) -> Option<String> {
        let said = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        let id = match id {
            Some(id) if (1..=64).contains(&id.len()) && id.chars().all(said) => id.to_owned(),
            Some(_) => {
                self.problem(file, line, "an id is up to 64 letters, digits and -; best is a UUID");
                return None;
            }
            None => {
                self.problem(file, line, &format!("{title:?} has no id; give it a UUID"));
                return None;
            }
        };
        for key in [Some(id.as_str()), name].into_iter().flatten() {
            if let Some(other) = self.names.insert(key.to_owned(), id.clone()) {
                let where_else = self.by_id.get(&other).map(|at| self.rules[*at].file.clone());
                let where_else = where_else.unwrap_or_else(|| file.name.clone());
                let line = file.line_of(key).unwrap_or(line);
                self.problem(file, line, &format!("{key} is already that of a rule in {where_else}"));
                return None;
            }
        }
        Some(id)
    }

    fn problem(&mut self, file: &RuleFile, line: usize, why: &str) {
        let line = line_in(why).unwrap_or(line);
        self.problems.push(Problem::new(&file.name, Some(line), why));
    }

    fn finish(mut self) -> Result<RuleSet, Vec<Problem>> {
        let groups = self.groups();
        let mut counters = Vec::new();
        let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
        for group in groups {
            let collection = self.gather(&group);
            let first = collection.correlations.first().and_then(|c| c.id.clone()).unwrap_or_default();
            let refers: Vec<String> = collection.rules.iter().filter_map(|rule| rule.id.clone()).collect();
            match Counter::new(collection) {
                Ok(counter) => {
                    for id in refers {
                        wanted.entry(id).or_default().push(counters.len());
                    }
                    counters.push(counter);
                }
                Err(error) => {
                    let at = self.by_id.get(&first).map(|at| &self.rules[*at]);
                    let (file, line) = at.map_or(("", None), |rule| (rule.file.as_str(), rule.line));
                    self.problems.push(Problem::new(file, line, error.to_string()));
                }
            }
        }
        self.mark_counted_only();
        let mut engine = Engine::new();
        let applies = |rule: &&SigmaRule| {
            let at = rule.id.as_ref().and_then(|id| self.by_id.get(id));
            at.is_some_and(|at| self.rules[*at].applies)
        };
        let applicable: Vec<&SigmaRule> = self.detections.iter().filter(applies).collect();
        for (at, error) in engine.add_rules(applicable.iter().copied()) {
            self.problems.push(Problem::new("", None, format!("{}: {error}", applicable[at].title)));
        }
        for filter in &self.filters {
            if let Err(error) = engine.apply_filter(filter) {
                self.problems.push(Problem::new("", None, error.to_string()));
            }
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(RuleSet { rules: self.rules, by_id: self.by_id, engine, counters, wanted })
    }

    /// Rules that are referred to say nothing by themselves, unless a correlation lets them.
    fn mark_counted_only(&mut self) {
        for correlation in &self.correlations {
            let refers = correlation.rules.iter().filter_map(|name| self.names.get(name));
            for at in refers.filter_map(|id| self.by_id.get(id)) {
                self.rules[*at].counted_only = !correlation.generate;
            }
        }
    }

    /// Correlations by what they refer to, directly or not: each group counts by itself.
    fn groups(&self) -> Vec<Vec<usize>> {
        let place: HashMap<&str, usize> =
            self.correlations.iter().enumerate().filter_map(|(at, c)| Some((c.id.as_deref()?, at))).collect();
        let refers = |at: usize| {
            let names = self.correlations[at].rules.iter();
            names.filter_map(|name| place.get(self.names.get(name)?.as_str()).copied()).collect::<Vec<_>>()
        };
        let mut group: Vec<usize> = (0..self.correlations.len()).collect();
        for at in 0..self.correlations.len() {
            for other in refers(at) {
                let (from, to) = (group[at], group[other]);
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
            }
        }
        let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, group) in group.into_iter().enumerate() {
            groups.entry(group).or_default().push(at);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort();
        groups
    }

    /// The correlations of a group with the rules that they refer to.
    fn gather(&self, group: &[usize]) -> SigmaCollection {
        let mut collection = SigmaCollection::new();
        collection.correlations = group.iter().map(|at| self.correlations[*at].clone()).collect();
        let refers: HashSet<&String> = collection
            .correlations
            .iter()
            .flat_map(|correlation| &correlation.rules)
            .filter_map(|name| self.names.get(name))
            .collect();
        collection.rules = self
            .detections
            .iter()
            .filter(|rule| rule.id.as_ref().is_some_and(|id| refers.contains(id)))
            .cloned()
            .collect();
        collection
    }
}

/// The line that a parser's message speaks of (`… at line 3 column 5`).
fn line_in(why: &str) -> Option<usize> {
    let (_, rest) = why.split_once("at line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}
