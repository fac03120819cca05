//! From a pinned plugin to one that can be called: memory, compiled code on disk, blobs.

use docmill_blob::Blobs;
use docmill_engine::{Engine, Plugin};
use docmill_model::digest::Digest;
use docmill_model::failure::Failure;
use docmill_model::id::TenantId;
use docmill_model::plugin::PinnedPlugin;

/// Bytes of mapped code that are kept ready; pages of it that nobody runs are the system's to take.
const CODE_BYTES: u64 = 1 << 30;

/// Gives plugins; cheap to clone.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    blobs: Blobs,
    ready: moka::future::Cache<(TenantId, Digest), Plugin>,
}

impl Loader {
    /// Over an engine and the store of components.
    pub fn new(engine: Engine, blobs: Blobs) -> Self {
        let ready = moka::future::Cache::builder()
            .max_capacity(CODE_BYTES)
            .weigher(|_, plugin: &Plugin| u32::try_from(plugin.code_bytes()).unwrap_or(u32::MAX))
            .build();
        Self { engine, blobs, ready }
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
        let blobs = self.blobs.clone();
        let component = move || async move {
            blobs
                .get(tenant, pinned.digest)
                .await
                .map_err(|error| error.failure())
        };
        let plugin = self.engine.load(pinned.digest, component).await?;
        self.ready.insert(key, plugin.clone()).await;
        Ok(plugin)
    }
}
