//! What the shipped policy permits, as a table, and what holds whatever a policy says.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

use std::fs;
use std::path::{Path, PathBuf};

use model::{AppId, ClassSet, Evidence, FieldClass, Purpose, Role, StaffId, StaffRecord, StaffStatus, Tier};
use proptest::prelude::*;
use sightline_access::{AccessError, Case, Policy, PolicyFault, Verdicts};

fn staff(role: Role, employer: &str) -> StaffRecord {
    StaffRecord {
        staff: StaffId::new("s-1"),
        role,
        team: "t-1".to_owned(),
        employer: employer.to_owned(),
        site: None,
        status: StaffStatus::Active,
        cleared_until: None,
    }
}

fn case(evidence: Evidence, tier: Tier, purpose: Purpose) -> Case {
    Case { app: AppId::new("desk"), evidence, tier, purpose }
}

/// The shipped policy, a row for each kind of case: who, evidence, tier, what is shown, what can be
/// asked for. Everything else is masked.
const RECORDS: &str = "
agent | ABCDE | standard   | identity.name account.id support.history support.note | contact.email contact.phone contact.address account.balance account.activity
agent | ABCDE | high_value | identity.name account.id support.history support.note | contact.email contact.phone contact.address account.balance account.activity
agent | ABCDE | protected  | identity.name account.id support.history support.note | contact.email contact.phone contact.address account.balance account.activity
agent | FG    | standard   | identity.name account.id | support.history support.note contact.email contact.phone contact.address account.balance account.activity
agent | FG    | high_value | identity.name account.id | support.history support.note
agent | FG    | protected  | |

lead  | ABCDE | standard   | identity.name account.id support.history support.note account.activity | contact.email contact.phone contact.address account.balance kyc.document
lead  | ABCDE | high_value | identity.name account.id support.history support.note account.activity | contact.email contact.phone contact.address account.balance kyc.document
lead  | FG    | standard   | identity.name account.id | support.history support.note contact.email contact.phone contact.address account.balance account.activity
lead  | FG    | high_value | identity.name account.id | support.history support.note
lead  | FG    | protected  | |

fraud | ABCDE | standard   | identity.name account.id support.history support.note account.activity account.balance | contact.email contact.phone contact.address kyc.document
fraud | ABCDE | protected  | identity.name account.id support.history support.note account.activity account.balance | contact.email contact.phone contact.address kyc.document
fraud | FG    | standard   | identity.name account.id | support.history support.note contact.email contact.phone contact.address account.balance account.activity
fraud | FG    | high_value | identity.name account.id | support.history support.note
fraud | FG    | protected  | |

qa    | ABCDE | standard   | identity.name account.id support.history support.note |
qa    | FG    | high_value | identity.name account.id | support.history support.note
qa    | FG    | protected  | |

approver | ABCDEFG | standard | |
analyst  | ABCDEFG | standard | |
auditor  | ABCDEFG | standard | |
admin    | ABCDEFG | standard | |
";

fn classes(words: &str) -> ClassSet {
    words.split_whitespace().map(|word| word.parse::<FieldClass>().unwrap()).collect()
}

#[test]
fn the_shipped_policy_permits_what_the_table_says() {
    let policy = Policy::shipped();
    for row in RECORDS.lines().filter(|row| !row.is_empty()) {
        let [role, evidence, tier, show, ask] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("not a row: {row}");
        };
        let expected = Verdicts { show: classes(show), ask: classes(ask) };
        for letter in evidence.chars() {
            let case =
                case(letter.to_string().parse().unwrap(), tier.parse().unwrap(), Purpose::CustomerSupport);
            let verdicts = policy.record(&staff(role.parse().unwrap(), "in-house"), true, &case);
            assert_eq!(verdicts, expected, "evidence {letter} in row: {row}");
        }
    }
}

#[test]
fn a_reviewer_may_ask_for_activity_when_reviewing_and_not_otherwise() {
    let policy = Policy::shipped();
    let asks = |purpose| {
        let case = case(Evidence::Assigned, Tier::Standard, purpose);
        policy.record(&staff(Role::Qa, "in-house"), true, &case).ask
    };
    assert_eq!(asks(Purpose::QualityReview), FieldClass::AccountActivity.into());
    assert_eq!(asks(Purpose::CustomerSupport), ClassSet::EMPTY);
}

#[test]
fn no_vendor_staff_can_have_an_identity_document() {
    let policy = Policy::shipped();
    for (role, evidence) in [(Role::Fraud, Evidence::Routed), (Role::Lead, Evidence::Assigned)] {
        let case = case(evidence, Tier::Standard, Purpose::FraudInvestigation);
        let may = |employer| policy.record(&staff(role, employer), true, &case).permitted();
        assert!(may("in-house").contains(FieldClass::KycDocument));
        assert!(!may("Helping Hands Ltd").contains(FieldClass::KycDocument));
    }
}

