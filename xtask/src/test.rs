//! `cargo xtask test`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::machine;
use crate::sh::{Outcome, cargo, has, target};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the tests against real apps, identity providers and browsers.
    #[arg(long)]
    fast: bool,
    /// Only tests whose name holds this.
    filter: Option<String>,
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs everything and ends with the counts.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.fast {
        eprintln!("--fast: tests against real apps, identity providers and browsers are left out");
    } else {
        machine::prepare_for_tests()?;
    }
    let mut counts = Counts::default();
    let mut broken = Vec::new();
    for (what, mut command) in commands(options)? {
        if !counted(&mut command, &mut counts)? {
            broken.push(what);
        }
    }
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    match broken.as_slice() {
        [] if counts.passed == 0 => Err("no test ran".into()),
        [] => Ok(()),
        _ => Err(format!("failed: {}", broken.join(", "))),
    }
}

fn commands(options: &Options) -> Outcome<Vec<(&'static str, Command)>> {
    let mut tests = if has("cargo-nextest") {
        cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--color=never"])?
    } else {
        cargo(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples"])?
    };
    let mut docs = cargo(["test", "--doc", "--workspace"])?;
    for command in [&mut tests, &mut docs] {
        command.env("SIGHTLINE_PEERS", target().join("peers/npm"));
        if !options.fast {
            command.arg("--all-features");
        }
        command.args(&options.filter);
    }
    Ok(vec![("tests", tests), ("documentation tests", docs)])
}

/// Runs, passes the output on, and adds up what the closing lines of nextest and of cargo test say.
fn counted(command: &mut Command, counts: &mut Counts) -> Outcome<bool> {
    // Both runners may report on either stream: nextest on the error stream, libtest on the output.
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{:?} did not start: {e}", command.get_program()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let on_error_stream = std::thread::spawn(move || err.map(|e| pass_on(e, |l| eprintln!("{l}"))));
    let mut lines = out.map(|o| pass_on(o, |l| println!("{l}"))).unwrap_or_default();
    lines.extend(on_error_stream.join().ok().flatten().unwrap_or_default());
    let status = child.wait().map_err(|e| e.to_string())?;
    for line in lines {
        counts.passed += number_before(&line, " passed");
        counts.failed += number_before(&line, " failed");
        counts.skipped += number_before(&line, " skipped") + number_before(&line, " ignored");
    }
    Ok(status.success())
}

/// Prints each line as it comes, and keeps the runners' closing lines.
fn pass_on(stream: impl std::io::Read, print: impl Fn(&str)) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        print(&line);
        if line.starts_with("test result:") || line.trim_start().starts_with("Summary [") {
            kept.push(line);
        }
    }
    kept
}

/// The number in front of `word` in a closing line: 12 in `12 tests run: 12 passed, 0 skipped`.
fn number_before(line: &str, word: &str) -> u64 {
    let Some(end) = line.find(word) else { return 0 };
    let digits = line[..end].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn closing_lines_of_both_runners_are_read() {
        let nextest = "     Summary [   0.5s] 12 tests run: 11 passed, 1 failed, 3 skipped";
        assert_eq!(number_before(nextest, " passed"), 11);
        assert_eq!(number_before(nextest, " failed"), 1);
        assert_eq!(number_before(nextest, " skipped"), 3);
        let libtest = "test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
        assert_eq!(number_before(libtest, " passed"), 7);
        assert_eq!(number_before(libtest, " ignored"), 2);
    }
}
