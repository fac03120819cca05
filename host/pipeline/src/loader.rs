//! From a pinned plugin to one that can be called: memory, compiled code on disk, blobs.

use docmill_blob::Blobs;
use docmill_engine::{Engine, Plugin};
use docmill_model::digest::Digest;
use docmill_model::failure::Failure;
use docmill_model::id::TenantId;
use docmill_model::plugin::PinnedPlugin;

use crate::codes::{Codes, Kept};

/// Bytes of mapped code that are kept ready; pages of it that nobody runs are the system's to take.
const CODE_BYTES: u64 = 1 << 30;
/// What a loaded plugin takes beside its code: types, tables of imports, names. Measured over a thousand small ones.
const BESIDE_CODE: u64 = 64 << 10;

/// Gives plugins; cheap to clone.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    blobs: Blobs,
    codes: Option<Codes>,
    ready: moka::future::Cache<(TenantId, Digest), Plugin>,
}

impl Loader {
    /// Over an engine and the store of components. Every host compiles for itself, unless there are [`Codes`].
    pub fn new(engine: Engine, blobs: Blobs) -> Self {
        let ready = moka::future::Cache::builder()
            .max_capacity(CODE_BYTES)
            .weigher(|_, plugin: &Plugin| {
                u32::try_from(plugin.code_bytes().saturating_add(BESIDE_CODE)).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            engine,
            blobs,
            codes: None,
            ready,
        }
    }

    /// The same, which takes compiled code from other hosts and gives them its own.
    #[must_use]
    pub fn sharing(mut self, codes: Codes) -> Self {
        self.codes = Some(codes);
        self
    }

    /// Where components are kept.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Where compiled code is kept for other hosts, if it is.
    pub fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref()
    }

    /// The plugin, loaded.
    ///
    /// # Errors
    /// When its component cannot be had or does not compile.
    pub async fn plugin(&self, tenant: TenantId, pinned: &PinnedPlugin) -> Result<Plugin, Failure> {
        let key = (tenant, pinned.digest);
        if let Some(plugin) = self.ready.get(&key).await {
            return Ok(plugin);
        }
        let kept = Kept {
            tenant,
            digest: pinned.digest,
            blobs: &self.blobs,
            codes: self.codes.as_ref(),
        };
        let plugin = self.engine.load_from(pinned.digest, &kept).await?;
        self.ready.insert(key, plugin.clone()).await;
        Ok(plugin)
    }
}
