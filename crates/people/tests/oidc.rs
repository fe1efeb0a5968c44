//! Login at a real OpenID Connect provider (npm `oidc-provider`), by hand and with a real browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{Answer, Browser, House, door, fresh};
use fantoccini::Locator;
use http::StatusCode;
use model::entry::{Actor, RevokeReason, Revoked, Target, Why};
use model::{AppId, Event, Role, SystemClock};
use peers::chromium::{Chromium, Window};
use peers::oidc::{Provider, Settings};
use serde_json::{Value, json};
use sightline_people::{Attribute, Door, GroupRole, IssuerUrl, LoginSettings, OidcSettings, cookie_name};
use url::Url;

/// A provider, and a house with the door `desk` that sends people to it.
struct Stage {
    dir: tempfile::TempDir,
    house: House,
    door: Door,
    provider: Provider,
}

impl Stage {
    async fn set(accounts: &[(&str, Value)], claims_in_token: bool, algorithm: &'static str) -> Self {
        let dir = fresh();
        let (door, listener) = door("desk").await;
        let provider = Provider::start(&Settings {
            client: ("sightline".to_owned(), "a secret of this test".to_owned()),
            redirects: vec![door.public_url.join("/.sightline/login/callback").unwrap()],
            accounts: accounts.iter().map(|(login, claims)| ((*login).to_owned(), claims.clone())).collect(),
            claims_in_token,
            algorithm,
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let secret_file = secret(&dir, "a secret of this test");
        let settings = settings(&provider.issuer, secret_file);
        let house = House::open(&dir, Arc::new(SystemClock), &settings, std::slice::from_ref(&door));
        house.serve("desk", listener, None);
        Self { dir, house, door, provider }
    }

    fn login(&self) -> Url {
        self.door.public_url.join("/.sightline/login?next=/ticket/5").unwrap()
    }

    /// Logs in as `account`, and changes the first URL at the provider with `bend` on the way.
    async fn log_in_bent(&self, browser: &mut Browser, account: &str, bend: impl Fn(&mut Url)) -> Answer {
        let begun = browser.get(&self.login()).await;
        let mut url: Url = begun.location().parse().unwrap();
        bend(&mut url);
        self.follow(browser, url, account).await
    }

    /// Goes through the provider's pages as `account`, from this one on.
    async fn follow(&self, browser: &mut Browser, mut url: Url, account: &str) -> Answer {
        let mut answer = browser.get(&url).await;
        loop {
            let form = answer.body.split_once("action=\"").map(|(_, rest)| rest.split('"').next().unwrap());
            let at_provider = url.port() == self.provider.issuer.port();
            (url, answer) = if answer.status.is_redirection() && answer.location() == "/ticket/5" {
                return answer;
            } else if answer.status.is_redirection() {
                let next = url.join(answer.location()).unwrap();
                (next.clone(), browser.get(&next).await)
            } else if let Some(action) = form.filter(|_| at_provider) {
                let next = url.join(action).unwrap();
                let prompt = if answer.body.contains("name=\"login\"") { "login" } else { "consent" };
                let fields = [("prompt", prompt), ("login", account), ("password", "any")];
                (next.clone(), browser.post(&next, &fields).await)
            } else {
                return answer;
            };
        }
    }

    async fn log_in(&self, browser: &mut Browser, account: &str) -> Answer {
        self.log_in_bent(browser, account, |_| {}).await
    }

    fn refusals(&self) -> Vec<(String, Why)> {
        let refusals = self.house.events().into_iter().filter_map(|event| match event {
            Event::Refused(e) => Some((e.response.to_string(), e.why)),
            _ => None,
        });
        refusals.collect()
    }
}

fn secret(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = dir.path().join("client-secret");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn settings(issuer: &Url, client_secret_file: PathBuf) -> LoginSettings {
    LoginSettings::Oidc(Box::new(OidcSettings {
        // The provider writes it without the slash that `Url` adds.
        issuer: IssuerUrl::new(issuer.as_str().trim_end_matches('/').to_owned()).unwrap(),
        client_id: "sightline".to_owned(),
        client_secret_file: Some(client_secret_file),
        scopes: vec!["profile".to_owned()],
        groups_claim: "groups".to_owned(),
        roles: vec![
            GroupRole { group: "support-leads".to_owned(), role: Role::Lead },
            GroupRole { group: "support".to_owned(), role: Role::Agent },
        ],
        login_claim: "preferred_username".to_owned(),
        team: Attribute { claim: Some("department".to_owned()), default: None },
        employer: Attribute::default(),
        site: Attribute::default(),
    }))
}

fn ada() -> (&'static str, Value) {
    let claims = json!({ "name": "Ada Lovelace", "preferred_username": "ada", "department": "payments",
                         "groups": ["everyone", "support"] });
    ("ada", claims)
}

fn changed(url: &mut Url, key: &str, to: &str) {
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let bent = pairs.into_iter().map(|(k, v)| if k == key { (k, to.to_owned()) } else { (k, v) });
    let bent = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(bent).finish();
    url.set_query(Some(&bent));
}

#[tokio::test]
async fn a_login_gives_the_role_of_the_group_however_the_provider_signs_and_where_it_puts_claims() {
    for (claims_in_token, algorithm) in [(true, "ES256"), (true, "PS256"), (false, "RS256")] {
        let stage = Stage::set(&[ada()], claims_in_token, algorithm).await;
        let mut browser = Browser::default();
        let answer = stage.log_in(&mut browser, "ada").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{algorithm}: {}", answer.body);
        let seated = stage.house.identify(&browser, "desk").await.unwrap().unwrap();
        assert_eq!((seated.name.as_str(), seated.login.as_str()), ("Ada Lovelace", "ada"));
        assert_eq!((seated.record.role, seated.record.team.as_str()), (Role::Agent, "payments"));
        assert!(seated.record.staff.as_str().starts_with("s-") && seated.record.staff.as_str().len() == 10);
        let kinds: Vec<_> = stage.house.events().iter().map(Event::kind).collect();
        assert_eq!(kinds, ["staff_recorded", "session_opened"]);
        let entries = format!("{:?}", stage.house.events());
        assert!(!entries.contains("ada") && !entries.contains("Lovelace"), "names stay out of the ledger");
    }
}

#[tokio::test]
async fn whoever_has_no_group_with_a_role_is_refused_and_told_which_kind_of_nothing_it_was() {
    let nobody = ("bob", json!({ "preferred_username": "bob", "groups": ["everyone"] }));
    let silent = ("eve", json!({ "preferred_username": "eve" }));
    let stage = Stage::set(&[nobody, silent], true, "RS256").await;
    for (account, sentence) in
        [("bob", "none of your groups has a role"), ("eve", "did not say which groups you belong to")]
    {
        let mut browser = Browser::default();
        let answer = stage.log_in(&mut browser, account).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains(sentence), "{}", answer.body);
        assert!(!browser.cookies.contains_key(&cookie_name(&AppId::new("desk"))));
        assert_eq!(stage.refusals().pop(), Some((answer.reference(), Why::Policy)));
    }
}

#[tokio::test]
async fn an_answer_to_another_nonce_is_not_believed() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let bend = |url: &mut Url| changed(url, "nonce", "of-somebody-else");
    let answer = stage.log_in_bent(&mut Browser::default(), "ada", bend).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.body.contains("could not be verified"), "{}", answer.body);
    assert!(stage.house.events().is_empty());
}

