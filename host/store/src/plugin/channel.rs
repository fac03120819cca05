//! Channels: names that stand for one version of a plugin at a time.

use docmill_model::id::TenantId;
use docmill_model::plugin::PluginName;
use docmill_model::registry::{ChannelName, VersionState};
use docmill_model::run::Millis;
use semver::Version;

use super::{count_change, heads, hold};
use crate::connect::Store;
use crate::convert::word;
use crate::error::StoreError;

/// Most channels of a plugin, closed ones too.
pub const MAX_CHANNELS: usize = 50;

/// A channel of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Of which plugin.
    pub plugin: PluginName,
    /// Its name.
    pub name: ChannelName,
    /// What it stands for; none: it is closed.
    pub version: Option<Version>,
    /// Since when.
    pub changed_at: Millis,
}

/// What moving a channel came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelSet {
    /// It stands where it was told to; what it stood for before.
    From(Option<Version>),
    /// Plans may not use the version.
    Refused(VersionState),
    /// The plugin has channels enough.
    TooMany,
    /// There is no such plugin, version or channel.
    Missing,
}

impl Store {
    /// Lets a channel stand for a version; none closes it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_channel(
        &self,
        tenant: TenantId,
        name: &PluginName,
        channel: &ChannelName,
        version: Option<&Version>,
    ) -> Result<ChannelSet, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let Some(held) = hold(&mut tx, tenant, name).await? else {
            return Ok(ChannelSet::Missing);
        };
        let heads = heads(&mut tx, tenant, held.id).await?;
        let known = sqlx::query!(
            "select name, version_id from docmill.plugin_channel where tenant_id = $1 and plugin_id = $2",
            tenant.uuid(),
            held.id,
        )
        .fetch_all(tx.connection())
        .await?;
        let before = known.iter().find(|row| row.name == channel.as_str());
        if before.is_none() && (version.is_none() || known.len() >= MAX_CHANNELS) {
            return Ok(match version {
                None => ChannelSet::Missing,
                Some(_) => ChannelSet::TooMany,
            });
        }
        let before = before.and_then(|row| row.version_id);
        let of = |id| heads.iter().find(|head| Some(head.id) == id);
        let was = of(before).map(|head| head.version.clone());
        let wanted = match version {
            None => None,
            Some(version) => match heads.iter().find(|head| head.version == *version) {
                None => return Ok(ChannelSet::Missing),
                Some(head) if !head.state.is_usable() => return Ok(ChannelSet::Refused(head.state)),
                Some(head) => Some(head.id),
            },
        };
        if before == wanted {
            return Ok(ChannelSet::From(was));
        }
        sqlx::query!(
            "insert into docmill.plugin_channel (tenant_id, plugin_id, name, version_id) values ($1, $2, $3, $4)
             on conflict (tenant_id, plugin_id, name)
                 do update set version_id = excluded.version_id, changed_at = now()",
            tenant.uuid(),
            held.id,
            channel.as_str(),
            wanted,
        )
        .execute(tx.connection())
        .await?;
        count_change(&mut tx, tenant, held.id).await?;
        tx.commit().await?;
        Ok(ChannelSet::From(was))
    }

    /// The channels of these plugins, by plugin and name; closed ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn channels(
        &self,
        tenant: TenantId,
        names: &[PluginName],
    ) -> Result<Vec<ChannelRow>, StoreError> {
        let names: Vec<String> = names.iter().map(PluginName::to_string).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select p.name as plugin, c.name, v.version as "version?", docmill.millis(c.changed_at) as "changed_at!"
               from docmill.plugin p
               join docmill.plugin_channel c on c.tenant_id = p.tenant_id and c.plugin_id = p.id
               left join docmill.plugin_version v on v.tenant_id = c.tenant_id and v.id = c.version_id
               where p.tenant_id = $1 and p.name = any($2)
               order by p.name, c.name"#,
            tenant.uuid(),
            &names,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| {
                Ok(ChannelRow {
                    plugin: word(&row.plugin)?,
                    name: word(&row.name)?,
                    version: row.version.as_deref().map(word).transpose()?,
                    changed_at: row.changed_at,
                })
            })
            .collect()
    }
}
