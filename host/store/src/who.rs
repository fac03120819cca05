//! Tenants, users, their sessions, keys, and the audit log.

mod console;
mod keys;
mod people;
mod quotas;
mod sessions;
mod settings;
mod users;

use std::fmt;
use std::net::IpAddr;

use docmill_model::access::{Clearance, Role, Scope, Scopes};
use docmill_model::digest::Digest;
use docmill_model::id::{AuditId, KeyId, RequestId, SessionId, TenantId, UserId};
use docmill_model::run::Millis;

use crate::clean::{json, text};
use crate::connect::{Store, again_if_cut};
use crate::convert::word;
use crate::error::StoreError;
use crate::tenant::TenantTx;

pub use keys::{KeyRow, NewKey};
pub use quotas::{Counted, LimitChange, Limited};
pub use sessions::{NewSession, SessionRow};
pub use settings::{TenantChange, TenantRow};
pub use users::{NewUser, Status, UserChange, UserRow};

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

/// A tenant that was made.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Its id.
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
    /// Which key was sent; none: a session was.
    pub key: Option<KeyId>,
    /// Which session was sent; none: a key was.
    pub session: Option<SessionId>,
    /// The session of the console that `key` began, if that was sent; see [`Store::create_console_key`].
    pub console: Option<KeyId>,
    /// The key's name, or that of who signed in.
    pub name: String,
    /// Whose key or session it is; none: a service's.
    pub user: Option<(UserId, String)>,
    /// The credential's role; what it may is in `scopes`.
    pub role: Role,
    /// What the credential and its user both may.
    pub scopes: Scopes,
    /// What the credential and its user both may see.
    pub clearance: Clearance,
    /// When it stops working by itself.
    pub expires_at: Option<Millis>,
    /// The same of the key, also of the one that began the session: nothing that it makes lives longer.
    pub key_expires_at: Option<Millis>,
    /// When a key was used last, to within a minute.
    pub last_used_at: Option<Millis>,
}

/// What a secret is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// It works.
    Valid(Box<Caller>),
    /// It did once.
    Ended(Ended),
    /// Nobody's.
    Unknown,
}

/// Why a credential works no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody ended it.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its user is suspended or removed.
    UserSuspended,
}

