//! [`Issuer`]: where people are sent, and what their code is exchanged for.

use super::apple::AppleKey;
use super::flow::Flow;
use super::github::GitHub;
use super::identity_token::Expected;
use super::openid::{Credential, OpenId};
use super::wire::{self, Wire};
use super::{InvalidIssuer, IssuerError, IssuerKind, IssuerSettings, Secret, Vouched, WireLimits};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use rustygpt_common::routes::elsewhere;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

/// What OpenID Connect adds to an answer with tokens.
#[derive(Debug, Serialize, Deserialize)]
struct IdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

type Tokens = StandardTokenResponse<IdToken, BasicTokenType>;

type OauthClient = Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// An issuer.
pub(super) struct Issuer {
    pub(super) id: String,
    pub(super) name: String,
    /// The origin whose pages post people's return; `None` where a link sends them back.
    pub(super) posts_from: Option<String>,
    client: ClientId,
    redirect: RedirectUrl,
    wire: Wire,
    kind: Kind,
}

enum Kind {
    GitHub(Box<GitHub>),
    OpenId(OpenId),
}

/// What an issuer needs for one sign-in: its addresses, our credential, and what it binds.
struct Terms {
    client: OauthClient,
    /// Whether the code is bound to who asked for it (RFC 7636).
    binds_code: bool,
    names_itself: bool,
    scopes: &'static [&'static str],
}

impl Issuer {
    /// An issuer that sends people back to below `base`.
    pub(super) fn new(
        base: &str,
        settings: IssuerSettings,
        limits: WireLimits,
    ) -> Result<Self, InvalidIssuer> {
        let IssuerSettings {
            id,
            name,
            client,
            kind,
        } = settings;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 32 || !id.bytes().all(is_plain) {
            let reason = "its id must be lower-case letters, digits and dashes";
            return Err(InvalidIssuer(reason));
        }
        let redirect = RedirectUrl::new(format!("{base}{}", elsewhere::return_to(&id)));
        let redirect = redirect.map_err(|_| InvalidIssuer("public_url is no address"))?;
        let posts = matches!(kind, IssuerKind::Apple { .. });
        let (home, kind) = Kind::new(kind)?;
        let wire = Wire::new(&home, limits);
        Ok(Self {
            id,
            name,
            posts_from: posts.then(|| home.origin().ascii_serialization()),
            client: ClientId::new(client),
            redirect,
            wire: wire.map_err(|_| InvalidIssuer("the HTTP client cannot be started"))?,
            kind,
        })
    }

    /// Where a browser is sent that sets out by `flow`.
    pub(super) async fn departure(
        &self,
        state: &str,
        flow: &Flow,
        now: Duration,
    ) -> Result<Url, IssuerError> {
        let terms = self.terms(now).await?;
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let state = CsrfToken::new(state.to_owned());
        let scopes = terms
            .scopes
            .iter()
            .map(|&scope| Scope::new(scope.to_owned()));
        let mut request = terms.client.authorize_url(|| state).add_scopes(scopes);
        if terms.binds_code {
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            request = request.set_pkce_challenge(challenge);
        }
        if matches!(self.kind, Kind::OpenId(_)) {
            request = request.add_extra_param("nonce", flow.nonce.as_str());
        }
        if self.posts_from.is_some() {
            request = request.add_extra_param("response_mode", "form_post");
        }
        Ok(request.url().0)
    }

