//! Where a login leads back to.

/// A path on this origin. Made only by [`Next::parse`], so that no login can be turned into a redirect
/// to somebody else's site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Next(String);

/// Longer ones would not fit into the cookie that carries them.
const MAX_BYTES: usize = 2000;

impl Next {
    /// The start page.
    pub(crate) fn home() -> Self {
        Self("/".to_owned())
    }

    /// Takes a path, with or without query. Refused: other origins in every spelling that browsers
    /// understand (`//host`, `/\host`, schemes, control characters that they drop), and the login itself,
    /// which would lead round in circles.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix('/')?;
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let fine = plain
            && text.len() <= MAX_BYTES
            && !path.starts_with('/')
            && !path.starts_with(".sightline/login")
            && !path.starts_with(".sightline/logout");
        fine.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn ways_to_other_sites_are_refused() {
        for text in [
            "",
            "evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            "\t//evil.example",
            " //evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x=y",
            "/ü",
            "/.sightline/login?next=/",
            "/.sightline/logout",
        ] {
            assert_eq!(Next::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn ordinary_paths_are_kept_as_they_are() {
        for text in ["/", "/Ticket/Display.html?id=5&x=%2F%2Fa#reply", "/a//b", "/@evil.example/", "/a:b"] {
            assert_eq!(Next::parse(text).unwrap().as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_on_this_origin(text in "[/\\\\.:@a-c\\t\\r\\n ?#%0-9]{0,12}|\\PC{0,12}") {
            if let Some(next) = Next::parse(&text) {
                let here = Url::parse("https://desk.example/x/y").unwrap();
                let there = here.join(next.as_str()).unwrap();
                prop_assert_eq!(there.origin(), here.origin());
            }
        }
    }
}
