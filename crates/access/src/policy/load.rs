//! Reading a policy: everything wrong is said at once, each with its place and what to do.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Entities, PolicyId, PolicySet, Request, Schema, ValidationMode, Validator};
use model::{AppId, Digest, Evidence, FieldClass, Purpose, Role, StaffId, StaffRecord, StaffStatus, Tier};

use super::{Case, Loaded, Policy, VOCABULARY, list_context, record_context, staff_entity};
use crate::{AccessError, PolicyErrors, PolicyFault};

/// What to do where Cedar does not say.
const SEE_SCHEMA: &str = "the words that a policy may use are in policies/sightline.cedarschema";

/// A file by the name that its errors are reported under.
struct Source {
    name: String,
    text: String,
}

impl Policy {
    /// Reads and checks schema and policies; errors name file, line and column.
    pub fn load(schema: &Path, policies: &[&Path]) -> Result<Self, AccessError> {
        let schema = Source::read(schema)?;
        let policies = policies.iter().map(|path| Source::read(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::compile(&schema, &policies)?)
    }

    /// The policy that ships with Sightline (`policies/`).
    pub fn shipped() -> Self {
        let schema = Source::shipped(
            "sightline.cedarschema",
            include_str!("../../../../policies/sightline.cedarschema"),
        );
        let policy = Source::shipped("default.cedar", include_str!("../../../../policies/default.cedar"));
        #[allow(clippy::expect_used)] // both are part of the program, and a test compiles them
        Self::compile(&schema, &[policy]).expect("the shipped policy is valid")
    }

    fn compile(schema: &Source, policies: &[Source]) -> Result<Self, PolicyErrors> {
        let parsed =
            Schema::from_str(&schema.text).map_err(|e| PolicyErrors(schema.faults(&e, SEE_SCHEMA)))?;
        check_fit(schema, &parsed)?;
        let mut faults = Vec::new();
        let mut rules = PolicySet::new();
        for source in policies {
            match named_rules(source).and_then(|set| validated(source, set, &parsed)) {
                Ok(set) => add_all(&mut rules, set, source, &mut faults),
                Err(more) => faults.extend(more),
            }
        }
        if !faults.is_empty() {
            return Err(PolicyErrors(faults));
        }
        Ok(Self(Arc::new(Loaded { rules, digest: digest(schema, policies) })))
    }
}

/// Each rule under the name that its `@id` gives it, so that messages say which one they mean.
fn named_rules(source: &Source) -> Result<PolicySet, Vec<PolicyFault>> {
    let parsed = PolicySet::from_str(&source.text).map_err(|e| source.faults(&e, SEE_SCHEMA))?;
    if parsed.templates().next().is_some() {
        return Err(vec![source.fault(
            "a rule with ?principal or ?resource is a template, and Sightline fills in no templates",
            "write a rule that says whom and what it is about",
        )]);
    }
    let mut faults = Vec::new();
    let mut named = PolicySet::new();
    for rule in parsed.policies() {
        let id = match rule.annotation("id") {
            Some(id) => id.to_owned(),
            None => format!("{} ({})", rule.id(), source.name),
        };
        if named.add(rule.new_id(PolicyId::new(&id))).is_err() {
            faults.push(twice(source, &id));
        }
    }
    if faults.is_empty() { Ok(named) } else { Err(faults) }
}

/// Warnings count as errors: what Cedar warns of is a rule that can never apply, and a rule that
/// silently does not apply is the worst kind of policy.
fn validated(source: &Source, rules: PolicySet, schema: &Schema) -> Result<PolicySet, Vec<PolicyFault>> {
    let result = Validator::new(schema.clone()).validate(&rules, ValidationMode::Strict);
    let errors = result.validation_errors().flat_map(|e| source.faults(e, SEE_SCHEMA));
    let warnings = result.validation_warnings().flat_map(|w| source.faults(w, "mend the rule or delete it"));
    let faults: Vec<_> = errors.chain(warnings).collect();
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn add_all(rules: &mut PolicySet, more: PolicySet, source: &Source, faults: &mut Vec<PolicyFault>) {
    for rule in more.policies() {
        if rules.add(rule.clone()).is_err() {
            faults.push(twice(source, rule.id().as_ref()));
        }
    }
}

fn twice(source: &Source, id: &str) -> PolicyFault {
    source.fault(format!("two rules are called {id:?}"), "give each rule an @id of its own")
}

/// The schema must know every word that Sightline will use; else a question would fail later, when
/// somebody looks, and everything would be masked.
fn check_fit(source: &Source, schema: &Schema) -> Result<(), PolicyErrors> {
    let misfit = |what: String| {
        PolicyErrors(vec![source.fault(
            format!("the schema does not fit what Sightline asks: {what}"),
            "start from the shipped policies/sightline.cedarschema; attributes that you add must be optional",
        )])
    };
    let app = AppId::new("app");
    let case = |evidence, tier, purpose| Case { app: app.clone(), evidence, tier, purpose };
    let cases = Evidence::ALL
        .iter()
        .map(|e| case(*e, Tier::Standard, Purpose::CustomerSupport))
        .chain(Tier::ALL.iter().map(|t| case(Evidence::None, *t, Purpose::CustomerSupport)))
        .chain(Purpose::ALL.iter().map(|p| case(Evidence::None, Tier::Standard, *p)));
    let contexts: Vec<_> = cases
        .flat_map(|case| {
            [(&VOCABULARY.show, record_context(&case)), (&VOCABULARY.ask, record_context(&case))]
        })
        .chain([(&VOCABULARY.list, list_context(&app))])
        .collect();
    for role in Role::ALL {
        let staff = staff_entity(&sample_record(*role), true);
        let uid = staff.uid();
        Entities::from_entities([staff], Some(schema)).map_err(|e| misfit(message(&e)))?;
        for class in FieldClass::ALL {
            for (action, context) in &contexts {
                let (action, context) = ((*action).clone(), context.clone());
                Request::new(uid.clone(), action, VOCABULARY.class(*class), context, Some(schema))
                    .map_err(|e| misfit(message(&e)))?;
            }
        }
    }
    Ok(())
}

fn sample_record(role: Role) -> StaffRecord {
    StaffRecord {
        staff: StaffId::new("s-0"),
        role,
        team: "t-0".to_owned(),
        employer: "in-house".to_owned(),
        site: Some("site".to_owned()),
        status: StaffStatus::Active,
        cleared_until: None,
    }
}

/// Over the texts, each behind its length, so that text cannot move from one file to the next.
fn digest(schema: &Source, policies: &[Source]) -> Digest {
    let mut bytes = Vec::new();
    for source in std::iter::once(schema).chain(policies) {
        bytes.extend((source.text.len() as u64).to_be_bytes());
        bytes.extend(source.text.as_bytes());
    }
    Digest::of(&bytes)
}

impl Source {
    fn read(path: &Path) -> Result<Self, AccessError> {
        let text =
            fs::read_to_string(path).map_err(|source| AccessError::Read { path: path.to_owned(), source })?;
        Ok(Self { name: path.display().to_string(), text })
    }

    fn shipped(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    fn fault(&self, what: impl Into<String>, help: impl Into<String>) -> PolicyFault {
        PolicyFault { file: self.name.clone(), place: None, what: what.into(), help: help.into() }
    }

    /// What Cedar says, and what it says along with it; `otherwise` is what to do if it does not say.
    fn faults<E>(&self, error: &E, otherwise: &str) -> Vec<PolicyFault>
    where
        for<'a> DetailedError: From<&'a E>,
    {
        let mut faults = Vec::new();
        self.collect(DetailedError::from(error), otherwise, &mut faults);
        faults
    }

    fn collect(&self, error: DetailedError, otherwise: &str, faults: &mut Vec<PolicyFault>) {
        let label = error.source_locations.first();
        let hint = label.and_then(|l| l.label.clone());
        let help = match (error.help, hint) {
            (Some(help), Some(hint)) => format!("{hint}; {help}"),
            (Some(help), None) => help,
            (None, Some(hint)) => hint,
            (None, None) => otherwise.to_owned(),
        };
        faults.push(PolicyFault {
            file: self.name.clone(),
            place: label.map(|l| self.place(l.loc.start)),
            what: error.message,
            help,
        });
        error.related.into_iter().for_each(|related| self.collect(related, otherwise, faults));
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

fn message<E>(error: &E) -> String
where
    for<'a> DetailedError: From<&'a E>,
{
    DetailedError::from(error).message
}
