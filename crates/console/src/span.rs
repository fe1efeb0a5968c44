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
        choices(Some(self), path, rest)
    }
}

/// Links to a page over each stretch, with the one that it is of marked, if it is of one.
fn choices(here: Option<Stretch>, path: &str, rest: &str) -> Html {
    let link = |stretch: Stretch| {
        let current = if here == Some(stretch) { r#" aria-current="true""# } else { "" };
        let target = Html::text(format!("{path}?span={}{rest}", stretch.word()));
        format!(r#"<a href="{target}"{current}>{}</a>"#, stretch.label())
    };
    let links: String = Stretch::ALL.into_iter().map(link).collect();
    Html::trusted(format!(
        r#"<div class="segments no-print" role="group" aria-label="Time span">{links}</div>"#
    ))
}

/// A stretch up to now, or exact times; of the exact ones, either may be open.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Times {
    span: Stretch,
    #[serde(deserialize_with = "moment")]
    from: Option<Timestamp>,
    #[serde(deserialize_with = "moment")]
    to: Option<Timestamp>,
}

impl Times {
    fn are_exact(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// The span of a question.
    pub(crate) fn span(self, now: Timestamp, ledger: &Ledger) -> Span {
        match self.are_exact() {
            true => Span { from: self.from, to: self.to },
            false => self.span.span(now, ledger),
        }
    }

    /// The same as a query, without `?`.
    pub(crate) fn query(self) -> String {
        match self.are_exact() {
            true => format!("from={}&to={}", self.field(self.from), self.field(self.to)),
            false => format!("span={}", self.span.word()),
        }
    }

    /// For sentences: "from 2026-03-02 08:00 to 2026-03-02 17:30 UTC".
    pub(crate) fn sentence(self) -> String {
        let word = |at: Option<Timestamp>| self.field(at).replace('T', " ");
        match (self.from, self.to) {
            (None, None) => self.span.sentence().to_owned(),
            (Some(_), None) => format!("since {} UTC", word(self.from)),
            (None, Some(_)) => format!("before {} UTC", word(self.to)),
            (Some(_), Some(_)) => format!("from {} to {} UTC", word(self.from), word(self.to)),
        }
    }

    pub(crate) fn links(self, path: &str) -> Html {
        choices((!self.are_exact()).then_some(self.span), path, "")
    }

    /// What the field for the beginning holds.
    pub(crate) fn begins(self) -> String {
        self.field(self.from)
    }

    /// What the field for the end holds.
    pub(crate) fn ends(self) -> String {
        self.field(self.to)
    }

    /// As a browser's `datetime-local` field has it: to the minute, without an offset; ours are UTC.
    fn field(self, at: Option<Timestamp>) -> String {
        at.map(|at| format!("{at:.16}")).unwrap_or_default()
    }
}

/// A time as a `datetime-local` field sends it, or RFC 3339; nothing if the field was left empty.
fn moment<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let text: String = serde::Deserialize::deserialize(d)?;
    if text.is_empty() {
        return Ok(None);
    }
    let at = Timestamp::parse(&text)
        .or_else(|| Timestamp::parse(&format!("{text}:00Z")))
        .or_else(|| Timestamp::parse(&format!("{text}Z")));
    at.map(Some).ok_or_else(|| serde::de::Error::custom("not a time"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Times {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn exact_times_win_over_a_stretch_and_read_back_from_their_link() {
        let times = read(r#"{"span":"7d","from":"2026-03-02T08:00","to":""}"#);
        assert_eq!(times.query(), "from=2026-03-02T08:00&to=");
        assert_eq!(times.sentence(), "since 2026-03-02 08:00 UTC");
        assert_eq!(times.from, Timestamp::parse("2026-03-02T08:00:00Z"));
        assert_eq!(read(r#"{"span":"7d"}"#).query(), "span=7d");
        assert!(serde_json::from_str::<Times>(r#"{"from":"yesterday"}"#).is_err());
    }
}
