//! A private PostgreSQL as a child process: what `docmill` uses when no `DATABASE_URL` is set.
//!
//! It listens on a Unix socket in a directory that only its account may enter, and on no network. Its data survive: the next
//! start finds them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

mod account;
mod binaries;
mod error;
mod lock;
mod process;

use account::Account;
use binaries::Binaries;
pub use binaries::INSTALL;
pub use error::EmbeddedError;
use lock::Holder;
use process::Kept;

/// The server's superuser; nobody but its account and root gets to the socket.
const USER: &str = "postgres";
/// Longest directory of a socket, in bytes: the system's limit for the path is 104 to 108.
const MAX_SOCKET_DIRECTORY: usize = 90;
/// How long a start may take; recovery after a crash replays at most a checkpoint's worth of log.
const START: Duration = Duration::from_secs(120);
/// How long a stop may take: the last checkpoint.
const STOP: Duration = Duration::from_secs(60);
/// How long a drop waits for the same.
const DROP: Duration = Duration::from_secs(10);
/// A log that is longer is put aside at the next start.
const MAX_LOG_BYTES: u64 = 8 << 20;

/// A running private server. Dropped, it stops cleanly; on Linux it also stops when this process is killed.
pub struct PrivateServer {
    url: String,
    data: PathBuf,
    sockets: PathBuf,
    /// None: the server was running already, and who started it stops it.
    child: Option<Kept>,
}

impl fmt::Debug for PrivateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateServer")
            .field("url", &self.url)
            .field("adopted", &self.child.is_none())
            .finish()
    }
}

/// Where everything of one server is.
struct Places {
    data: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
}

impl PrivateServer {
    /// Starts the server of a directory, which is made if it is not there and belongs to the server alone, or adopts the
    /// one that runs on it already. `progress` hears what takes long.
    ///
    /// # Errors
    /// When there are no binaries, or they do not start; the message says what to do.
    pub async fn start(
        data_dir: &Path,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self, EmbeddedError> {
        let asked = std::path::absolute(data_dir).map_err(EmbeddedError::file("cannot find", data_dir))?;
        let binaries = binaries::find(&asked.join("data"))?;
        let (account, directory) = account::choose(&asked, &binaries.initdb())?;
        let _starting = hold(&directory).await?;
        let places = Places {
            data: directory.join("data"),
            sockets: socket_directory(&directory, account)?,
            log: directory.join("postgres.log"),
        };
        let url = url(&places.sockets);
        if !places.data.join("PG_VERSION").is_file() {
            progress("making a private PostgreSQL");
            create(&binaries, account, &places)?;
        } else if adopt(&url, &places, &progress).await? {
            return Ok(Self {
                url,
                data: places.data,
                sockets: places.sockets,
                child: None,
            });
        }
        lock::clear(&places.data);
        let mut last = String::new();
        // Processes of a server that was killed may live for a moment and keep its shared memory.
        for attempt in 0_u32..20 {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(250)).await;
                lock::clear(&places.data);
            }
            let mut log = Log::open(&places.log)?;
            let child = Kept::spawn(server(&binaries, account, &places, log.file()?))
                .map_err(EmbeddedError::file("cannot run", &binaries.postgres()))?;
            let started = Self {
                url: url.clone(),
                data: places.data.clone(),
                sockets: places.sockets.clone(),
                child: Some(child),
            };
            match started.answers(&places, &progress).await? {
                true => return Ok(started),
                false => last = log.news(),
            }
            let passes = ["shared memory block", "postmaster.pid"]
                .iter()
                .any(|sign| last.contains(sign));
            if !passes {
                break;
            }
        }
        Err(EmbeddedError::Program {
            program: "postgres",
            output: last,
        })
    }

    /// The address for [`crate::Settings`], through a Unix socket.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it was running before and stays when this value goes.
    pub const fn is_adopted(&self) -> bool {
        self.child.is_none()
    }

    /// Whether it has ended: whoever started an adopted one stopped it, or it crashed. [`PrivateServer::start`] on the same
    /// directory brings it back at the same address.
    pub fn has_ended(&self) -> bool {
        match &self.child {
            Some(child) => child.has_ended(),
            None => !matches!(lock::holder(&self.data), Holder::Server(_)),
        }
    }

    /// The server's process; none if it was adopted.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Kept::pid)
    }

    /// Stops it cleanly, unless it was adopted. Clients are disconnected.
    ///
    /// # Errors
    /// When it does not stop within a minute.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child.interrupt();
        if !child.wait(STOP).await {
            return Err(EmbeddedError::Unstoppable { pid: child.pid() });
        }
        self.remove_sockets();
        Ok(())
    }

    /// The directory may be one in /tmp. It is empty now; the next start makes it again.
    fn remove_sockets(&self) {
        fs::remove_dir(&self.sockets).ok();
    }

    /// Waits until the server answers; false if it ended instead.
    async fn answers(
        &self,
        places: &Places,
        progress: &(impl Fn(&str) + Sync),
    ) -> Result<bool, EmbeddedError> {
        let begun = Instant::now();
        let mut told = false;
        while begun.elapsed() < START {
            if self.child.as_ref().is_none_or(Kept::has_ended) {
                return Ok(false);
            }
            if serves(&self.url, &places.data).await {
                return Ok(true);
            }
            if !told && begun.elapsed() > Duration::from_secs(2) {
                progress("waiting for the private PostgreSQL to recover what was written last");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(EmbeddedError::Silent {
            seconds: START.as_secs(),
            log: places.log.clone(),
        })
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            child.interrupt();
            child.wait_blocking(DROP);
            self.remove_sockets();
        }
    }
}

