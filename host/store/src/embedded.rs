//! A private PostgreSQL as a child process: what `docmill` uses when no `DATABASE_URL` is set.

use std::path::Path;

/// A running private server. Dropped, it stops cleanly; killed with its parent, it stops too.
#[derive(Debug)]
pub struct PrivateServer {
    url: String,
}

/// Why the private server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No binaries were found.
    #[error(
        "PostgreSQL 15 or newer is needed and was not found. Install it (Debian, Ubuntu: `apt-get install -y postgresql`; macOS: `brew install postgresql@17`), or set PG_BIN to the directory of its binaries, or DATABASE_URL to a server"
    )]
    Missing,
}

impl PrivateServer {
    /// Starts the server of a data directory, which is made if it is not there, or adopts the one that runs on it already.
    /// `progress` hears what takes long.
    ///
    /// # Errors
    /// When there are no binaries, or they do not start; the message says what to do.
    pub async fn start(
        data_dir: &Path,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self, EmbeddedError> {
        let _ = (data_dir, progress);
        todo!()
    }

    /// The address for [`crate::Settings`], through a Unix socket.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it cleanly, unless it was adopted.
    ///
    /// # Errors
    /// When it does not stop within a minute.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        todo!()
    }
}
