//! "May they?", as it is asked all day long.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use common::{START, World, app, observed_app};
use model::entry::{Actor, RevokeReason, Target, Why};
use model::{Budgets, ClassSet, Event, Evidence, FieldClass, Mode, Purpose, Role, Tier};
use sightline_access::{Basis, Policy, Reason, TicketActor, TicketWhat, revocation};

fn reason(purpose: Purpose) -> Reason {
    Reason { purpose, ticket: None, note: None, asked: ClassSet::EMPTY }
}

fn support() -> Reason {
    reason(Purpose::CustomerSupport)
}

fn asking(class: FieldClass) -> Reason {
    Reason { asked: class.into(), ..support() }
}

/// Says why at the customer, and appends the grant.
fn justify(world: &mut World, customer: &str, reason: &Reason) -> Result<(), Why> {
    let (_, draft) = world.access.justify(&world.look(&customer.into(), &app()), reason)?;
    world.log.append(vec![draft])
}

#[test]
fn a_routed_ticket_opens_the_record_without_a_question() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    let first = world.open("c-1").unwrap();
    assert!(matches!(&first.basis, Basis::Issue { grant, .. } if grant.ticket == Some("k-1".into())));
    assert_eq!(first.evidence, Evidence::Routed);
    assert!(first.verdicts.show.contains(FieldClass::SupportHistory));
    assert!(first.verdicts.ask.contains(FieldClass::ContactEmail));
    let second = world.open("c-1").unwrap();
    assert!(matches!(second.basis, Basis::Granted(_)));
    assert_eq!(second.verdicts, first.verdicts);
    assert_eq!(world.access.remaining(&world.me.staff, world.log.now).weak_used, 0);
}

#[test]
fn without_a_ticket_the_viewer_must_say_why() {
    let mut world = World::new(Mode::Enforce);
    let decision = world.decide("c-1");
    assert!(matches!(&decision.basis, Basis::AskWhy { links } if links.is_empty()));
    assert!(decision.verdicts.permitted().is_empty());
    justify(&mut world, "c-1", &support()).unwrap();
    let decision = world.open("c-1").unwrap();
    assert!(matches!(decision.basis, Basis::Granted(_)));
    assert_eq!(decision.evidence, Evidence::None);
    assert_eq!(world.access.remaining(&world.me.staff, world.log.now).weak_used, 1);
}

#[test]
fn weak_tickets_are_listed_on_the_page_that_asks_why() {
    let world = World::new(Mode::Enforce);
    world.ticket(TicketWhat::Opened, "k-1", "c-1", TicketActor::Staff("me".into()), None);
    let Basis::AskWhy { links } = world.decide("c-1").basis else { panic!("a weak ticket opens nothing") };
    assert_eq!((links[0].ticket.as_str(), links[0].evidence), ("k-1", Evidence::SelfMade));
}

#[test]
fn the_third_unexplained_customer_of_a_shift_is_refused_and_the_next_shift_is_a_new_one() {
    let mut world = World::new(Mode::Enforce);
    for customer in ["c-1", "c-2"] {
        justify(&mut world, customer, &support()).unwrap();
    }
    assert!(matches!(world.decide("c-3").basis, Basis::Refuse(Why::WeakBudget)));
    assert_eq!(justify(&mut world, "c-3", &support()), Err(Why::WeakBudget));
    assert!(world.open("c-1").is_ok(), "the grant that was paid for stays");
    world.routed("k-4", "c-4");
    assert!(world.open("c-4").is_ok(), "explained looks go on");
    world.log.wait(10 * 60);
    assert!(matches!(world.decide("c-3").basis, Basis::AskWhy { .. }));
}

#[test]
fn the_second_unexplained_high_value_customer_is_refused() {
    let mut world = World::new(Mode::Enforce);
    world.tier("c-1", Tier::HighValue);
    world.tier("c-2", Tier::HighValue);
    justify(&mut world, "c-1", &support()).unwrap();
    assert_eq!(justify(&mut world, "c-2", &support()), Err(Why::HighValueBudget));
    assert_eq!(justify(&mut world, "c-3", &support()), Ok(()));
}

