//! The data directory: database, blobs, compiled code, and two secrets that only the owner may read.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use docmill_model::digest::Digest;

/// The file of the first API key, in the data directory.
pub const API_KEY: &str = "api.key";

/// The data directory.
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes it if it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| {
            format!(
                "cannot make the data directory {} (setting: data_dir)",
                path.display()
            )
        })?;
        Ok(Self(path.canonicalize()?))
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The key that signs compiled code; made at the first start.
    pub fn platform_key(&self) -> Result<[u8; 32]> {
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh)
            .map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
        let text = self.secret("platform.key", || Digest::from_bytes(fresh).to_string())?;
        let key: Digest = text
            .trim()
            .parse()
            .context("platform.key in the data directory is damaged; remove it to make a new one")?;
        Ok(*key.as_bytes())
    }

    /// The API key of this machine's owner, if there is one.
    pub fn key(&self) -> Result<Option<String>> {
        match fs::read_to_string(self.path(API_KEY)) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot read api.key in the data directory"),
        }
    }

    /// Keeps the API key of this machine's owner.
    pub fn keep_key(&self, secret: &str) -> Result<()> {
        let path = self.path(API_KEY);
        fs::remove_file(&path).or_else(|e| {
            if e.kind() == std::io::ErrorKind::NotFound {
                Ok(())
            } else {
                Err(e)
            }
        })?;
        self.secret(API_KEY, || secret.to_owned()).map(drop)
    }

    /// The content of a file that only the owner can read; whoever comes first decides what it is.
    fn secret(&self, name: &str, fresh: impl FnOnce() -> String) -> Result<String> {
        let path = self.path(name);
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(mut file) => {
                let text = fresh();
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                Ok(text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(fs::read_to_string(&path)?),
            Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
    }
}
