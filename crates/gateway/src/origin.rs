//! An origin: scheme, host and port, and nothing after them.

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, Scheme};
use url::Url;

/// Where a browser finds an app, or where the gateway finds it, for example `https://desk.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The ASCII serialisation, as browsers write it in `Origin`.
    text: String,
}

impl Origin {
    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host, and port where it is not the scheme's own: what goes into `Host`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// As browsers write it in the header `Origin`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What follows this origin in `url`, if `url` is on it: nothing, or something that begins with `/`, `?` or `#`.
    pub fn strip<'u>(&self, url: &'u str) -> Option<&'u str> {
        let (origin, rest) = url.split_at_checked(self.text.len())?;
        (origin.eq_ignore_ascii_case(&self.text) && (rest.is_empty() || rest.starts_with(['/', '?', '#'])))
            .then_some(rest)
    }

    /// `url` moved from this origin to `other`; `None` if it is on neither this origin nor relative to it.
    pub fn moved(&self, url: &str, other: &Origin) -> Option<String> {
        self.strip(url).map(|rest| format!("{other}{rest}"))
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let not = |why| NotAnOrigin { given: text.to_owned(), why };
        let url = Url::parse(text).map_err(|_| not("it is not a URL"))?;
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(not("it must begin with http:// or https://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not("it must not hold a user or a password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(not("it must end after the host and port"));
        }
        let origin = url.origin().ascii_serialization();
        let (_, authority) = origin.split_once("://").ok_or_else(|| not("it has no host"))?;
        let authority = authority.parse().map_err(|_| not("its host cannot be read"))?;
        Ok(Self { scheme, authority, text: origin })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin like https://desk.example.com, but for {given:?} {why}")]
pub struct NotAnOrigin {
    given: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        let origin: Origin = "HTTPS://Desk.Example.com:443/".parse().unwrap();
        assert_eq!(origin.as_str(), "https://desk.example.com");
        assert_eq!(origin.authority().as_str(), "desk.example.com");
        for wrong in ["desk.example.com", "ftp://a", "https://a/b", "https://u:p@a/", "https://a/?q", ""] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_moves_only_if_it_is_on_the_origin() {
        let app: Origin = "http://127.0.0.1:8081".parse().unwrap();
        let public: Origin = "https://desk.example.com".parse().unwrap();
        assert_eq!(
            app.moved("http://127.0.0.1:8081/a?b=c", &public).unwrap(),
            "https://desk.example.com/a?b=c"
        );
        assert_eq!(app.moved("http://127.0.0.1:8081", &public).unwrap(), "https://desk.example.com");
        assert_eq!(app.moved("http://127.0.0.1:80810/", &public), None);
        assert_eq!(app.moved("http://127.0.0.1:8081.evil.example/", &public), None);
        assert_eq!(app.moved("/a", &public), None);
    }
}