#[test]
fn a_masked_field_is_asked_for_by_itself() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    world.open("c-1").unwrap();
    justify(&mut world, "c-1", &asking(FieldClass::ContactEmail)).unwrap();
    let verdicts = world.open("c-1").unwrap().verdicts;
    assert!(verdicts.show.contains(FieldClass::ContactEmail));
    assert!(verdicts.ask.contains(FieldClass::ContactPhone));
    justify(&mut world, "c-1", &asking(FieldClass::ContactPhone)).unwrap();
    let verdicts = world.open("c-1").unwrap().verdicts;
    assert!(verdicts.show.covers([FieldClass::ContactEmail, FieldClass::ContactPhone].into_iter().collect()));
    assert_eq!(world.access.remaining(&world.me.staff, world.log.now).weak_used, 0);
}

#[test]
fn what_the_policy_does_not_let_ask_for_is_refused() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    for class in [FieldClass::KycDocument, FieldClass::SecretPassword, FieldClass::Undeclared] {
        assert_eq!(justify(&mut world, "c-1", &asking(class)), Err(Why::Policy), "{class}");
    }
}

#[test]
fn asking_for_more_of_a_customer_who_is_open_costs_nothing_and_lasts_no_longer() {
    let mut world = World::new(Mode::Enforce);
    justify(&mut world, "c-1", &support()).unwrap();
    world.log.wait(110);
    justify(&mut world, "c-1", &asking(FieldClass::ContactEmail)).unwrap();
    assert!(world.open("c-1").unwrap().verdicts.show.contains(FieldClass::ContactEmail));
    assert_eq!(world.access.remaining(&world.me.staff, world.log.now).weak_used, 1);
    world.log.wait(10);
    assert!(matches!(world.decide("c-1").basis, Basis::AskWhy { .. }), "one charge does not last for ever");
}

#[test]
fn a_ticket_that_turns_up_opens_more() {
    let mut world = World::new(Mode::Enforce);
    justify(&mut world, "c-1", &support()).unwrap();
    assert!(!world.open("c-1").unwrap().verdicts.show.contains(FieldClass::SupportHistory));
    world.routed("k-1", "c-1");
    let decision = world.open("c-1").unwrap();
    assert_eq!(decision.evidence, Evidence::Routed);
    assert!(decision.verdicts.show.contains(FieldClass::SupportHistory));
    assert!(matches!(world.open("c-1").unwrap().basis, Basis::Granted(_)));
}

#[test]
fn the_ticket_of_the_page_explains_where_several_do() {
    let world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    world.routed("k-2", "c-1");
    for ticket in ["k-1", "k-2"] {
        let (customer, app, ticket) = ("c-1".into(), app(), ticket.into());
        let look = sightline_access::Look { ticket: Some(&ticket), ..world.look(&customer, &app) };
        let Basis::Issue { grant, .. } = world.access.decide(&look).basis else { panic!("not issued") };
        assert_eq!(grant.ticket, Some(ticket));
    }
}

#[test]
fn a_ticket_of_another_customer_is_no_reason() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    let named = |ticket: &str| Reason { ticket: Some(ticket.into()), ..support() };
    assert_eq!(justify(&mut world, "c-2", &named("k-1")), Err(Why::NoReason));
    assert_eq!(justify(&mut world, "c-2", &named("k-99")), Err(Why::NoReason));
    world.ticket(TicketWhat::Opened, "k-2", "c-2", TicketActor::Customer, None);
    assert_eq!(justify(&mut world, "c-2", &named("k-2")), Ok(()), "it is theirs, and a weak reason");
    assert_eq!(world.access.remaining(&world.me.staff, world.log.now).weak_used, 1);
}

#[test]
fn roles_that_see_no_customers_are_refused_and_no_question_is_asked() {
    for role in [Role::Approver, Role::Analyst, Role::Auditor, Role::Admin] {
        let mut world = World::with(Mode::Enforce, role, Budgets::default(), Policy::shipped());
        world.routed("k-1", "c-1");
        assert!(matches!(world.decide("c-1").basis, Basis::Refuse(Why::Policy)), "{role} with a ticket");
        assert!(matches!(world.decide("c-2").basis, Basis::Refuse(Why::Policy)), "{role} without");
        assert_eq!(justify(&mut world, "c-2", &support()), Err(Why::Policy));
    }
}

