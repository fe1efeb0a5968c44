//! The choice of a stretch of time, as links above a page.

use std::time::Duration;

use ledger::Ledger;
use model::Timestamp;
use pages::Html;
use views::Span;

/// A stretch of time up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub(crate) enum Stretch {
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    #[default]
    Day,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "all")]
    All,
}

impl Stretch {
    const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::All];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::All => "all",
        }
    }

    /// For sentences: "in the last 24 hours".
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Hour => "in the last hour",
            Self::Day => "in the last 24 hours",
            Self::Week => "in the last 7 days",
            Self::Month => "in the last 30 days",
            Self::All => "since the ledger began",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Hour => "1 hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::All => "All",
        }
    }

    fn length(self) -> Option<Duration> {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 24 * 7,
            Self::Month => 24 * 30,
            Self::All => return None,
        };
        Some(Duration::from_secs(hours * 3600))
    }

    /// The span of a question. A stretch that reaches back behind the ledger's first entry begins with
    /// that entry, so that a chart of a young ledger is not mostly empty.
    pub(crate) fn span(self, now: Timestamp, ledger: &Ledger) -> Span {
        let from = self.length().map(|length| now.minus(length));
        let began = ledger.read(0, 1).ok().and_then(|first| first.first().map(|r| r.entry.time));
        Span { from: from.filter(|from| began.is_none_or(|began| *from > began)), to: None }
    }

    /// Links to the same page over each stretch. `path` is without a query; `rest` is what the query
    /// holds besides, beginning with `&`, or empty.
    pub(crate) fn links(self, path: &str, rest: &str) -> Html {
        let links: String = Self::ALL
            .into_iter()
            .map(|stretch| {
                let here = if stretch == self { r#" aria-current="true""# } else { "" };
                let target = Html::text(format!("{path}?span={}{rest}", stretch.word()));
                format!(r#"<a href="{target}"{here}>{}</a>"#, stretch.label())
            })
            .collect();
        Html::trusted(format!(
            r#"<div class="segments no-print" role="group" aria-label="Time span">{links}</div>"#
        ))
    }
}

/// The query of pages that have nothing but a span and a place in a list.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Within {
    pub(crate) span: Stretch,
    pub(crate) after: Option<views::Cursor>,
}

impl Within {
    pub(crate) fn page(self, limit: u32) -> views::Page {
        views::Page { limit, after: self.after }
    }

    /// The links below a list that runs from the newest to the oldest.
    pub(crate) fn pager(self, path: &str, next: Option<views::Cursor>) -> Html {
        let newest = format!("{path}?span={}", self.span.word());
        let older = next.map(|cursor| format!("{newest}&after={cursor}"));
        let back = self.after.map(|_| ("Newest", newest.as_str()));
        crate::show::pager(back, older.as_deref().map(|href| ("Older", href)))
    }
}
