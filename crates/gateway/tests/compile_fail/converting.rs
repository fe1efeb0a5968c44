use axum::body::Body;
use http::Response;
use sightline_gateway::seal::Sealed;

fn main() {}

fn into(sealed: Sealed) -> Response<Body> {
    sealed.into()
}

fn borrow(sealed: &Sealed) -> &Response<Body> {
    sealed.as_ref()
}

fn deref(sealed: &Sealed) -> &Response<Body> {
    &**sealed
}
