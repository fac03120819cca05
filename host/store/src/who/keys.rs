//! API keys: of a service, or of a user.

use std::time::Duration;

use docmill_model::access::{Clearance, Role, Scope, Scopes};
use docmill_model::id::{KeyId, TenantId, UserId};
use docmill_model::run::Millis;
use serde::Serialize;

use super::{
    KEY_PREFIX, Secret, checked_name, console, new_secret, one_at_a_time, owners, some_owner_remains,
};
use crate::Page;
use crate::connect::Store;
use crate::convert::word;
use crate::error::StoreError;
use crate::run::page_size;

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// The first characters of its text.
    pub prefix: String,
    /// Whose it is; none: a service's.
    pub user: Option<UserId>,
    /// What it may at most.
    pub role: Role,
    /// Narrower than the role; none: all that the role may.
    pub scopes: Option<Vec<String>>,
    /// What it may see.
    pub clearance: Clearance,
    /// When it was made.
    pub created_at: Millis,
    /// When it stops working by itself.
    pub expires_at: Option<Millis>,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<Millis>,
    /// The key that takes its place.
    pub rotated_to: Option<KeyId>,
    /// When it stopped working.
    pub revoked_at: Option<Millis>,
}

/// A key to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// For people.
    pub name: &'a str,
    /// Whose it is to be; none: a service's.
    pub user: Option<UserId>,
    /// What it may at most.
    pub role: Role,
    /// Narrower than the role; none: all that the role may.
    pub scopes: Option<Scopes>,
    /// What it may see.
    pub clearance: Clearance,
    /// When it stops working by itself.
    pub expires_at: Option<Millis>,
}

impl<'a> NewKey<'a> {
    /// A service's key that may do everything and does not expire.
    pub const fn of_owner(name: &'a str) -> Self {
        Self {
            name,
            user: None,
            role: Role::Owner,
            scopes: None,
            clearance: Clearance::S,
            expires_at: None,
        }
    }
}

struct Raw {
    id: uuid::Uuid,
    name: String,
    prefix: String,
    user_id: Option<uuid::Uuid>,
    role: String,
    scopes: Option<Vec<String>>,
    clearance: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    rotated_to: Option<uuid::Uuid>,
    revoked_at: Option<i64>,
}

impl TryFrom<Raw> for KeyRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            id: raw.id.into(),
            name: raw.name,
            prefix: raw.prefix,
            user: raw.user_id.map(UserId::from),
            role: word(&raw.role)?,
            scopes: raw.scopes,
            clearance: word(&raw.clearance)?,
            created_at: raw.created_at,
            expires_at: raw.expires_at,
            last_used_at: raw.last_used_at,
            rotated_to: raw.rotated_to.map(KeyId::from),
            revoked_at: raw.revoked_at,
        })
    }
}

