use sightline_gateway::seal::Sealed;

fn main() {}

fn debug(sealed: &Sealed) -> String {
    format!("{sealed:?}")
}

fn display(sealed: &Sealed) -> String {
    format!("{sealed}")
}
