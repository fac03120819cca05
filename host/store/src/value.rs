//! Values that plugins keep between their calls. Each plugin has keys of its own in each tenant.

use std::collections::BTreeMap;

use docmill_model::id::TenantId;
use docmill_model::plugin::PluginName;

use crate::connect::Store;
use crate::convert::{foreign, size_in, size_out};
use crate::error::StoreError;
use crate::tenant::TenantTx;

/// Most keys of one answer to [`Store::value_keys`].
pub const KEYS_PER_PAGE: usize = 1_000;

/// What a plugin may keep.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Keys.
    pub keys: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
}

/// What a plugin keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Keys.
    pub keys: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// Done.
    Done(T),
    /// It would keep so much, which is more than its quota. Nothing was written.
    Full(Held),
}

/// Where a page of keys begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Behind this key.
    After(String),
    /// Behind so many.
    Skip(u64),
}

impl Store {
    /// The values of these keys; what is not there is left out, and of one with more than `most` bytes that it is there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn values(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        keys: &[String],
        most: u64,
    ) -> Result<BTreeMap<String, Option<Vec<u8>>>, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            "select key, case when octet_length(value) <= $4 then value end as value
             from docmill.plugin_value where tenant_id = $1 and plugin = $2 and key = any($3)",
            tenant.uuid(),
            plugin.to_string(),
            &keys as &[&[u8]],
            i32::try_from(most).unwrap_or(i32::MAX),
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        rows.into_iter()
            .map(|row| Ok((text(row.key)?, row.value)))
            .collect()
    }

    /// Keys that begin with one of these prefixes, in the order of their bytes; at most [`KEYS_PER_PAGE`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn value_keys(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        prefixes: &[String],
        start: &Start,
    ) -> Result<Vec<String>, StoreError> {
        let prefixes: Vec<&[u8]> = prefixes.iter().map(String::as_bytes).collect();
        let (after, skip) = match start {
            Start::After(key) => (key.as_bytes(), 0),
            // A guest says how many; behind more than there can be, there is nothing.
            Start::Skip(keys) => (&[][..], i64::try_from(*keys).unwrap_or(i64::MAX)),
        };
        let mut tx = self.tenant(tenant).await?;
        let keys = sqlx::query_scalar!(
            "select key from docmill.plugin_value v
             where tenant_id = $1 and plugin = $2 and key > $3
               and exists (select from unnest($4::bytea[]) p(x) where substring(v.key for octet_length(x)) = x)
             order by key offset $5 limit $6",
            tenant.uuid(),
            plugin.to_string(),
            after,
            &prefixes as &[&[u8]],
            skip,
            size_out(KEYS_PER_PAGE as u64)?,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        keys.into_iter().map(text).collect()
    }

    /// Keeps these values, all or none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_values(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        values: &BTreeMap<String, Vec<u8>>,
        quota: Quota,
    ) -> Result<Written<()>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let held = hold(&mut tx, tenant, plugin).await?;
        let put = put(&mut tx, tenant, plugin, held, values, quota).await?;
        if put == Written::Done(()) {
            tx.commit().await?;
        }
        Ok(put)
    }

    /// Removes these keys; how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_values(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        keys: &[String],
    ) -> Result<u64, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
        let mut tx = self.tenant(tenant).await?;
        let held = hold(&mut tx, tenant, plugin).await?;
        let gone = sqlx::query!(
            r#"select keys as "keys!", bytes as "bytes!" from docmill.forget_values($1, $2)"#,
            plugin.to_string(),
            &keys as &[&[u8]],
        )
        .fetch_one(tx.connection())
        .await?;
        let left = Held {
            keys: held.keys.saturating_sub(size_in(gone.keys)),
            bytes: held.bytes.saturating_sub(size_in(gone.bytes)),
        };
        count(&mut tx, tenant, plugin, left).await?;
        tx.commit().await?;
        Ok(size_in(gone.keys))
    }

    /// Changes one value by what `change` makes of it, with nobody in between; none from `change` leaves it as it is. What
    /// `change` said is returned.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn change_value<T>(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        key: &str,
        quota: Quota,
        change: impl FnOnce(Option<&[u8]>) -> (Option<Vec<u8>>, T) + Send,
    ) -> Result<Written<T>, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let held = hold(&mut tx, tenant, plugin).await?;
        let before = sqlx::query_scalar!(
            "select value from docmill.plugin_value where tenant_id = $1 and plugin = $2 and key = $3",
            tenant.uuid(),
            plugin.to_string(),
            key.as_bytes(),
        )
        .fetch_optional(tx.connection())
        .await?;
        let (after, said) = change(before.as_deref());
        let Some(after) = after else {
            return Ok(Written::Done(said));
        };
        let values = BTreeMap::from([(key.to_owned(), after)]);
        Ok(match put(&mut tx, tenant, plugin, held, &values, quota).await? {
            Written::Done(()) => {
                tx.commit().await?;
                Written::Done(said)
            }
            Written::Full(held) => Written::Full(held),
        })
    }

    /// How much a plugin keeps.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn values_held(&self, tenant: TenantId, plugin: &PluginName) -> Result<Held, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            "select keys, bytes from docmill.plugin_store where tenant_id = $1 and plugin = $2",
            tenant.uuid(),
            plugin.to_string(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        Ok(row.map_or_else(Held::default, |row| Held {
            keys: size_in(row.keys),
            bytes: size_in(row.bytes),
        }))
    }

    /// Removes all that a plugin keeps; how much it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn clear_values(&self, tenant: TenantId, plugin: &PluginName) -> Result<Held, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let held = hold(&mut tx, tenant, plugin).await?;
        sqlx::query!(
            r#"select keys as "keys!" from docmill.forget_values($1, null)"#,
            plugin.to_string(),
        )
        .fetch_one(tx.connection())
        .await?;
        count(&mut tx, tenant, plugin, Held::default()).await?;
        tx.commit().await?;
        Ok(held)
    }
}

