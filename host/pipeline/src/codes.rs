//! Compiled code for all hosts: made by whoever compiles a component first, kept as a blob of the tenant, found by component
//! and engine.

use bytes::Bytes;
use docmill_blob::{BlobError, Blobs};
use docmill_engine::{Fingerprint, Supply};
use docmill_model::digest::Digest;
use docmill_model::failure::Failure;
use docmill_model::id::TenantId;
use docmill_store::Store;

/// Where compiled code is kept for other hosts; cheap to clone.
#[derive(Clone)]
pub struct Codes {
    store: Store,
    blobs: Blobs,
}

impl Codes {
    /// Over what all hosts share.
    pub const fn new(store: Store, blobs: Blobs) -> Self {
        Self { store, blobs }
    }

    /// Keeps code of a component for engines of this fingerprint. Code can always be made again, so a failure is only logged.
    pub async fn keep(&self, tenant: TenantId, component: Digest, engine: Fingerprint, code: Bytes) {
        let size = code.len() as u64;
        // Hashing what may be 256 MiB is no work for a thread that serves requests.
        let hashed = code.clone();
        let Ok(digest) = tokio::task::spawn_blocking(move || Digest::of(&hashed)).await else {
            return;
        };
        // Bytes first, then the row that names them.
        if let Err(error) = self.blobs.put(tenant, digest, code).await {
            tracing::warn!(%component, %error, "compiled code is not kept for other hosts; each compiles it by itself");
            return;
        }
        let kept = self
            .store
            .keep_code(tenant, component, &engine, digest, size)
            .await;
        if let Err(error) = kept {
            tracing::warn!(%component, %error, "compiled code is not kept for other hosts; each compiles it by itself");
        }
    }

    /// Code of a component that some host kept.
    async fn find(&self, tenant: TenantId, component: Digest, engine: Fingerprint) -> Option<Bytes> {
        let digest = match self.store.code_of(tenant, component, &engine).await {
            Ok(digest) => digest?,
            Err(error) => {
                tracing::warn!(%component, %error, "compiled code of other hosts cannot be looked for");
                return None;
            }
        };
        match self.blobs.get(tenant, digest).await {
            Ok(code) => Some(code),
            Err(error) => {
                tracing::warn!(%component, %error, "compiled code of another host cannot be had; it is made anew");
                if matches!(error, BlobError::Corrupt { .. })
                    && let Err(error) = self.blobs.delete(tenant, digest).await
                {
                    // A blob is put only where none is: as long as it stays, every new host has to compile.
                    tracing::warn!(%digest, %error, "a corrupt blob of compiled code could not be removed");
                }
                None
            }
        }
    }
}

/// A tenant's component and its compiled code.
pub(crate) struct Kept<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) digest: Digest,
    pub(crate) blobs: &'a Blobs,
    /// None: every host compiles by itself.
    pub(crate) codes: Option<&'a Codes>,
}

impl Supply for Kept<'_> {
    async fn component(&self) -> Result<Bytes, Failure> {
        let component = self.blobs.get(self.tenant, self.digest).await;
        component.map_err(|error| error.failure())
    }

    async fn code(&self, engine: Fingerprint) -> Option<Bytes> {
        self.codes?.find(self.tenant, self.digest, engine).await
    }

    fn shares(&self) -> bool {
        self.codes.is_some()
    }

    async fn keep(&self, engine: Fingerprint, code: Bytes) {
        let Some(codes) = self.codes.cloned() else {
            return;
        };
        let (tenant, digest) = (self.tenant, self.digest);
        // The run that needs the plugin does not wait for it.
        tokio::spawn(async move { codes.keep(tenant, digest, engine, code).await });
    }
}
