//! What tenants may use, and what hosts counted together.

use docmill_model::id::TenantId;
use docmill_model::quota::Allowance;
use serde_json::json;

use super::{AuditEntry, TenantRow, write_entry};
use crate::clean::json as cleaned;
use crate::connect::Store;
use crate::convert::{size_in, size_out, typed};
use crate::error::StoreError;

/// What a host counted of a tenant's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Whose requests.
    pub tenant: TenantId,
    /// `2026-11-21`, in the tenant's time zone; none: its requests are not counted, only its limits are asked for.
    pub day: Option<String>,
    /// Since it was last told.
    pub requests: u64,
}

/// What holds for a tenant, and what all hosts counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// The place in what was given.
    pub place: usize,
    /// Its own settings.
    pub limits: Allowance,
    /// IANA name.
    pub timezone: String,
    /// Of that day, by all hosts.
    pub requests: u64,
}

/// What the operator changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange<'a> {
    /// All of its settings, as they are to be.
    pub limits: &'a Allowance,
    /// What it has bought; none: nothing special.
    pub edition: Option<&'a str>,
    /// The version that was read.
    pub expected_version: i32,
    /// Which settings change, for the audit log: names and values.
    pub changes: &'a serde_json::Value,
}

impl Store {
    /// Adds what this host counted and gives what holds for these tenants now, by their places; unknown ones are left out.
    ///
    /// # Errors
    /// When the database does not answer. If it may have been added nevertheless, it is counted twice when it is told again.
    pub async fn count_requests(&self, counted: &[Counted]) -> Result<Vec<Limited>, StoreError> {
        let tenants: Vec<uuid::Uuid> = counted.iter().map(|c| c.tenant.uuid()).collect();
        let days: Vec<Option<String>> = counted.iter().map(|c| c.day.clone()).collect();
        let requests: Vec<i64> = counted
            .iter()
            .map(|c| size_out(c.requests))
            .collect::<Result<_, _>>()?;
        let rows = sqlx::query!(
            r#"select place as "place!", limits as "limits!", timezone as "timezone!", requests as "requests!"
               from docmill.count_requests($1, $2::text[]::date[], $3)"#,
            &tenants,
            &days as &[Option<String>],
            &requests,
        )
        .fetch_all(&mut self.line().await?)
        .await?;
        let limited = rows.into_iter().filter_map(|row| {
            // Counted from 1 there.
            let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
            // One tenant whose limits somebody broke by hand must not leave the others without theirs.
            let limits = typed(row.limits).inspect_err(|error| {
                let tenant = counted.get(place).map(|c| tracing::field::display(c.tenant));
                tracing::error!(%error, tenant.id = tenant, "a tenant's limits cannot be read");
            });
            Some(Limited {
                place,
                limits: limits.ok()?,
                timezone: row.timezone,
                requests: size_in(row.requests),
            })
        });
        Ok(limited.collect())
    }

    /// Bytes of documents and artifacts that the tenant has; the same bytes count once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_bytes(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let mut tx = self.tenant(tenant).await?;
        let bytes = sqlx::query_scalar!(
            r#"select (coalesce((select sum(size) from docmill.source where tenant_id = $1 and duplicate_of is null), 0)
                   + coalesce((select sum(size) from docmill.artifact where tenant_id = $1), 0))::bigint as "bytes!""#,
            tenant.uuid(),
        )
        .fetch_one(tx.connection())
        .await?;
        tx.end().await?;
        Ok(size_in(bytes))
    }

    /// Changes what a tenant may use, with its entry in the audit log. The caller is the operator, and judged the values.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else changed the tenant meanwhile; when the database does not answer.
    pub async fn change_limits(
        &self,
        tenant: TenantId,
        change: &LimitChange<'_>,
    ) -> Result<TenantRow, StoreError> {
        let limits = serde_json::to_value(change.limits).unwrap_or_else(|_| json!({}));
        let mut tx = self.tenant(tenant).await?;
        let done = sqlx::query!(
            "update docmill.tenant set limits = $2, edition = $3, settings_version = settings_version + 1
             where tenant_id = $1 and settings_version = $4",
            tenant.uuid(),
            cleaned(&limits),
            change.edition,
            change.expected_version,
        )
        .execute(tx.connection())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict {
                what: "the tenant was changed by somebody else at the same moment: try again".to_owned(),
            });
        }
        let entry = AuditEntry {
            action: "tenant.limits",
            subject: &tenant.to_string(),
            key: None,
            client_ip: None,
            request: None,
            detail: json!({ "version": change.expected_version.saturating_add(1), "settings": change.changes }),
        };
        write_entry(&mut tx, tenant, &entry).await?;
        tx.commit().await?;
        self.get_tenant(tenant).await
    }
}
