use sightline_gateway::seal::Sealed;

fn main() {}

fn open(sealed: Sealed) {
    let _ = sealed.open();
}
