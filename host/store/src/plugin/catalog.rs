//! What plans may pin.

use docmill_model::digest::Digest;
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, Manifest, PinnedPlugin, PluginName};
use docmill_model::registry::VersionState;
use docmill_model::signature::Signature;
use semver::Version;
use sqlx::types::Json;

use crate::connect::Store;
use crate::convert::{digest, size_in, word};
use crate::error::StoreError;

/// A version, and whether plans may use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinnable {
    /// Name, version, digest and kind.
    pub plugin: PinnedPlugin,
    /// Where it stands.
    pub state: VersionState,
    /// A word to those who use it.
    pub note: Option<String>,
}

/// A version that a plan may pin, with what the plan is judged by.
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
    /// Of somebody who vouches for it.
    pub signature: Option<Signature>,
    /// A Sigstore bundle of somebody who does.
    pub bundle: Option<String>,
}

impl Store {
    /// All versions of all plugins, whatever their state, without what they say of themselves; those of one plugin stand
    /// together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog(&self, tenant: TenantId) -> Result<Vec<Pinnable>, StoreError> {
        self.pinnable(tenant, None).await
    }

    /// All versions of these plugins, without what they say of themselves.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog_of(
        &self,
        tenant: TenantId,
        names: &[PluginName],
    ) -> Result<Vec<Pinnable>, StoreError> {
        let names: Vec<String> = names.iter().map(PluginName::to_string).collect();
        self.pinnable(tenant, Some(&names)).await
    }

    async fn pinnable(
        &self,
        tenant: TenantId,
        names: Option<&[String]>,
    ) -> Result<Vec<Pinnable>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            "select p.name, p.kind, v.version, v.digest, v.state, v.state_note
             from docmill.plugin p
             join docmill.plugin_version v on v.tenant_id = p.tenant_id and v.plugin_id = p.id
             where p.tenant_id = $1 and ($2::text[] is null or p.name = any($2))
             order by p.name, v.id",
            tenant.uuid(),
            names,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                Ok(Pinnable {
                    plugin: PinnedPlugin {
                        name: word(&row.name)?,
                        version: word(&row.version)?,
                        digest: digest(&row.digest)?,
                        kind: word(&row.kind)?,
                    },
                    state: word(&row.state)?,
                    note: row.state_note,
                })
            })
            .collect()
    }

    /// The names of all plugins.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_names(&self, tenant: TenantId) -> Result<Vec<PluginName>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let names = sqlx::query_scalar!(
            "select name from docmill.plugin where tenant_id = $1 order by name",
            tenant.uuid(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        names.iter().map(|name| word(name)).collect()
    }

    /// These versions, with what they say of themselves.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog_entries(
        &self,
        tenant: TenantId,
        wanted: &[PinnedPlugin],
    ) -> Result<Vec<CatalogEntry>, StoreError> {
        let names: Vec<String> = wanted.iter().map(|plugin| plugin.name.to_string()).collect();
        let versions: Vec<String> = wanted.iter().map(|plugin| plugin.version.to_string()).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.name, p.kind, v.version, v.digest, v.size, v.manifest as "manifest: Json<Manifest>",
                      v.signature as "signature: Json<Signature>", v.bundle
               from unnest($2::text[], $3::text[]) w(name, version)
               join docmill.plugin p on p.tenant_id = $1 and p.name = w.name
               join docmill.plugin_version v on v.tenant_id = $1 and v.plugin_id = p.id and v.version = w.version"#,
            tenant.uuid(),
            &names,
            &versions,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                Ok(CatalogEntry {
                    name: word(&row.name)?,
                    version: word(&row.version)?,
                    digest: digest(&row.digest)?,
                    kind: word(&row.kind)?,
                    manifest: row.manifest.0,
                    size: size_in(row.size),
                    signature: row.signature.map(|signature| signature.0),
                    bundle: row.bundle,
                })
            })
            .collect()
    }

    /// A number that grows with every plugin published or moved to another state, every channel moved, every pipeline saved,
    /// every key and identity of signatures, every model and every change of the tenant's settings: while it stays, what was planned
    /// still holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revision(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        // Versions are never removed, so their number only grows. Those of presets say nothing: a definition names one.
        let revision = sqlx::query_scalar!(
            r#"select (select count(*) from docmill.plugin_version where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.plugin where tenant_id = $1)
                    + (select count(*) + count(revoked_at) from docmill.signing_key where tenant_id = $1)
                    + (select count(*) + count(revoked_at) from docmill.signing_identity where tenant_id = $1)
                    + (select count(*) from docmill.pipeline_version where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.preset where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.plugin_grant where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.model where tenant_id = $1)
                    + (select coalesce(sum(settings_version), 0) from docmill.tenant where tenant_id = $1) as "revision!""#,
            tenant.uuid(),
        )
        .fetch_one(tx.connection())
        .await?;
        tx.end().await?;
        Ok(revision)
    }
}
