//! Style, script and images. Their addresses carry a hash of the content, so that a browser may keep
//! them for ever and still has the new one after an upgrade.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use model::Digest;

/// Where every listener serves the assets.
pub const ASSETS: &str = "/.sightline/assets/";

/// A file that pages refer to.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    /// The media type.
    pub content_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
    hash: String,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = Digest::of(bytes).to_string().split_off(48);
        Self { name, content_type, bytes, hash }
    }

    /// `name.ext` with the hash in it: `name.0123456789abcdef.ext`.
    fn hashed_name(&self) -> String {
        match self.name.rsplit_once('.') {
            Some((stem, ext)) => format!("{stem}.{}.{ext}", self.hash),
            None => format!("{}.{}", self.name, self.hash),
        }
    }
}

impl IntoResponse for &'static Asset {
    fn into_response(self) -> Response {
        let mut response = self.bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

static ALL: LazyLock<[Asset; 8]> = LazyLock::new(|| {
    const JS: &str = "text/javascript; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    [
        Asset::new("sightline.css", CSS, include_bytes!("../assets/sightline.css")),
        Asset::new("masked.css", CSS, include_bytes!("../assets/masked.css")),
        Asset::new("overlay.js", JS, include_bytes!("../assets/overlay.js")),
        Asset::new("still.css", CSS, include_bytes!("../assets/still.css")),
        Asset::new("sightline.js", JS, include_bytes!("../assets/sightline.js")),
        Asset::new("htmx.js", JS, include_bytes!("../assets/htmx.min.js")),
        Asset::new("htmx.LICENSE.txt", "text/plain; charset=utf-8", include_bytes!("../assets/htmx.LICENSE")),
        Asset::new("mark.svg", "image/svg+xml", include_bytes!("../assets/mark.svg")),
    ]
});

/// The asset of this hashed name, as it stands behind [`ASSETS`].
pub fn asset(path: &str) -> Option<&'static Asset> {
    ALL.iter().find(|a| a.hashed_name() == path)
}

/// The address of an asset (`sightline.css`, `masked.css`, `still.css`, `sightline.js`, `overlay.js`, `htmx.js`,
/// `mark.svg`); of one
/// that does not exist, an address that is not found.
pub fn asset_url(name: &str) -> String {
    let found = ALL.iter().find(|a| a.name == name);
    format!("{ASSETS}{}", found.map_or_else(|| name.to_owned(), Asset::hashed_name))
}

/// Serves [`asset`]s at [`ASSETS`]; to be merged into a listener's router.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let serve = |Path(path): Path<String>| async move {
        asset(&path).map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
    };
    Router::new().route("/.sightline/assets/{*path}", get(serve))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_found_under_the_address_that_pages_give_it() {
        for a in ALL.iter() {
            let url = asset_url(a.name);
            let path = url.strip_prefix(ASSETS).unwrap();
            assert_eq!(asset(path).unwrap().bytes, a.bytes);
        }
        assert!(asset("sightline.css").is_none(), "only hashed names may be kept for ever");
    }
}
