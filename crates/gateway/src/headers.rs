//! Headers on their way through: from the browser's world to the app's, and back.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::origin::Origin;

/// Sightline's own cookies begin with this; they never reach an app, and no app can set one.
pub(crate) const OWN_COOKIES: &str = "__Host-sightline";

/// They belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Who somebody is, where they come from, and which route they mean: never believed from a browser.
const CLAIMS: &[&str] = &[
    "auth-user",
    "expect",
    "forwarded",
    "remote-user",
    "via",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-user",
    "x-authenticated-user",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
    "x-user",
    "x-webauth-user",
];

/// With one of these an app may answer "as you have it", or with a part that no adapter can read.
const CONDITIONS: &[&str] =
    &["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"];

/// True of the body as the app sent it, or an invitation to keep it.
const ABOUT_THE_BODY: &[&str] = &[
    "accept-ranges",
    "age",
    "cache-control",
    "content-digest",
    "content-md5",
    "digest",
    "etag",
    "expires",
    "last-modified",
    "pragma",
    "repr-digest",
];

/// Whether what is asked for is recorded, or open to everybody who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may show a customer: nothing of it may be kept by the browser.
    Recorded,
    /// It shows no customer.
    Open,
}

/// The two worlds: where browsers find the app, and where the gateway does.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) public: Origin,
    pub(crate) app: Origin,
    /// Headers that only the gateway may send to this app.
    pub(crate) reserved: Vec<HeaderName>,
}

impl Translation {
    /// The headers of a request, as the app is to see them.
    pub(crate) fn to_app(&self, headers: &HeaderMap, kind: Kind) -> HeaderMap {
        let hop_by_hop = named_by_connection(headers);
        let mut out = HeaderMap::with_capacity(headers.len() + 4);
        for (name, value) in headers {
            let dropped = is_hop_by_hop(name, &hop_by_hop)
                || name == header::CONTENT_LENGTH
                || is_claim(name)
                || self.reserved.iter().any(|reserved| same_to_an_app(name.as_str(), reserved.as_str()))
                || (kind == Kind::Recorded
                    && (CONDITIONS.contains(&name.as_str()) || name == header::ACCEPT_ENCODING));
            if dropped {
                continue;
            }
            let value = match *name {
                header::COOKIE => without_own_cookies(value),
                header::REFERER | header::ORIGIN => Some(moved(value, &self.public, &self.app)),
                _ => Some(value.clone()),
            };
            if let Some(value) = value {
                out.append(name, value);
            }
        }
        if let Ok(host) = HeaderValue::from_str(self.app.authority().as_str()) {
            out.insert(header::HOST, host);
        }
        if kind == Kind::Recorded {
            out.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        out
    }

    /// The headers of an answer, as the browser is to see them.
    pub(crate) fn to_browser(&self, headers: &HeaderMap, kind: Kind) -> HeaderMap {
        let hop_by_hop = named_by_connection(headers);
        let mut out = HeaderMap::with_capacity(headers.len() + 1);
        for (name, value) in headers {
            let dropped = is_hop_by_hop(name, &hop_by_hop)
                || name == header::CONTENT_LENGTH
                // They would lead the browser around the gateway, or answer from a cache behind its back.
                || name == header::ALT_SVC
                || name == "service-worker-allowed"
                || (kind == Kind::Recorded && ABOUT_THE_BODY.contains(&name.as_str()));
            if dropped {
                continue;
            }
            let value = match *name {
                header::SET_COOKIE => for_this_host(value),
                header::LOCATION | header::CONTENT_LOCATION => Some(moved(value, &self.app, &self.public)),
                _ => Some(value.clone()),
            };
            if let Some(value) = value {
                out.append(name, value);
            }
        }
        if kind == Kind::Recorded {
            out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        out
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let listed = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn is_hop_by_hop(name: &HeaderName, also: &[String]) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || also.iter().any(|other| other == name.as_str())
}

fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    CLAIMS.iter().any(|claim| same_to_an_app(name, claim))
        || name.get(..12).is_some_and(|start| same_to_an_app(start, "x-forwarded-"))
}

/// CGI, WSGI, PSGI and Rack write `-` and `_` in a header's name alike.
fn same_to_an_app(a: &str, b: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    a.len() == b.len() && a.bytes().map(plain).eq(b.bytes().map(plain))
}

/// The `Cookie` header without Sightline's own; `None` if nothing is left.
fn without_own_cookies(value: &HeaderValue) -> Option<HeaderValue> {
    let is_own = |cookie: &&[u8]| cookie.trim_ascii().starts_with(OWN_COOKIES.as_bytes());
    if !value.as_bytes().split(|byte| *byte == b';').any(|cookie| is_own(&cookie)) {
        return Some(value.clone());
    }
    let kept: Vec<&[u8]> = value
        .as_bytes()
        .split(|byte| *byte == b';')
        .filter(|cookie| !is_own(cookie))
        .map(<[u8]>::trim_ascii)
        .filter(|cookie| !cookie.is_empty())
        .collect();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok() }
}

/// A `Set-Cookie` without `Domain`, so that it belongs to the host the browser knows; `None` for a
/// cookie that has the name of one of Sightline's.
fn for_this_host(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes().trim_ascii();
    if bytes.get(..OWN_COOKIES.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_COOKIES.as_bytes()))
    {
        return None;
    }
    let is_domain = |attribute: &[u8]| {
        attribute.trim_ascii().get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"domain"))
    };
    let mut parts = bytes.split(|byte| *byte == b';');
    let mut kept = vec![parts.next().unwrap_or_default()];
    kept.extend(parts.filter(|attribute| !is_domain(attribute)));
    HeaderValue::from_bytes(&kept.join(&b';')).ok()
}