    /// Who somebody is who came back with this code; `named` is how the answer names its issuer.
    pub(super) async fn vouch(
        &self,
        code: String,
        named: Option<&str>,
        flow: &Flow,
        now: Duration,
    ) -> Result<Vouched, IssuerError> {
        let terms = self.terms(now).await?;
        let is_itself = named.map(|name| name == self.identity_issuer());
        if is_itself == Some(false) || (is_itself.is_none() && terms.names_itself) {
            return Err(IssuerError::refused("another issuer"));
        }
        let mut request = terms.client.exchange_code(AuthorizationCode::new(code));
        if terms.binds_code {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()));
        }
        let tokens = request
            .request_async(&self.wire)
            .await
            .map_err(exchange_failed)?;
        if !tokens.token_type().as_ref().eq_ignore_ascii_case("bearer") {
            return Err(IssuerError::refused("token type"));
        }
        let access_token = tokens.access_token().secret();
        match &self.kind {
            Kind::GitHub(github) => github.person(access_token, &self.wire).await,
            Kind::OpenId(openid) => {
                let token = tokens.extra_fields().id_token.as_deref();
                let token = token.ok_or(IssuerError::refused("no identity token"))?;
                let expected = Expected {
                    issuer: &openid.issuer,
                    client: self.client.as_str(),
                    nonce: &flow.nonce,
                    access_token,
                    now,
                };
                self.person(openid, token, &expected).await
            }
        }
    }

    /// Its name as an issuer of identities.
    fn identity_issuer(&self) -> &str {
        match &self.kind {
            Kind::GitHub(github) => &github.issuer,
            Kind::OpenId(openid) => &openid.issuer,
        }
    }

    /// Whom an identity token names; the address is asked for where the token leaves it out.
    async fn person(
        &self,
        openid: &OpenId,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<Vouched, IssuerError> {
        let mut claims = openid.read(token, &self.wire, expected).await?;
        if claims.email.is_none() {
            let asked = openid.person(&claims, expected.access_token, &self.wire, expected.now);
            if let Some(person) = asked.await? {
                claims.email = person.email;
                claims.email_verified = person.email_verified;
                claims.name = claims.name.or(person.name);
            }
        }
        Ok(Vouched {
            issuer: openid.issuer.clone(),
            is_email_verified: claims.email_verified.is_true(),
            subject: claims.sub,
            email: claims.email,
            name: claims.name.unwrap_or_default(),
        })
    }

    async fn terms(&self, now: Duration) -> Result<Terms, IssuerError> {
        match &self.kind {
            Kind::GitHub(github) => {
                let client = self.client(&github.authorization, &github.token);
                let secret = ClientSecret::new(github.secret.clone());
                Ok(Terms {
                    client: client
                        .set_client_secret(secret)
                        .set_auth_type(AuthType::RequestBody),
                    binds_code: true,
                    names_itself: false,
                    scopes: &["read:user", "user:email"],
                })
            }
            Kind::OpenId(openid) => {
                let described = openid.description(&self.wire, now).await?;
                let client = self.client(&described.authorization, &described.token);
                let takes_basic = described.takes_basic && self.posts_from.is_none();
                let client = client.set_auth_type(if takes_basic {
                    AuthType::BasicAuth
                } else {
                    AuthType::RequestBody
                });
                let secret = match &openid.credential {
                    Credential::Nothing => None,
                    Credential::Secret(text) => Some(text.clone()),
                    Credential::Apple(key) => {
                        Some(key.secret(&openid.issuer, self.client.as_str(), now)?)
                    }
                };
                let is_apple = matches!(openid.credential, Credential::Apple(_));
                Ok(Terms {
                    client: match secret {
                        Some(secret) => client.set_client_secret(ClientSecret::new(secret)),
                        None => client,
                    },
                    // Apple says nothing of it, and the nonce binds its codes; others ignore it
                    // if they do not know it.
                    binds_code: described.binds_code.unwrap_or(!is_apple),
                    names_itself: described.names_itself,
                    scopes: if is_apple {
                        &["openid", "email", "name"]
                    } else {
                        &["openid", "email", "profile"]
                    },
                })
            }
        }
    }

    fn client(&self, authorization: &Url, token: &Url) -> OauthClient {
        Client::new(self.client.clone())
            .set_auth_uri(AuthUrl::from_url(authorization.clone()))
            .set_token_uri(TokenUrl::from_url(token.clone()))
            .set_redirect_uri(self.redirect.clone())
    }
}

impl Kind {
    /// The kind, and the address of its home.
    fn new(kind: IssuerKind) -> Result<(Url, Self), InvalidIssuer> {
        match kind {
            IssuerKind::GitHub { web, api, secret } => {
                safe(api.clone())?;
                let github = GitHub::new(&web, &api, secret.0);
                let github = github.map_err(|_| InvalidIssuer("its address is none"))?;
                Ok((safe(web)?, Self::GitHub(Box::new(github))))
            }
            IssuerKind::Apple {
                issuer,
                team,
                key_id,
                key,
            } => {
                let key = AppleKey::read(team, key_id, &key.0)?;
                Self::openid(&issuer, Credential::Apple(key))
            }
            IssuerKind::OpenId { issuer, secret } => {
                let secret = secret.map(|Secret(text)| Credential::Secret(text));
                Self::openid(&issuer, secret.unwrap_or(Credential::Nothing))
            }
        }
    }

    fn openid(issuer: &str, credential: Credential) -> Result<(Url, Self), InvalidIssuer> {
        let openid = OpenId::new(issuer, credential);
        let home = Url::parse(&openid.issuer).map_err(|_| InvalidIssuer("its address is none"))?;
        Ok((safe(home)?, Self::OpenId(openid)))
    }
}

fn safe(url: Url) -> Result<Url, InvalidIssuer> {
    let reason = "its address must be https, or lie on this machine";
    wire::is_safe(&url)
        .then_some(url)
        .ok_or(InvalidIssuer(reason))
}

/// Never carries the answer along: it may hold tokens.
fn exchange_failed(error: RequestTokenError<IssuerError, BasicErrorResponse>) -> IssuerError {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(_) => IssuerError::refused("code"),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            IssuerError::refused("no tokens")
        }
    }
}
