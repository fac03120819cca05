//! People in an organisation.

use docmill_model::access::{Clearance, Role};
use docmill_model::id::{TenantId, UserId};
use docmill_model::run::Millis;
use serde::Serialize;
use serde_json::Value as Json;

use super::{checked_name, one_at_a_time, owners, some_owner_remains};
use crate::Page;
use crate::clean::json;
use crate::connect::Store;
use crate::convert::tag;
use crate::convert::word;
use crate::error::StoreError;
use crate::run::page_size;
use crate::tenant::TenantTx;

/// Whether a user may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Yes.
    Active,
    /// Not for now: keys and sessions do not work.
    Suspended,
    /// Never again; what names them stays readable.
    Removed,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// In lower case.
    pub email: String,
    /// For people.
    pub name: String,
    /// What they may.
    pub role: Role,
    /// What they may see.
    pub clearance: Clearance,
    /// Whether they may come in.
    pub status: Status,
    /// What they like; an object.
    pub preferences: Json,
    /// From 1; every change counts it up.
    pub version: i32,
    /// When they were added.
    pub created_at: Millis,
}

/// A user to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// In lower case; the caller judged its form.
    pub email: &'a str,
    /// For people.
    pub name: &'a str,
    /// What they may.
    pub role: Role,
    /// What they may see.
    pub clearance: Clearance,
}

/// What is to change; what is left out stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChange<'a> {
    /// For people.
    pub name: Option<&'a str>,
    /// What they may.
    pub role: Option<Role>,
    /// What they may see.
    pub clearance: Option<Clearance>,
    /// Whether they may come in.
    pub status: Option<Status>,
    /// What they like; an object.
    pub preferences: Option<&'a Json>,
    /// The version that the writer has seen; none: whatever it is.
    pub expected_version: Option<i32>,
}

struct Raw {
    id: uuid::Uuid,
    email: String,
    name: String,
    role: String,
    clearance: String,
    status: String,
    preferences: Json,
    version: i32,
    created_at: i64,
}

impl TryFrom<Raw> for UserRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            id: raw.id.into(),
            email: raw.email,
            name: raw.name,
            role: word(&raw.role)?,
            clearance: word(&raw.clearance)?,
            status: tag(&raw.status)?,
            preferences: raw.preferences,
            version: raw.version,
            created_at: raw.created_at,
        })
    }
}

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is one with this address; when the database does not answer.
    pub async fn create_user(&self, tenant: TenantId, new: &NewUser<'_>) -> Result<UserRow, StoreError> {
        let id = UserId::new();
        let name = checked_name(new.name)?;
        let mut tx = self.tenant(tenant).await?;
        let made = sqlx::query!(
            "insert into docmill.user (tenant_id, id, email, name, role, clearance) values ($1, $2, $3, $4, $5, $6)
             on conflict (tenant_id, email) where status <> 'removed' do nothing",
            tenant.uuid(),
            id.uuid(),
            new.email,
            name,
            new.role.as_str(),
            new.clearance.as_str(),
        )
        .execute(tx.connection())
        .await?;
        if made.rows_affected() == 0 {
            let what = "there is a user with this address already".to_owned();
            return Err(StoreError::Conflict { what });
        }
        let row = user(&mut tx, tenant, id).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// A user, also one that was removed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn get_user(&self, tenant: TenantId, id: UserId) -> Result<UserRow, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = user(&mut tx, tenant, id).await?;
        tx.end().await?;
        Ok(row)
    }

    /// The tenant's users, newest first. `cursor` is the last one seen. 0 means 50 at once, more than 200 means 200.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_users(
        &self,
        tenant: TenantId,
        cursor: Option<UserId>,
        limit: u32,
    ) -> Result<Page<UserRow, UserId>, StoreError> {
        let limit = page_size(limit);
        let mut tx = self.tenant(tenant).await?;
        let rows = sqlx::query_as!(
            Raw,
            r#"select id, email, name, role, clearance, status, preferences, version,
                   docmill.millis(created_at) as "created_at!"
               from docmill.user where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"#,
            tenant.uuid(),
            cursor.map(UserId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(tx.connection())
        .await?;
        tx.end().await?;
        let rows: Result<Vec<UserRow>, StoreError> = rows.into_iter().map(UserRow::try_from).collect();
        Ok(Page::of(rows?, limit, |row| row.id))
    }

    /// Changes a user. Who is no longer active has no session any more; who is removed has no key either.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when the version is another than expected, or for somebody who was
    /// removed; [`StoreError::LastOwner`]; when the database does not answer.
    pub async fn change_user(
        &self,
        tenant: TenantId,
        id: UserId,
        change: &UserChange<'_>,
    ) -> Result<UserRow, StoreError> {
        let name = change.name.map(checked_name).transpose()?;
        let mut tx = self.tenant(tenant).await?;
        // A name and preferences let nobody in or out.
        let guarded = change.role.is_some() || change.clearance.is_some() || change.status.is_some();
        let mut owners_before = 0;
        if guarded {
            one_at_a_time(&mut tx, tenant).await?;
            owners_before = owners(&mut tx).await?;
        }
        let before = user(&mut tx, tenant, id).await?;
        if let Some(expected) = change.expected_version.filter(|v| *v != before.version) {
            let what = format!(
                "the user is at version {}, not {expected}: read them, then change them again",
                before.version
            );
            return Err(StoreError::Conflict { what });
        }
        if before.status == Status::Removed {
            let what = format!("the user {id} was removed; add them anew");
            return Err(StoreError::Conflict { what });
        }
        let done = sqlx::query!(
            "update docmill.user
             set name = coalesce($3, name), role = coalesce($4, role), clearance = coalesce($5, clearance),
                 status = coalesce($6, status), preferences = coalesce($7::json, preferences), version = version + 1
             where tenant_id = $1 and id = $2 and version = $8",
            tenant.uuid(),
            id.uuid(),
            name,
            change.role.map(Role::as_str),
            change.clearance.map(Clearance::as_str),
            change.status.map(Status::as_str),
            change.preferences.map(json),
            before.version,
        )
        .execute(tx.connection())
        .await?;
        if done.rows_affected() == 0 {
            let what =
                format!("somebody changed the user {id} at the same time: read them, then change them again");
            return Err(StoreError::Conflict { what });
        }
        if change.status.is_some_and(|status| status != Status::Active) {
            sqlx::query!(
                "update docmill.session set revoked_at = now() where tenant_id = $1 and user_id = $2 and revoked_at is null",
                tenant.uuid(),
                id.uuid(),
            )
            .execute(tx.connection())
            .await?;
        }
        if change.status == Some(Status::Removed) {
            sqlx::query!(
                "update docmill.api_key set revoked_at = now() where tenant_id = $1 and user_id = $2 and revoked_at is null",
                tenant.uuid(),
                id.uuid(),
            )
            .execute(tx.connection())
            .await?;
        }
        some_owner_remains(&mut tx, owners_before).await?;
        let row = user(&mut tx, tenant, id).await?;
        tx.commit().await?;
        Ok(row)
    }
}

async fn user(tx: &mut TenantTx, tenant: TenantId, id: UserId) -> Result<UserRow, StoreError> {
    let raw = sqlx::query_as!(
        Raw,
        r#"select id, email, name, role, clearance, status, preferences, version,
               docmill.millis(created_at) as "created_at!"
           from docmill.user where tenant_id = $1 and id = $2"#,
        tenant.uuid(),
        id.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    raw.ok_or_else(|| StoreError::not_found(format!("the user {id}")))?
        .try_into()
}