#[tokio::test]
async fn a_code_for_another_verifier_is_of_no_use() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let bend = |url: &mut Url| changed(url, "code_challenge", &"A".repeat(43));
    let answer = stage.log_in_bent(&mut Browser::default(), "ada", bend).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(stage.house.events().is_empty());
}

#[tokio::test]
async fn an_answer_with_another_state_or_in_another_browser_is_stale() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let bend = |url: &mut Url| changed(url, "state", "of-somebody-else");
    let answer = stage.log_in_bent(&mut Browser::default(), "ada", bend).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    // Somebody sends a victim the link with which their own login would end.
    let mut other = Browser::default();
    let begun = other.get(&stage.login()).await;
    let url: Url = begun.location().parse().unwrap();
    let (_, state) = url.query_pairs().into_owned().find(|(key, _)| key == "state").unwrap();
    let mut back = stage.door.public_url.join("/.sightline/login/callback").unwrap();
    back.query_pairs_mut().append_pair("code", "x").append_pair("state", &state);
    let mut victim = Browser::default();
    assert_eq!(victim.get(&back).await.status, StatusCode::BAD_REQUEST, "no attempt of theirs");
    victim.get(&stage.login()).await;
    assert_eq!(victim.get(&back).await.status, StatusCode::BAD_REQUEST, "another attempt of theirs");
    assert!(stage.house.events().is_empty());
}

#[tokio::test]
async fn an_answer_that_names_another_issuer_is_not_believed() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let mut browser = Browser::default();
    let url: Url = browser.get(&stage.login()).await.location().parse().unwrap();
    let (_, state) = url.query_pairs().into_owned().find(|(key, _)| key == "state").unwrap();
    let mut back = stage.door.public_url.join("/.sightline/login/callback").unwrap();
    back.query_pairs_mut()
        .append_pair("code", "x")
        .append_pair("state", &state)
        .append_pair("iss", "https://evil.example");
    assert_eq!(browser.get(&back).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_login_that_was_cancelled_is_said_calmly() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let mut browser = Browser::default();
    let url: Url = browser.get(&stage.login()).await.location().parse().unwrap();
    let (_, state) = url.query_pairs().into_owned().find(|(key, _)| key == "state").unwrap();
    let mut back = stage.door.public_url.join("/.sightline/login/callback").unwrap();
    back.query_pairs_mut().append_pair("error", "access_denied").append_pair("state", &state);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("The login was not completed"));
}

