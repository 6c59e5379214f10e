//! Issuers of the tests, on a port of their own: GitHub, Apple and a company's OpenID Connect in
//! one, as careful as real ones, and bent where a test wants them so.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, Uri, header};
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use ring::{digest, hmac};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use rustygpt_orchestrator::accounts::{IssuerKind, IssuerSettings, Secret};
use rustygpt_utils::tasks::Tasks;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// When the server's clock starts, in seconds since 1970.
pub(crate) const NOW: u64 = super::server::NOW.as_secs();
/// Who the person is to the OpenID Connect issuers, and to GitHub.
pub(crate) const SUBJECT: &str = "248289761001";
const GITHUB_ID: u64 = 583_231;

/// How a path answers.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    Redirect,
    /// More than anybody reads.
    Huge,
    Never,
    Fails,
    Refuses,
    Page,
}

/// Who signs identity tokens, and how.
#[derive(Clone, Copy, Default)]
pub(crate) enum Signer {
    #[default]
    Usual,
    /// A key that is none of the issuer's.
    Another,
    /// HS256 with the issuer's public key as the secret.
    PublicKey,
    Nobody,
    /// The issuer's, of other claims.
    Elsewhere,
}

/// What an issuer does otherwise than a good one.
#[derive(Clone)]
pub(crate) struct Bends {
    pub(crate) replies: Vec<(&'static str, Reply)>,
    pub(crate) document: fn(&mut Value),
    pub(crate) keys: fn(&mut Value),
    pub(crate) header: fn(&mut Value),
    pub(crate) claims: fn(&mut Value),
    pub(crate) tokens: fn(&mut Value),
    pub(crate) person: fn(&mut Value),
    pub(crate) addresses: fn(&mut Value),
    pub(crate) signer: Signer,
}

impl Default for Bends {
    fn default() -> Self {
        let straight = |_: &mut Value| ();
        Self {
            replies: Vec::new(),
            document: straight,
            keys: straight,
            header: straight,
            claims: straight,
            tokens: straight,
            person: straight,
            addresses: straight,
            signer: Signer::Usual,
        }
    }
}

/// Somebody let us know who they are.
struct Grant {
    client: String,
    redirect: String,
    challenge: Option<String>,
    nonce: Option<String>,
}

struct Inner {
    url: String,
    bends: Mutex<Bends>,
    grants: Mutex<HashMap<String, Grant>>,
    asked: Mutex<HashMap<String, usize>>,
    granted: AtomicU64,
    /// The time since 1970.
    now: AtomicU64,
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
    another: EcdsaKeyPair,
    /// What Apple knows us by.
    apple: EcdsaKeyPair,
    apple_pem: String,
}

/// The issuers.
pub(crate) struct Mock {
    inner: Arc<Inner>,
    tasks: Tasks,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

fn new_key() -> (EcdsaKeyPair, Vec<u8>) {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    (key, document.as_ref().to_vec())
}

impl Mock {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Generated for these tests; opens nothing.
        let rsa = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("issuer_key.pem")).unwrap();
        let (apple, document) = new_key();
        let apple_pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(document)
        );
        let inner = Arc::new(Inner {
            url,
            bends: Mutex::default(),
            grants: Mutex::default(),
            asked: Mutex::default(),
            granted: AtomicU64::new(0),
            now: AtomicU64::new(NOW),
            rsa: RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).unwrap(),
            curve: new_key().0,
            another: new_key().0,
            apple,
            apple_pem,
        });
        let tasks = Tasks::new();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        let stopped = tasks.cancellation();
        tasks.spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router) => served.unwrap(),
                () = stopped.cancelled() => {}
            }
        });
        Self { inner, tasks }
    }

    pub(crate) fn url(&self) -> &str {
        &self.inner.url
    }

    /// The settings of all three, and of a second of the company's.
    pub(crate) fn settings(&self) -> Vec<IssuerSettings> {
        let url = || self.url().to_owned();
        let secret = |text: &str| Secret::new(text.to_owned());
        let company = |id: &str| IssuerSettings {
            id: id.to_owned(),
            name: "Our company".to_owned(),
            client: "company-client".to_owned(),
            kind: IssuerKind::OpenId {
                issuer: url(),
                secret: Some(secret("company-secret")),
            },
        };
        vec![
            IssuerSettings {
                id: "github".to_owned(),
                name: "GitHub".to_owned(),
                client: "github-client".to_owned(),
                kind: IssuerKind::GitHub {
                    web: url().parse().unwrap(),
                    api: url().parse().unwrap(),
                    secret: secret("github-secret"),
                },
            },
            IssuerSettings {
                id: "apple".to_owned(),
                name: "Apple".to_owned(),
                client: "apple-client".to_owned(),
                kind: IssuerKind::Apple {
                    issuer: url(),
                    team: "TEAM".to_owned(),
                    key_id: "KEY".to_owned(),
                    key: secret(&self.inner.apple_pem),
                },
            },
            company("company"),
            company("other"),
        ]
    }

    pub(crate) fn bend(&self, bend: impl FnOnce(&mut Bends)) {
        bend(&mut self.inner.bends.lock().unwrap());
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let asked = self.inner.asked.lock().unwrap();
        asked.get(path).copied().unwrap_or(0)
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.inner.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Somebody sent here at this address says yes; the code they go back with.
    pub(crate) fn consent(&self, address: &Url) -> String {
        let pairs: HashMap<_, _> = address.query_pairs().into_owned().collect();
        assert_eq!(pairs["response_type"], "code");
        assert_eq!(
            pairs.contains_key("code_challenge"),
            pairs.contains_key("code_challenge_method")
        );
        if let Some(method) = pairs.get("code_challenge_method") {
            assert_eq!(method, "S256");
        }
        let count = self.inner.granted.fetch_add(1, Ordering::Relaxed);
        let code = format!("code-{count}");
        let grant = Grant {
            client: pairs["client_id"].clone(),
            redirect: pairs["redirect_uri"].clone(),
            challenge: pairs.get("code_challenge").cloned(),
            nonce: pairs.get("nonce").cloned(),
        };
        self.inner
            .grants
            .lock()
            .unwrap()
            .insert(code.clone(), grant);
        code
    }
}

