//! A browser of the tests on its way to an issuer and back.

use super::home::Home;
use super::oauth_issuer::Mock;
use super::server::{Answer, Server, Setup};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use rustygpt_db::store::{AuditFilter, Principal};
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::accounts::{AuditEntry, AuditOutcome, Page, WireLimits};
use serde_json::{Value, json};
use std::time::Duration;

/// Where browsers know the server.
pub(crate) const PUBLIC: &str = "https://chat.example";

/// A server, its issuers, and a browser that follows nothing by itself.
pub(crate) struct Port {
    pub(crate) server: Server,
    pub(crate) mock: Mock,
    pub(crate) client: Client,
}

/// What a browser brings back.
#[derive(Clone, Debug)]
pub(crate) struct Trip {
    pub(crate) issuer: String,
    /// The cookie header.
    pub(crate) cookies: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) posted: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// How long it takes.
    pub(crate) wait: Duration,
}

impl Trip {
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.drop(name);
        self.parameters.push((name, value.to_owned()));
    }

    pub(crate) fn drop(&mut self, name: &str) {
        self.parameters.retain(|(known, _)| *known != name);
    }

    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
    }
}

/// The value of a cookie that an answer sets; `None` where it sets none, or takes it away.
pub(crate) fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let lines = answer.headers.get_all("set-cookie").iter();
    let mut lines = lines.filter_map(|line| line.to_str().unwrap().strip_prefix(&prefix));
    let line = lines.next()?;
    let (value, guards) = line.split_once("; ").unwrap();
    for guard in ["Path=/", "Secure", "HttpOnly"] {
        assert!(guards.split("; ").any(|part| part == guard), "{line}");
    }
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether an answer sets any cookie that opens anything.
pub(crate) fn opens(answer: &Answer) -> bool {
    ["access", "refresh", "ticket"]
        .iter()
        .any(|name| cookie(answer, &format!("__Host-rustygpt-{name}")).is_some())
}

impl Port {
    /// A server where everybody may sign up.
    pub(crate) async fn open(home: Home) -> Self {
        let port = Self::new(home, WireLimits::default()).await;
        port.sign_up("open").await;
        port
    }

    pub(crate) async fn new(home: Home, wire: WireLimits) -> Self {
        let mock = Mock::start().await;
        // The first client of all must not come before its cryptography.
        drop(super::server::client());
        let mut setup = Setup::new(Script::answering("hello"));
        setup.accounts = true;
        setup.home = home;
        setup.public_url = Some(PUBLIC);
        setup.issuers = mock.settings();
        setup.wire = wire;
        Self {
            server: setup.start().await,
            mock,
            client: Client::builder()
                .no_proxy()
                .redirect(Policy::none())
                .build()
                .unwrap(),
        }
    }

