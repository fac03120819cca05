//! Blobs as files: `{root}/{tenant}/{first two digits}/{digest}`, written beside their place and linked into it, so that
//! a file under its name is whole.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;

use crate::BlobError;

/// A file that was begun this long ago is nobody's any more: other hosts may be writing theirs.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A directory of blobs.
#[derive(Clone, Debug)]
pub struct Directory {
    root: Arc<Path>,
    /// Of this process and no other, whatever their numbers are.
    writer: u64,
    writes: Arc<AtomicU64>,
    /// Shelves whose way from the root is known to be on the disk.
    shelves: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Directory {
    pub(crate) fn open(root: PathBuf) -> Result<Self, BlobError> {
        let incoming = root.join("incoming");
        fs::create_dir_all(&incoming).map_err(BlobError::io)?;
        sweep(&incoming).map_err(BlobError::io)?;
        Ok(Self {
            root: root.into(),
            writer: RandomState::new().hash_one(SystemTime::now()),
            writes: Arc::default(),
            shelves: Arc::default(),
        })
    }

    fn place(&self, tenant: TenantId, digest: Digest) -> PathBuf {
        let digest = digest.to_string();
        let shelf = digest.get(..2).unwrap_or_default().to_owned();
        self.root.join(tenant.to_string()).join(shelf).join(digest)
    }

    pub(crate) async fn put(&self, tenant: TenantId, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        let place = self.place(tenant, digest);
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let incoming = self
            .root
            .join("incoming")
            .join(format!("{digest}.{:016x}.{number}", self.writer));
        let directory = self.clone();
        blocking(move || {
            if place.try_exists()? {
                return Ok(());
            }
            let written = directory.write_whole(&incoming, &place, &bytes);
            // Whatever happened, nothing half-written stays.
            let removed = fs::remove_file(&incoming);
            written.and(removed.or_else(absent_is_fine))
        })
        .await
    }

    pub(crate) async fn get(&self, tenant: TenantId, digest: Digest) -> Result<Bytes, BlobError> {
        let place = self.place(tenant, digest);
        blocking(move || match fs::read(place) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await?
        .ok_or(BlobError::NotFound { digest })
    }

    pub(crate) async fn exists(&self, tenant: TenantId, digest: Digest) -> Result<bool, BlobError> {
        let place = self.place(tenant, digest);
        blocking(move || place.try_exists()).await
    }

    pub(crate) async fn delete(&self, tenant: TenantId, digest: Digest) -> Result<(), BlobError> {
        let place = self.place(tenant, digest);
        blocking(move || fs::remove_file(place).or_else(absent_is_fine)).await
    }

    pub(crate) async fn list(&self, tenant: TenantId) -> Result<Vec<Digest>, BlobError> {
        let shelves = self.root.join(tenant.to_string());
        blocking(move || {
            let mut digests = Vec::new();
            if !shelves.try_exists()? {
                return Ok(digests);
            }
            for shelf in fs::read_dir(shelves)? {
                for file in fs::read_dir(shelf?.path())? {
                    digests.extend(
                        file?
                            .file_name()
                            .to_str()
                            .and_then(|name| name.parse::<Digest>().ok()),
                    );
                }
            }
            Ok(digests)
        })
        .await
    }

    pub(crate) async fn ping(&self) -> Result<(), BlobError> {
        let incoming = self.root.join("incoming");
        blocking(move || fs::metadata(incoming).map(drop)).await
    }
}

impl Directory {
    fn write_whole(&self, incoming: &Path, place: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(incoming)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let shelf = place
            .parent()
            .ok_or_else(|| io::Error::other("a blob's place has a directory"))?;
        self.make(shelf)?;
        match fs::hard_link(incoming, place) {
            Ok(()) => {}
            // Somebody else was faster with the same bytes.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // A file system without hard links: renaming onto the same bytes changes nothing.
            Err(error)
                if error.kind() == io::ErrorKind::Unsupported
                    || error.kind() == io::ErrorKind::PermissionDenied =>
            {
                fs::rename(incoming, place)?;
            }
            Err(error) => return Err(error),
        }
        File::open(shelf)?.sync_all()
    }

    /// Makes the shelf, and sees to it that its name and its tenant's are on the disk: a file whose directory is lost is lost.
    fn make(&self, shelf: &Path) -> io::Result<()> {
        let lock = || self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().contains(shelf) && shelf.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(shelf)?;
        for above in shelf.ancestors().skip(1).take(2) {
            File::open(above)?.sync_all()?;
        }
        lock().insert(shelf.to_owned());
        Ok(())
    }
}

/// Removes what hosts have left half-written when they died.
fn sweep(incoming: &Path) -> io::Result<()> {
    for entry in fs::read_dir(incoming)? {
        let entry = entry?;
        // Another host may be sweeping too.
        let Ok(begun) = entry.metadata().and_then(|m| m.modified()) else {
            continue;
        };
        if begun.elapsed().is_ok_and(|age| age > ABANDONED) {
            // What stays does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BlobError::Unavailable(error.into()))?
        .map_err(BlobError::io)
}