async fn answer(
    State(issuer): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    *issuer
        .asked
        .lock()
        .unwrap()
        .entry(path.to_owned())
        .or_default() += 1;
    let bends = issuer.bends.lock().unwrap().clone();
    if let Some((_, reply)) = bends.replies.iter().find(|(bent, _)| *bent == path) {
        return match reply {
            Reply::Redirect => {
                let to = format!("{}/elsewhere", issuer.url);
                (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
            }
            Reply::Huge => Json(json!({ "x": "x".repeat(1 << 20) })).into_response(),
            Reply::Never => std::future::pending().await,
            Reply::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Reply::Refuses => StatusCode::UNAUTHORIZED.into_response(),
            Reply::Page => ([(header::CONTENT_TYPE, "text/html")], "<html>").into_response(),
        };
    }
    let bearer =
        headers.get(header::AUTHORIZATION) == Some(&"Bearer access-token".parse().unwrap());
    let shown = |mut value: Value, bend: fn(&mut Value)| {
        bend(&mut value);
        Json(value).into_response()
    };
    match path {
        "/.well-known/openid-configuration" => shown(issuer.document(), bends.document),
        "/keys" => shown(issuer.keys(), bends.keys),
        "/token" => issuer.exchange(&headers, &body, &bends),
        "/login/oauth/access_token" => issuer.exchange_at_github(&body, &bends),
        _ if !bearer => StatusCode::UNAUTHORIZED.into_response(),
        "/userinfo" => {
            let person =
                json!({"sub": SUBJECT, "email": "ada@example.org", "email_verified": true});
            shown(person, bends.person)
        }
        "/user" => shown(
            json!({"id": GITHUB_ID, "login": "ada-l", "name": "Ada Lovelace"}),
            bends.person,
        ),
        "/user/emails" => {
            let address = |email: &str, primary: bool| json!({"email": email, "primary": primary, "verified": true, "visibility": null});
            let all = json!([
                address("old@example.org", false),
                address("Ada@Example.org", true)
            ]);
            shown(all, bends.addresses)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .to_vec()
}

impl Inner {
    fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.url);
        json!({
            "issuer": self.url,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
            "userinfo_endpoint": at("/userinfo"),
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        })
    }

    fn keys(&self) -> Value {
        let rsa: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let point = self.curve.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": text(&rsa.n), "e": text(&rsa.e)},
            {"kty": "EC", "kid": "curve", "use": "sig", "crv": "P-256",
                "x": text(&point[1..33]), "y": text(&point[33..])},
        ]})
    }

    /// The grant of a code, once, to who asked for it.
    fn take(&self, form: &HashMap<String, String>) -> Option<Grant> {
        let grant = self.grants.lock().unwrap().remove(form.get("code")?)?;
        let verifier = form
            .get("code_verifier")
            .map(|text| URL_SAFE_NO_PAD.encode(sha256(text)));
        let fits = form
            .get("grant_type")
            .is_some_and(|kind| kind == "authorization_code")
            && form.get("redirect_uri") == Some(&grant.redirect)
            && verifier == grant.challenge;
        fits.then_some(grant)
    }

    fn exchange(&self, headers: &HeaderMap, body: &[u8], bends: &Bends) -> Response {
        let refuse =
            |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
        let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
        let basic = format!("Basic {}", STANDARD.encode("company-client:company-secret"));
        let is_company = headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| *value == *basic);
        let is_apple = form
            .get("client_secret")
            .is_some_and(|text| self.knows(text));
        if !is_company && !is_apple {
            return refuse("invalid_client");
        }
        let Some(grant) = self.take(&form) else {
            return refuse("invalid_grant");
        };
        let mut tokens = json!({
            "access_token": "access-token",
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.identity_token(&grant, bends),
        });
        (bends.tokens)(&mut tokens);
        Json(tokens).into_response()
    }

    /// GitHub answers refusals with 200, too.
    fn exchange_at_github(&self, body: &[u8], bends: &Bends) -> Response {
        let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
        let is_client = form
            .get("client_id")
            .is_some_and(|text| text == "github-client")
            && form
                .get("client_secret")
                .is_some_and(|text| text == "github-secret");
        if !is_client || self.take(&form).is_none() {
            return Json(json!({"error": "bad_verification_code"})).into_response();
        }
        let mut tokens = json!({
            "access_token": "access-token",
            "token_type": "bearer",
            "scope": "read:user,user:email",
        });
        (bends.tokens)(&mut tokens);
        Json(tokens).into_response()
    }

    /// Whether a client's secret is one that our key signed, for Apple, for a while.
    fn knows(&self, token: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = (read(header), read(claims));
        assert_eq!(header, json!({"alg": "ES256", "kid": "KEY"}));
        let now = self.now.load(Ordering::Relaxed);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("TEAM"), &json!("apple-client"))
        );
        assert_eq!(
            (&claims["aud"], &claims["iat"]),
            (&json!(self.url), &json!(now))
        );
        assert!((now..now + 15_777_000).contains(&claims["exp"].as_u64().unwrap()));
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.apple.public_key());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify(signed.as_bytes(), &signature).is_ok()
    }

    fn identity_token(&self, grant: &Grant, bends: &Bends) -> String {
        let is_apple = grant.client == "apple-client";
        let now = self.now.load(Ordering::Relaxed);
        let mut header = if is_apple {
            json!({"alg": "RS256", "kid": "rsa"})
        } else {
            json!({"alg": "ES256", "kid": "curve", "typ": "JWT"})
        };
        let mut claims = json!({
            "iss": self.url,
            "sub": SUBJECT,
            "aud": grant.client,
            "iat": now,
            "exp": now + 3600,
            "nonce": grant.nonce,
            "at_hash": URL_SAFE_NO_PAD.encode(&sha256("access-token")[..16]),
            "email": "ada@example.org",
            "email_verified": if is_apple { json!("true") } else { json!(true) },
        });
        if !is_apple {
            claims["name"] = json!("Ada Lovelace");
        }
        (bends.header)(&mut header);
        (bends.claims)(&mut claims);
        match bends.signer {
            Signer::Nobody => header = json!({"alg": "none"}),
            Signer::PublicKey => header["alg"] = json!("HS256"),
            _ => {}
        }
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let random = SystemRandom::new();
        let by_curve = |key: &EcdsaKeyPair, text: &str| {
            key.sign(&random, text.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec()
        };
        let signature = match bends.signer {
            Signer::Usual if is_apple => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let signed = signed.as_bytes();
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature)
                    .unwrap();
                signature
            }
            Signer::Usual => by_curve(&self.curve, &signed),
            Signer::Another => by_curve(&self.another, &signed),
            Signer::Elsewhere => by_curve(&self.curve, "another text"),
            Signer::Nobody => Vec::new(),
            Signer::PublicKey => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.curve.public_key().as_ref());
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
