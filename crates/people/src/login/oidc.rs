//! Login at an OpenID Connect provider: the code flow with PKCE (S256), and with state and nonce bound to
//! the browser that began it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use model::{AppId, Clock, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IdTokenVerifier, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use url::Url;

use super::attempt::{self, Attempt};
use super::claims::{self, Claims};
use super::http_client::{HttpClient, is_protected};
use super::{Entrance, Identity, NoLogin, field, see_other, with_cookie};
use crate::next::Next;
use crate::secret::{KeyError, read_private};
use crate::settings::{Door, OidcSettings};
use crate::{People, cookie};

/// The provider's description and keys are asked for anew after so long.
const FRESH: Duration = Duration::from_secs(3600);
/// So far the provider's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(60);
/// A provider that did not answer is not asked again for so long.
const COOLING: Duration = Duration::from_secs(5);

/// What ID tokens may be signed with: nothing that a holder of the client's secret could sign.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why the provider cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Tokens would travel in the clear.
    #[error("{0}: an issuer needs https, unless it is on loopback")]
    PlainIssuer(Url),
    /// Cookies would travel in the clear.
    #[error("door {door}: its public URL {url} needs https, unless it is on loopback")]
    PlainDoor {
        /// Which door.
        door: AppId,
        /// Its URL.
        url: Url,
    },
    /// Nobody could log in.
    #[error("no roles: nobody could log in; map at least one group to a role")]
    NoRoles,
    /// The client's secret.
    #[error("the client's secret: {0}")]
    Secret(#[from] KeyError),
    /// The client's secret is not text.
    #[error("the client's secret is empty or no text")]
    SecretMalformed,
    /// The system's certificates.
    #[error("the system's certificates cannot be read: {0}")]
    Certificates(std::io::Error),
}

/// An OpenID Connect provider, and how its claims are read.
pub struct Oidc {
    settings: OidcSettings,
    secret: Option<ClientSecret>,
    redirects: BTreeMap<AppId, RedirectUrl>,
    http: HttpClient,
    provider: Mutex<Cached>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.settings.issuer.as_str()).finish_non_exhaustive()
    }
}

/// What is known of the provider, and when it was asked last.
#[derive(Default)]
struct Cached {
    metadata: Option<(Arc<ProviderMetadataWithLogout>, Timestamp)>,
    failed: Option<(String, Timestamp)>,
}

/// Claims beyond the standard ones.
#[derive(Clone, Serialize, Deserialize)]
struct OtherClaims(Claims);

impl openidconnect::AdditionalClaims for OtherClaims {}

