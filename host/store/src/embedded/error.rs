//! Why the private server does not run, and what to do about it.

use std::path::PathBuf;

use super::binaries::INSTALL;

/// Why the private server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No binaries were found.
    #[error(
        "PostgreSQL {min} or newer is needed and was not found. {INSTALL}. Or set PG_BIN to the directory with `postgres` \
         and `initdb`, or DATABASE_URL to a server",
        min = crate::connect::MIN_VERSION
    )]
    Missing,
    /// Binaries were found, all too old.
    #[error(
        "PostgreSQL {min} or newer is needed; {} is {found}. {INSTALL}. Or set DATABASE_URL to a server",
        directory.display(),
        min = crate::connect::MIN_VERSION
    )]
    TooOld {
        /// Where the newest of them are.
        directory: PathBuf,
        /// Their major version.
        found: u32,
    },
    /// The data were written by another major version.
    #[error(
        "the data in {} are of PostgreSQL {data}, and there are no binaries of that version (found: {found}). Install \
         PostgreSQL {data}, or move the directory away to begin anew",
        directory.display()
    )]
    OtherVersion {
        /// The data directory.
        directory: PathBuf,
        /// Its major version.
        data: u32,
        /// The major versions that were found.
        found: String,
    },
    /// There is no account to run it as.
    #[error(
        "PostgreSQL does not run as root, and {} is not within reach of another account. Run docmill as an ordinary user, or \
         choose a data directory below /var/lib",
        directory.display()
    )]
    Root {
        /// The directory asked for.
        directory: PathBuf,
    },
    /// A file or directory could not be made or changed.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// The last lines that it wrote.
        output: String,
    },
    /// It started and does not answer.
    #[error("the private PostgreSQL does not answer after {seconds} s; see {}", log.display())]
    Silent {
        /// How long it was waited for.
        seconds: u64,
        /// What it wrote.
        log: PathBuf,
    },
    /// It was told to stop and did not.
    #[error("the private PostgreSQL (process {pid}) does not stop")]
    Unstoppable {
        /// The process.
        pid: u32,
    },
}

impl EmbeddedError {
    pub(super) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