#[test]
fn without_clearance_nothing_is_permitted_in_records_or_lists() {
    let policy = Policy::shipped();
    for role in Role::ALL {
        let staff = staff(*role, "in-house");
        let case = case(Evidence::Routed, Tier::Standard, Purpose::CustomerSupport);
        assert_eq!(policy.record(&staff, false, &case), Verdicts::NOTHING);
        assert_eq!(policy.list(&staff, false, &AppId::new("desk")), Verdicts::NOTHING);
    }
}

#[test]
fn lists_show_subject_lines_to_those_who_work_with_customers_and_nothing_to_others() {
    let policy = Policy::shipped();
    for role in Role::ALL {
        let works = matches!(role, Role::Agent | Role::Lead | Role::Qa | Role::Fraud);
        let expected = if works { FieldClass::SupportHistory.into() } else { ClassSet::EMPTY };
        let verdicts = policy.list(&staff(*role, "in-house"), true, &AppId::new("desk"));
        assert_eq!(verdicts, Verdicts { show: expected, ask: ClassSet::EMPTY }, "{role}");
    }
}

fn any<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_policy_that_permits_everything_still_shows_no_secret_and_nothing_undeclared(
        role in any(Role::ALL), evidence in any(Evidence::ALL), tier in any(Tier::ALL),
        purpose in any(Purpose::ALL), cleared: bool,
    ) {
        let files = Files::new(&[("all.cedar", "permit (principal, action, resource);")]);
        let policy = files.load().unwrap();
        let staff = staff(role, "in-house");
        let never = ClassSet::SECRET.union(FieldClass::Undeclared.into());
        let all_else = ClassSet::all().without(never);
        let verdicts = policy.record(&staff, cleared, &case(evidence, tier, purpose));
        prop_assert_eq!(verdicts, Verdicts { show: all_else, ask: ClassSet::EMPTY });
        prop_assert_eq!(policy.list(&staff, cleared, &AppId::new("desk")).permitted(), all_else);
    }
}

#[test]
fn the_shipped_rules_forbid_secrets_and_undeclared_fields_by_themselves_too() {
    use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
    let shipped = fs::read_to_string(shipped("default.cedar")).unwrap();
    let rules: PolicySet = format!("{shipped}\npermit (principal, action, resource);").parse().unwrap();
    let uid = |text: String| text.parse::<EntityUid>().unwrap();
    let staff = r#"[{"uid": {"type": "Staff", "id": "s-1"}, "parents": [], "attrs": {
        "role": {"__entity": {"type": "Role", "id": "lead"}},
        "team": "t-1", "employer": "in-house", "in_house": true, "cleared": true}}]"#;
    let entities = Entities::from_json_str(staff, None).unwrap();
    let context = r#"{"app": "desk", "weak": false, "high_value": false,
        "evidence": {"__entity": {"type": "Evidence", "id": "A"}},
        "tier": {"__entity": {"type": "Tier", "id": "standard"}},
        "purpose": {"__entity": {"type": "Purpose", "id": "customer_support"}}}"#;
    let decide = |action: &str, class: FieldClass| {
        let context = Context::from_json_str(context, None).unwrap();
        let (action, class) = (format!("Action::{action:?}"), format!("FieldClass::{:?}", class.word()));
        let request =
            Request::new(uid("Staff::\"s-1\"".to_owned()), uid(action), uid(class), context, None).unwrap();
        Authorizer::new().is_authorized(&request, &rules, &entities).decision()
    };
    for action in ["show", "ask", "list"] {
        for class in FieldClass::ALL {
            let closed = class.is_secret() || *class == FieldClass::Undeclared;
            let expected = if closed { Decision::Deny } else { Decision::Allow };
            assert_eq!(decide(action, *class), expected, "{action} {class}");
        }
    }
}

#[test]
fn a_rule_that_fails_while_it_is_evaluated_closes_what_it_is_about() {
    // Cedar skips a rule that fails. The overflow is not visible to the validator.
    let files = Files::new(&[(
        "p.cedar",
        r#"permit (principal, action, resource);
           forbid (principal, action, resource == FieldClass::"account.balance")
           when { 9223372036854775807 + 1 == 0 };"#,
    )]);
    let case = case(Evidence::Routed, Tier::Standard, Purpose::CustomerSupport);
    let verdicts = files.load().unwrap().record(&staff(Role::Agent, "in-house"), true, &case);
    assert!(!verdicts.permitted().contains(FieldClass::AccountBalance));
    assert!(verdicts.show.contains(FieldClass::IdentityName));
}

// ---- What is wrong with a policy is said with its place -----------------------------------------

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name)
}

struct Files {
    dir: tempfile::TempDir,
    policies: Vec<PathBuf>,
    schema: PathBuf,
}

impl Files {
    fn new(policies: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |(name, text): &(&str, &str)| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let policies = policies.iter().map(write).collect();
        Self { dir, policies, schema: shipped("sightline.cedarschema") }
    }

