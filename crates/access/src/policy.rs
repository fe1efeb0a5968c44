//! What a reason is worth: the Cedar policy, asked once for each field class.

mod load;
mod memo;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use model::{AppId, ClassSet, Digest, Evidence, FieldClass, Purpose, StaffRecord, Tier};

pub(crate) use memo::Memo;

/// Per field class: shown as it is, masked with a button to ask for it, or (in neither) masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Shown as it is.
    pub show: ClassSet,
    /// Masked, with a button to ask for it.
    pub ask: ClassSet,
}

impl Verdicts {
    /// Everything is masked, and nothing can be asked for.
    pub const NOTHING: Self = Self { show: ClassSet::EMPTY, ask: ClassSet::EMPTY };

    /// What can be had at all, at once or by asking.
    pub fn permitted(self) -> ClassSet {
        self.show.union(self.ask)
    }
}

/// What is known of a look when the policy is asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    /// In which app.
    pub app: AppId,
    /// How it is explained.
    pub evidence: Evidence,
    /// How much harm it can do.
    pub tier: Tier,
    /// What it is for.
    pub purpose: Purpose,
}

/// The Cedar policy in force. Cheap to clone.
#[derive(Clone)]
pub struct Policy(Arc<Loaded>);

struct Loaded {
    rules: PolicySet,
    digest: Digest,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({})", self.0.digest)
    }
}

impl Policy {
    /// SHA-256 over schema and policy text.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What may be shown of a customer's record. `cleared`: training and screening are valid.
    pub fn record(&self, viewer: &StaffRecord, cleared: bool, case: &Case) -> Verdicts {
        let viewer = Principal::new(viewer, cleared);
        let context = record_context(case);
        let show = self.permitted(&viewer, &VOCABULARY.show, &context, askable());
        let ask = self.permitted(&viewer, &VOCABULARY.ask, &context, askable().without(show));
        Verdicts { show, ask }
    }

    /// What may be shown in the rows of a list.
    pub fn list(&self, viewer: &StaffRecord, cleared: bool, app: &AppId) -> Verdicts {
        let show =
            self.permitted(&Principal::new(viewer, cleared), &VOCABULARY.list, &list_context(app), askable());
        Verdicts { show, ask: ClassSet::EMPTY }
    }

    fn permitted(
        &self,
        viewer: &Principal,
        action: &EntityUid,
        context: &Context,
        classes: ClassSet,
    ) -> ClassSet {
        let authorizer = Authorizer::new();
        let permits = |class: &FieldClass| {
            let Ok(request) = Request::new(
                viewer.uid.clone(),
                action.clone(),
                VOCABULARY.class(*class),
                context.clone(),
                None,
            ) else {
                return false;
            };
            let answer = authorizer.is_authorized(&request, &self.0.rules, &viewer.entities);
            // Cedar skips a rule that fails while it is evaluated; a `forbid` that was skipped would
            // open what it guards, so a class with any failing rule stays masked (P9).
            let failed = answer.diagnostics().errors().next().is_some();
            answer.decision() == cedar_policy::Decision::Allow && !failed
        };
        classes.iter().filter(permits).collect()
    }
}

/// The classes that a policy is asked about at all. `secret.*` and undeclared fields are not among
/// them: whatever a policy says, they are shown to nobody.
fn askable() -> ClassSet {
    ClassSet::all().without(ClassSet::SECRET).without(FieldClass::Undeclared.into())
}

/// The viewer as Cedar sees them.
struct Principal {
    uid: EntityUid,
    entities: Entities,
}

impl Principal {
    fn new(record: &StaffRecord, cleared: bool) -> Self {
        let entity = staff_entity(record, cleared);
        let uid = entity.uid();
        #[allow(clippy::expect_used)] // one entity without parents: no duplicate, no cycle
        let entities = Entities::from_entities([entity], None).expect("a single entity");
        Self { uid, entities }
    }
}

fn staff_entity(record: &StaffRecord, cleared: bool) -> Entity {
    let text = |s: &str| RestrictedExpression::new_string(s.to_owned());
    let mut attributes = HashMap::from([
        ("role".to_owned(), VOCABULARY.value(&VOCABULARY.role, record.role.word())),
        ("team".to_owned(), text(&record.team)),
        ("employer".to_owned(), text(&record.employer)),
        ("in_house".to_owned(), RestrictedExpression::new_bool(record.employer == "in-house")),
        ("cleared".to_owned(), RestrictedExpression::new_bool(cleared)),
    ]);
    if let Some(site) = &record.site {
        attributes.insert("site".to_owned(), text(site));
    }
    let uid = uid(&VOCABULARY.staff, record.staff.as_str());
    #[allow(clippy::expect_used)] // literals evaluate to themselves
    Entity::new(uid, attributes, HashSet::new()).expect("attributes are literals")
}

fn record_context(case: &Case) -> Context {
    let flag = RestrictedExpression::new_bool;
    let words = &*VOCABULARY;
    literal_context([
        ("app", RestrictedExpression::new_string(case.app.as_str().to_owned())),
        ("evidence", words.value(&words.evidence, case.evidence.word())),
        ("weak", flag(case.evidence.is_weak())),
        ("tier", words.value(&words.tier, case.tier.word())),
        ("high_value", flag(case.tier.is_high_value())),
        ("purpose", words.value(&words.purpose, case.purpose.word())),
    ])
}

fn list_context(app: &AppId) -> Context {
    literal_context([("app", RestrictedExpression::new_string(app.as_str().to_owned()))])
}

fn literal_context<const N: usize>(pairs: [(&str, RestrictedExpression); N]) -> Context {
    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value));
    #[allow(clippy::expect_used)] // literals under different keys
    Context::from_pairs(pairs).expect("the context is literals")
}

/// The schema's names, parsed once.
struct Vocabulary {
    staff: EntityTypeName,
    role: EntityTypeName,
    field_class: EntityTypeName,
    evidence: EntityTypeName,
    tier: EntityTypeName,
    purpose: EntityTypeName,
    show: EntityUid,
    ask: EntityUid,
    list: EntityUid,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let action = type_name("Action");
    Vocabulary {
        staff: type_name("Staff"),
        role: type_name("Role"),
        field_class: type_name("FieldClass"),
        evidence: type_name("Evidence"),
        tier: type_name("Tier"),
        purpose: type_name("Purpose"),
        show: uid(&action, "show"),
        ask: uid(&action, "ask"),
        list: uid(&action, "list"),
    }
});

impl Vocabulary {
    fn class(&self, class: FieldClass) -> EntityUid {
        uid(&self.field_class, class.word())
    }

    fn value(&self, of: &EntityTypeName, word: &str) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(uid(of, word))
    }
}

#[allow(clippy::expect_used)] // only called with the names above
fn type_name(name: &str) -> EntityTypeName {
    EntityTypeName::from_str(name).expect("an identifier")
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}
