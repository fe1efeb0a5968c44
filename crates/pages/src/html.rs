//! Text that is already HTML, as a type of its own, so that nothing else is ever taken for it.

use std::fmt;

use askama::Template;
use askama::filters::{Escaper, HtmlSafe};

/// A piece of HTML. Made from a template (which escapes) or from plain text (which is escaped).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Renders a template. A template that fails to render (a `Display` in it returned an error) gives
    /// an empty piece: a page with a hole rather than half a tag.
    pub fn of(template: &impl Template) -> Self {
        Self(template.render().unwrap_or_default())
    }

    /// Plain text, escaped.
    pub fn text(text: impl fmt::Display) -> Self {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = askama::filters::Html.write_escaped_str(&mut out, &text.to_string());
        Self(out)
    }

    /// Takes `html` as it is. Only for what holds no value from outside, or only escaped ones.
    pub fn trusted(html: impl Into<String>) -> Self {
        Self(html.into())
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The HTML, as a string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(pieces: I) -> Self {
        Self(pieces.into_iter().map(Html::into_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(ext = "html", source = "<p>{{ text }}{{ piece }}</p>")]
    struct Paragraph<'a> {
        text: &'a str,
        piece: Html,
    }

    #[test]
    fn values_are_escaped_once_and_pieces_not_at_all() {
        let html = Html::of(&Paragraph { text: "<a & b>", piece: Html::text("\"<i>\"") });
        assert_eq!(html.as_str(), "<p>&#60;a &#38; b&#62;&#34;&#60;i&#62;&#34;</p>");
    }
}
