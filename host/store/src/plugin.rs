//! Plugins and their versions.

use docmill_model::digest::Digest;
use docmill_model::id::{PluginId, PluginVersionId, TenantId};
use docmill_model::plugin::{Kind, Manifest, PinnedPlugin, PluginName};
use docmill_model::run::Millis;
use semver::Version;
use serde::Serialize;
use sqlx::types::Json;

use crate::Page;
use crate::clean::json_text;
use crate::connect::Store;
use crate::convert::{digest, size_in, size_out, word};
use crate::error::StoreError;
use crate::run::page_size;

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
    pub inspection: &'a serde_json::Value,
}

/// What publishing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The version's row.
    pub version_id: PluginVersionId,
    /// False: the same bytes had been published under this name and version before.
    pub created: bool,
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
    pub inspection: serde_json::Value,
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
        let (name, version) = (new.manifest.name.to_string(), new.manifest.version.to_string());
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.plugin (tenant_id, id, name, kind) values ($1, $2, $3, $4)
             on conflict (tenant_id, name) do nothing",
            tenant.uuid(),
            PluginId::new().uuid(),
            name,
            new.kind.as_str(),
        )
        .execute(tx.connection())
        .await?;
        let plugin = sqlx::query!(
            "select id, kind from docmill.plugin where tenant_id = $1 and name = $2",
            tenant.uuid(),
            name,
        )
        .fetch_one(tx.connection())
        .await?;
        if plugin.kind != new.kind.as_str() {
            let what = format!(
                "{name} is a {}; all its versions must be: publish under another name",
                plugin.kind
            );
            return Err(StoreError::Conflict { what });
        }
        let id = PluginVersionId::new();
        let inserted = sqlx::query!(
            "insert into docmill.plugin_version
                 (tenant_id, id, plugin_id, version, digest, size, manifest, inspection)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json)
             on conflict (tenant_id, plugin_id, version) do nothing",
            tenant.uuid(),
            id.uuid(),
            plugin.id,
            version,
            new.digest.as_bytes().as_slice(),
            size_out(new.size)?,
            json_text(new.manifest)?,
            json_text(new.inspection)?,
        )
        .execute(tx.connection())
        .await?;
        if inserted.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Published {
                version_id: id,
                created: true,
            });
        }
        let present = sqlx::query!(
            "select id, digest from docmill.plugin_version where tenant_id = $1 and plugin_id = $2 and version = $3",
            tenant.uuid(),
            plugin.id,
            version,
        )
        .fetch_one(tx.connection())
        .await?;
        if present.digest != new.digest.as_bytes() {
            let what = format!(
                "{name}@{version} exists with other bytes, and versions never change: raise the version"
            );
            return Err(StoreError::Conflict { what });
        }
        Ok(Published {
            version_id: present.id.into(),
            created: false,
        })
    }

    /// Plugins of the tenant with their versions, by name. `cursor` is the last name seen. 0 means 50 at once, more than
    /// 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_plugins(
        &self,
        tenant: TenantId,
        cursor: Option<&PluginName>,
        limit: u32,
    ) -> Result<Page<PluginRow, PluginName>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let names = sqlx::query_scalar!(
            "select name from docmill.plugin where tenant_id = $1 and ($2::text is null or name > $2)
             order by name limit $3",
            tenant.uuid(),
            cursor.map(PluginName::to_string),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let names = Page::of(names, limit, String::clone);
        let mut plugins: Vec<PluginRow> = Vec::new();
        for (name, kind, version) in self.versions(tenant, Some(&names.items)).await? {
            match plugins.last_mut() {
                Some(plugin) if plugin.name == name => plugin.versions.push(version),
                _ => plugins.push(PluginRow {
                    name,
                    kind,
                    summary: version.manifest.summary.clone(),
                    latest: version.version.clone(),
                    versions: vec![version],
                }),
            }
        }
        for plugin in &mut plugins {
            plugin.versions.sort_by(|a, b| b.version.cmp(&a.version));
            let stable = plugin.versions.iter().find(|v| v.version.pre.is_empty());
            if let Some(latest) = stable.or(plugin.versions.first()) {
                plugin.latest = latest.version.clone();
                plugin.summary = latest.manifest.summary.clone();
            }
        }
        Ok(Page {
            items: plugins,
            next: names.next.map(|name| word(&name)).transpose()?,
        })
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
        let mut versions: Vec<_> = self.versions(tenant, Some(&[name.to_string()])).await?;
        versions.sort_by(|(.., a), (.., b)| b.version.cmp(&a.version));
        let latest = versions
            .iter()
            .find(|(.., v)| v.version.pre.is_empty())
            .or(versions.first());
        let Some((name, kind, latest)) = latest.cloned() else {
            return Ok(None);
        };
        Ok(Some(PluginRow {
            name,
            kind,
            summary: latest.manifest.summary,
            latest: latest.version,
            versions: versions.into_iter().map(|(.., version)| version).collect(),
        }))
    }

    /// All versions of all plugins, without what they say of themselves; those of one plugin stand together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog(&self, tenant: TenantId) -> Result<Vec<PinnedPlugin>, StoreError> {
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
    ) -> Result<Vec<PinnedPlugin>, StoreError> {
        let names: Vec<String> = names.iter().map(PluginName::to_string).collect();
        self.pinnable(tenant, Some(&names)).await
    }

    async fn pinnable(
        &self,
        tenant: TenantId,
        names: Option<&[String]>,
    ) -> Result<Vec<PinnedPlugin>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            "select p.name, p.kind, v.version, v.digest
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
                Ok(PinnedPlugin {
                    name: word(&row.name)?,
                    version: word(&row.version)?,
                    digest: digest(&row.digest)?,
                    kind: word(&row.kind)?,
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
            r#"select p.name, p.kind, v.version, v.digest, v.size, v.manifest as "manifest: Json<Manifest>"
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
                })
            })
            .collect()
    }

    /// A number that grows with every plugin published, every pipeline saved, every grant and every change of the tenant's settings: while
    /// it stays, what was planned still holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revision(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        // Versions are never removed, so their number only grows. Those of presets say nothing: a definition names one.
        let revision = sqlx::query_scalar!(
            r#"select (select count(*) from docmill.plugin_version where tenant_id = $1)
                    + (select count(*) from docmill.pipeline_version where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.preset where tenant_id = $1)
                    + (select coalesce(sum(changes), 0) from docmill.plugin_grant where tenant_id = $1)
                    + (select coalesce(sum(settings_version), 0) from docmill.tenant where tenant_id = $1) as "revision!""#,
            tenant.uuid(),
        )
        .fetch_one(tx.connection())
        .await?;
        tx.end().await?;
        Ok(revision)
    }

    /// All versions, of these plugins or of all; those of one plugin stand together.
    async fn versions(
        &self,
        tenant: TenantId,
        names: Option<&[String]>,
    ) -> Result<Vec<(PluginName, Kind, VersionRow)>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.name, p.kind, v.id, v.version, v.digest, v.size, docmill.millis(v.created_at) as "created_at!",
                      v.manifest as "manifest: Json<Manifest>", v.inspection
               from docmill.plugin p
               join docmill.plugin_version v on v.tenant_id = p.tenant_id and v.plugin_id = p.id
               where p.tenant_id = $1 and ($2::text[] is null or p.name = any($2))
               order by p.name, v.id"#,
            tenant.uuid(),
            names,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let version = VersionRow {
                    id: row.id.into(),
                    version: word(&row.version)?,
                    digest: digest(&row.digest)?,
                    size: size_in(row.size),
                    created_at: row.created_at,
                    manifest: row.manifest.0,
                    inspection: row.inspection,
                };
                Ok((word(&row.name)?, word(&row.kind)?, version))
            })
            .collect()
    }
}
