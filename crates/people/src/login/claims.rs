//! From what a provider says of a person to a staff record. Pure.

use model::{StaffId, StaffRecord, StaffStatus};
use serde_json::{Map, Value};

use super::{Identity, NoLogin};
use crate::Person;
use crate::settings::{Attribute, OidcSettings};

/// Everything that a provider says of a person, by claim. Personal data.
pub(crate) type Claims = Map<String, Value>;

/// Who this is, as `settings` read the claims; or why they have no business here.
pub(crate) fn identify(
    settings: &OidcSettings,
    staff: StaffId,
    subject: &str,
    claims: &Claims,
) -> Result<Identity, NoLogin> {
    let Some(groups) = groups(settings, claims) else {
        return Err(NoLogin::NoGroups { claim: settings.groups_claim.clone(), staff });
    };
    let Some(mapped) = settings.roles.iter().find(|mapped| groups.contains(&mapped.group.as_str())) else {
        return Err(NoLogin::NoRole { staff });
    };
    let Some(login) = login(settings, claims) else {
        return Err(NoLogin::Nameless { claim: settings.login_claim.clone(), staff });
    };
    // Where the provider is to say who employs somebody and does not, it would be wrong to guess in-house.
    let employer = if settings.employer.claim.is_some() { "unknown" } else { "in-house" };
    let record = StaffRecord {
        staff,
        role: mapped.role,
        team: attribute(&settings.team, claims).unwrap_or("unassigned").to_owned(),
        employer: attribute(&settings.employer, claims).unwrap_or(employer).to_owned(),
        site: attribute(&settings.site, claims).map(str::to_owned),
        status: StaffStatus::Active,
        cleared_until: None,
    };
    let person = Person {
        issuer: settings.issuer.as_str().to_owned(),
        subject: subject.to_owned(),
        name: text(claims, "name").unwrap_or(login).to_owned(),
        login: login.to_owned(),
    };
    Ok(Identity { record, person })
}

/// The groups of this person; `None` if the provider does not speak of groups at all.
pub(crate) fn groups<'c>(settings: &OidcSettings, claims: &'c Claims) -> Option<Vec<&'c str>> {
    match claims.get(&settings.groups_claim)? {
        Value::String(group) => Some(vec![group]),
        Value::Array(groups) => Some(groups.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn login<'c>(settings: &OidcSettings, claims: &'c Claims) -> Option<&'c str> {
    // Somebody who may write any address into their own profile must not become its owner here.
    let unverified =
        settings.login_claim == "email" && claims.get("email_verified") == Some(&Value::Bool(false));
    text(claims, &settings.login_claim).filter(|_| !unverified)
}

fn attribute<'c>(from: &'c Attribute, claims: &'c Claims) -> Option<&'c str> {
    from.claim.as_deref().and_then(|claim| text(claims, claim)).or(from.default.as_deref())
}

fn text<'c>(claims: &'c Claims, claim: &str) -> Option<&'c str> {
    claims.get(claim)?.as_str().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use model::Role;
    use serde_json::json;

    use super::*;
    use crate::IssuerUrl;
    use crate::settings::GroupRole;

    fn settings() -> OidcSettings {
        OidcSettings {
            issuer: IssuerUrl::new("https://id.example".to_owned()).unwrap(),
            client_id: "sightline".to_owned(),
            client_secret_file: None,
            scopes: vec![],
            groups_claim: "groups".to_owned(),
            roles: [("leads", Role::Lead), ("support", Role::Agent)]
                .map(|(group, role)| GroupRole { group: group.to_owned(), role })
                .into(),
            login_claim: "preferred_username".to_owned(),
            team: Attribute { claim: Some("department".to_owned()), default: None },
            employer: Attribute::default(),
            site: Attribute { claim: None, default: Some("Riga".to_owned()) },
        }
    }

    fn read(settings: &OidcSettings, claims: Value) -> Result<Identity, NoLogin> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        identify(settings, StaffId::new("s-1"), "sub-1", &claims)
    }

    #[test]
    fn the_first_mapping_that_fits_gives_the_role() {
        let claims = json!({"preferred_username": "ada", "name": "Ada", "groups": ["x", "support", "leads"],
                            "department": "payments"});
        let identity = read(&settings(), claims).ok().unwrap();
        assert_eq!(identity.record.role, Role::Lead);
        assert_eq!(identity.record.team, "payments");
        assert_eq!(identity.record.employer, "in-house");
        assert_eq!(identity.record.site.as_deref(), Some("Riga"));
        assert_eq!((identity.person.login.as_str(), identity.person.name.as_str()), ("ada", "Ada"));
    }

    #[test]
    fn one_group_may_come_as_a_string() {
        let identity = read(&settings(), json!({"preferred_username": "ada", "groups": "support"}));
        assert_eq!(identity.ok().unwrap().record.role, Role::Agent);
    }

    #[test]
    fn no_groups_at_all_is_told_apart_from_groups_without_a_role() {
        for claims in
            [json!({"preferred_username": "ada"}), json!({"preferred_username": "ada", "groups": null})]
        {
            assert!(
                matches!(read(&settings(), claims), Err(NoLogin::NoGroups { claim, .. }) if claim == "groups")
            );
        }
        for groups in [json!([]), json!(["Support"]), json!([1, {"support": true}]), json!("supporters")] {
            let claims = json!({"preferred_username": "ada", "groups": groups});
            assert!(matches!(read(&settings(), claims), Err(NoLogin::NoRole { .. })));
        }
    }

    #[test]
    fn without_a_name_for_the_apps_nobody_comes_in() {
        for claims in [json!({"groups": "support"}), json!({"groups": "support", "preferred_username": " "})]
        {
            assert!(matches!(read(&settings(), claims), Err(NoLogin::Nameless { .. })));
        }
    }

    #[test]
    fn an_unverified_address_is_no_login() {
        let by_mail = OidcSettings { login_claim: "email".to_owned(), ..settings() };
        let with =
            |verified: bool| json!({"groups": "support", "email": "a@b.example", "email_verified": verified});
        assert!(matches!(read(&by_mail, with(false)), Err(NoLogin::Nameless { .. })));
        assert_eq!(read(&by_mail, with(true)).ok().unwrap().person.login, "a@b.example");
    }

    #[test]
    fn an_employer_whom_the_provider_does_not_name_is_unknown_rather_than_in_house() {
        let asked = OidcSettings {
            employer: Attribute { claim: Some("company".to_owned()), default: None },
            ..settings()
        };
        let claims =
            |company: Value| json!({"preferred_username": "ada", "groups": "support", "company": company});
        assert_eq!(read(&asked, claims(Value::Null)).ok().unwrap().record.employer, "unknown");
        assert_eq!(read(&asked, claims(json!("Acme"))).ok().unwrap().record.employer, "Acme");
    }
}
