//! Cookies: reading them without trust, and writing them so that only this origin gets them.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use model::AppId;

/// The cookie's name at a door: `__Host-sightline-<door>`. The prefix makes browsers insist on HTTPS (or
/// loopback), on the whole origin, and on nobody else having set it (RFC 6265bis, section 4.1.3). The
/// door is in it because cookies of one host are shared by all its ports.
pub fn cookie_name(door: &AppId) -> String {
    format!("__Host-sightline-{door}")
}

/// The name of the short-lived cookie that binds a login under way to the browser.
pub(crate) fn attempt_name(door: &AppId) -> String {
    format!("__Host-sightline-login-{door}")
}

/// The first cookie of this name. What is malformed is no cookie.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// A `Set-Cookie` header. `value` must be of the base64url alphabet, as all of ours are.
pub(crate) fn set(name: &str, value: &str, keep: Option<Duration>) -> Option<HeaderValue> {
    let keep = keep.map(|d| format!("; Max-Age={}", d.as_secs())).unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{keep}")).ok()
}

/// A `Set-Cookie` header that makes the browser forget the cookie.
pub(crate) fn forget(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        lines.iter().map(|l| (header::COOKIE, HeaderValue::from_bytes(l).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_found_in_one_header_or_several() {
        let headers = headers(&[b"a=1; b=2", b"c=3;a=4"]);
        assert_eq!(["a", "b", "c", "d"].map(|n| read(&headers, n)), [Some("1"), Some("2"), Some("3"), None]);
    }

    #[test]
    fn a_header_that_is_no_text_is_passed_over() {
        assert_eq!(read(&headers(&[b"a=\xff", b"a=1"]), "a"), Some("1"));
        assert_eq!(read(&headers(&[b";;; =; a ;=a"]), "a"), None);
    }

    #[test]
    fn cookies_are_kept_to_this_origin_and_away_from_scripts() {
        let name = cookie_name(&AppId::new("desk"));
        let cookie = set(&name, "x", None).unwrap();
        assert_eq!(cookie, "__Host-sightline-desk=x; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert!(forget(&name).unwrap().to_str().unwrap().ends_with("Max-Age=0"));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = read(&HeaderMap::from_iter([(header::COOKIE, value)]), "a");
            }
        }
    }
}
