//! A Python with the packages that our own tools in it need (`cryptography`), in an environment of its own.

use std::path::Path;
use std::process::Command;

use crate::StartError;
use crate::oidc::packages;

const REMEDY: &str = "run `cargo xtask test`, which installs it, or make it: `python3 -m venv target/peers/python` \
                      and `target/peers/python/bin/pip install cryptography`";

/// A command that runs this script.
pub fn script(script: &Path) -> Result<Command, StartError> {
    let python = packages().with_file_name("python").join("bin/python3");
    if !python.is_file() {
        return Err(StartError::Missing {
            what: "Python with `cryptography`",
            looked_for: python,
            remedy: REMEDY,
        });
    }
    let mut command = Command::new(python);
    command.arg(script);
    Ok(command)
}