/// Does not print: claims are personal data.
impl fmt::Debug for OtherClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherClaims(..)")
    }
}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        OtherClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type ProviderClient = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Oidc {
    /// Checks the settings against the doors and reads the client's secret.
    pub fn open(settings: &OidcSettings, doors: &[Door]) -> Result<Self, OidcError> {
        if !is_protected(settings.issuer.url()) {
            return Err(OidcError::PlainIssuer(settings.issuer.url().clone()));
        }
        if settings.roles.is_empty() {
            return Err(OidcError::NoRoles);
        }
        let mut redirects = BTreeMap::new();
        for door in doors {
            if !is_protected(&door.public_url) {
                return Err(OidcError::PlainDoor { door: door.name.clone(), url: door.public_url.clone() });
            }
            let mut url = door.public_url.clone();
            url.set_path("/.sightline/login/callback");
            redirects.insert(door.name.clone(), RedirectUrl::from_url(url));
        }
        let secret = settings.client_secret_file.as_deref().map(|file| {
            let bytes = read_private(file)?;
            let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
            if text.is_empty() {
                Err(OidcError::SecretMalformed)
            } else {
                Ok(ClientSecret::new(text.to_owned()))
            }
        });
        Ok(Self {
            secret: secret.transpose()?,
            redirects,
            http: HttpClient::new(settings.issuer.url()).map_err(OidcError::Certificates)?,
            provider: Mutex::default(),
            settings: settings.clone(),
        })
    }

    /// Sends the browser to the provider.
    pub(super) async fn begin(&self, at: &Entrance, next: Next, fresh: bool) -> Result<Response, NoLogin> {
        let parts = &at.people.0.parts;
        let key = parts.directory.key();
        let attempt = Attempt::begin(&*parts.entropy, parts.clock.now(), next).afresh(fresh);
        let client = self.client(&at.door, &*self.provider(&*parts.clock).await?)?;
        let verifier = PkceCodeVerifier::new(attempt.verifier(key));
        let (state, nonce) = (CsrfToken::new(attempt.state(key)), Nonce::new(attempt.nonce(key)));
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || state,
                move || nonce,
            )
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if fresh {
            // OpenID Connect Core, section 3.1.2.1: the provider asks again, and says when it did.
            request = request.set_max_age(Duration::ZERO).add_prompt(CoreAuthPrompt::Login);
        }
        let (url, _, _) = request.url();
        let bound = cookie::set(
            &cookie::attempt_name(&at.door),
            &attempt.seal(key, &at.door),
            Some(attempt::PATIENCE),
        );
        Ok(with_cookie(see_other(url.as_str()).into_response(), bound))
    }

    /// Takes what the browser brings back from the provider.
    pub(super) async fn finish(
        &self,
        at: &Entrance,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<(Identity, Next, Option<Timestamp>), NoLogin> {
        let parts = &at.people.0.parts;
        let key = parts.directory.key();
        let said = |name| field(query.as_bytes(), name);
        let attempt = cookie::read(headers, &cookie::attempt_name(&at.door))
            .and_then(|value| Attempt::open(key, &at.door, value, parts.clock.now()))
            .filter(|attempt| {
                attempt.state(key).as_bytes().ct_eq(said("state").unwrap_or_default().as_bytes()).into()
            })
            .ok_or(NoLogin::Stale)?;
        // RFC 9207: an answer of another provider is not for us.
        if said("iss").is_some_and(|issuer| issuer != self.settings.issuer.as_str()) {
            return Err(NoLogin::NotBelieved("the answer names another issuer".to_owned()));
        }
        if let Some(error) = said("error") {
            let is_code = error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            return Err(NoLogin::Declined(if is_code { error } else { "an error".to_owned() }));
        }
        let code = AuthorizationCode::new(said("code").ok_or(NoLogin::Stale)?);
        let (subject, claims, proved) = self.exchange(at, code, &attempt).await?;
        let asked = attempt.asked_afresh();
        // Section 3.1.3.7, 13: whether the person was asked again is checked, not believed.
        if let Some(asked) = asked
            && proved.is_none_or(|proved| proved.plus(SKEW) < asked)
        {
            return Err(NoLogin::NotBelieved("no fresh login: auth_time is absent or too old".to_owned()));
        }
        let staff = parts.directory.pseudonym(self.settings.issuer.as_str(), &subject);
        let identity = claims::identify(&self.settings, staff, &subject, &claims)?;
        Ok((identity, attempt.next().clone(), asked))
    }

    /// The provider's own logout page, where it has one.
    pub(super) async fn logout_url(&self, people: &People) -> Option<String> {
        let metadata = self.provider(&*people.0.parts.clock).await.ok()?;
        let mut url = metadata.additional_metadata().end_session_endpoint.as_ref()?.url().clone();
        url.query_pairs_mut().append_pair("client_id", &self.settings.client_id);
        Some(url.into())
    }

    /// Swaps the code for tokens and gives the subject with everything that the provider says of them, and when they
    /// proved who they are.
    async fn exchange(
        &self,
        at: &Entrance,
        code: AuthorizationCode,
        attempt: &Attempt,
    ) -> Result<(String, Claims, Option<Timestamp>), NoLogin> {
        let parts = &at.people.0.parts;
        let key = parts.directory.key();
        let metadata = self.provider(&*parts.clock).await?;
        let client = self.client(&at.door, &metadata)?;
        let tokens = client
            .exchange_code(code)
            .map_err(|error| NoLogin::NotBelieved(chain(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier(key)))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                // What else the provider writes there may name the person.
                RequestTokenError::ServerResponse(said) => NoLogin::Declined(said.error().to_string()),
                RequestTokenError::Request(error) => NoLogin::Unreachable(chain(&error)),
                other => NoLogin::NotBelieved(chain(&other)),
            })?;
        let id_token =
            tokens.id_token().ok_or_else(|| NoLogin::NotBelieved("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(attempt.nonce(key));
        let claims = match id_token.claims(&self.verifier(&metadata, &parts.clock), &nonce) {
            // Keys change: a signature by one that we do not know yet is worth asking for the new ones.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
            )) => {
                let metadata = self.refresh(&*parts.clock).await?;
                id_token.claims(&self.verifier(&metadata, &parts.clock), &nonce)
            }
            verified => verified,
        }
        .map_err(|error| NoLogin::NotBelieved(chain(&error)))?;

        let subject = claims.subject().clone();
        let proved =
            claims.auth_time().and_then(|at| u64::try_from(at.timestamp_millis()).ok()).map(Timestamp);
        let mut all = as_map(claims)?;
        if claims::groups(&self.settings, &all).is_none()
            && let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject.clone()))
        {
            // Many providers put groups there only. That it speaks of the same subject is checked.
            let more: openidconnect::UserInfoClaims<OtherClaims, CoreGenderClaim> = request
                .request_async(&self.http)
                .await
                .map_err(|error| NoLogin::Unreachable(chain(&error)))?;
            for (claim, value) in as_map(&more)? {
                all.entry(claim).or_insert(value);
            }
        }
        Ok((subject.to_string(), all, proved))
    }

    fn verifier(
        &self,
        metadata: &ProviderMetadataWithLogout,
        clock: &Arc<dyn Clock>,
    ) -> IdTokenVerifier<'static, CoreJsonWebKey> {
        let offered = metadata.id_token_signing_alg_values_supported();
        let clock = Arc::clone(clock);
        IdTokenVerifier::new_public_client(
            ClientId::new(self.settings.client_id.clone()),
            metadata.issuer().clone(),
            metadata.jwks().clone(),
        )
        .set_allowed_algs(ALGORITHMS.into_iter().filter(|algorithm| offered.contains(algorithm)))
        .set_time_fn(move || {
            let now = i64::try_from(clock.now().0).ok().and_then(chrono::DateTime::from_timestamp_millis);
            now.unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC)
        })
    }

    fn client(&self, door: &AppId, metadata: &ProviderMetadataWithLogout) -> Result<ProviderClient, NoLogin> {
        let redirect = self
            .redirects
            .get(door)
            .ok_or_else(|| NoLogin::Unreachable(format!("door {door} has no public URL")))?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        let by_header =
            methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        Ok(ProviderClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.settings.client_id.clone()),
            self.secret.clone(),
        )
        .set_auth_type(if by_header { AuthType::BasicAuth } else { AuthType::RequestBody })
        .set_redirect_uri(redirect.clone()))
    }

    /// What is known of the provider; asked for again once it is old. While the provider does not answer,
    /// what is known stays good: the keys decide.
    async fn provider(&self, clock: &dyn Clock) -> Result<Arc<ProviderMetadataWithLogout>, NoLogin> {
        let mut cached = self.provider.lock().await;
        let now = clock.now();
        match &cached.metadata {
            Some((metadata, at)) if now.since(*at) < FRESH => Ok(Arc::clone(metadata)),
            Some((metadata, _)) => {
                let old = Arc::clone(metadata);
                Ok(self.discover(&mut cached, now).await.unwrap_or(old))
            }
            None => self.discover(&mut cached, now).await,
        }
    }

    async fn refresh(&self, clock: &dyn Clock) -> Result<Arc<ProviderMetadataWithLogout>, NoLogin> {
        let mut cached = self.provider.lock().await;
        self.discover(&mut cached, clock.now()).await
    }

    async fn discover(
        &self,
        cached: &mut Cached,
        now: Timestamp,
    ) -> Result<Arc<ProviderMetadataWithLogout>, NoLogin> {
        if let Some((why, at)) = &cached.failed
            && now.since(*at) < COOLING
        {
            return Err(NoLogin::Unreachable(why.clone()));
        }
        match ProviderMetadataWithLogout::discover_async(self.settings.issuer.clone(), &self.http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *cached = Cached { metadata: Some((Arc::clone(&metadata), now)), failed: None };
                Ok(metadata)
            }
            Err(error) => {
                let why = chain(&error);
                tracing::warn!(issuer = self.settings.issuer.as_str(), %why, "the identity provider cannot be asked");
                cached.failed = Some((why.clone(), now));
                Err(NoLogin::Unreachable(why))
            }
        }
    }
}

fn as_map(claims: &impl Serialize) -> Result<Claims, NoLogin> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(NoLogin::NotBelieved("the claims are no object".to_owned())),
    }
}

/// An error and what it came from.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