#[test]
fn a_revoked_grant_shows_nothing_at_the_next_click() {
    let mut world = World::new(Mode::Enforce);
    justify(&mut world, "c-1", &support()).unwrap();
    let decision = world.open("c-1").unwrap();
    let Basis::Granted(grant) = decision.basis else { panic!("not granted") };
    let revoke = revocation(Target::Grant(grant.id), Actor::Operator, RevokeReason::NoLongerNeeded);
    let fence = world.access.state().read().fence();
    world.log.append(vec![revoke]).unwrap();
    assert_ne!(world.access.state().read().fence(), fence);
    assert!(matches!(world.decide("c-1").basis, Basis::AskWhy { .. }));
}

#[test]
fn clearance_that_runs_out_closes_what_was_open() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    world.open("c-1").unwrap();
    world.me.cleared_until = Some(world.log.now.plus(std::time::Duration::from_secs(60)));
    assert!(matches!(world.decide("c-1").basis, Basis::Granted(_)));
    world.log.wait(1);
    assert!(matches!(world.decide("c-1").basis, Basis::Refuse(Why::Policy)));
}

#[test]
fn a_change_of_role_counts_from_the_next_look() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    world.open("c-1").unwrap();
    world.me.role = Role::Lead;
    assert!(world.decide("c-1").verdicts.show.contains(FieldClass::AccountActivity));
    world.me.role = Role::Auditor;
    assert!(matches!(world.decide("c-1").basis, Basis::Refuse(Why::Policy)));
}

#[test]
fn under_a_policy_that_permits_everything_neither_decision_nor_grant_holds_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().join("all.cedar");
    std::fs::write(&all, "permit (principal, action, resource);").unwrap();
    let schema =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/sightline.cedarschema");
    let policy = Policy::load(&schema, &[&all]).unwrap();
    for (mode, never) in [
        (Mode::Enforce, ClassSet::SECRET.union(FieldClass::Undeclared.into())),
        (Mode::Observe, ClassSet::SECRET),
    ] {
        let mut world = World::with(mode, Role::Agent, Budgets::default(), policy.clone());
        world.routed("k-1", "c-1");
        for _ in ["issued", "granted"] {
            let decision = world.open("c-1").unwrap();
            assert_eq!(decision.verdicts.show, ClassSet::all().without(never));
            assert!(decision.verdicts.ask.is_empty());
        }
        let grant = &world.access.state().read().live_grants(&"me".into(), &app(), &"c-1".into(), START)[0];
        assert_eq!(grant.classes, ClassSet::all().without(never));
        let rows = world.access.decide_listing(&world.me, &app(), START).permitted();
        assert_eq!(rows, ClassSet::all().without(never));
    }
}

#[test]
fn an_app_that_no_settings_name_is_enforced() {
    let world = World::new(Mode::Enforce);
    let decision = world.access.decide(&world.look(&"c-1".into(), &"unheard-of".into()));
    assert_eq!(decision.mode, Mode::Enforce);
    assert!(matches!(decision.basis, Basis::AskWhy { .. }));
}

// ---- Observe ------------------------------------------------------------------------------------

#[test]
fn observing_blocks_nothing_and_masks_only_secrets() {
    let mut world = World::new(Mode::Observe);
    let everything_but_secrets = ClassSet::all().without(ClassSet::SECRET);
    for n in 0..20 {
        let customer = format!("c-{n}");
        let decision = world.open(&customer).unwrap();
        assert_eq!(decision.verdicts.show, everything_but_secrets);
        let expected = if n < 2 { Why::NoReason } else { Why::WeakBudget };
        assert_eq!(decision.would_refuse, Some(expected), "look {n}");
        let again = world.open(&customer).unwrap();
        assert!(matches!(again.basis, Basis::Granted(_)));
        assert_eq!(again.would_refuse, Some(expected));
    }
    let admins = World::with(Mode::Observe, Role::Admin, Budgets::default(), Policy::shipped()).open("c-1");
    assert_eq!(admins.unwrap().would_refuse, Some(Why::Policy));
}

#[test]
fn observing_says_what_would_have_been_masked() {
    let mut world = World::new(Mode::Observe);
    world.routed("k-1", "c-1");
    let decision = world.open("c-1").unwrap();
    assert_eq!(decision.would_refuse, None);
    assert!(decision.would_mask.contains(FieldClass::ContactEmail));
    assert!(!decision.would_mask.contains(FieldClass::SupportHistory));
    assert_eq!(world.open("c-1").unwrap().would_mask, decision.would_mask);
}

