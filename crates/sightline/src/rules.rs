//! `sightline rules …`, and the rules of a running house.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use access::SharedState;
use clap::{Args, Subcommand};
use incident::Canaries;
use ledger::Ledger;
use ledger::disk::OsDisk;
use model::{CustomerId, OsEntropy, StaffId, StaffRecord};
use rules::{Follower, Knowledge, Parts, Problem, RuleFile, RuleSet, Rules, RulesSettings, shipped, testing};

use crate::cli::{Form, Place};
use crate::command::{Command, Failure, Form as Wanted, Outcome, Print};
use crate::house::Layout;
use crate::operate;

/// Commands of `sightline rules`.
#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// The rules, with what they are for. Without FILE, those that ship.
    List(Files),
    /// Compile rules and say what is wrong, by file and line.
    Check(Files),
    /// Try the rules' tests (NAME.test.json beside NAME.yml). Without FILE, those that ship.
    Test(Files),
    /// How the rules of a running Sightline are doing.
    Status(RulesStatus),
}

/// Which files.
#[derive(Args)]
pub(crate) struct Files {
    /// Files of rules, or directories of them.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// Options of `sightline rules status`.
#[derive(Args)]
pub(crate) struct RulesStatus {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// Answers. What is wrong with rules is their author's, and goes to standard output like every finding.
pub(crate) fn run(command: &RulesCommand) -> Result<ExitCode, String> {
    match command {
        RulesCommand::List(options) => list(options),
        RulesCommand::Check(options) => check(options),
        RulesCommand::Test(options) => test(options),
        RulesCommand::Status(options) => {
            operate::print(&options.place, Command::RulesStatus, options.form.print())
                .map(|()| ExitCode::SUCCESS)
        }
    }
}

fn list(options: &Files) -> Result<ExitCode, String> {
    let set = match options.compile() {
        Ok(set) => set,
        Err(problems) => return options.wrong(&problems),
    };
    let telling: Vec<_> = set.rules().iter().filter(|rule| !rule.counted_only).collect();
    if options.form.json {
        return options.json(&telling, true);
    }
    let mut text = String::new();
    for rule in &telling {
        let elsewhere = if rule.applies { "" } else { "  (of another product: never met)" };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:<13}  {}  {}{elsewhere}", rule.level.as_str(), rule.id, rule.title);
    }
    let _ = writeln!(text, "{} rules", telling.len());
    operate::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(options: &Files) -> Result<ExitCode, String> {
    let set = match options.compile() {
        Ok(set) => set,
        Err(problems) => return options.wrong(&problems),
    };
    let elsewhere = set.rules().iter().filter(|rule| !rule.applies).count();
    if options.form.json {
        let answer =
            serde_json::json!({ "rules": set.rules().len(), "other_products": elsewhere, "problems": [] });
        return options.json(&answer, true);
    }
    operate::out(&format!(
        "good: {} rules compile, {elsewhere} of them about other products' logs and never met here\n",
        set.rules().len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn test(options: &Files) -> Result<ExitCode, String> {
    let files = match options.read() {
        Ok(files) => files,
        Err(problems) => return options.wrong(&problems),
    };
    let report = match testing::run(&files) {
        Ok(report) => report,
        Err(problems) => return options.wrong(&problems),
    };
    let good = report.failures.is_empty() && report.untested.is_empty();
    if options.form.json {
        return options.json(&report, good);
    }
    let mut text = String::new();
    for failure in &report.failures {
        let _ = writeln!(text, "{failure}");
    }
    for rule in &report.untested {
        let _ = writeln!(text, "{rule}: needs a case that matches and one that is silent");
    }
    let _ = writeln!(
        text,
        "{} rules, {} cases, {} failed, {} rules not tested both ways",
        report.rules,
        report.cases,
        report.failures.len(),
        report.untested.len()
    );
    operate::out(&text)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Files {
    fn read(&self) -> Result<Vec<RuleFile>, Vec<Problem>> {
        if self.files.is_empty() {
            return Ok(shipped::files());
        }
        let mut files = Vec::new();
        for path in &self.files {
            files.extend(rules::read(path).map_err(|problem| vec![problem])?);
        }
        Ok(files)
    }

    fn compile(&self) -> Result<RuleSet, Vec<Problem>> {
        RuleSet::compile(&self.read()?)
    }

    fn wrong(&self, problems: &[Problem]) -> Result<ExitCode, String> {
        if self.form.json {
            return self.json(&serde_json::json!({ "problems": problems }), false);
        }
        operate::out(&problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())?;
        Ok(ExitCode::FAILURE)
    }

    fn json<T: serde::Serialize>(&self, answer: &T, good: bool) -> Result<ExitCode, String> {
        operate::out(&(serde_json::to_string_pretty(answer).map_err(|e| e.to_string())? + "\n"))?;
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What `rules status` says.
pub(crate) fn report(rules: Option<&Rules>, size: u64, form: Wanted) -> Result<Outcome, Failure> {
    let Some(rules) = rules else {
        return Err(Failure::Caller(
            "no rules are evaluated here: nothing serves, or there is no [rules] in the configuration \
             (docs/rules.md)"
                .into(),
        ));
    };
    let status = rules.status();
    if form.print == Print::Json {
        return Outcome::json(&status);
    }
    let mut text = format!(
        "{} rules in force, {} entries behind, {} times met since the start\n",
        status.rules,
        size.saturating_sub(status.next),
        status.recorded
    );
    for problem in &status.problems {
        let _ = writeln!(text, "changed and not used: {problem}");
    }
    for overflow in &status.overflows {
        let _ = writeln!(text, "{}: {}", overflow.rules.join(" "), overflow.why);
    }
    Ok(Outcome::text(text))
}

/// What the house knows that rules may look at.
pub(crate) struct Known {
    pub(crate) state: SharedState,
    pub(crate) canaries: Canaries,
}

impl Knowledge for Known {
    fn staff(&self, staff: &StaffId) -> Option<StaffRecord> {
        self.state.read().people.staff.get(staff).cloned()
    }

    fn is_canary(&self, customer: &CustomerId) -> bool {
        self.canaries.is_one(customer)
    }
}

/// Opens the rules of a configuration over an open ledger, where this machine is the one that evaluates them.
pub(crate) fn open(
    settings: Option<&RulesSettings>,
    layout: &Layout,
    ledger: &Ledger,
    knows: Known,
) -> Result<Option<(Rules, Follower)>, String> {
    let here = crate::exports::host();
    let Some(settings) = settings.filter(|settings| settings.node.as_ref().is_none_or(|node| *node == here))
    else {
        return Ok(None);
    };
    let parts = Parts {
        ledger: ledger.clone(),
        dir: layout.rules.clone(),
        knows: Arc::new(knows),
        disk: Arc::new(OsDisk),
        entropy: Arc::new(OsEntropy),
    };
    Follower::open(settings.clone(), parts).map(Some).map_err(|e| e.to_string())
}
