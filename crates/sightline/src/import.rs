//! `sightline import`: exports and logs of other systems as an access log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use watch::import::{Mapping, Memory, Records, SHIPPED};

use crate::spill::Spill;
use crate::{progress, replay};

/// Records that cannot be read which are told one by one.
const TOLD: u64 = 20;

/// Options of `sightline import`.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// How to read the files: a mapping that ships (zendesk, salesforce, nginx, ocsf) or a TOML file.
    #[arg(long, short, value_name = "NAME|FILE")]
    mapping: String,
    /// Exports and logs; `-` is the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An access log that there is already: its lines are put between the others, by their time.
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Write the access log into this file, in time order; `-` is the standard output. What does not fit into 64 MiB of
    /// memory is sorted beside this file, or in the directory for temporary files.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Stop at the first record that cannot be read.
    #[arg(long)]
    strict: bool,
    /// Write over a file that holds something.
    #[arg(long)]
    force: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Imports.
pub(crate) fn run(options: &Import) -> Result<(), String> {
    let to_stdout = options.out.as_os_str() == "-";
    if !to_stdout {
        replay::may_write(&options.out, options.force)?;
    }
    let mapping = load(&options.mapping)?;
    let bar =
        if options.quiet { indicatif::ProgressBar::hidden() } else { progress::bar("importing", "records") };
    let (mut memory, mut records, mut unread) = (Memory::default(), 0u64, 0u64);
    // Lines without a time (staff, customers) come first.
    let beside = match options.out.parent() {
        _ if to_stdout => std::env::temp_dir(),
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut lines = Spill::new(&beside);
    let spilled = |e: std::io::Error| format!("{}: putting lines in order: {e}", beside.display());
    for file in &options.files {
        let from: Box<dyn BufRead> = match file.as_os_str().to_str() {
            Some("-") => Box::new(std::io::stdin().lock()),
            _ => Box::new(BufReader::new(File::open(file).map_err(|e| format!("{}: {e}", file.display()))?)),
        };
        for (number, record) in Records::new(mapping.format, mapping.records.as_deref(), from).enumerate() {
            records += 1;
            bar.set_position(records);
            match record {
                Ok(record) => {
                    for (at, line) in mapping.lines(&record, &mut memory) {
                        lines.push(at, line).map_err(spilled)?;
                    }
                }
                Err(e) if options.strict || e.is_fatal() => {
                    return Err(format!("{}: record {}: {e}", file.display(), number + 1));
                }
                Err(e) => {
                    unread += 1;
                    if unread <= TOLD {
                        bar.suspend(|| eprintln!("{}: record {}: {e}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    bar.finish_and_clear();
    for file in &options.with {
        let failed = |e: std::io::Error| format!("{}: {e}", file.display());
        for line in BufReader::new(File::open(file).map_err(failed)?).split(b'\n') {
            let line = line.map_err(failed)?;
            let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
            // A line that cannot be read keeps its place at the beginning, and `replay` reports it.
            lines.push(time_of(&line), line).map_err(spilled)?;
        }
    }
    let count = lines.lines();
    if to_stdout {
        lines.write(std::io::stdout().lock()).map_err(|e| e.to_string())?;
    } else {
        let failed = |e: std::io::Error| format!("{}: {e}", options.out.display());
        lines.write(File::create(&options.out).map_err(failed)?).map_err(failed)?;
    }
    eprintln!("{records} records, {unread} of them not read, {count} lines");
    if count == 0 && records > 0 {
        return Err("no record fits the mapping; does its file fit this export? (docs/detection.md)".into());
    }
    Ok(())
}

fn time_of(line: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    model::Timestamp::parse(value.get("time")?.as_str()?).map(|time| time.0)
}

fn load(name: &str) -> Result<Mapping, String> {
    let (file, text) = match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        Some((shipped, text)) => (format!("mappings/{shipped}.toml"), (*text).to_owned()),
        None => {
            let text = std::fs::read_to_string(name).map_err(|e| {
                let shipped: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
                format!("mapping {name}: {e}; mappings that ship: {}", shipped.join(", "))
            })?;
            (name.to_owned(), text)
        }
    };
    toml::from_str(&text).map_err(|e| crate::toml_error::explain(Path::new(&file), &text, &e))
}
