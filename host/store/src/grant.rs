//! What plugins may do beyond their inputs, by tenant.

use docmill_model::grant::{Bounds, Capability, Grants};
use docmill_model::id::TenantId;
use docmill_model::plugin::{PinnedPlugin, PluginName};
use docmill_model::run::Millis;

use crate::clean::{json_text, text};
use crate::connect::Store;
use crate::convert::{foreign, word};
use crate::error::StoreError;

/// A grant that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantRow {
    /// What, and how much of it.
    pub bounds: Bounds,
    /// Who gave it, by name.
    pub granted_by: String,
    /// When.
    pub granted_at: Millis,
}

impl GrantRow {
    /// Of what.
    pub const fn capability(&self) -> Capability {
        self.bounds.capability()
    }
}

/// What a version asks for, and what it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// `namespace/name`
    pub name: PluginName,
    /// Its version.
    pub version: semver::Version,
    /// Capabilities that it imports.
    pub needs: Vec<Capability>,
    /// What its tenant granted the plugin.
    pub grants: Grants,
}

impl Store {
    /// Grants a plugin a capability, within these bounds alone; whether that changed anything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grant(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        bounds: &Bounds,
        by: &str,
    ) -> Result<bool, StoreError> {
        let capability = bounds.capability();
        let (plugin, by) = (plugin.to_string(), text(by));
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "insert into docmill.plugin_grant as g (tenant_id, plugin, capability, bounds, granted_by)
             values ($1, $2, $3, $4::text::json, $5)
             on conflict (tenant_id, plugin, capability) do update
             set bounds = excluded.bounds, granted_by = excluded.granted_by, changed_at = now(), changes = g.changes + 1
             where g.bounds::text is distinct from excluded.bounds::text",
            tenant.uuid(),
            plugin,
            capability.as_str(),
            json_text(bounds)?,
            &*by,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Withdraws a grant; whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn withdraw(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        capability: Capability,
        by: &str,
    ) -> Result<bool, StoreError> {
        let (plugin, by) = (plugin.to_string(), text(by));
        let mut tx = self.tenant(tenant).await?;
        let changed = sqlx::query!(
            "update docmill.plugin_grant
             set bounds = null, granted_by = $4, changed_at = now(), changes = changes + 1
             where tenant_id = $1 and plugin = $2 and capability = $3 and bounds is not null",
            tenant.uuid(),
            plugin,
            capability.as_str(),
            &*by,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// The grants of a plugin that hold, by capability.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn grants(&self, tenant: TenantId, plugin: &PluginName) -> Result<Vec<GrantRow>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select capability, bounds as "bounds!: sqlx::types::Json<serde_json::Value>", granted_by,
                      docmill.millis(changed_at) as "changed_at!"
               from docmill.plugin_grant
               where tenant_id = $1 and plugin = $2 and bounds is not null
               order by capability"#,
            tenant.uuid(),
            plugin.to_string(),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                Ok(GrantRow {
                    bounds: bounds(&row.capability, row.bounds.0)?,
                    granted_by: row.granted_by,
                    granted_at: row.changed_at,
                })
            })
            .collect()
    }

    /// What these versions import of what can be granted, and what is granted to their plugins. Those that import nothing of
    /// it are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn access(&self, tenant: TenantId, wanted: &[PinnedPlugin]) -> Result<Vec<Access>, StoreError> {
        let names: Vec<String> = wanted.iter().map(|plugin| plugin.name.to_string()).collect();
        let versions: Vec<String> = wanted.iter().map(|plugin| plugin.version.to_string()).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.name, v.version, i.interfaces as "interfaces!",
                      g.bounds as "bounds?: sqlx::types::Json<Vec<(String, serde_json::Value)>>"
               from unnest($2::text[], $3::text[]) w(name, version)
               join docmill.plugin p on p.tenant_id = $1 and p.name = w.name
               join docmill.plugin_version v on v.tenant_id = $1 and v.plugin_id = p.id and v.version = w.version
               cross join lateral (
                   select array_agg(x.import->>'interface') as interfaces
                   from json_array_elements(v.inspection->'imports') x(import)
                   where x.import->>'purpose' = 'capability'
               ) i
               left join lateral (
                   select json_agg(json_build_array(g.capability, g.bounds)) as bounds
                   from docmill.plugin_grant g
                   where g.tenant_id = $1 and g.plugin = p.name and g.bounds is not null
               ) g on true
               where i.interfaces is not null"#,
            tenant.uuid(),
            &names,
            &versions,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                let mut needs: Vec<Capability> = row
                    .interfaces
                    .iter()
                    .filter_map(|i| Capability::of_import(i))
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                Ok(Access {
                    name: word(&row.name)?,
                    version: word(&row.version)?,
                    needs,
                    grants: given(row.bounds.map(|bounds| bounds.0).unwrap_or_default())?,
                })
            })
            .collect()
    }
}

fn bounds(capability: &str, written: serde_json::Value) -> Result<Bounds, StoreError> {
    Bounds::read(word(capability)?, written).map_err(foreign)
}

fn given(written: Vec<(String, serde_json::Value)>) -> Result<Grants, StoreError> {
    written
        .into_iter()
        .map(|(capability, written)| bounds(&capability, written))
        .collect()
}
