//! Plugins and their versions.

use docmill_model::digest::Digest;
use docmill_model::id::{PluginVersionId, TenantId};
use docmill_model::plugin::{Kind, Manifest, PluginName};
use docmill_model::run::Millis;
use semver::Version;
use serde::Serialize;
use serde_json::Value as Json;

use crate::connect::Store;
use crate::error::StoreError;

/// A version that is about to be published.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// What the plugin says of itself; name and version are in it.
    pub manifest: &'a Manifest,
    /// What it does.
    pub kind: Kind,
    /// Of the component's bytes, which are in the blob store.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// Imports, exports and what else was seen without running it.
    pub inspection: &'a Json,
}

/// What publishing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The version's row.
    pub version_id: PluginVersionId,
    /// False: the same bytes had been published under this name and version before.
    pub created: bool,
}

/// A version that a plan may pin.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogEntry {
    /// `namespace/name`
    pub name: PluginName,
    /// Immutable.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
    /// What it does.
    pub kind: Kind,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Bytes of the component.
    pub size: u64,
}

/// A plugin with its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginRow {
    /// `namespace/name`
    pub name: PluginName,
    /// What it does.
    pub kind: Kind,
    /// Of the newest version.
    pub summary: String,
    /// The highest version, pre-releases only if there is nothing else.
    pub latest: Version,
    /// Highest first.
    pub versions: Vec<VersionRow>,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionRow {
    /// Its row.
    pub id: PluginVersionId,
    /// Immutable.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// When it was published.
    pub created_at: Millis,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Imports, exports and what else was seen without running it.
    pub inspection: Json,
}

impl Store {
    /// Records a version. The same name, version and digest again is the same version; its bytes must be in the blob
    /// store before.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the version exists with other bytes, or the plugin with another kind.
    pub async fn publish_plugin(
        &self,
        tenant: TenantId,
        new: &NewVersion<'_>,
    ) -> Result<Published, StoreError> {
        let _ = (tenant, new);
        todo!()
    }

    /// All plugins of the tenant with their versions, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_plugins(&self, tenant: TenantId) -> Result<Vec<PluginRow>, StoreError> {
        let _ = tenant;
        todo!()
    }

    /// One plugin with its versions.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_plugin(
        &self,
        tenant: TenantId,
        name: &PluginName,
    ) -> Result<Option<PluginRow>, StoreError> {
        let _ = (tenant, name);
        todo!()
    }

    /// Everything that a plan may pin.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog(&self, tenant: TenantId) -> Result<Vec<CatalogEntry>, StoreError> {
        let _ = tenant;
        todo!()
    }
}
