//! The app's content security policy, extended by exactly what the mark needs, and weakened in nothing else.

use http::header::{self, HeaderMap, HeaderValue};

/// What a page with the mark loads.
pub(super) struct Needs<'a> {
    /// The address of the overlay's script.
    pub(super) script: &'a str,
    /// The addresses that stand in when there are no scripts: a style, and the tile as a picture.
    pub(super) style: &'a str,
    pub(super) tile: &'a str,
    /// The address that the script asks.
    pub(super) beat: &'a str,
    /// For policies that go by nonces only.
    pub(super) nonce: &'a str,
}

/// Whether scripts of the page can run and reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    Run,
    /// The app itself forbids it: the page is in a sandbox.
    Forbidden,
}

/// Extends every policy in the headers.
pub(super) fn extend(headers: &mut HeaderMap, needs: &Needs<'_>) -> Scripts {
    let mut scripts = Scripts::Run;
    let said: Vec<HeaderValue> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().cloned().collect();
    if said.is_empty() {
        return scripts;
    }
    headers.remove(header::CONTENT_SECURITY_POLICY);
    for value in said {
        // A browser ignores what is not ASCII, and so may we.
        let Ok(text) = value.to_str() else { continue };
        let policies: Vec<String> = text
            .split(',')
            .map(|policy| {
                let mut policy = Policy::parse(policy);
                if policy.is_sandbox() {
                    scripts = Scripts::Forbidden;
                }
                policy.extend(needs);
                policy.text()
            })
            .collect();
        if let Ok(value) = HeaderValue::from_str(&policies.join(", ")) {
            headers.append(header::CONTENT_SECURITY_POLICY, value);
        }
    }
    scripts
}

/// A policy: directives in order, each with its sources (CSP level 3, section 2.2).
struct Policy<'a>(Vec<(String, Vec<&'a str>)>);

impl<'a> Policy<'a> {
    fn parse(text: &'a str) -> Self {
        let mut directives: Vec<(String, Vec<&str>)> = Vec::new();
        for directive in text.split(';') {
            let mut words = directive.split_ascii_whitespace();
            let Some(name) = words.next().map(str::to_ascii_lowercase) else { continue };
            // The first of a name counts.
            if !directives.iter().any(|(known, _)| *known == name) {
                directives.push((name, words.collect()));
            }
        }
        Self(directives)
    }

    fn text(&self) -> String {
        let directives =
            self.0.iter().map(|(name, sources)| [&[name.as_str()][..], sources].concat().join(" "));
        directives.collect::<Vec<_>>().join("; ")
    }

    fn is_sandbox(&self) -> bool {
        let allows =
            |sources: &[&str], what: &str| sources.iter().any(|source| source.eq_ignore_ascii_case(what));
        self.0.iter().any(|(name, sources)| {
            name == "sandbox" && !(allows(sources, "allow-scripts") && allows(sources, "allow-same-origin"))
        })
    }

    fn extend(&mut self, needs: &Needs<'a>) {
        self.allow(
            &["script-src-elem", "script-src", "default-src"],
            "script-src",
            needs.script,
            Some(needs.nonce),
        );
        self.allow(&["style-src-elem", "style-src", "default-src"], "style-src", needs.style, None);
        self.allow(&["img-src", "default-src"], "img-src", needs.tile, None);
        self.allow(&["img-src", "default-src"], "img-src", "blob:", None);
        self.allow(&["connect-src", "default-src"], "connect-src", needs.tile, None);
        self.allow(&["connect-src", "default-src"], "connect-src", needs.beat, None);
    }

    /// Lets `source` be loaded: in the directive that governs it, or, where that is only the default, in one of its own
    /// that says what the default said.
    fn allow(&mut self, governing: &[&str], own: &str, source: &'a str, nonce: Option<&'a str>) {
        let Some(at) = governing.iter().find_map(|name| self.0.iter().position(|(known, _)| known == name))
        else {
            return;
        };
        let by_nonce = self.0[at].1.iter().any(|source| source.eq_ignore_ascii_case("'strict-dynamic'"));
        let source = match nonce {
            Some(nonce) if by_nonce => nonce,
            _ if self.0[at].1.iter().any(|given| allows(given, source)) => return,
            _ => source,
        };
        let at = if self.0[at].0 == "default-src" {
            let copied = self.0[at].1.clone();
            self.0.push((own.to_owned(), copied));
            self.0.len() - 1
        } else {
            at
        };
        let sources = &mut self.0[at].1;
        sources.retain(|source| !source.eq_ignore_ascii_case("'none'"));
        sources.push(source);
    }
}