#[tokio::test]
async fn whoever_is_suspended_cannot_log_in_again() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "ada").await;
    let staff = stage.house.identify(&browser, "desk").await.unwrap().unwrap().record.staff;
    let revoked =
        Revoked { target: Target::Staff(staff), by: Actor::Operator, reason: RevokeReason::UnexplainedLooks };
    stage.house.record(Event::Revoked(revoked)).await;
    assert_eq!(stage.house.identify(&browser, "desk").await.unwrap_err(), Why::SessionRevoked);
    let answer = stage.log_in(&mut browser, "ada").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.refusals(), [(answer.reference(), Why::StaffInactive)]);
}

#[tokio::test]
async fn a_provider_that_is_gone_gets_a_page_with_a_reference() {
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let Stage { dir: _dir, house: _house, door, provider } = stage;
    drop(provider);
    let answer = Browser::default().get(&door.public_url.join("/.sightline/login").unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.body.contains("The login service does not answer"));
    assert!(answer.reference().parse::<model::ResponseId>().is_ok());
}

#[tokio::test]
async fn in_a_real_browser_one_logs_in_and_out() {
    let stage = Stage::set(&[ada()], true, "ES256").await;
    let chromium = Chromium::start().unwrap_or_else(|error| panic!("{error}"));
    let browser = chromium.open(Window::default()).await.unwrap_or_else(|error| panic!("{error}"));
    browser.goto(stage.login().as_str()).await.unwrap();
    browser
        .wait()
        .for_element(Locator::Css("input[name=login]"))
        .await
        .unwrap()
        .send_keys("ada")
        .await
        .unwrap();
    browser.find(Locator::Css("input[name=password]")).await.unwrap().send_keys("any").await.unwrap();
    browser.find(Locator::Css("button[type=submit]")).await.unwrap().click().await.unwrap();
    browser
        .wait()
        .for_element(Locator::XPath("//button[contains(., 'Continue')]"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    let name = browser.wait().for_element(Locator::Id("name")).await.unwrap();
    assert_eq!(name.text().await.unwrap(), "Ada Lovelace");
    assert_eq!(browser.current_url().await.unwrap().path(), "/ticket/5");
    let cookies = browser.execute("return document.cookie", vec![]).await.unwrap();
    assert_eq!(cookies, json!(""), "no script sees the session");

    browser.find(Locator::Css("button")).await.unwrap().click().await.unwrap();
    let title = browser.wait().for_element(Locator::Css("h1")).await.unwrap();
    assert_eq!(title.text().await.unwrap(), "You are logged out");
    let elsewhere = browser.find(Locator::LinkText("Log out of the identity provider too")).await.unwrap();
    let elsewhere = elsewhere.attr("href").await.unwrap().unwrap();
    assert!(elsewhere.starts_with(stage.provider.issuer.as_str()), "{elsewhere}");
    browser.goto(stage.door.public_url.as_str()).await.unwrap();
    assert!(browser.source().await.unwrap().contains("nobody is logged in"));
    browser.close().await.unwrap();
}

#[tokio::test]
async fn a_fresh_login_is_asked_for_at_the_provider_and_recorded_and_one_that_was_not_fresh_is_not_believed()
{
    let stage = Stage::set(&[ada()], true, "RS256").await;
    let mut browser = Browser::default();
    stage.log_in(&mut browser, "ada").await;
    let reauthenticated = |stage: &Stage| {
        let events = stage.house.events().into_iter();
        events.filter(|event| matches!(event, Event::Reauthenticated(_))).count()
    };
    assert_eq!(reauthenticated(&stage), 0, "an ordinary login");

    let fresh = stage.door.public_url.join("/.sightline/login?fresh=1&next=/ticket/5").unwrap();
    let begun = browser.get(&fresh).await;
    let asked: Url = begun.location().parse().unwrap();
    let asks = |key: &str| asked.query_pairs().find(|(k, _)| k == key).map(|(_, value)| value.into_owned());
    assert_eq!((asks("max_age").as_deref(), asks("prompt").as_deref()), (Some("0"), Some("login")));
    let seated = stage.follow(&mut browser, asked, "ada").await;
    assert_eq!(seated.status, StatusCode::SEE_OTHER, "{}", seated.body);
    assert_eq!(reauthenticated(&stage), 1);

    // Somebody strips what asks for it, and the provider answers from its own session. It says when that began, or says
    // nothing: not believed where it says nothing or a time too long ago.
    let begun = browser.get(&fresh).await;
    let mut bent: Url = begun.location().parse().unwrap();
    let kept: Vec<_> =
        bent.query_pairs().into_owned().filter(|(k, _)| k != "max_age" && k != "prompt").collect();
    bent.set_query(Some(&url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()));
    let answer = stage.follow(&mut browser, bent, "ada").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.body);
    assert_eq!(reauthenticated(&stage), 1);
}
