//! Settings of this room, as they stand in the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::{AppId, Role, StaffId, Timestamp};
use openidconnect::IssuerUrl;
use serde::Deserialize;
use url::Url;

/// How staff log in: `[login.oidc]` or `[login.personas]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginSettings {
    /// At an OpenID Connect provider.
    Oidc(Box<OidcSettings>),
    /// By a click, on loopback only: for demonstrations.
    Personas(PersonasSettings),
}

impl LoginSettings {
    /// Every path in the settings, to be made relative to the file that they stand in.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let secret = match self {
            LoginSettings::Oidc(oidc) => oidc.client_secret_file.as_mut(),
            LoginSettings::Personas(_) => None,
        };
        secret.into_iter()
    }
}

/// `[login.oidc]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSettings {
    /// The provider's issuer URL, exactly as its discovery document says it.
    pub issuer: IssuerUrl,
    /// The name under which the provider knows Sightline.
    pub client_id: String,
    /// The file with the client's secret (mode 0600); none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// Scopes to ask for besides `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim with the groups: an array, or one string.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// Which group has which role; the first that fits counts. Whoever has none is not let in.
    pub roles: Vec<GroupRole>,
    /// The claim with the name under which the apps know this person.
    #[serde(default = "default_login_claim")]
    pub login_claim: String,
    /// Where the team comes from.
    #[serde(default)]
    pub team: Attribute,
    /// Where the employer comes from: `in-house`, or a vendor's name.
    #[serde(default)]
    pub employer: Attribute,
    /// Where the site comes from.
    #[serde(default)]
    pub site: Attribute,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

fn default_login_claim() -> String {
    "preferred_username".to_owned()
}

/// A group and its role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// The group, as the provider writes it.
    pub group: String,
    /// What its members are there to do.
    pub role: Role,
}

/// Where an attribute of staff comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The claim that holds it.
    pub claim: Option<String>,
    /// What it is where the claim is absent.
    pub default: Option<String>,
}

/// `[login.personas]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonasSettings {
    /// Who can be clicked.
    pub staff: Vec<Persona>,
}

/// Somebody whom a demonstration lets one be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The pseudonym in the ledger.
    pub staff: StaffId,
    /// The name to show.
    pub name: String,
    /// The name under which the apps know them.
    pub login: String,
    /// What they are there to do.
    pub role: Role,
    /// Which team.
    pub team: String,
    /// `in-house`, or a vendor's name.
    #[serde(default = "in_house")]
    pub employer: String,
    /// Which site.
    pub site: Option<String>,
    /// Training and screening are valid until then.
    pub cleared_until: Option<Timestamp>,
    /// One line that says who this is in the story.
    pub about: Option<String>,
}

fn in_house() -> String {
    "in-house".to_owned()
}

/// `[sessions]`: how long they last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLimits {
    /// A session in which nothing was asked for so long is over.
    pub idle_minutes: u32,
    /// A session is over after so long, whatever happens.
    pub absolute_hours: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle_minutes: 30, absolute_hours: 12 }
    }
}

impl SessionLimits {
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_minutes) * 60)
    }

    pub(crate) fn absolute(&self) -> Duration {
        Duration::from_secs(u64::from(self.absolute_hours) * 3600)
    }
}

/// A door: an app behind the gateway, or the console.
#[derive(Debug, Clone)]
pub struct Door {
    /// Its name.
    pub name: AppId,
    /// The address that it listens on.
    pub listen: SocketAddr,
    /// Where browsers find it.
    pub public_url: Url,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        login: LoginSettings,
    }

    fn read(text: &str) -> Result<LoginSettings, String> {
        toml::from_str::<File>(text).map(|file| file.login).map_err(|error| error.to_string())
    }

    const OIDC: &str = r#"
        [login.oidc]
        issuer = "https://id.example.com"
        client_id = "sightline"
        client_secret_file = "keys/oidc"
        roles = [
            { group = "support-leads", role = "lead" },
            { group = "support", role = "agent" },
        ]
        team = { claim = "department", default = "support" }
    "#;

    #[test]
    fn a_provider_needs_few_words() {
        let mut settings = read(OIDC).unwrap();
        assert_eq!(settings.paths_mut().count(), 1);
        let LoginSettings::Oidc(oidc) = settings else { panic!("not oidc") };
        assert_eq!(oidc.issuer.as_str(), "https://id.example.com", "as the provider writes it");
        assert_eq!((oidc.groups_claim.as_str(), oidc.login_claim.as_str()), ("groups", "preferred_username"));
        assert_eq!(oidc.roles.iter().map(|r| r.role).collect::<Vec<_>>(), [Role::Lead, Role::Agent]);
    }

    #[test]
    fn a_slip_in_a_setting_is_named_with_its_line() {
        let error = read(&OIDC.replace("client_id", "clientid")).unwrap_err();
        assert!(error.contains("line 4") && error.contains("`clientid`"), "{error}");
        let error = read(&OIDC.replace("\"lead\"", "\"chief\"")).unwrap_err();
        assert!(error.contains("line 7") && error.contains("unknown role \"chief\""), "{error}");
    }

    #[test]
    fn personas_are_listed_one_by_one() {
        let text = r#"
            [[login.personas.staff]]
            staff = "s-17"
            name = "Ada"
            login = "ada"
            role = "agent"
            team = "payments"
        "#;
        let LoginSettings::Personas(personas) = read(text).unwrap() else { panic!("not personas") };
        assert_eq!(personas.staff[0].employer, "in-house");
    }
}
