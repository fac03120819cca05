//! Bytes by digest: a directory or an S3 bucket behind one contract.
//!
//! A blob belongs to a tenant and is named by the SHA-256 of its bytes, so putting it twice is putting it once, and what
//! comes back is checked against its name. Nothing is ever changed in place.
#![forbid(unsafe_code)]

mod directory;
mod error;
mod s3;

use std::path::PathBuf;

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::id::TenantId;

pub use error::BlobError;
pub use s3::S3Settings;

/// A blob store.
#[derive(Clone, Debug)]
pub enum Blobs {
    /// Files under a directory.
    Directory(directory::Directory),
    /// Objects in a bucket.
    S3(s3::S3),
}

impl Blobs {
    /// Blobs in a directory, which is made if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn directory(path: impl Into<PathBuf>) -> Result<Self, BlobError> {
        directory::Directory::open(path.into()).map(Self::Directory)
    }

    /// Blobs in a bucket. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn s3(settings: S3Settings) -> Result<Self, BlobError> {
        s3::S3::new(settings).map(Self::S3)
    }

    /// Keeps `bytes` under `digest`; a blob that is there already is left as it is.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] when `digest` is not that of `bytes`; [`BlobError::Full`]; [`BlobError::Unavailable`].
    pub async fn put(&self, tenant: TenantId, digest: Digest, bytes: Bytes) -> Result<(), BlobError> {
        let checked = hash(bytes.clone()).await?;
        if checked != digest {
            return Err(BlobError::Corrupt { digest });
        }
        match self {
            Self::Directory(directory) => directory.put(tenant, digest, bytes).await,
            Self::S3(s3) => s3.put(tenant, digest, bytes).await,
        }
    }

    /// The bytes under `digest`, checked.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::Corrupt`] when what is kept has another digest; [`BlobError::Unavailable`].
    pub async fn get(&self, tenant: TenantId, digest: Digest) -> Result<Bytes, BlobError> {
        let bytes = match self {
            Self::Directory(directory) => directory.get(tenant, digest).await,
            Self::S3(s3) => s3.get(tenant, digest).await,
        }?;
        if hash(bytes.clone()).await? == digest {
            Ok(bytes)
        } else {
            Err(BlobError::Corrupt { digest })
        }
    }

    /// Whether there is a blob under `digest`.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn exists(&self, tenant: TenantId, digest: Digest) -> Result<bool, BlobError> {
        match self {
            Self::Directory(directory) => directory.exists(tenant, digest).await,
            Self::S3(s3) => s3.exists(tenant, digest).await,
        }
    }

    /// Removes the blob, if it is there.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn delete(&self, tenant: TenantId, digest: Digest) -> Result<(), BlobError> {
        match self {
            Self::Directory(directory) => directory.delete(tenant, digest).await,
            Self::S3(s3) => s3.delete(tenant, digest).await,
        }
    }

    /// All digests of a tenant, sorted.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<Digest>, BlobError> {
        let mut digests = match self {
            Self::Directory(directory) => directory.list(tenant).await,
            Self::S3(s3) => s3.list(tenant).await,
        }?;
        digests.sort_unstable();
        Ok(digests)
    }

    /// Asks the store whether it would answer.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn ping(&self) -> Result<(), BlobError> {
        match self {
            Self::Directory(directory) => directory.ping().await,
            Self::S3(s3) => s3.ping().await,
        }
    }
}

/// Bytes that are hashed at once without leaving the async threads: about 0.1 ms.
const HASH_INLINE_BYTES: usize = 64 * 1024;

async fn hash(bytes: Bytes) -> Result<Digest, BlobError> {
    if bytes.len() <= HASH_INLINE_BYTES {
        return Ok(Digest::of(&bytes));
    }
    tokio::task::spawn_blocking(move || Digest::of(&bytes))
        .await
        .map_err(|error| BlobError::Unavailable(error.into()))
}