/// One start at a time on a directory, whoever tries; the others adopt what the first has started.
async fn hold(directory: &Path) -> Result<File, EmbeddedError> {
    let path = directory.join("start.lock");
    let cannot = || EmbeddedError::file("cannot lock", &path);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(cannot())?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() < START => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(cannot()(error.into())),
        }
    }
}

/// Whether a server runs on the data already. One that is just starting or stopping is waited for.
async fn adopt(url: &str, places: &Places, progress: &(impl Fn(&str) + Sync)) -> Result<bool, EmbeddedError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        if serves(url, &places.data).await {
            return Ok(true);
        }
        if !matches!(lock::holder(&places.data), Holder::Server(_)) {
            return Ok(false);
        }
        if begun.elapsed() > START {
            return Err(EmbeddedError::Silent {
                seconds: START.as_secs(),
                log: places.log.clone(),
            });
        }
        if !told && begun.elapsed() > Duration::from_secs(1) {
            progress("waiting for the PostgreSQL that holds the data");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the server at the address answers and is the one of these data.
async fn serves(url: &str, data: &Path) -> bool {
    let ask = async {
        let mut connection = PgConnection::connect(url).await.ok()?;
        let served: String = sqlx::query_scalar("select current_setting('data_directory')")
            .fetch_one(&mut connection)
            .await
            .ok()?;
        connection.close().await.ok();
        Some(Path::new(&served).canonicalize().ok()? == data.canonicalize().ok()?)
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(2), ask).await,
        Ok(Some(true))
    )
}

/// Makes the data directory: beside its place first, so that an interrupted start leaves nothing that looks whole.
fn create(binaries: &Binaries, account: Account, places: &Places) -> Result<(), EmbeddedError> {
    let unfinished = places.data.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(EmbeddedError::file("cannot remove", &unfinished))?;
    }
    let mut output = String::new();
    for locale in locales(binaries.major) {
        let made = account
            .command(&binaries.initdb())
            .arg("-D")
            .arg(&unfinished)
            .args(["-U", USER, "-A", "trust", "-E", "UTF8"])
            .args(*locale)
            .current_dir(places.data.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::null())
            .output()
            .map_err(EmbeddedError::file("cannot run", &binaries.initdb()))?;
        if made.status.success() {
            return fs::rename(&unfinished, &places.data)
                .map_err(EmbeddedError::file("cannot make", &places.data));
        }
        output = last_lines(&String::from_utf8_lossy(&made.stderr));
        fs::remove_dir_all(&unfinished).ok();
    }
    Err(EmbeddedError::Program {
        program: "initdb",
        output,
    })
}

