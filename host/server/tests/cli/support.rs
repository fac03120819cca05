//! Running the binary. All tests share one data directory, one after the other: plugins are compiled once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The data directory, for one test at a time.
pub struct Home {
    _turn: MutexGuard<'static, ()>,
    pub data: PathBuf,
}

/// Waits for its turn.
pub fn home() -> Home {
    static TURN: Mutex<()> = Mutex::new(());
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = DIRECTORY.get_or_init(|| {
        let made = TempDir::with_prefix("docmill-cli").unwrap();
        // PostgreSQL's own user must reach what is below.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(made.path(), open).unwrap();
        let path = made.path().to_owned();
        // Statics are not dropped: the directory goes when the process ends.
        remove_at_exit(&path);
        made
    });
    Home {
        _turn: turn,
        data: directory.path().join("data"),
    }
}

/// A child that outlives this process by a moment and removes the directory.
fn remove_at_exit(path: &Path) {
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 1; done; rm -rf '{}'",
        std::process::id(),
        path.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok();
}

impl Home {
    /// `docmill` on this directory, without settings from the environment.
    pub fn docmill(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
        command.args(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("DOCMILL_") || name.ends_with("_URL") {
                command.env_remove(name);
            }
        }
        command
            .env("DOCMILL_DATA_DIR", &self.data)
            .env("DOCMILL_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    /// Its result.
    pub fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.docmill(arguments).output().unwrap())
    }

    /// A server, when it listens.
    pub fn start(&self, command: &mut Command) -> Server {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Server {
            child,
            lines,
            said: Vec::new(),
            url: String::new(),
            key: String::new(),
        };
        let line = server.line("docmill listens on ");
        server.url = line.split_whitespace().last().unwrap().to_owned();
        server.key = std::fs::read_to_string(self.data.join("api.key"))
            .unwrap()
            .trim()
            .to_owned();
        server
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its output, if it ended so.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Its output as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// `docmill serve` or `dev`; killed with this value.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    pub url: String,
    pub key: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    /// The first line from now on that holds a text.
    pub fn line(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("'{text}' did not come ({error}); it said {:#?}", self.said),
            }
        }
    }

    /// Everything said so far that was read.
    pub fn said(&self) -> String {
        self.said.join("\n")
    }

    /// A command of the same machine against it.
    pub fn client(&self, home: &Home, arguments: &[&str]) -> Command {
        let mut command = home.docmill(arguments);
        command
            .env("DOCMILL_URL", &self.url)
            .env("DOCMILL_KEY", &self.key);
        command
    }

    /// Its result.
    pub fn ask(&self, home: &Home, arguments: &[&str]) -> Done {
        Done::of(self.client(home, arguments).output().unwrap())
    }

    /// SIGTERM; gives the exit code and how long it took.
    pub fn terminate(mut self) -> (i32, Duration) {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end; it said {:#?}", self.said);
    }
}

/// A command that is given something on standard input.
pub fn with_input(mut command: Command, input: &[u8]) -> Done {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Done::of(child.wait_with_output().unwrap())
}

/// A sample document.
pub fn sample(name: &str) -> PathBuf {
    root().join("tests/samples/documents").join(name)
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