/// Whether a source that is given already lets this one be loaded. All of ours are of the page's own origin.
fn allows(given: &str, wanted: &str) -> bool {
    let is_scheme = wanted.ends_with(':');
    given == wanted || (!is_scheme && (given == "*" || given.eq_ignore_ascii_case("'self'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEEDS: Needs<'static> = Needs {
        script: "https://d.example/s.js",
        style: "https://d.example/s.css",
        tile: "https://d.example/t.png",
        beat: "https://d.example/beat",
        nonce: "'nonce-abc'",
    };

    fn extended(policies: &[&str]) -> (Vec<String>, Scripts) {
        let mut headers = HeaderMap::new();
        for policy in policies {
            headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(policy).unwrap());
        }
        let scripts = extend(&mut headers, &NEEDS);
        let all = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
        (all.map(|value| value.to_str().unwrap().to_owned()).collect(), scripts)
    }

    fn one(policy: &str) -> String {
        extended(&[policy]).0.remove(0)
    }

    #[test]
    fn a_page_without_a_policy_gets_none() {
        assert_eq!(extended(&[]), (vec![], Scripts::Run));
    }

    #[test]
    fn what_the_default_governs_gets_a_directive_of_its_own_and_the_default_stays() {
        assert_eq!(
            one("default-src 'none'"),
            "default-src 'none'; script-src https://d.example/s.js; style-src https://d.example/s.css; \
             img-src https://d.example/t.png blob:; \
             connect-src https://d.example/t.png https://d.example/beat"
        );
    }

    #[test]
    fn a_policy_that_allows_its_own_origin_needs_blob_pictures_only() {
        assert_eq!(one("default-src 'self'"), "default-src 'self'; img-src 'self' blob:");
        assert_eq!(one("frame-ancestors 'none'"), "frame-ancestors 'none'");
    }

    #[test]
    fn inline_scripts_and_nonces_of_the_app_mean_what_they_meant() {
        assert_eq!(
            one("script-src 'unsafe-inline' cdn.example"),
            "script-src 'unsafe-inline' cdn.example https://d.example/s.js",
            "a nonce would switch 'unsafe-inline' off"
        );
        assert_eq!(
            one("script-src 'nonce-app' 'strict-dynamic'"),
            "script-src 'nonce-app' 'strict-dynamic' 'nonce-abc'",
            "an address would be ignored"
        );
    }

    #[test]
    fn every_policy_is_extended_because_all_of_them_hold() {
        let (policies, _) = extended(&["img-src 'none', script-src 'self'", "connect-src 'self'"]);
        assert_eq!(
            policies,
            ["img-src https://d.example/t.png blob:, script-src 'self'", "connect-src 'self'"]
        );
    }

    #[test]
    fn a_sandbox_without_scripts_is_said_so() {
        assert_eq!(extended(&["sandbox allow-forms"]).1, Scripts::Forbidden);
        assert_eq!(
            extended(&["sandbox allow-scripts"]).1,
            Scripts::Forbidden,
            "it cannot reach us as this origin"
        );
        assert_eq!(extended(&["sandbox allow-scripts allow-same-origin"]).1, Scripts::Run);
    }

    proptest! {
        #[test]
        fn nothing_of_the_app_is_lost_and_nothing_but_ours_is_added(
            policy in "((default-src|script-src|img-src|style-src|connect-src|font-src)( ('self'|'none'|https://a\\.example|'unsafe-inline'|data:)){0,3}; ?){0,4}",
        ) {
            let before = Policy::parse(&policy);
            let text = one(&format!("{policy} "));
            let after = Policy::parse(&text);
            let ours = [NEEDS.script, NEEDS.style, NEEDS.tile, NEEDS.beat, "blob:"];
            for (name, sources) in &before.0 {
                let now = &after.0.iter().find(|(n, _)| n == name).unwrap().1;
                let kept = sources.iter().all(|s| now.contains(s) || *s == "'none'");
                prop_assert!(kept, "{name}");
            }
            for (name, sources) in &after.0 {
                let was = before.0.iter().find(|(n, _)| n == name).or(before.0.iter().find(|(n, _)| n == "default-src"));
                let was = &was.unwrap().1;
                prop_assert!(sources.iter().all(|s| was.contains(s) || ours.contains(s)), "{name}");
            }
        }
    }
}
