//! People who are signed in.

use std::net::IpAddr;
use std::time::Duration;

use docmill_model::id::{KeyId, SessionId, TenantId, UserId};
use docmill_model::run::Millis;
use serde::Serialize;

use super::{SESSION_PREFIX, Secret, new_secret};
use crate::Page;
use crate::clean::text;
use crate::connect::Store;
use crate::error::StoreError;
use crate::run::page_size;

/// The longest that a session lasts.
const LONGEST: Duration = Duration::from_hours(24);
/// Sessions of one user at once; the oldest ends when there are more.
const MOST: i64 = 20;
/// Longest name of a client that is kept, in characters.
const USER_AGENT: usize = 300;

/// A session to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Who signs in.
    pub user: UserId,
    /// With which key of theirs: the session may what it may, and ends with it.
    pub key: KeyId,
    /// From where.
    pub client_ip: Option<IpAddr>,
    /// With what.
    pub user_agent: Option<&'a str>,
    /// For how long; a day at most.
    pub lasts: Duration,
}

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// From where they signed in.
    pub client_ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// When.
    pub created_at: Millis,
    /// When it ends by itself.
    pub expires_at: Millis,
    /// When it was ended.
    pub revoked_at: Option<Millis>,
}

impl Store {
    /// Signs an active user in.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such active user; when the database does not answer.
    pub async fn create_session(
        &self,
        tenant: TenantId,
        new: &NewSession<'_>,
    ) -> Result<(SessionId, Secret, Millis), StoreError> {
        let id = SessionId::new();
        let (secret, _, hash) = new_secret(SESSION_PREFIX)?;
        let lasts = i64::try_from(new.lasts.min(LONGEST).as_millis()).unwrap_or_default();
        let user_agent: Option<String> = new
            .user_agent
            .map(|agent| text(agent).chars().take(USER_AGENT).collect());
        let mut tx = self.tenant(tenant).await?;
        let expires_at = sqlx::query_scalar!(
            r#"insert into docmill.session (tenant_id, id, user_id, key_id, secret_hash, client_ip, user_agent, expires_at)
               select $1, $2, u.id, k.id, $4, $5::text::inet, $6,
                   least(now() + $7::bigint * interval '1 millisecond', k.expires_at)
               from docmill.user u join docmill.api_key k on k.tenant_id = u.tenant_id and k.user_id = u.id
               where u.tenant_id = $1 and u.id = $3 and u.status = 'active' and k.id = $8 and k.revoked_at is null
                   and (k.expires_at is null or k.expires_at > now())
               for share of u, k
               returning docmill.millis(expires_at) as "expires_at!""#,
            tenant.uuid(),
            id.uuid(),
            new.user.uuid(),
            hash.as_bytes().as_slice(),
            new.client_ip.map(|ip| ip.to_string()),
            user_agent,
            lasts,
            new.key.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the active user {} with this key", new.user)))?;
        sqlx::query!(
            "update docmill.session set revoked_at = now()
             where tenant_id = $1 and user_id = $2 and revoked_at is null and id in (
                 select s.id from docmill.session s
                 where s.tenant_id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > now()
                 order by s.id desc offset $3)",
            tenant.uuid(),
            new.user.uuid(),
            MOST,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok((id, secret, expires_at))
    }

    /// Sessions, newest first: of one user, or of all. `cursor` is the last one seen. 0 means 50 at once, more than 200
    /// means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_sessions(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        cursor: Option<SessionId>,
        limit: u32,
    ) -> Result<Page<SessionRow, SessionId>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query!(
            r#"select id, user_id, host(client_ip) as client_ip, user_agent, docmill.millis(created_at) as "created_at!",
                   docmill.millis(expires_at) as "expires_at!", docmill.millis(revoked_at) as revoked_at
               from docmill.session
               where tenant_id = $1 and ($2::uuid is null or user_id = $2) and ($3::uuid is null or id < $3)
               order by id desc limit $4"#,
            tenant.uuid(),
            user.map(UserId::uuid),
            cursor.map(SessionId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let rows = rows.into_iter().map(|row| SessionRow {
            id: row.id.into(),
            user: row.user_id.into(),
            client_ip: row.client_ip,
            user_agent: row.user_agent,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        });
        Ok(Page::of(rows.collect(), limit, |row| row.id))
    }

    /// Ends a session, of `of` alone if that is given; tells whether it went on until now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn revoke_session(
        &self,
        tenant: TenantId,
        id: SessionId,
        of: Option<UserId>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let went_on = sqlx::query_scalar!(
            r#"select revoked_at is null as "went_on!" from docmill.session
               where tenant_id = $1 and id = $2 and ($3::uuid is null or user_id = $3) for update"#,
            tenant.uuid(),
            id.uuid(),
            of.map(UserId::uuid),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the session {id}")))?;
        sqlx::query!(
            "update docmill.session set revoked_at = now() where tenant_id = $1 and id = $2 and revoked_at is null",
            tenant.uuid(),
            id.uuid(),
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(went_on)
    }
}
