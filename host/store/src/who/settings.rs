//! What a tenant says of itself.

use docmill_model::id::TenantId;
use docmill_model::quota::Allowance;
use serde::Serialize;
use serde_json::Value as Json;

use crate::clean::json;
use crate::connect::Store;
use crate::convert::typed;
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
    /// What it may use, as far as it was said.
    pub limits: Allowance,
    /// What it has bought; none: nothing special.
    pub edition: Option<String>,
    /// Whom to ask there; an object.
    pub contacts: Json,
    /// To whom to send what it costs; an object.
    pub billing: Json,
    /// The pipeline of a run that names none.
    pub default_pipeline: Option<String>,
    /// Whether only versions of plugins run that a key signed which it trusts.
    pub require_signatures: bool,
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
    /// An object.
    pub contacts: Option<&'a Json>,
    /// An object.
    pub billing: Option<&'a Json>,
    /// Its name; none takes it away.
    pub default_pipeline: Option<Option<&'a str>>,
    /// Whether only signed versions of plugins run.
    pub require_signatures: Option<bool>,
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
            "select name, timezone, locale, limits, edition, contacts, billing, default_pipeline, require_signatures,
                 settings_version
             from docmill.tenant where tenant_id = $1",
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
            limits: typed(row.limits)?,
            edition: row.edition,
            contacts: row.contacts,
            billing: row.billing,
            default_pipeline: row.default_pipeline,
            require_signatures: row.require_signatures,
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
             set timezone = coalesce($2, timezone), locale = coalesce($3, locale), contacts = coalesce($5, contacts),
                 billing = coalesce($6, billing), default_pipeline = case when $7 then $8 else default_pipeline end,
                 require_signatures = coalesce($9, require_signatures), settings_version = settings_version + 1
             where tenant_id = $1 and ($4::integer is null or settings_version = $4)
               and (timezone, locale, contacts, billing, default_pipeline, require_signatures)
                   is distinct from (coalesce($2, timezone), coalesce($3, locale), coalesce($5, contacts),
                       coalesce($6, billing), case when $7 then $8 else default_pipeline end,
                       coalesce($9, require_signatures))",
            tenant.uuid(),
            change.timezone,
            change.locale,
            change.expected_version,
            change.contacts.map(json),
            change.billing.map(json),
            change.default_pipeline.is_some(),
            change.default_pipeline.flatten(),
            change.require_signatures,
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
