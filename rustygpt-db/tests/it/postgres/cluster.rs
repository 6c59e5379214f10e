//! A PostgreSQL of the tests' own: one cluster per test binary, one database per test.
//!
//! The cluster lies in a temporary folder, listens on a socket in it and nowhere else, and ends
//! with the test binary, however that ends: a shell waits for the pipe between them to close. With
//! `RUSTYGPT_TEST_DATABASE_URL` the tests use that server instead, as a role that may make
//! databases and roles.

use rustygpt_db::postgres::PostgresStore;
use rustygpt_db::store::Store;
use sqlx::{Connection, Executor, PgConnection};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

const SCRIPT: &str = r#"
set -e
PATH="$1:$PATH"
initdb -D "$2/data" -A trust -U postgres -E UTF8 --locale=C --no-sync >"$2/initdb.log" 2>&1
pg_ctl -D "$2/data" -w -l "$2/server.log" \
    -o "-k $2 -c listen_addresses= -c max_connections=400 -c fsync=off" start >/dev/null
echo ready
cat >/dev/null
pg_ctl -D "$2/data" -m immediate stop >/dev/null
rm -rf "$2"
"#;

/// What the tests of this binary share.
struct Cluster {
    /// The server's URL up to the database's name.
    base: String,
    /// Keeps the server running.
    _shell: Option<Child>,
}

static CLUSTER: OnceCell<Option<Cluster>> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The URL of a database of the caller's own, with the schema in it or empty; `None` where there
/// is no PostgreSQL.
pub(crate) async fn database(with_schema: bool) -> Option<String> {
    let cluster = CLUSTER.get_or_init(start).await.as_ref()?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rustygpt_test_{}_{number}", std::process::id());
    let template = if with_schema {
        template()
    } else {
        "template1".to_owned()
    };
    let mut admin = cluster.connect("postgres").await;
    let make = format!("CREATE DATABASE {name} TEMPLATE {template}");
    admin.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
    Some(cluster.url(&name))
}

fn template() -> String {
    format!("rustygpt_test_{}_template", std::process::id())
}

impl Cluster {
    fn url(&self, database: &str) -> String {
        self.base.replace("DATABASE", database)
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }
}

async fn start() -> Option<Cluster> {
    let cluster = match std::env::var("RUSTYGPT_TEST_DATABASE_URL") {
        Ok(url) => {
            let (server, options) = url.split_once('?').unwrap_or((&url, ""));
            let server = server.trim_end_matches('/');
            // `scheme://authority/database`: the database's name gives way to each test's.
            let end = server
                .rfind('/')
                .filter(|end| !server[..*end].ends_with('/'));
            let base = &server[..end.unwrap_or(server.len())];
            Cluster {
                base: format!("{base}/DATABASE?{options}"),
                _shell: None,
            }
        }
        Err(_) => {
            let Some(binaries) = binaries() else {
                eprintln!("skipped: there is no PostgreSQL on this machine");
                return None;
            };
            private(&binaries)
        }
    };
    let mut admin = cluster.connect("postgres").await;
    let make = format!("CREATE DATABASE {}", template());
    admin.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
    let store = PostgresStore::open(&cluster.url(&template()))
        .await
        .unwrap();
    store.close().await;
    Some(cluster)
}

/// The folder with `initdb` in it: on the path, or where Debian keeps each version's.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut debian: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    folders.extend(debian.into_iter().rev());
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists())
}

fn private(binaries: &Path) -> Cluster {
    let folder = tempfile::tempdir().unwrap().keep();
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "cluster"])
        .arg(binaries)
        .arg(&folder);
    // PostgreSQL refuses to run as root.
    #[cfg(unix)]
    if let Some((user, group)) = unprivileged() {
        use std::os::unix::process::CommandExt;
        std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        command.uid(user).gid(group);
    }
    let mut shell = command
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = shell.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    if line != "ready\n" {
        let logs = ["initdb.log", "server.log"];
        let logs = logs.map(|log| std::fs::read_to_string(folder.join(log)).unwrap_or_default());
        panic!("PostgreSQL did not start: {logs:?}");
    }
    Cluster {
        base: format!(
            "postgres://postgres@localhost/DATABASE?host={}",
            folder.display()
        ),
        _shell: Some(shell),
    }
}

/// Whom a test run by root starts the server as: the system's `postgres`, or `nobody`.
#[cfg(unix)]
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"].into_iter().find_map(|name| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
