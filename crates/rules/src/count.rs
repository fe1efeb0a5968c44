//! Correlations: what they have counted, each apart from the others.
//!
//! Correlations that refer to each other share an engine; all others have one of their own, so that one that counts a
//! million keys pushes out its own counts and nobody else's. A count that is pushed out may be missed, never made up.

use rsigma_eval::event::JsonEvent;
use rsigma_eval::{CorrelationAction, CorrelationConfig, CorrelationEngine, CorrelationEventMode};
use rsigma_eval::{EvalError, EvaluationResult, TimestampFallback};
use rsigma_parser::SigmaCollection;
use serde::Serialize;

use crate::bounds::highest_count;

/// The most keys (staff members, customers, …) that the correlations of one engine keep counts for.
pub(crate) const MAX_KEYS: usize = 10_000;
/// The most entries that all counts of one engine hold together.
const MAX_ENTRIES: usize = 200_000;
/// How many entries a correlation names, the latest ones.
const NAMED: usize = 16;
/// After so many entries, counts that are out of their time are let go.
const TIDY_EVERY: u32 = 1024;
/// After so many entries, all that are held are counted.
const WEIGH_EVERY: usize = 50_000;

/// A rule counted more than it may, and let go of counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overflow {
    /// The correlations that counted together, by id.
    pub rules: Vec<String>,
    /// What was too much, in one sentence.
    pub why: String,
}

/// Correlations that refer to each other, and what they have counted.
pub(crate) struct Counter {
    rules: Vec<String>,
    engine: CorrelationEngine,
    since_tidied: u32,
    since_weighed: usize,
    /// Seconds since 1970 of the last report, so that a flood is one report an hour.
    reported: Option<i64>,
    overflow: Option<Overflow>,
    collection: SigmaCollection,
}

impl Counter {
    /// Of correlations with the rules that they refer to.
    pub(crate) fn new(mut collection: SigmaCollection) -> Result<Self, EvalError> {
        for correlation in &mut collection.correlations {
            // What a rule may keep is not the rule's to say.
            for bound in
                ["max_group_entries", "max_correlation_events", "correlation_event_mode", "timestamp_field"]
            {
                correlation.custom_attributes.remove(&format!("rsigma.{bound}"));
            }
        }
        let rules = collection.correlations.iter().filter_map(|c| c.id.clone()).collect();
        let engine = engine(&collection)?;
        Ok(Self {
            rules,
            engine,
            since_tidied: 0,
            since_weighed: 0,
            reported: None,
            overflow: None,
            collection,
        })
    }

    /// Counts an entry that met rules, and says which correlations it met.
    pub(crate) fn count(
        &mut self,
        seconds: i64,
        event: &JsonEvent<'_>,
        met: &[EvaluationResult],
    ) -> Vec<EvaluationResult> {
        if self.engine.state_count() + 1 >= MAX_KEYS {
            self.engine.evict_expired(seconds);
            if self.engine.state_count() + 1 >= MAX_KEYS {
                self.report(seconds, format!("counts for more than {MAX_KEYS} keys; the oldest were let go"));
            }
        }
        self.since_tidied += 1;
        if self.since_tidied >= TIDY_EVERY {
            self.since_tidied = 0;
            self.engine.evict_expired(seconds);
        }
        self.since_weighed += 1;
        if self.since_weighed >= WEIGH_EVERY {
            self.since_weighed = 0;
            self.weigh(seconds);
        }
        let said = self.engine.process_with_detections(event, met.to_vec(), seconds);
        said.into_iter().filter(EvaluationResult::is_correlation).collect()
    }

    pub(crate) fn take_overflow(&mut self) -> Option<Overflow> {
        self.overflow.take()
    }

    fn weigh(&mut self, seconds: i64) {
        self.engine.evict_expired(seconds);
        let held: usize = self.engine.introspect().groups.iter().map(|group| group.entries).sum();
        if held > MAX_ENTRIES {
            self.report(seconds, format!("holds {held} entries, more than {MAX_ENTRIES}; it counts anew"));
            // It was compiled once, so it can be again; if not, the old counts stay bounded by the keys.
            if let Ok(fresh) = engine(&self.collection) {
                self.engine = fresh;
            }
        }
    }

    fn report(&mut self, seconds: i64, why: String) {
        if self.reported.is_none_or(|at| seconds - at >= 3600) {
            self.reported = Some(seconds);
            self.overflow = Some(Overflow { rules: self.rules.clone(), why });
        }
    }
}

fn engine(collection: &SigmaCollection) -> Result<CorrelationEngine, EvalError> {
    let highest = collection.correlations.iter().map(highest_count).max().unwrap_or_default();
    // Entries of the same customer are counted once and kept each, so a few times as many as are counted.
    let kept = highest.saturating_mul(4).clamp(256, 8192) as usize;
    let mut engine = CorrelationEngine::new(CorrelationConfig {
        timestamp_fields: Vec::new(),
        timestamp_fallback: TimestampFallback::Skip,
        max_state_entries: MAX_KEYS,
        max_group_entries: Some(kept),
        suppress: None,
        // What was said is not said again with the next entry: it has to be met anew.
        action_on_match: CorrelationAction::Reset,
        emit_detections: true,
        correlation_event_mode: CorrelationEventMode::Refs,
        max_correlation_events: NAMED,
    });
    engine.add_collection(collection)?;
    Ok(engine)
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").field("rules", &self.rules).finish_non_exhaustive()
    }
}
