//! Installing the components that come inside the binary: at every start, so it must cost nothing when nothing changed.

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::failure::Failure;
use docmill_model::id::TenantId;
use docmill_model::plugin::PinnedPlugin;
use tokio::task::JoinSet;

use crate::{Author, Refusal, Registry, Upload};

/// Components that are compiled at once.
const AT_ONCE: usize = 2;

/// What became of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// Name, version, digest and kind.
    pub plugin: PinnedPlugin,
    /// False: it was there already, and nothing was done.
    pub new: bool,
}

impl Registry {
    /// Publishes the components that the tenant does not have yet, told by their digests. In the order given.
    ///
    /// # Errors
    /// The first that is refused; those before it stay published, and the same call again goes on from there.
    pub async fn install_first_party(
        &self,
        tenant: TenantId,
        components: &[Bytes],
    ) -> Result<Vec<Installed>, Failure> {
        let catalog = self.store.catalog(tenant).await.map_err(|e| e.failure())?;
        let mut installed: Vec<Option<Installed>> = vec![None; components.len()];
        let mut missing = Vec::new();
        for (index, component) in components.iter().enumerate() {
            let digest = Digest::of(component);
            let known = catalog
                .iter()
                .map(|entry| &entry.plugin)
                .find(|entry| entry.digest == digest);
            // A database that was restored without its blobs gets them again.
            let kept = known.is_some() && self.blobs.exists(tenant, digest).await.map_err(|e| e.failure())?;
            match (known.filter(|_| kept), installed.get_mut(index)) {
                (Some(entry), Some(slot)) => {
                    *slot = Some(Installed {
                        plugin: entry.clone(),
                        new: false,
                    });
                }
                _ => missing.push((index, component.clone())),
            }
        }
        let mut missing = missing.into_iter();
        let mut working = JoinSet::new();
        let start = |working: &mut JoinSet<_>, next: Option<(usize, Bytes)>| {
            if let Some((index, component)) = next {
                let registry = self.clone();
                working.spawn(async move {
                    let upload = Upload::bare(component);
                    let author = Author::operator(tenant);
                    (index, registry.publish(&author, None, upload).await)
                });
            }
        };
        for _ in 0..AT_ONCE {
            start(&mut working, missing.next());
        }
        while let Some(done) = working.join_next().await {
            let (index, result) = done.map_err(|error| {
                tracing::error!(%error, "installing a component panicked");
                Failure::new(
                    docmill_model::failure::Code::Internal,
                    "installing a component panicked",
                )
            })?;
            let publication = result.map_err(|Refusal { failure, .. }| failure)?;
            if let Some(slot) = installed.get_mut(index) {
                *slot = Some(Installed {
                    plugin: publication.plugin,
                    new: true,
                });
            }
            start(&mut working, missing.next());
        }
        Ok(installed.into_iter().flatten().collect())
    }
}
