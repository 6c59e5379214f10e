//! Accounts of a benchmark: passwords at their real cost, one person, one key.

use rustygpt_db::postgres::PostgresStore;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_db::testing;
use rustygpt_orchestrator::access::{AccountId, Caller, Role, Scope};
use rustygpt_orchestrator::accounts::{
    Accounts, AccountsParts, Cost, Issuers, KeyWish, NewMember, Password, Passwords, RootSecrets,
    SignedIn, Store, Whence,
};
use rustygpt_orchestrator::settings::Layers;
use rustygpt_orchestrator::tasks::{AuditFiles, Bell};
use rustygpt_utils::clock::SystemClock;
use rustygpt_utils::tasks::Tasks;
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) const EMAIL: &str = "ada@example.org";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Town {
    /// Which home its store has.
    pub(crate) home: &'static str,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tasks: Tasks,
    pub(crate) ending: CancellationToken,
    pub(crate) signed_in: SignedIn,
    /// A key for inference, in the clear.
    pub(crate) key: String,
    _folder: Option<tempfile::TempDir>,
}

impl Town {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rustygpt.db");
        let store = SqliteStore::open(&path).await.expect("a store");
        Self::found("sqlite", Arc::new(store), Some(folder)).await
    }

    /// `None` where there is no PostgreSQL.
    pub(crate) async fn on_postgres() -> Option<Self> {
        let url = testing::database(true).await?;
        let store = PostgresStore::open(&url).await.expect("a store");
        Some(Self::found("postgres", Arc::new(store), None).await)
    }

    async fn found(
        home: &'static str,
        store: Arc<dyn Store>,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        let tasks = Tasks::new();
        let ending = CancellationToken::new();
        let accounts = Accounts::new(AccountsParts {
            store,
            clock: Arc::new(SystemClock),
            passwords: Passwords::new(Cost::OWASP, tasks.clone()).expect("randomness"),
            secrets: RootSecrets::generate().expect("randomness"),
            issuers: Issuers::default(),
            settings: Layers::default(),
            bell: Bell::default(),
            // Nothing here writes any.
            audit_files: AuditFiles::new(std::env::temp_dir(), tasks.clone()),
            tasks: tasks.clone(),
            ending: ending.clone(),
        });
        accounts.look_out().await.expect("a policy");
        let (local, whence) = (Caller::local_owner(), Whence::default());
        let member = NewMember {
            email: EMAIL.to_owned(),
            name: String::new(),
            role: Role::User,
            password: Some(PASSWORD.to_owned()),
        };
        let ada: AccountId = accounts
            .add(&local, member, &whence)
            .await
            .expect("an account")
            .0
            .id;
        // The rate of attempts is not what is measured.
        accounts
            .change_setting(&local, "attempts_per_minute", &json!(10_000), None, &whence)
            .await
            .expect("a setting");
        let wish = KeyWish {
            name: "bench".to_owned(),
            scopes: vec![Scope::Inference],
            expires_at: None,
            requests_per_minute: None,
            quota: None,
        };
        let key = accounts
            .create_key_for(&local, ada, wish, &whence)
            .await
            .expect("a key");
        let password = Password::presented(PASSWORD.to_owned());
        let signed_in = accounts
            .sign_in(EMAIL, password, None, &whence)
            .await
            .expect("a sign-in");
        Self {
            home,
            accounts: Arc::new(accounts),
            tasks,
            ending,
            signed_in,
            key: key.secret.reveal().to_owned(),
            _folder: folder,
        }
    }
}

/// The `share` quantile of seconds, which are sorted here.
pub(crate) fn quantile(seconds: &mut [f64], share: f64) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let last = seconds.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    seconds.get(at).copied().unwrap_or(f64::NAN)
}
