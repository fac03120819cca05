//! Publishing a version.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::TenantId;
use docmill_model::plugin::{PinnedPlugin, PluginName};
use docmill_store::StoreError;
use docmill_store::plugin::NewVersion;
use semver::{BuildMetadata, Version};

use crate::examine::{Examined, Sound, examine};
use crate::{Registry, Report};

/// A version that pipelines may use now.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Name, version, digest and kind.
    pub plugin: PinnedPlugin,
    /// False: the same bytes had been published under this name and version before.
    pub created: bool,
    /// What was checked.
    pub report: Report,
}

/// Why a component was not published.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The first rule that does not hold.
    pub failure: Failure,
    /// Everything that was checked.
    pub report: Report,
}

impl Registry {
    /// Checks a component and publishes it under the name and version that it gives itself; these must be `expected` if
    /// that is given.
    ///
    /// # Errors
    /// The first rule that does not hold, with the report; [`Code::VersionExists`]; what blobs and store say.
    pub async fn publish(
        &self,
        tenant: TenantId,
        expected: Option<(PluginName, Version)>,
        component: Bytes,
    ) -> Result<Publication, Refusal> {
        let Examined { mut report, result } = examine(&self.engine, component.clone()).await;
        let refuse = |failure: Failure, report: Report| Refusal { failure, report };
        let sound = match result {
            Ok(sound) => sound,
            Err(failure) => return Err(refuse(failure, report)),
        };
        let manifest = &sound.manifest;
        if let Some((name, version)) = expected.filter(|(n, v)| *n != manifest.name || *v != manifest.version)
        {
            let said = format!(
                "the component calls itself {}@{}, but is published as {name}@{version}; these must be equal",
                manifest.name, manifest.version
            );
            report.fail("version", &said);
            return Err(refuse(Failure::new(Code::InvalidComponent, said), report.close()));
        }
        self.finish(tenant, sound, report, component).await
    }

    /// Publishes what a developer has just built, under the version that it gives itself and a mark of the time:
    /// `1.2.0+dev.1795229591120`. Versions stay what they were, and the newest build is the greatest, so a step that says
    /// `@1` takes it at once. The same bytes as the greatest version are not published again.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_development(
        &self,
        tenant: TenantId,
        component: Bytes,
    ) -> Result<Publication, Refusal> {
        let Examined { report, result } = examine(&self.engine, component.clone()).await;
        let refuse = |failure: Failure, report: Report| Refusal { failure, report };
        let mut sound = match result {
            Ok(sound) => sound,
            Err(failure) => return Err(refuse(failure, report)),
        };
        let name = std::slice::from_ref(&sound.manifest.name);
        let entries = match self.store.catalog_of(tenant, name).await {
            Ok(entries) => entries,
            Err(error) => return Err(refuse(error.failure(), report)),
        };
        let newest = entries.into_iter().max_by(|a, b| a.version.cmp(&b.version));
        if let Some(plugin) = newest.filter(|e| e.digest == sound.digest) {
            return Ok(Publication {
                plugin,
                created: false,
                report,
            });
        }
        match BuildMetadata::new(&format!("dev.{}", milliseconds())) {
            Ok(mark) => sound.manifest.version.build = mark,
            Err(error) => {
                let said = format!("the version cannot be marked: {error}");
                return Err(refuse(Failure::new(Code::Internal, said), report));
            }
        }
        self.finish(tenant, sound, report, component).await
    }

    async fn finish(
        &self,
        tenant: TenantId,
        sound: Sound,
        report: Report,
        component: Bytes,
    ) -> Result<Publication, Refusal> {
        match self.keep(tenant, &sound, component).await {
            Ok(created) => Ok(Publication {
                plugin: PinnedPlugin {
                    name: sound.manifest.name,
                    version: sound.manifest.version,
                    digest: sound.digest,
                    kind: sound.kind,
                },
                created,
                report,
            }),
            Err(failure) => Err(Refusal { failure, report }),
        }
    }

    /// Bytes first, then the row that names them.
    async fn keep(&self, tenant: TenantId, sound: &Sound, component: Bytes) -> Result<bool, Failure> {
        let size = component.len() as u64;
        let put = self.blobs.put(tenant, sound.digest, component);
        put.await.map_err(|e| e.failure())?;
        let version = NewVersion {
            manifest: &sound.manifest,
            kind: sound.kind,
            digest: sound.digest,
            size,
            inspection: &sound.inspection,
        };
        let published = self
            .store
            .publish_plugin(tenant, &version)
            .await
            .map_err(|error| match error {
                StoreError::Conflict { what } => Failure::new(Code::VersionExists, what),
                other => other.failure(),
            })?;
        tracing::info!(
            plugin.name = %sound.manifest.name,
            plugin.version = %sound.manifest.version,
            plugin.digest = sound.digest.short(),
            created = published.created,
            "a plugin was published"
        );
        Ok(published.created)
    }
}

fn milliseconds() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis()
}