#[test]
fn a_ticket_that_turns_up_explains_observed_looks_from_then_on() {
    let mut world = World::new(Mode::Observe);
    assert_eq!(world.open("c-1").unwrap().would_refuse, Some(Why::NoReason));
    world.routed("k-1", "c-1");
    let decision = world.open("c-1").unwrap();
    assert_eq!((decision.evidence, decision.would_refuse), (Evidence::Routed, None));
    assert_eq!(world.open("c-1").unwrap().would_refuse, None);
}

#[test]
fn observed_looks_use_up_no_budget_that_is_enforced() {
    let mut world = World::new(Mode::Observe);
    for customer in ["c-1", "c-2", "c-3"] {
        world.open(customer).unwrap();
    }
    world.log.append(vec![common::settings(Budgets::default(), Mode::Enforce)]).unwrap();
    let state = world.access.state().read();
    assert_eq!(state.budget(&world.me.staff, world.log.now).weak_used, 0);
    assert_eq!(state.budget_if_enforced(&world.me.staff, world.log.now).weak_used, 3);
}

#[test]
fn what_was_granted_while_observing_opens_nothing_once_it_is_enforced() {
    let mut world = World::new(Mode::Observe);
    world.open("c-1").unwrap();
    world.log.append(vec![common::settings(Budgets::default(), Mode::Enforce)]).unwrap();
    assert!(matches!(world.decide("c-1").basis, Basis::AskWhy { .. }));
}

// ---- Lists --------------------------------------------------------------------------------------

#[test]
fn lists_show_what_the_policy_lets_and_in_observe_all_but_secrets() {
    let world = World::new(Mode::Enforce);
    let list = |app| world.access.decide_listing(&world.me, &app, world.log.now);
    assert_eq!(list(app()).show, FieldClass::SupportHistory.into());
    assert_eq!(list(observed_app()).show, ClassSet::all().without(ClassSet::SECRET));
    let shadow = |rows| world.access.listing_shadow(&world.me, &observed_app(), rows, world.log.now);
    assert_eq!(shadow(300).would_mask, ClassSet::all().without(FieldClass::SupportHistory.into()));
    assert_eq!(shadow(300).would_refuse, None);
    assert_eq!(shadow(301).would_refuse, Some(Why::ListingBudget));
}

#[test]
fn a_row_of_ones_own_ticket_is_not_charged_and_a_strangers_is() {
    let mut world = World::new(Mode::Enforce);
    world.routed("k-1", "c-1");
    world.ticket(TicketWhat::Opened, "k-2", "c-2", TicketActor::Staff("me".into()), None);
    justify(&mut world, "c-3", &support()).unwrap();
    let charged = |customer: &str| world.access.charges_row(&world.look(&customer.into(), &app()));
    assert!(!charged("c-1"), "routed to the viewer");
    assert!(charged("c-2"), "a ticket of their own making leads nowhere");
    assert!(!charged("c-3"), "the grant was paid for");
    assert!(charged("c-4"));
}

#[test]
fn the_app_may_say_how_many_customers_there_are() {
    let world = World::new(Mode::Enforce);
    world.tier("c-1", Tier::HighValue);
    assert_eq!(world.access.tickets().customers(), 1);
    world.access.tickets().set_total(&app(), 10_000).unwrap();
    assert_eq!(world.access.tickets().customers(), 10_000);
}

#[test]
fn a_free_note_is_kept_with_the_opening_and_stays_out_of_the_entry() {
    let world = World::new(Mode::Enforce);
    let noted = Reason { note: Some("Mrs. Doe called about her card".to_owned()), ..support() };
    let (_, draft) = world.access.justify(&world.look(&"c-1".into(), &app()), &noted).unwrap();
    let Event::GrantIssued(issued) = &draft.event else { panic!("no grant") };
    assert!(issued.charged, "a note is no reason");
    assert_eq!(draft.openings[0].commitment(), issued.subject);
    assert_eq!(draft.openings[0].subject.note, noted.note);
    assert!(!format!("{:?}", draft.event).contains("Doe"));
}
