//! Ways in and out, one's own account, its keys; each journey on both homes of the store.

mod entrances;
mod keys;
mod leaving;
mod passwords;
mod second_factor;
mod tokens;

pub(crate) use second_factor::code_at;

use super::home::Home;
use super::server::{Answer, Server, Setup};
use reqwest::{Method, RequestBuilder};
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::access::{Caller, Role};
use rustygpt_orchestrator::accounts::{NewMember, Whence};
use serde_json::{Value, json};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that keeps accounts.
pub(crate) async fn town() -> Server {
    town_at(Home::Sqlite).await
}

/// A server that keeps accounts in this store.
async fn town_at(home: Home) -> Server {
    let mut setup = Setup::new(Script::answering("hello"));
    setup.accounts = true;
    setup.home = home;
    setup.start().await
}

/// One that answers to a name, too.
async fn town_called(name: &str) -> Server {
    let mut setup = Setup::new(Script::answering("hello"));
    setup.accounts = true;
    setup.allowed_hosts = vec![name.to_owned()];
    setup.start().await
}

/// Somebody who signed in: what they prove themselves with.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) refresh: String,
    pub(crate) proof: String,
    pub(crate) sign_in: String,
}

impl Person {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(
            cookie(answer, "__Host-rustygpt-access"),
            text(&body["access_token"])
        );
        Self {
            id: text(&body["account"]["id"]),
            token: text(&body["access_token"]),
            refresh: cookie(answer, "__Host-rustygpt-refresh"),
            proof: text(&body["proof"]),
            sign_in: text(&body["sign_in"]),
        }
    }

    /// The cookie header of a browser they signed in with.
    pub(crate) fn cookies(&self) -> String {
        let Self { token, refresh, .. } = self;
        format!("__Host-rustygpt-access={token}; __Host-rustygpt-refresh={refresh}")
    }
}

/// A cookie that an answer sets; its guards are checked.
fn cookie(answer: &Answer, name: &str) -> String {
    let prefix = format!("{name}=");
    let mut lines = answer.headers.get_all("set-cookie").iter();
    let line = lines.find_map(|line| {
        let line = line.to_str().unwrap();
        line.starts_with(&prefix).then_some(line)
    });
    let line = line.unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers));
    let (value, guards) = line[prefix.len()..].split_once("; ").unwrap();
    for guard in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(guards.split("; ").any(|part| part == guard), "{line}");
    }
    assert!(!guards.contains("Domain"), "{line}");
    value.to_owned()
}

impl Server {
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.anonymous(Method::POST, path).json(&body)).await
    }

    /// A request with an access token or a key.
    pub(crate) fn by(&self, bearer: &str, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(bearer)
    }

    /// Makes an account, as who sits at the machine does.
    pub(crate) async fn add(&self, email: &str, role: Role) {
        let member = NewMember {
            email: email.to_owned(),
            name: String::new(),
            role,
            password: Some(PASSWORD.to_owned()),
        };
        let accounts = &self.people.as_ref().unwrap().accounts;
        let owner = Caller::local_owner();
        accounts
            .add(&owner, member, &Whence::default())
            .await
            .unwrap();
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Person {
        Person::of(&self.post("/api/auth/sign-in", credentials(email)).await)
    }

    pub(crate) async fn resident(&self, email: &str, role: Role) -> Person {
        self.add(email, role).await;
        self.sign_in(email).await
    }

    async fn refresh(&self, cookies: &str, proof: &str) -> Answer {
        let request = self.anonymous(Method::POST, "/api/auth/refresh");
        let request = request.header("cookie", cookies);
        Answer::of(request.header("x-rustygpt-proof", proof)).await
    }
}

pub(crate) fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// Checks a problem document; its status and code.
#[track_caller]
pub(crate) fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{}",
        answer.text
    );
    let body = answer.json();
    assert_eq!(body["status"], answer.status);
    assert_eq!(body["type"], "about:blank");
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