fn text(key: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(key).map_err(foreign)
}

/// Locks the plugin's count until the end of the transaction: writers of one plugin take turns, so that what is counted is right.
async fn hold(tx: &mut TenantTx, tenant: TenantId, plugin: &PluginName) -> Result<Held, StoreError> {
    let plugin = plugin.to_string();
    sqlx::query!(
        "insert into docmill.plugin_store (tenant_id, plugin) values ($1, $2) on conflict do nothing",
        tenant.uuid(),
        plugin,
    )
    .execute(tx.connection())
    .await?;
    let row = sqlx::query!(
        "select keys, bytes from docmill.plugin_store where tenant_id = $1 and plugin = $2 for update",
        tenant.uuid(),
        plugin,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(Held {
        keys: size_in(row.keys),
        bytes: size_in(row.bytes),
    })
}

async fn count(
    tx: &mut TenantTx,
    tenant: TenantId,
    plugin: &PluginName,
    held: Held,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update docmill.plugin_store set keys = $3, bytes = $4 where tenant_id = $1 and plugin = $2",
        tenant.uuid(),
        plugin.to_string(),
        size_out(held.keys)?,
        size_out(held.bytes)?,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes values, if what is kept then is within the quota. What there was before is `held`, whose row is locked.
async fn put(
    tx: &mut TenantTx,
    tenant: TenantId,
    plugin: &PluginName,
    held: Held,
    values: &BTreeMap<String, Vec<u8>>,
    quota: Quota,
) -> Result<Written<()>, StoreError> {
    let (keys, bodies): (Vec<&[u8]>, Vec<&[u8]>) = values
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_slice()))
        .unzip();
    let replaced = sqlx::query!(
        r#"select count(*) as "keys!",
                  coalesce(sum(octet_length(key) + octet_length(value)), 0)::bigint as "bytes!"
           from docmill.plugin_value where tenant_id = $1 and plugin = $2 and key = any($3)"#,
        tenant.uuid(),
        plugin.to_string(),
        &keys as &[&[u8]],
    )
    .fetch_one(tx.connection())
    .await?;
    let added: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
    let then = Held {
        keys: (held.keys + values.len() as u64).saturating_sub(size_in(replaced.keys)),
        bytes: (held.bytes + added as u64).saturating_sub(size_in(replaced.bytes)),
    };
    // A smaller value is taken where a quota was narrowed: otherwise nothing could ever be made smaller.
    let grows = then.keys > held.keys || then.bytes > held.bytes;
    if grows && (then.keys > quota.keys || then.bytes > quota.bytes) {
        return Ok(Written::Full(then));
    }
    sqlx::query!(
        "insert into docmill.plugin_value as v (tenant_id, plugin, key, value)
         select $1, $2, x.key, x.value from unnest($3::bytea[], $4::bytea[]) x(key, value)
         on conflict (tenant_id, plugin, key) do update set value = excluded.value, changed_at = now()",
        tenant.uuid(),
        plugin.to_string(),
        &keys as &[&[u8]],
        &bodies as &[&[u8]],
    )
    .execute(tx.connection())
    .await?;
    count(tx, tenant, plugin, then).await?;
    Ok(Written::Done(()))
}