    fn with_schema(mut self, text: &str) -> Self {
        self.schema = self.dir.path().join("changed.cedarschema");
        fs::write(&self.schema, text).unwrap();
        self
    }

    fn load(&self) -> Result<Policy, AccessError> {
        let policies: Vec<_> = self.policies.iter().map(PathBuf::as_path).collect();
        Policy::load(&self.schema, &policies)
    }

    fn faults(&self) -> Vec<PolicyFault> {
        match self.load() {
            Err(AccessError::Policy(errors)) => errors.0,
            other => panic!("expected policy errors, got {other:?}"),
        }
    }
}

#[test]
fn a_syntax_error_names_file_line_and_column() {
    let faults =
        Files::new(&[("p.cedar", "permit (principal, action, resource);\npermit (principal;\n")]).faults();
    assert!(faults[0].file.ends_with("p.cedar"));
    assert_eq!(faults[0].place, Some((2, 18)));
    assert!(!faults[0].help.is_empty());
}

#[test]
fn a_misspelt_class_is_an_error_that_lists_the_right_ones() {
    let text = "permit (principal, action, resource)\nwhen { resource == FieldClass::\"contact.emial\" };";
    let faults = Files::new(&[("p.cedar", text)]).faults();
    assert_eq!(faults[0].place.map(|(line, _)| line), Some(2));
    let said = faults[0].to_string();
    assert!(said.contains("contact.emial") && said.contains("contact.email"), "{said}");
}

#[test]
fn a_rule_that_can_never_apply_is_an_error() {
    let text = "@id(\"idle\")\npermit (principal, action, resource)\nwhen { 1 == 2 };";
    let faults = Files::new(&[("p.cedar", text)]).faults();
    assert!(faults[0].what.contains("idle"), "{}", faults[0]);
}

#[test]
fn every_fault_of_every_file_is_reported_at_once() {
    let bad = "permit (principal, action, resource) when { principal.rank == 3 };";
    let faults = Files::new(&[("a.cedar", bad), ("b.cedar", "permit (")]).faults();
    assert!(faults.iter().any(|f| f.file.ends_with("a.cedar")));
    assert!(faults.iter().any(|f| f.file.ends_with("b.cedar")));
}

#[test]
fn two_rules_of_one_name_and_templates_are_errors() {
    let rule = "@id(\"one\") permit (principal, action, resource);";
    let twice = Files::new(&[("a.cedar", rule), ("b.cedar", rule)]).faults();
    assert!(twice[0].what.contains("two rules are called \"one\""), "{}", twice[0]);
    let template = Files::new(&[("t.cedar", "permit (principal == ?principal, action, resource);")]).faults();
    assert!(template[0].what.contains("template"), "{}", template[0]);
}

#[test]
fn a_schema_that_lacks_a_word_is_an_error_when_it_is_loaded() {
    let schema = fs::read_to_string(shipped("sightline.cedarschema")).unwrap();
    let without = schema.replace("  \"kyc.document\",\n", "");
    let faults = Files::new(&[]).with_schema(&without).faults();
    assert!(faults[0].what.contains("does not fit"), "{}", faults[0]);
    let demanding = schema.replace("  team: String,", "  team: String,\n  badge: String,");
    let faults = Files::new(&[]).with_schema(&demanding).faults();
    assert!(faults[0].what.contains("badge"), "{}", faults[0]);
}

/// A word that only the schema knows would let a rule speak of something that never is.
#[test]
fn the_shipped_schema_knows_exactly_the_words_of_the_model() {
    let schema = fs::read_to_string(shipped("sightline.cedarschema")).unwrap();
    let words = |entity: &str| {
        let (_, rest) = schema.split_once(&format!("entity {entity} enum [")).unwrap();
        let (list, _) = rest.split_once("];").unwrap();
        list.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    fn all<T: ToString>(of: &[T]) -> Vec<String> {
        of.iter().map(T::to_string).collect()
    }
    assert_eq!(words("Role"), all(Role::ALL));
    assert_eq!(words("FieldClass"), all(FieldClass::ALL));
    assert_eq!(words("Evidence"), all(Evidence::ALL));
    assert_eq!(words("Tier"), all(Tier::ALL));
    assert_eq!(words("Purpose"), all(Purpose::ALL));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Path::new("/nowhere/p.cedar");
    let error = Policy::load(&shipped("sightline.cedarschema"), &[missing]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/p.cedar"));
}

#[test]
fn the_digest_changes_with_the_text_and_with_which_file_it_is_in() {
    let digest = |policies: &[(&str, &str)]| Files::new(policies).load().unwrap().digest();
    let (a, b) = ("// a\n", "// b\n");
    assert_ne!(digest(&[("1.cedar", a)]), digest(&[("1.cedar", b)]));
    assert_ne!(digest(&[("1.cedar", "// a\n// b\n")]), digest(&[("1.cedar", a), ("2.cedar", b)]));
    assert_eq!(digest(&[("1.cedar", a)]), digest(&[("2.cedar", a)]));
}
