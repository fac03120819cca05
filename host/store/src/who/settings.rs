//! What a tenant says of itself.

use docmill_model::id::TenantId;
use serde::Serialize;

use crate::connect::Store;
use crate::error::StoreError;

/// A tenant with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantRow {
    /// Its id.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// IANA name, for times that people write and read.
    pub timezone: String,
    /// BCP 47; its language is that of messages for which nobody asks in another.
    pub locale: String,
    /// From 1; every change counts it up.
    pub version: i32,
}

/// What is to change; what is left out stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct TenantChange<'a> {
    /// IANA name.
    pub timezone: Option<&'a str>,
    /// BCP 47.
    pub locale: Option<&'a str>,
    /// The version that the writer has seen; none: whatever it is.
    pub expected_version: Option<i32>,
}

impl Store {
    /// A tenant with its settings.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; when the database does not answer.
    pub async fn get_tenant(&self, tenant: TenantId) -> Result<TenantRow, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let row = sqlx::query!(
            "select name, timezone, locale, settings_version from docmill.tenant where tenant_id = $1",
            tenant.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or_else(|| StoreError::not_found(format!("the tenant {tenant}")))?;
        tx.end().await?;
        Ok(TenantRow {
            tenant,
            name: row.name,
            timezone: row.timezone,
            locale: row.locale,
            version: row.settings_version,
        })
    }

    /// Changes a tenant's settings; gives them as they are then, and whether anything changed. Zone and locale are the
    /// caller's to judge.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the version is another than expected; [`StoreError::NotFound`]; when the database does
    /// not answer.
    pub async fn change_tenant(
        &self,
        tenant: TenantId,
        change: &TenantChange<'_>,
    ) -> Result<(TenantRow, bool), StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "update docmill.tenant
             set timezone = coalesce($2, timezone), locale = coalesce($3, locale), settings_version = settings_version + 1
             where tenant_id = $1 and ($4::integer is null or settings_version = $4)
               and (timezone, locale) is distinct from (coalesce($2, timezone), coalesce($3, locale))",
            tenant.uuid(),
            change.timezone,
            change.locale,
            change.expected_version,
        )
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        let row = self.get_tenant(tenant).await?;
        let changed = done.rows_affected() > 0;
        match change
            .expected_version
            .filter(|expected| !changed && *expected != row.version)
        {
            Some(expected) => Err(StoreError::Conflict {
                what: format!(
                    "the tenant's settings are at version {}, not {expected}: read them, then change them again",
                    row.version
                ),
            }),
            None => Ok((row, changed)),
        }
    }
}
