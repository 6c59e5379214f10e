//! A PostgreSQL for the tests of this workspace: one cluster per test binary, one database per
//! test. Only tests have it (the feature `testing`).
//!
//! A cluster lies in a temporary folder, listens on a socket in it and nowhere else, and ends with
//! the process that began it, however that ends: a shell waits for the pipe between them to close.
//! With `RUSTYGPT_TEST_DATABASE_URL` [`database`] uses that server instead, as a role that may make
//! databases and roles.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a part of tests, which fail by panicking"
)]

use crate::postgres::PostgresStore;
use crate::store::Store;
use sqlx::{Connection, Executor, PgConnection};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

const SCRIPT: &str = r#"
set -e
PATH="$1:$PATH"
start() {
    pg_ctl -D "$2/data" -w -l "$2/server.log" \
        -o "-k $2 -c listen_addresses= -c max_connections=400 -c fsync=off" start >/dev/null
}
initdb -D "$2/data" -A trust -U postgres -E UTF8 --locale=C --no-sync >"$2/initdb.log" 2>&1
start "$@"
echo done
while read -r word; do
    case $word in
        stop) pg_ctl -D "$2/data" -w -m fast stop >/dev/null ;;
        start) start "$@" ;;
    esac
    echo done
done
pg_ctl -D "$2/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$2"
"#;

/// A running PostgreSQL.
pub struct Cluster {
    /// Its URL, with `DATABASE` where a database's name belongs.
    base: String,
    /// Keeps the server running; `None` for one that is not ours.
    shell: Option<Mutex<Shell>>,
    template: OnceCell<String>,
    next: AtomicU32,
}

struct Shell {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();

/// The URL of a database of the caller's own in the cluster of this process, with the schema in it
/// or empty; `None`, said aloud, where there is no PostgreSQL.
pub async fn database(with_schema: bool) -> Option<String> {
    let cluster = SHARED.get_or_init(shared).await.as_ref()?;
    Some(cluster.database(with_schema).await)
}

async fn shared() -> Option<Cluster> {
    let Ok(url) = std::env::var("RUSTYGPT_TEST_DATABASE_URL") else {
        return Cluster::start_private();
    };
    let (server, options) = url.split_once('?').unwrap_or((&url, ""));
    let server = server.trim_end_matches('/');
    // `scheme://authority/database`: the database's name gives way to each test's.
    let end = server
        .rfind('/')
        .filter(|end| !server[..*end].ends_with('/'));
    let base = &server[..end.unwrap_or(server.len())];
    Some(Cluster::at(format!("{base}/DATABASE?{options}"), None))
}

impl Cluster {
    /// One for the caller alone, who may stop it; `None`, said aloud, where there is no
    /// PostgreSQL.
    #[must_use]
    pub fn start_private() -> Option<Self> {
        let Some(binaries) = binaries() else {
            let line = b"skipped: there is no PostgreSQL on this machine\n";
            std::io::stderr().write_all(line).unwrap();
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let shell = begin(&binaries, &folder);
        let folder = folder.display();
        let base = format!("postgres://postgres@localhost/DATABASE?host={folder}");
        Some(Self::at(base, Some(shell)))
    }

    fn at(base: String, shell: Option<Shell>) -> Self {
        Self {
            base,
            shell: shell.map(Mutex::new),
            template: OnceCell::new(),
            next: AtomicU32::new(1),
        }
    }

    /// The URL of a database of the caller's own, with the schema in it or empty.
    pub async fn database(&self, with_schema: bool) -> String {
        let template = if with_schema {
            self.template.get_or_init(|| self.make_template()).await
        } else {
            "template1"
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("rustygpt_test_{}_{number}", std::process::id());
        let mut admin = self.connect("postgres").await;
        let make = format!("CREATE DATABASE {name} TEMPLATE {template}");
        admin.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
        self.url(&name)
    }

    /// Stops the server as an administrator does: whoever is connected is cut off, what was
    /// acknowledged is kept. Blocks until it has stopped.
    pub fn stop(&self) {
        self.tell("stop");
    }

    /// Starts it again. Blocks until it takes connections.
    pub fn start(&self) {
        self.tell("start");
    }

    fn tell(&self, word: &str) {
        let shell = self.shell.as_ref().unwrap();
        let mut shell = shell.lock().unwrap();
        writeln!(shell.input, "{word}").unwrap();
        assert!(shell.is_done(), "PostgreSQL did not {word}");
    }

    async fn make_template(&self) -> String {
        let name = format!("rustygpt_test_{}_template", std::process::id());
        let mut admin = self.connect("postgres").await;
        let make = format!("CREATE DATABASE {name}");
        admin.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
        let store = PostgresStore::open(&self.url(&name)).await.unwrap();
        store.close().await;
        name
    }

    fn url(&self, database: &str) -> String {
        self.base.replace("DATABASE", database)
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }
}

impl Shell {
    /// Whether it did what it was told last.
    fn is_done(&mut self) -> bool {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line == "done\n"
    }
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

fn begin(binaries: &Path, folder: &Path) -> Shell {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "cluster"])
        .arg(binaries)
        .arg(folder);
    // PostgreSQL refuses to run as root.
    #[cfg(unix)]
    if let Some((user, group)) = unprivileged() {
        use std::os::unix::process::CommandExt;
        std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
        command.uid(user).gid(group);
    }
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shell = Shell {
        input: child.stdin.take().unwrap(),
        output: BufReader::new(child.stdout.take().unwrap()),
        _child: child,
    };
    if !shell.is_done() {
        let logs = ["initdb.log", "server.log"];
        let logs = logs.map(|log| std::fs::read_to_string(folder.join(log)).unwrap_or_default());
        panic!("PostgreSQL did not start: {logs:?}");
    }
    shell
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
