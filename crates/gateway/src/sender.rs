//! What a request must be like before anything else is done with it.

use http::Method;
use http::header::{self, HeaderMap};
use http::request::Parts;
use model::entry::Why;

use crate::origin::Origin;

/// Checks what no adapter can: that it is a plain request, whose path means one thing to everybody,
/// and that a write was sent from a page of this site.
pub(crate) fn check(request: &Parts, public: &Origin) -> Result<(), Why> {
    if matches!(request.method, Method::CONNECT | Method::TRACE) || climbs(request.uri.path()) {
        return Err(Why::BadRequest);
    }
    // What lies there is ours, and no app is asked for it.
    let ours = request.uri.path().starts_with("/.sightline");
    if ours || wants_live_connection(&request.headers) || wants_service_worker(&request.headers) {
        return Err(Why::UnknownRoute);
    }
    if !request.method.is_safe() && !sent_from(&request.headers, public) {
        return Err(Why::ForgedForm);
    }
    Ok(())
}

/// Whether a request that changes something came from a page of this site, as far as the browser says.
pub(crate) fn sent_from(headers: &HeaderMap, public: &Origin) -> bool {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    let same_origin = text(header::ORIGIN).is_none_or(|origin| origin.eq_ignore_ascii_case(public.as_str()));
    let same_site = text(header::HeaderName::from_static("sec-fetch-site"))
        .is_none_or(|site| matches!(site, "same-origin" | "none"));
    same_origin && same_site
}

/// A WebSocket shows what no adapter reads.
fn wants_live_connection(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    upgrades.any(|value| value.as_bytes().to_ascii_lowercase().windows(9).any(|part| part == b"websocket"))
}

/// A service worker would answer from its own store after access was revoked (P2).
fn wants_service_worker(headers: &HeaderMap) -> bool {
    headers.contains_key("service-worker")
}

/// Whether a path has a `.` or `..` segment, in any spelling: the app might walk it to another route
/// than the one that the adapter recognises.
fn climbs(path: &str) -> bool {
    let plain = decode(decode(path.as_bytes().to_vec()));
    plain.contains(&0)
        || plain.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| matches!(part, b"." | b".."))
}

/// Undoes percent-encoding once; what is not an encoding stays as it is.
fn decode(text: Vec<u8>) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let builder = Request::builder().method(method).uri(target);
        headers.iter().fold(builder, |b, (n, v)| b.header(*n, *v)).body(()).unwrap().into_parts().0
    }

    fn checked(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Why> {
        check(&request(method, target, headers), &"https://desk.example.com".parse().unwrap())
    }

    #[test]
    fn a_path_that_climbs_is_refused_in_every_spelling() {
        for path in [
            "/static/../t",
            "/static/%2e%2e/t",
            "/static/.%2E/t",
            "/s/%252e%252e/t",
            "/s/..%2ft",
            "/s/..%5ct",
            "/./t",
        ] {
            assert_eq!(checked("GET", path, &[]), Err(Why::BadRequest), "{path}");
        }
        for path in ["/t?next=/../x", "/a..b/c", "/.well-known/x", "/50%", "/%zz"] {
            assert_eq!(checked("GET", path, &[]), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_write_from_another_site_is_refused_and_a_read_is_not() {
        let evil = [("origin", "https://evil.example")];
        assert_eq!(checked("POST", "/t", &evil), Err(Why::ForgedForm));
        assert_eq!(checked("POST", "/t", &[("origin", "null")]), Err(Why::ForgedForm));
        assert_eq!(checked("POST", "/t", &[("sec-fetch-site", "cross-site")]), Err(Why::ForgedForm));
        assert_eq!(checked("GET", "/t", &evil), Ok(()));
        assert_eq!(checked("POST", "/t", &[("origin", "https://desk.example.com")]), Ok(()));
        assert_eq!(checked("POST", "/t", &[]), Ok(()));
    }

    #[test]
    fn live_connections_and_service_workers_are_refused() {
        assert_eq!(checked("GET", "/ws", &[("upgrade", "WebSocket")]), Err(Why::UnknownRoute));
        assert_eq!(checked("GET", "/sw.js", &[("service-worker", "script")]), Err(Why::UnknownRoute));
        assert_eq!(checked("GET", "/", &[("upgrade", "h2c")]), Ok(()));
    }
}