/// A URL moved from one origin to the other; one that is elsewhere stays as it is.
fn moved(value: &HeaderValue, from: &Origin, to: &Origin) -> HeaderValue {
    let elsewhere = || value.clone();
    let Some(url) = value.to_str().ok().and_then(|url| from.moved(url, to)) else { return elsewhere() };
    HeaderValue::from_str(&url).unwrap_or_else(|_| elsewhere())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translation() -> Translation {
        Translation {
            public: "https://desk.example.com".parse().unwrap(),
            app: "http://127.0.0.1:8081".parse().unwrap(),
            reserved: vec!["x-desk-user".parse().unwrap(), "x-desk-secret".parse().unwrap()],
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn nothing_from_the_browser_says_who_somebody_is() {
        let sent = headers(&[
            ("x-desk-user", "root"),
            ("x_desk_user", "root"),
            ("x-desk_secret", "guess"),
            ("remote_user", "root"),
            ("x-forwarded-user", "root"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/admin"),
            ("accept", "text/html"),
        ]);
        let seen = translation().to_app(&sent, Kind::Open);
        let mut names: Vec<_> = seen.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host"]);
    }

    #[test]
    fn what_a_connection_names_goes_no_further() {
        let sent =
            headers(&[("connection", "close, X-Hop"), ("x-hop", "1"), ("te", "trailers"), ("x-stays", "1")]);
        let seen = translation().to_app(&sent, Kind::Open);
        assert!(seen.contains_key("x-stays") && !seen.contains_key("x-hop") && !seen.contains_key("te"));
    }

    #[test]
    fn a_recorded_request_has_no_conditions_and_no_encoding() {
        let sent =
            headers(&[("if-none-match", "\"a\""), ("range", "bytes=0-9"), ("accept-encoding", "gzip")]);
        let seen = translation().to_app(&sent, Kind::Recorded);
        assert_eq!(seen[header::ACCEPT_ENCODING], "identity");
        assert!(!seen.contains_key(header::IF_NONE_MATCH) && !seen.contains_key(header::RANGE));
        assert!(translation().to_app(&sent, Kind::Open).contains_key(header::IF_NONE_MATCH));
    }

    #[test]
    fn own_cookies_stay_here_and_the_apps_own_go_on() {
        let sent = headers(&[("cookie", "a=1; __Host-sightline-desk=secret;b=2")]);
        assert_eq!(translation().to_app(&sent, Kind::Open)[header::COOKIE], "a=1; b=2");
        let sent = headers(&[("cookie", "__Host-sightline-desk=secret")]);
        assert!(!translation().to_app(&sent, Kind::Open).contains_key(header::COOKIE));
    }

    #[test]
    fn referer_and_origin_move_only_if_they_are_ours() {
        let sent =
            headers(&[("referer", "https://desk.example.com/t?id=5"), ("origin", "https://evil.example")]);
        let seen = translation().to_app(&sent, Kind::Open);
        assert_eq!(seen[header::REFERER], "http://127.0.0.1:8081/t?id=5");
        assert_eq!(seen[header::ORIGIN], "https://evil.example");
        assert_eq!(seen[header::HOST], "127.0.0.1:8081");
    }

    #[test]
    fn redirects_and_cookies_belong_to_the_public_host() {
        let answer = headers(&[
            ("location", "http://127.0.0.1:8081/next"),
            ("set-cookie", "rt=1; Domain=127.0.0.1; Path=/; HttpOnly"),
            ("alt-svc", "h3=\":443\""),
        ]);
        let seen = translation().to_browser(&answer, Kind::Open);
        assert_eq!(seen[header::LOCATION], "https://desk.example.com/next");
        assert_eq!(seen[header::SET_COOKIE], "rt=1; Path=/; HttpOnly");
        assert!(!seen.contains_key(header::ALT_SVC));
        let forged = headers(&[("set-cookie", "__host-Sightline-desk=x; Path=/")]);
        assert!(!translation().to_browser(&forged, Kind::Open).contains_key(header::SET_COOKIE));
    }

    #[test]
    fn what_is_recorded_is_never_kept_by_the_browser() {
        let answer = headers(&[("etag", "\"a\""), ("last-modified", "x"), ("cache-control", "max-age=600")]);
        let seen = translation().to_browser(&answer, Kind::Recorded);
        assert_eq!(seen[header::CACHE_CONTROL], "no-store");
        assert!(!seen.contains_key(header::ETAG) && !seen.contains_key(header::LAST_MODIFIED));
        assert_eq!(translation().to_browser(&answer, Kind::Open)[header::ETAG], "\"a\"");
    }
}