impl Credential {
    /// Who acts with it, if it works.
    pub fn valid(self) -> Option<Caller> {
        match self {
            Self::Valid(caller) => Some(*caller),
            Self::Ended(_) | Self::Unknown => None,
        }
    }
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
const KEY_PREFIX: &str = "dm_";
/// The same of sessions.
const SESSION_PREFIX: &str = "dms_";

/// A new secret of 256 random bits, its prefix for people and its hash for the database.
fn new_secret(kind: &str) -> Result<(Secret, String, Digest), StoreError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| StoreError::Unavailable {
        reason: format!("the system gives no random bytes: {error}"),
    })?;
    let text = format!("{kind}{}", hex::encode(random));
    let prefix = text.chars().take(kind.len() + 8).collect();
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
        let (secret, prefix, hash) = new_secret(KEY_PREFIX)?;
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

    /// Makes a further tenant called `name` and a key for it. None if there is one of that name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn create_tenant(&self, name: &str) -> Result<Option<Bootstrap>, StoreError> {
        let (tenant, key) = (TenantId::new(), KeyId::new());
        let (secret, prefix, hash) = new_secret(KEY_PREFIX)?;
        let made = sqlx::query_scalar!(
            r#"select docmill.create_tenant($1, $2, $3, 'first', $4, $5, $6) as "made!""#,
            tenant.uuid(),
            checked_name(name)?,
            key.uuid(),
            prefix,
            hash.as_bytes().as_slice(),
            AuditId::new().uuid(),
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        Ok(made.then_some(Bootstrap { tenant, key, secret }))
    }

    /// Tenants that lack some of these components, by their digests.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants_without(&self, components: &[Digest]) -> Result<Vec<TenantId>, StoreError> {
        let digests: Vec<Vec<u8>> = components.iter().map(|d| d.as_bytes().to_vec()).collect();
        let rows = sqlx::query_scalar!(
            r#"select tenant_id as "tenant_id!" from docmill.tenants_without($1)"#,
            &digests,
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        Ok(rows.into_iter().map(TenantId::from).collect())
    }

    /// Whose secret this is, a key or a session.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn authenticate(&self, secret: &str) -> Result<Credential, StoreError> {
        if !secret.starts_with(KEY_PREFIX) && !secret.starts_with(SESSION_PREFIX) {
            return Ok(Credential::Unknown);
        }
        // Compared by hash: how long it takes tells nothing of the secret.
        let hash = Digest::of(secret.as_bytes());
        let ask = || async {
            sqlx::query!(
                r#"select tenant_id as "tenant_id!", tenant_name as "tenant_name!", timezone as "timezone!", locale as "locale!",
                      key_id, session_id, name as "name!", role as "role!", scopes, clearance as "clearance!",
                      user_id, user_name, user_role, user_clearance,
                      docmill.millis(expires_at) as expires_at,
                      docmill.millis(key_expires_at) as key_expires_at, docmill.millis(last_used_at) as last_used_at, state as "state!"
               from docmill.principal($1)"#,
                hash.as_bytes().as_slice(),
            )
            .fetch_optional(&mut self.line().await?)
            .await
        };
        let Some(row) = again_if_cut(ask).await? else {
            return Ok(Credential::Unknown);
        };
        match row.state.as_str() {
            "active" => {}
            "revoked" => return Ok(Credential::Ended(Ended::Revoked)),
            "expired" => return Ok(Credential::Ended(Ended::Expired)),
            _ => return Ok(Credential::Ended(Ended::UserSuspended)),
        }
        let role: Role = word(&row.role)?;
        let mut scopes = role.scopes();
        if let Some(narrowed) = &row.scopes {
            // A scope that this release does not know gives nothing.
            let known: Vec<Scope> = narrowed.iter().filter_map(|scope| scope.parse().ok()).collect();
            scopes = scopes & Scopes::of(&known);
        }
        let mut clearance: Clearance = word(&row.clearance)?;
        if let (Some(role), Some(cleared)) = (&row.user_role, &row.user_clearance) {
            scopes = scopes & word::<Role>(role)?.scopes();
            clearance = clearance.max(word(cleared)?);
        }
        let caller = Caller {
            tenant: row.tenant_id.into(),
            tenant_name: row.tenant_name,
            timezone: row.timezone,
            locale: row.locale,
            key: row.key_id.map(KeyId::from),
            session: row.session_id.map(SessionId::from),
            console: None,
            name: row.name,
            user: row.user_id.map(UserId::from).zip(row.user_name),
            role,
            scopes,
            clearance,
            expires_at: row.expires_at,
            key_expires_at: row.key_expires_at,
            last_used_at: row.last_used_at,
        };
        self.in_the_name_of_its_key(caller).await
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
        write_entry(&mut tx, tenant, entry).await?;
        tx.commit().await
    }
}

/// A line of the audit log, in the transaction of what it tells.
async fn write_entry(tx: &mut TenantTx, tenant: TenantId, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
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
    Ok(())
}

fn checked_name(name: &str) -> Result<&str, StoreError> {
    if name.contains('\0') || !(1..=200).contains(&name.chars().count()) {
        return Err(StoreError::invalid(
            "a name has 1 to 200 characters, none of them U+0000",
        ));
    }
    Ok(name)
}

/// Lets changes of who may what in one tenant happen one after the other: two owners who remove each other at the same moment
/// would both find that one is left.
async fn one_at_a_time(tx: &mut TenantTx, tenant: TenantId) -> Result<(), StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('docmill principals ' || $1::uuid::text, 0))",
        tenant.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// How many ways in there are for somebody who may do everything.
async fn owners(tx: &mut TenantTx) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select docmill.owners() as "owners!""#)
        .fetch_one(tx.connection())
        .await?)
}

/// The last of them must not be taken away. Where none is left already, there is nothing to keep.
async fn some_owner_remains(tx: &mut TenantTx, before: i64) -> Result<(), StoreError> {
    if before == 0 || owners(tx).await? > 0 {
        return Ok(());
    }
    Err(StoreError::LastOwner)
}