    /// Lets these sign up.
    pub(crate) async fn sign_up(&self, policy: &str) {
        use rustygpt_orchestrator::access::Caller;
        use rustygpt_orchestrator::accounts::Whence;
        let accounts = &self.server.people.as_ref().unwrap().accounts;
        let (owner, value, whence) = (Caller::local_owner(), json!(policy), Whence::default());
        let changed = accounts.change_setting(&owner, "sign_up", &value, None, &whence);
        changed.await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.server.url(path))).await
    }

    /// Sets out to sign in; the issuer says yes.
    pub(crate) async fn set_out(&self, issuer: &str) -> Trip {
        let answer = self.get(&format!("/api/auth/with/{issuer}")).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        self.consented(issuer, &answer, answer.header("location").unwrap())
    }

    /// Somebody was sent to this address by this answer, and says yes.
    pub(crate) fn consented(&self, issuer: &str, answer: &Answer, location: &str) -> Trip {
        let location: Url = location.parse().unwrap();
        let state = location
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1;
        let browser = cookie(answer, "__Host-rustygpt-browser").unwrap();
        let posted = issuer == "apple";
        let origin = self.mock.url().to_owned();
        let site = |name, value: &str| (name, value.to_owned());
        let mut headers = vec![
            site("sec-fetch-site", "cross-site"),
            site("sec-fetch-mode", "navigate"),
            site("sec-fetch-dest", "document"),
        ];
        if posted {
            headers.push(("origin", origin));
        }
        Trip {
            issuer: issuer.to_owned(),
            cookies: format!("__Host-rustygpt-browser={browser}"),
            parameters: vec![
                ("state", state.into_owned()),
                ("code", self.mock.consent(&location)),
            ],
            posted,
            headers,
            wait: Duration::ZERO,
        }
    }

    pub(crate) async fn come_back(&self, trip: &Trip) -> Answer {
        self.server.clock.advance(trip.wait);
        let path = format!("/api/auth/with/{}/return", trip.issuer);
        let mut serializer = url::form_urlencoded::Serializer::new(String::new());
        let text = serializer.extend_pairs(&trip.parameters).finish();
        let mut request = if trip.posted {
            let request = self.client.post(self.server.url(&path)).body(text);
            request.header("content-type", "application/x-www-form-urlencoded")
        } else {
            self.client.get(self.server.url(&format!("{path}?{text}")))
        };
        if !trip.cookies.is_empty() {
            request = request.header("cookie", &trip.cookies);
        }
        let mut built = request.build().unwrap();
        for (name, value) in &trip.headers {
            built.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = self.client.execute(built).await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The last step, after this return.
    pub(crate) async fn finish(&self, returned: &Answer, code: Option<&str>) -> Answer {
        assert_eq!(returned.status, 303, "{}", returned.text);
        let ticket = cookie(returned, "__Host-rustygpt-ticket").unwrap();
        self.finish_with(&ticket, code).await
    }

    pub(crate) async fn finish_with(&self, ticket: &str, code: Option<&str>) -> Answer {
        let body = code.map_or(json!({}), |code| json!({ "code": code }));
        let request = self
            .client
            .post(self.server.url("/api/auth/finish"))
            .json(&body);
        let cookies = format!("__Host-rustygpt-ticket={ticket}");
        Answer::of(request.header("cookie", cookies)).await
    }

    /// The whole way in by an issuer.
    pub(crate) async fn way_in(&self, issuer: &str) -> Answer {
        let trip = self.set_out(issuer).await;
        let returned = self.come_back(&trip).await;
        self.finish(&returned, None).await
    }

    pub(crate) async fn accounts(&self) -> usize {
        let store = &self.server.people.as_ref().unwrap().store;
        store
            .accounts(Principal::Server, Page::FIRST)
            .await
            .unwrap()
            .len()
    }

    /// The last entry of the audit log.
    pub(crate) async fn last_entry(&self) -> AuditEntry {
        let store = &self.server.people.as_ref().unwrap().store;
        let filter = AuditFilter {
            after: 0,
            limit: 1000,
            action_prefix: String::new(),
        };
        let entries = store
            .audit_entries(Principal::Server, &filter)
            .await
            .unwrap();
        entries.last().unwrap().clone()
    }

    /// Why the last refusal was one; `None` if what came last was none.
    pub(crate) async fn last_reason(&self) -> Option<String> {
        let entry = self.last_entry().await;
        let detail: Value = serde_json::from_str(&entry.detail).unwrap();
        let reason = detail["reason"].as_str().unwrap_or_default().to_owned();
        (entry.outcome == AuditOutcome::Refused).then_some(reason)
    }

    /// Links who somebody is there to the account they are in to.
    pub(crate) async fn set_out_to_link(&self, bearer: &str, issuer: &str) -> Trip {
        let request = self
            .server
            .by(bearer, Method::POST, "/api/account/identities");
        let answer = Answer::of(request.json(&json!({ "issuer": issuer }))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        self.consented(issuer, &answer, body["location"].as_str().unwrap())
    }
}
