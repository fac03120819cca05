//! Plugins as they are looked at.

use std::collections::HashMap;

use docmill_model::digest::Digest;
use docmill_model::id::{PluginVersionId, TenantId};
use docmill_model::plugin::{Kind, Manifest, PluginName};
use docmill_model::registry::VersionState;
use docmill_model::run::Millis;
use docmill_model::signature::Signature;
use semver::Version;
use serde::Serialize;
use sqlx::types::Json;

use crate::Page;
use crate::clean::text;
use crate::connect::Store;
use crate::convert::{digest, size_in, word};
use crate::error::StoreError;
use crate::run::page_size;
use crate::usage::first_id_since;

/// Which plugins are listed.
#[derive(Debug, Clone, Default)]
pub struct PluginFilter {
    /// Stands in the name or in what a version says of itself, in any case.
    pub text: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// With a version in this state.
    pub state: Option<VersionState>,
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
    /// The highest version that plans may use, pre-releases only if there is nothing else; what plans may not use only if
    /// there is nothing else.
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
    /// When it was uploaded.
    pub created_at: Millis,
    /// Where it stands.
    pub state: VersionState,
    /// A word to those who use it.
    pub note: Option<String>,
    /// Since when it stands there; none: since it was uploaded.
    pub state_at: Option<Millis>,
    /// Of somebody who vouches for it.
    pub signature: Option<Signature>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Imports, exports and what else was seen without running it.
    pub inspection: serde_json::Value,
}

/// What admission found.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    /// Of the component's bytes.
    pub digest: Digest,
    /// What it does.
    pub kind: Kind,
    /// Where the version stands.
    pub state: VersionState,
    /// Null: the version was published before there were reports.
    pub report: serde_json::Value,
}

impl Store {
    /// Plugins of the tenant with their versions, by name. `cursor` is the last name seen. 0 means 50 at once, more than
    /// 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_plugins(
        &self,
        tenant: TenantId,
        filter: &PluginFilter,
        cursor: Option<&PluginName>,
        limit: u32,
    ) -> Result<Page<PluginRow, PluginName>, StoreError> {
        let limit = page_size(limit);
        let wanted = filter.text.as_deref().map(text);
        let mut tx = self.tenant(tenant).await?;
        let names = sqlx::query_scalar!(
            "select name from docmill.plugin p
             where tenant_id = $1 and ($2::text is null or name > $2) and ($5::text is null or kind = $5)
                 and ($4::text is null or position(lower($4) in name) > 0 or exists (
                     select from docmill.plugin_version v where v.tenant_id = $1 and v.plugin_id = p.id
                         and position(lower($4) in lower(v.manifest ->> 'summary')) > 0))
                 and exists (select from docmill.plugin_version v where v.tenant_id = $1 and v.plugin_id = p.id
                         and ($6::text is null or v.state = $6))
             order by name limit $3",
            tenant.uuid(),
            cursor.map(PluginName::to_string),
            i64::from(limit) + 1,
            wanted.as_deref(),
            filter.kind.map(Kind::as_str),
            filter.state.map(VersionState::as_str),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let names = Page::of(names, limit, String::clone);
        let mut plugins: Vec<PluginRow> = Vec::new();
        for (name, kind, version) in self.versions(tenant, &names.items).await? {
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
        plugins.iter_mut().for_each(PluginRow::sort);
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
        let mut versions = self.versions(tenant, &[name.to_string()]).await?.into_iter();
        let Some((name, kind, first)) = versions.next() else {
            return Ok(None);
        };
        let mut row = PluginRow {
            name,
            kind,
            summary: first.manifest.summary.clone(),
            latest: first.version.clone(),
            versions: vec![first],
        };
        row.versions.extend(versions.map(|(.., version)| version));
        row.sort();
        Ok(Some(row))
    }

    /// What the admission of a version found.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn version_report(
        &self,
        tenant: TenantId,
        name: &PluginName,
        version: &Version,
    ) -> Result<Option<ReportRow>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            "select v.digest, p.kind, v.state, v.report
             from docmill.plugin p
             join docmill.plugin_version v on v.tenant_id = p.tenant_id and v.plugin_id = p.id
             where p.tenant_id = $1 and p.name = $2 and v.version = $3",
            tenant.uuid(),
            name.to_string(),
            version.to_string(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        row.map(|row| {
            Ok(ReportRow {
                digest: digest(&row.digest)?,
                kind: word(&row.kind)?,
                state: word(&row.state)?,
                report: row.report.unwrap_or_default(),
            })
        })
        .transpose()
    }

    /// How often each of these plugins was called by runs since then, in all its versions; one that was not is left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn calls_of_plugins(
        &self,
        tenant: TenantId,
        names: &[PluginName],
        since: Millis,
    ) -> Result<HashMap<String, u64>, StoreError> {
        let names: Vec<String> = names.iter().map(PluginName::to_string).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select split_part(u.plugin, '@', 1) as "name!", sum(u.calls)::bigint as "calls!"
               from docmill.usage_entry u
               where u.tenant_id = $1 and u.run_id >= $2 and u.at >= docmill.time_at($3)
                   and split_part(u.plugin, '@', 1) = any($4)
               group by 1"#,
            tenant.uuid(),
            first_id_since(since),
            since,
            &names,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.name, size_in(row.calls)))
            .collect())
    }

    /// All versions of these plugins; those of one plugin stand together.
    async fn versions(
        &self,
        tenant: TenantId,
        names: &[String],
    ) -> Result<Vec<(PluginName, Kind, VersionRow)>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.name, p.kind, v.id, v.version, v.digest, v.size, docmill.millis(v.created_at) as "created_at!",
                      v.state, v.state_note, docmill.millis(v.state_at) as state_at, v.signature as "signature: Json<Signature>",
                      v.manifest as "manifest: Json<Manifest>", v.inspection
               from docmill.plugin p
               join docmill.plugin_version v on v.tenant_id = p.tenant_id and v.plugin_id = p.id
               where p.tenant_id = $1 and p.name = any($2)
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
                    state: word(&row.state)?,
                    note: row.state_note,
                    state_at: row.state_at,
                    signature: row.signature.map(|signature| signature.0),
                    manifest: row.manifest.0,
                    inspection: row.inspection,
                };
                Ok((word(&row.name)?, word(&row.kind)?, version))
            })
            .collect()
    }
}

impl PluginRow {
    /// Highest version first, and the newest of those that may be used told apart.
    fn sort(&mut self) {
        self.versions.sort_by(|a, b| b.version.cmp(&a.version));
        let rank = |v: &&VersionRow| (v.state.is_usable(), v.version.pre.is_empty(), v.version.clone());
        if let Some(latest) = self.versions.iter().max_by_key(rank) {
            self.latest = latest.version.clone();
            self.summary = latest.manifest.summary.clone();
        }
    }
}
