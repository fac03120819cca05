//! As whom the server runs. PostgreSQL refuses user 0, so root hands over to another account; everybody else stays who they
//! are.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::EmbeddedError;

/// As whom the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// As this process.
    Own,
    /// As another user of the system; only root can.
    Other { user: u32, group: u32 },
    /// As user 1000 of a user namespace in which root's files are that user's; only root in a directory that no other
    /// account can reach.
    Mapped,
}

/// Whom a directory below which nobody else may look is given to.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];
/// Where the data go when the directory that was asked for is out of every other account's reach.
const WITHIN_REACH: &str = "/var/lib/docmill";

impl Account {
    /// A command that runs as the account.
    pub(super) fn command(self, program: &Path) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Other { user, group } => {
                let mut command = Command::new(program);
                command.uid(user).gid(group);
                command
            }
            Self::Mapped => {
                let mut command = Command::new("unshare");
                command
                    .args(["--user", "--map-user=1000", "--map-group=1000", "--"])
                    .arg(program);
                command
            }
        }
    }

    /// Gives a file or directory to the account.
    pub(super) fn give(self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Other { user, group } => {
                chown(path, Some(user), Some(group)).map_err(EmbeddedError::file("cannot give away", path))
            }
            Self::Own | Self::Mapped => Ok(()),
        }
    }

    /// Whether the account can run the program with `directory` as its working directory.
    fn reaches(self, directory: &Path, program: &Path) -> bool {
        self.command(program)
            .arg("--version")
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Decides as whom the server of `directory` runs, and where: the same directory, but for root where nobody else can reach
/// it. The directory is there afterwards and belongs to the account.
pub(super) fn choose(directory: &Path, program: &Path) -> Result<(Account, PathBuf), EmbeddedError> {
    make(directory)?;
    if !rustix::process::geteuid().is_root() {
        return Ok((Account::Own, directory.to_owned()));
    }
    // What was begun as somebody goes on as the same.
    if let Ok(data) = fs::metadata(directory.join("data")) {
        let account = if data.uid() == 0 {
            Account::Mapped
        } else {
            Account::Other {
                user: data.uid(),
                group: data.gid(),
            }
        };
        return Ok((account, directory.to_owned()));
    }
    let others: Vec<Account> = ACCOUNTS.into_iter().filter_map(account_of).collect();
    for account in others.iter().copied() {
        account.give(directory)?;
        if account.reaches(directory, program) {
            return Ok((account, directory.to_owned()));
        }
    }
    chown(directory, Some(0), Some(0)).map_err(EmbeddedError::file("cannot take back", directory))?;
    if Account::Mapped.reaches(directory, program) {
        return Ok((Account::Mapped, directory.to_owned()));
    }
    // One place for each directory that was asked for, so that the next start finds its data again.
    let name = docmill_model::digest::Digest::of(directory.as_os_str().as_encoded_bytes()).short();
    let reachable = Path::new(WITHIN_REACH).join(name);
    make(&reachable)?;
    for account in others {
        account.give(&reachable)?;
        if account.reaches(&reachable, program) {
            tracing::warn!(
                store.asked = %directory.display(),
                store.used = %reachable.display(),
                "PostgreSQL does not run as root and no other account reaches the data directory: its data are elsewhere"
            );
            return Ok((account, reachable));
        }
    }
    Err(EmbeddedError::Root {
        directory: directory.to_owned(),
    })
}

/// Makes a directory and those above it, where they are not there; the last one is its owner's only.
fn make(directory: &Path) -> Result<(), EmbeddedError> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(EmbeddedError::file("cannot make the directory", parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(EmbeddedError::file("cannot make the directory", directory)(error))
        }
        _ => Ok(()),
    }
}

/// Ids of an account by its name in /etc/passwd.
fn account_of(name: &str) -> Option<Account> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next()? == name).then_some(())?;
        let (user, group) = (parts.nth(1)?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Account::Other { user, group })
    })
}
