//! The rules that ship, compiled in.

use crate::source::RuleFile;

/// Every file of `rules/`, in the order of their names.
pub fn files() -> Vec<RuleFile> {
    let file = |&(name, text, tests): &(&str, &str, &str)| RuleFile {
        name: format!("rules/{name}.yml"),
        text: text.to_owned(),
        tests: Some(tests.to_owned()),
    };
    FILES.iter().map(file).collect()
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../rules/", $name, ".yml")),
            include_str!(concat!("../../../rules/", $name, ".test.json")),
        )),+]
    };
}

/// Name, rules, tests. A test holds this to be what lies in the directory.
const FILES: &[(&str, &str, &str)] = files![
    "adapter_gap",
    "break_glass",
    "budget_refused",
    "bulk_writes",
    "canary_changed",
    "canary_listed_often",
    "canary_opened",
    "canary_refused",
    "documents_volume",
    "enforcement_switched_off",
    "erasure_after_look",
    "export_of_customers",
    "forged_form",
    "high_value_spree",
    "ledger_contradicted",
    "ledger_unwritable",
    "listing_volume",
    "login_churn",
    "look_burst",
    "look_volume",
    "masked_fields_asked",
    "masked_value_writes",
    "night_looks",
    "policy_changed",
    "proposals_by_one",
    "questions_about_people",
    "reason_refused_probing",
    "restarts",
    "role_raised",
    "route_probing",
    "search_scraping",
    "sessions_displace_each_other",
    "settings_flap",
    "suspended_and_back",
    "target_convergence",
    "unexplained_high_value",
    "unexplained_looks",
    "unwitnessed_allowed",
    "weak_budget_edge",
    "witnesses_silent",
    "works_on_after_revocation",
    "would_be_refused",
];
