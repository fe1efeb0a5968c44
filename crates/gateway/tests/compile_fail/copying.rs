use sightline_gateway::seal::Sealed;

fn main() {}

fn copy(sealed: &Sealed) -> Sealed {
    Sealed::clone(sealed)
}