impl Store {
    /// Makes a key for the tenant. The secret cannot be had again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such active user; when the database does not answer.
    pub async fn create_key(
        &self,
        tenant: TenantId,
        new: &NewKey<'_>,
    ) -> Result<(KeyId, Secret), StoreError> {
        let key = KeyId::new();
        let (secret, prefix, hash) = new_secret(KEY_PREFIX)?;
        let name = checked_name(new.name)?;
        if console::is_reserved(name) {
            return Err(StoreError::invalid(
                "names of keys that begin with 'console:' are given by the console alone; choose another",
            ));
        }
        let scopes: Option<Vec<String>> = new
            .scopes
            .map(|scopes| scopes.iter().map(|s| s.to_string()).collect());
        let mut tx = self.tenant(tenant).await?;
        let made = sqlx::query!(
            "insert into docmill.api_key
                 (tenant_id, id, name, prefix, secret_hash, user_id, role, scopes, clearance, expires_at)
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, docmill.time_at($10)
             where $6::uuid is null or exists (
                 select from docmill.user u where u.tenant_id = $1 and u.id = $6 and u.status = 'active')",
            tenant.uuid(),
            key.uuid(),
            name,
            prefix,
            hash.as_bytes().as_slice(),
            new.user.map(UserId::uuid),
            new.role.as_str(),
            scopes.as_deref(),
            new.clearance.as_str(),
            new.expires_at,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        match (made.rows_affected(), new.user) {
            (0, Some(user)) => Err(StoreError::not_found(format!("the active user {user}"))),
            _ => Ok((key, secret)),
        }
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
        let rows = sqlx::query_as!(
            Raw,
            r#"select id, name, prefix, user_id, role, scopes, clearance, rotated_to,
                   docmill.millis(created_at) as "created_at!", docmill.millis(expires_at) as expires_at,
                   docmill.millis(last_used_at) as last_used_at, docmill.millis(revoked_at) as revoked_at
               from docmill.api_key where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"#,
            tenant.uuid(),
            cursor.map(KeyId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let keys: Result<Vec<KeyRow>, StoreError> = rows.into_iter().map(KeyRow::try_from).collect();
        Ok(Page::of(keys?, limit, |key| key.id))
    }

    /// One key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn get_key(&self, tenant: TenantId, key: KeyId) -> Result<KeyRow, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query_as!(
            Raw,
            r#"select id, name, prefix, user_id, role, scopes, clearance, rotated_to,
                   docmill.millis(created_at) as "created_at!", docmill.millis(expires_at) as expires_at,
                   docmill.millis(last_used_at) as last_used_at, docmill.millis(revoked_at) as revoked_at
               from docmill.api_key where tenant_id = $1 and id = $2"#,
            tenant.uuid(),
            key.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the key {key}")))?;
        tx.end().await?;
        row.try_into()
    }

    /// Ends a key; tells whether it worked before. It stays listed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::LastOwner`]; when the database does not answer.
    pub async fn revoke_key(&self, tenant: TenantId, key: KeyId) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        one_at_a_time(&mut tx, tenant).await?;
        let before = owners(&mut tx).await?;
        let worked = sqlx::query_scalar!(
            r#"select revoked_at is null as "worked!" from docmill.api_key where tenant_id = $1 and id = $2"#,
            tenant.uuid(),
            key.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the key {key}")))?;
        sqlx::query!(
            "update docmill.api_key set revoked_at = now() where tenant_id = $1 and id = $2 and revoked_at is null",
            tenant.uuid(),
            key.uuid(),
        )
        .execute(tx.connection())
        .await?;
        some_owner_remains(&mut tx, before).await?;
        tx.commit().await?;
        Ok(worked)
    }

    /// Makes a key like another one, which goes on working for `overlap` and no longer. The new one lives as long as the old
    /// one was to, and not beyond `until`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::LastOwner`]; [`StoreError::Conflict`] when the old one works no more or was
    /// rotated before; when the database does not answer.
    pub async fn rotate_key(
        &self,
        tenant: TenantId,
        key: KeyId,
        overlap: Duration,
        until: Option<Millis>,
    ) -> Result<(KeyId, Secret), StoreError> {
        let new = KeyId::new();
        let (secret, prefix, hash) = new_secret(KEY_PREFIX)?;
        let overlap = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
        let mut tx = self.tenant(tenant).await?;
        one_at_a_time(&mut tx, tenant).await?;
        let before = owners(&mut tx).await?;
        let old = sqlx::query!(
            r#"select name, rotated_to, revoked_at is not null or coalesce(expires_at <= now(), false) as "ended!"
               from docmill.api_key where tenant_id = $1 and id = $2 for update"#,
            tenant.uuid(),
            key.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the key {key}")))?;
        if console::is_reserved(&old.name) {
            let what = format!("the key {key} is a session of the console; rotate the key that began it");
            return Err(StoreError::Conflict { what });
        }
        if let Some(other) = old.rotated_to.map(KeyId::from) {
            let what = format!("the key {key} was rotated before, to {other}; rotate that one");
            return Err(StoreError::Conflict { what });
        }
        if old.ended {
            let what = format!("the key {key} works no more; make a new one");
            return Err(StoreError::Conflict { what });
        }
        sqlx::query!(
            "insert into docmill.api_key
                 (tenant_id, id, name, prefix, secret_hash, user_id, role, scopes, clearance, expires_at)
             select tenant_id, $3, name, $4, $5, user_id, role, scopes, clearance,
                 least(now() + (expires_at - created_at), docmill.time_at($6))
             from docmill.api_key where tenant_id = $1 and id = $2",
            tenant.uuid(),
            key.uuid(),
            new.uuid(),
            prefix,
            hash.as_bytes().as_slice(),
            until,
        )
        .execute(tx.connection())
        .await?;
        sqlx::query!(
            "update docmill.api_key
             set rotated_to = $3, expires_at = least(expires_at, now() + $4::bigint * interval '1 millisecond')
             where tenant_id = $1 and id = $2",
            tenant.uuid(),
            key.uuid(),
            new.uuid(),
            overlap,
        )
        .execute(tx.connection())
        .await?;
        some_owner_remains(&mut tx, before).await?;
        tx.commit().await?;
        Ok((new, secret))
    }

    /// Notes that a key is in use, at most once a minute.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn touch_key(&self, tenant: TenantId, key: KeyId) -> Result<(), StoreError> {
        let mut tx = self.tenant(tenant).await?;
        sqlx::query!(
            "update docmill.api_key set last_used_at = now()
             where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < now() - interval '1 minute')",
            tenant.uuid(),
            key.uuid(),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}

impl KeyRow {
    /// Its scopes as far as this release knows them.
    pub fn known_scopes(&self) -> Option<Scopes> {
        let scopes = self.scopes.as_ref()?;
        let known: Vec<Scope> = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
        Some(Scopes::of(&known))
    }
}