/// Lower case and full-text search of Russian and Kazakh need a locale that knows letters; `C` knows none.
fn locales(major: u32) -> &'static [&'static [&'static str]] {
    if major >= 17 {
        &[&["--locale-provider=builtin", "--locale=C.UTF-8"]]
    } else {
        &[&["--locale=C.UTF-8"], &["--locale=en_US.UTF-8"]]
    }
}

fn server(binaries: &Binaries, account: Account, places: &Places, log: File) -> Command {
    let mut command = account.command(&binaries.postgres());
    command
        .arg("-D")
        .arg(&places.data)
        .arg("-k")
        .arg(&places.sockets)
        .args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"])
        .args([
            "-c",
            "shared_buffers=128MB",
            "-c",
            "max_connections=200",
            "-c",
            "jit=off",
        ])
        // Nobody looks after it: what fills the disk unasked is kept small.
        .args([
            "-c",
            "max_wal_size=512MB",
            "-c",
            "log_min_messages=warning",
            "-c",
            "logging_collector=off",
        ])
        .current_dir(places.data.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

/// The directory of the socket: in the server's own, or, where that is too long a path, a short one that is named after it.
fn socket_directory(directory: &Path, account: Account) -> Result<PathBuf, EmbeddedError> {
    let own = directory.join("sock");
    let path = if own.as_os_str().len() <= MAX_SOCKET_DIRECTORY {
        own
    } else {
        let name = docmill_model::digest::Digest::of(directory.as_os_str().as_encoded_bytes()).short();
        PathBuf::from(format!("/tmp/docmill-{name}"))
    };
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => account.give(&path)?,
        // In /tmp, anybody could have made it: what is another's, or open to others, is not used.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(&path).map_err(EmbeddedError::file("cannot look at", &path))?;
            let owner = match account {
                Account::Other { user, .. } => user,
                Account::Own | Account::Mapped => rustix::process::geteuid().as_raw(),
            };
            if !found.is_dir() || found.uid() != owner || found.mode() & 0o077 != 0 {
                let error =
                    std::io::Error::other("it belongs to somebody else, or others may enter it: remove it");
                return Err(EmbeddedError::file("cannot use the socket directory", &path)(
                    error,
                ));
            }
        }
        Err(error) => return Err(EmbeddedError::file("cannot make", &path)(error)),
    }
    Ok(path)
}

/// The address of a server behind a socket: what is not a plain character of the path is written as %XX.
fn url(sockets: &Path) -> String {
    let mut host = String::new();
    for byte in sockets.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            host.push(char::from(*byte));
        } else {
            host.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("postgres://{USER}@localhost/postgres?host={host}")
}

/// What the server writes, and how much of it was there before.
struct Log {
    file: File,
    path: PathBuf,
    before: u64,
}

impl Log {
    fn open(path: &Path) -> Result<Self, EmbeddedError> {
        if fs::metadata(path).is_ok_and(|found| found.len() > MAX_LOG_BYTES) {
            fs::rename(path, path.with_extension("log.old")).ok();
        }
        let cannot = || EmbeddedError::file("cannot write", path);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(cannot())?;
        let before = file.metadata().map_err(cannot())?.len();
        Ok(Self {
            file,
            path: path.to_owned(),
            before,
        })
    }

    fn file(&self) -> Result<File, EmbeddedError> {
        self.file
            .try_clone()
            .map_err(EmbeddedError::file("cannot write", &self.path))
    }

    /// The last lines written since it was opened.
    fn news(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self
            .file
            .seek(SeekFrom::Start(self.before))
            .and_then(|_| (&mut self.file).take(64 << 10).read_to_end(&mut bytes));
        match read {
            Ok(_) => last_lines(&String::from_utf8_lossy(&bytes)),
            Err(error) => error.to_string(),
        }
    }
}

/// At most the last six lines.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines
        .get(lines.len().saturating_sub(6)..)
        .unwrap_or_default()
        .join("; ")
}
