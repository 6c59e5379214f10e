//! Running the binary in a home of its own.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// Where a process says which lines it reached, while that is measured.
const COVERAGE: &str = "LLVM_PROFILE_FILE";

/// A person with nothing but an empty home folder.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path(".local/share/rustygpt")
    }

    /// Writes a file below the home folder.
    pub(crate) fn write(&self, below: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The binary, with an environment that holds the home folder and nothing of ours.
    pub(crate) fn rustygpt<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rustygpt"));
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os(COVERAGE).map(|file| (COVERAGE, file)))
            .env("HOME", self.0.path())
            .current_dir(self.0.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::of(self.rustygpt(arguments).output().unwrap())
    }

    /// Runs with `input` on standard input.
    pub(crate) fn run_with<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S], input: &[u8]) -> Ran {
        let mut command = self.rustygpt(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its answer; it must have succeeded.
    pub(crate) fn answer(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.out
    }

    /// Its one-line error; it must have failed as a person should see it.
    pub(crate) fn error(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        let lines: Vec<&str> = self
            .err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(lines.len(), 1, "one line says what is wrong: {self:?}");
        assert!(
            !self.err.contains("panicked") && !self.err.contains("backtrace"),
            "{self:?}"
        );
        lines[0]
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    // Kept, so that later lines do not break the pipe.
    out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `serve` and waits for the line that says where it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with_errors_to(command, Stdio::null())
    }

    /// As [`Self::start`]; standard error goes where the caller can read it.
    pub(crate) fn start_with_errors_to(mut command: Command, errors: impl Into<Stdio>) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(url) = line
            .strip_suffix('\n')
            .and_then(|line| line.strip_prefix("listening on "))
        else {
            child.kill().unwrap();
            panic!("no address but {line:?}");
        };
        Self {
            child,
            url: url.to_owned(),
            out,
        }
    }

    fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Adds an administrator of this address and has them sign in; what that answers.
    pub(crate) fn administrator(&self, home: &Home, email: &str, password: &str) -> Value {
        let add = ["user", "add", email, "--role", "admin", "--password-stdin"];
        home.run_with(&add, format!("{password}\n").as_bytes())
            .answer();
        let body = json!({"email": email, "password": password}).to_string();
        let (status, answer) = self.ask("POST", "/api/auth/sign-in", "", &body);
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> &str {
        self.address().rsplit_once(':').unwrap().1
    }

    /// Sends one request and reads the whole answer: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let (address, length) = (self.address(), body.len());
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {key}\r\n")
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{key}Content-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// The next line of its output.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        self.ask_to_end();
        self.child.wait().unwrap()
    }

    fn ask_to_end(&self) {
        // The shell's own kill: a bare Debian has no program of that name.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is killed does not say which lines it reached.
        match (std::env::var_os(COVERAGE), self.child.try_wait()) {
            (Some(_), Ok(None)) => self.ask_to_end(),
            _ => drop(self.child.kill()),
        }
        drop(self.child.wait());
    }
}

/// A tiny model of random weights, from the fixtures of `rustygpt-model`.
pub(crate) fn tiny_model(name: &str) -> PathBuf {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../rustygpt-model/tests/fixtures/models");
    let path = fixtures.join(name).canonicalize().unwrap();
    assert!(path.exists(), "{}", path.display());
    path
}

/// Test data of the project's workplace, where there is any.
pub(crate) fn shared(below: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RUSTYGPT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let path = root.join(below);
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(path)
}
