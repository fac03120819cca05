//! Tenants, keys and the audit log.

mod settings;

use std::fmt;
use std::net::IpAddr;

use docmill_model::digest::Digest;
use docmill_model::id::{AuditId, KeyId, RequestId, TenantId};
use docmill_model::run::Millis;
use serde::Serialize;

use crate::Page;
use crate::clean::{json, text};
use crate::connect::{Store, again_if_cut};
use crate::error::StoreError;
use crate::run::page_size;

pub use settings::{TenantChange, TenantRow};

/// A key's secret part. Shown once; the database has its SHA-256 only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text that clients send as `Authorization: Bearer …`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the first start made.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The first tenant.
    pub tenant: TenantId,
    /// Its first key.
    pub key: KeyId,
    /// To be shown now: it cannot be had again.
    pub secret: Secret,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Owns whatever the caller sees.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// IANA name, for times that people write and read.
    pub timezone: String,
    /// BCP 47; its language is that of messages for which nobody asks in another.
    pub locale: String,
    /// Which key.
    pub key: KeyId,
    /// The key's name.
    pub name: String,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// The first characters of its text.
    pub prefix: String,
    /// When it was made.
    pub created_at: Millis,
    /// When it stopped working.
    pub revoked_at: Option<Millis>,
}

/// A line of the audit log. Names things and digests, never values.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// `pipeline.save`, `plugin.publish`, `key.create`
    pub action: &'a str,
    /// The id or name of what was acted on.
    pub subject: &'a str,
    /// Which key acted; none: the platform.
    pub key: Option<KeyId>,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
    /// More: versions, digests.
    pub detail: serde_json::Value,
}

/// What the text of every key begins with, so that scanners for leaked secrets know it.
const SECRET_PREFIX: &str = "dm_";

/// A new secret of 256 random bits, its prefix for people and its hash for the database.
fn new_secret() -> Result<(Secret, String, Digest), StoreError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| StoreError::Unavailable {
        reason: format!("the system gives no random bytes: {error}"),
    })?;
    let text = format!("{SECRET_PREFIX}{}", hex::encode(random));
    let prefix = text.chars().take(SECRET_PREFIX.len() + 8).collect();
    let hash = Digest::of(text.as_bytes());
    Ok((Secret(text), prefix, hash))
}

impl Store {
    /// At the first start: makes a tenant called `name` and a key for it. None if there is a tenant already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bootstrap(&self, name: &str) -> Result<Option<Bootstrap>, StoreError> {
        let (tenant, key) = (TenantId::new(), KeyId::new());
        let (secret, prefix, hash) = new_secret()?;
        let made = sqlx::query_scalar!(
            r#"select docmill.bootstrap($1, $2, $3, 'bootstrap', $4, $5) as "made!""#,
            tenant.uuid(),
            checked_name(name)?,
            key.uuid(),
            prefix,
            hash.as_bytes().as_slice(),
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        Ok(made.then_some(Bootstrap { tenant, key, secret }))
    }

    /// Whose secret this is; none if it is nobody's or was revoked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Caller>, StoreError> {
        if !secret.starts_with(SECRET_PREFIX) {
            return Ok(None);
        }
        // Compared by hash: how long it takes tells nothing of the secret.
        let hash = Digest::of(secret.as_bytes());
        let ask = || async {
            sqlx::query!(
                r#"select tenant_id as "tenant_id!", tenant_name as "tenant_name!", timezone as "timezone!",
                      locale as "locale!", key_id as "key_id!", key_name as "key_name!"
               from docmill.authenticate($1)"#,
                hash.as_bytes().as_slice(),
            )
            .fetch_optional(&mut self.line().await?)
            .await
        };
        let row = again_if_cut(ask).await?;
        Ok(row.map(|row| Caller {
            tenant: row.tenant_id.into(),
            tenant_name: row.tenant_name,
            timezone: row.timezone,
            locale: row.locale,
            key: row.key_id.into(),
            name: row.key_name,
        }))
    }

    /// Makes a key for the tenant. The secret cannot be had again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_key(&self, tenant: TenantId, name: &str) -> Result<(KeyId, Secret), StoreError> {
        let key = KeyId::new();
        let (secret, prefix, hash) = new_secret()?;
        let name = checked_name(name)?;
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.api_key (tenant_id, id, name, prefix, secret_hash) values ($1, $2, $3, $4, $5)",
            tenant.uuid(),
            key.uuid(),
            name,
            prefix,
            hash.as_bytes().as_slice(),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok((key, secret))
    }

    /// The tenant's keys, newest first. `cursor` is the last key seen. 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_keys(
        &self,
        tenant: TenantId,
        cursor: Option<KeyId>,
        limit: u32,
    ) -> Result<Page<KeyRow, KeyId>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select id, name, prefix, docmill.millis(created_at) as "created_at!", docmill.millis(revoked_at) as revoked_at
               from docmill.api_key where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"#,
            tenant.uuid(),
            cursor.map(KeyId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let key = rows.into_iter().map(|row| KeyRow {
            id: row.id.into(),
            name: row.name,
            prefix: row.prefix,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        });
        Ok(Page::of(key.collect(), limit, |key| key.id))
    }

    /// Ends a key. It stays listed; ending it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<(), StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "update docmill.api_key set revoked_at = coalesce(revoked_at, now()) where tenant_id = $1 and id = $2",
            tenant.uuid(),
            key.uuid(),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(format!("the key {key}")));
        }
        Ok(())
    }

    /// The tenants' ids and names: for the command line on the same machine, which acts without a key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<(TenantId, String)>, StoreError> {
        let rows =
            sqlx::query!(r#"select tenant_id as "tenant_id!", name as "name!" from docmill.tenants()"#)
                .fetch_all(&mut self.line().await?)
                .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.tenant_id.into(), row.name))
            .collect())
    }

    /// Writes a line to the tenant's audit log. Finished runs write theirs themselves.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(&self, tenant: TenantId, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "insert into docmill.audit_entry (tenant_id, id, at, action, subject, key_id, client_ip, request_id, detail)
             values ($1, $2, now(), $3, $4, $5, $6::text::inet, $7, $8)",
            tenant.uuid(),
            AuditId::new().uuid(),
            entry.action,
            &*text(entry.subject),
            entry.key.map(KeyId::uuid),
            entry.client_ip.map(|ip| ip.to_string()),
            entry.request.map(RequestId::uuid),
            json(&entry.detail),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}

fn checked_name(name: &str) -> Result<&str, StoreError> {
    if name.contains('\0') || !(1..=200).contains(&name.chars().count()) {
        return Err(StoreError::invalid(
            "a name has 1 to 200 characters, none of them U+0000",
        ));
    }
    Ok(name)
}
