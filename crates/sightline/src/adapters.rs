//! Adapters by name or path, and `sightline adapter check`.

use std::path::Path;
use std::process::ExitCode;

use adapter::{Adapter, HarEntry, HarReport, check_har};

use crate::cli::AdapterCheck;

/// The adapters that ship, by name.
const SHIPPED: &[(&str, &str)] = &[
    ("desk", include_str!("../../../adapters/desk.toml")),
    ("rt5", include_str!("../../../adapters/rt5.toml")),
];

/// The adapter of this name, or the one in this file (relative to `base`).
pub(crate) fn load(name: &str, base: &Path) -> Result<Adapter, String> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Adapter::parse(&format!("adapters/{name}.toml"), text).map_err(|e| e.to_string());
    }
    let file = base.join(name);
    let text = std::fs::read_to_string(&file).map_err(|e| {
        let shipped: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        format!("adapter {}: {e}; adapters that ship: {}", file.display(), shipped.join(", "))
    })?;
    Adapter::parse(&file.display().to_string(), &text).map_err(|e| e.to_string())
}

/// Runs an adapter over recorded traffic. Fails if something in it would be refused or is a gap.
pub(crate) fn check(options: &AdapterCheck) -> Result<ExitCode, String> {
    let adapter = load(&options.adapter, Path::new(""))?;
    let Some(har) = &options.har else {
        println!("{}: good", options.adapter);
        return Ok(ExitCode::SUCCESS);
    };
    let text = std::fs::read_to_string(har).map_err(|e| format!("{}: {e}", har.display()))?;
    let report = check_har(&adapter, &text).map_err(|e| format!("{}: {e}", har.display()))?;
    if options.form.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?);
    } else {
        print!("{}", say(&report));
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each request, then what is to be done about them.
fn say(report: &HarReport) -> String {
    let mut text = format!("{:<6} {:<24} {:>7} {:>5}  path\n", "method", "route", "records", "rows");
    for entry in &report.entries {
        let HarEntry { method, route, records, rows, path, .. } = entry;
        text += &format!("{method:<6} {route:<24} {records:>7} {rows:>5}  {path}\n");
        if !entry.classes.is_empty() {
            text += &format!("       shows {}\n", entry.classes);
        }
        text.extend(entry.unreadable.iter().map(|why| format!("       unreadable: {why}\n")));
        text.extend(entry.gaps.iter().map(|gap| format!("       gap: {gap}\n")));
    }
    let unknown = report.unknown.len();
    text += &format!(
        "\n{} requests, {unknown} unknown routes, {} unreadable answers, {} gaps, {} answers with undeclared fields\n",
        report.entries.len(),
        report.unreadable,
        report.gaps,
        report.undeclared,
    );
    if !report.unknown.is_empty() {
        text += "Unknown routes are refused in enforce; declare them, or leave them refused:\n";
        text.extend(report.unknown.iter().map(|route| format!("  {route}\n")));
    }
    text
}
