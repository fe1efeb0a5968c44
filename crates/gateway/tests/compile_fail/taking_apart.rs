use sightline_gateway::seal::Sealed;

fn main() {}

fn take_apart(sealed: Sealed) -> http::Response<axum::body::Body> {
    let Sealed { answer, .. } = sealed;
    answer
}
