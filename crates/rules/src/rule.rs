//! What is known of a rule besides how it is evaluated.

use std::time::Duration;

use model::Digest;
use rsigma_parser::{CorrelationRule, Level, SigmaRule};
use serde::Serialize;

/// The product that a rule's `logsource` names if it is about the ledger's entries.
pub(crate) const PRODUCT: &str = "sightline";

/// A rule, as its author describes it.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Its id; every rule must have one.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How serious it is to meet it.
    pub level: Level,
    /// What it looks for and why.
    pub description: Option<String>,
    /// When it is met and nothing is wrong.
    pub falsepositives: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// One entry or several.
    pub kind: Kind,
    /// Within which time a correlation counts.
    pub window: Option<Duration>,
    /// Whether it is about the ledger's entries: another product's is compiled and never evaluated.
    pub applies: bool,
    /// Whether it only counts for others, and a hit of it alone says nothing.
    pub counted_only: bool,
    /// In which file it stands.
    pub file: String,
    /// On which line, from 1.
    pub line: Option<usize>,
    /// The digest of the file's text.
    pub digest: Digest,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One entry.
    Detection,
    /// Several entries in their time.
    Correlation,
}

/// Where a rule stands.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: Option<usize>,
    pub(crate) digest: Digest,
}

impl Rule {
    pub(crate) fn detection(id: String, rule: &SigmaRule, place: Place<'_>) -> Self {
        let product = rule.logsource.product.as_deref();
        Self {
            id,
            title: rule.title.clone(),
            level: rule.level.unwrap_or(Level::Medium),
            description: rule.description.clone(),
            falsepositives: rule.falsepositives.clone(),
            tags: rule.tags.clone(),
            kind: Kind::Detection,
            window: None,
            applies: product.is_none_or(|product| product.eq_ignore_ascii_case(PRODUCT)),
            counted_only: false,
            file: place.file.to_owned(),
            line: place.line,
            digest: place.digest,
        }
    }

    pub(crate) fn correlation(id: String, rule: &CorrelationRule, place: Place<'_>) -> Self {
        Self {
            id,
            title: rule.title.clone(),
            level: rule.level.unwrap_or(Level::Medium),
            description: rule.description.clone(),
            falsepositives: rule.falsepositives.clone(),
            tags: rule.tags.clone(),
            kind: Kind::Correlation,
            window: Some(Duration::from_secs(rule.timespan.seconds)),
            applies: true,
            counted_only: false,
            file: place.file.to_owned(),
            line: place.line,
            digest: place.digest,
        }
    }
}
