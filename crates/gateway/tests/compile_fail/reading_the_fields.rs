use sightline_gateway::seal::Sealed;

fn main() {}

fn look(sealed: Sealed) -> http::Response<axum::body::Body> {
    sealed.answer
}
