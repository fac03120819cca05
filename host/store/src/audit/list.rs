//! Looking things up in the audit log. Sealed entries only, newest place first: what is listed never moves, and an entry that
//! is committed late comes after those that were listed before it, never between them.

use docmill_model::digest::Digest;
use docmill_model::id::{AuditId, KeyId, RequestId, RunId, TenantId};
use docmill_model::run::Millis;
use serde_json::Value;
use sqlx::{Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::Page;
use crate::clean::text;
use crate::connect::Store;
use crate::convert::digest;
use crate::error::StoreError;
use crate::run::{ENDED_TOGETHER, RUN_FINISH, page_size};
use crate::tenant::Sight;

/// Which entries are asked for; what is left out does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// `key.create`
    pub action: Option<String>,
    /// The id or name of what was acted on. A run's id also finds the entry of its end, whose subject is the pipeline.
    pub subject: Option<String>,
    /// Who acted.
    pub key: Option<KeyId>,
    /// Happened then or later.
    pub since: Option<Millis>,
    /// Happened before.
    pub until: Option<Millis>,
    /// The last place seen.
    pub cursor: Option<i64>,
    /// 0 means 50, more than 200 means 200.
    pub limit: u32,
}

/// An entry as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: Millis,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The run whose end this is; of several that ended together, `detail` has them.
    pub run: Option<RunId>,
    /// By which key; none: by the platform.
    pub key: Option<KeyId>,
    /// From where.
    pub client_ip: Option<String>,
    /// In which request.
    pub request: Option<RequestId>,
    /// More: names, versions, digests.
    pub detail: Option<Value>,
    /// Over all of this and the entry before it.
    pub hash: Digest,
}

impl Store {
    /// Sealed entries of the audit log, newest place first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
    ) -> Result<Page<AuditRow, i64>, StoreError> {
        let limit = page_size(filter.limit);
        // The end of a run is found whatever the run's tier: who may read the log reads all of it.
        let mut tx = self.seeing(Sight::whole(tenant)).await?;
        let mut query = statement(tenant, filter, limit);
        // Planned for these very values: some subjects and actions are rare, some are in every second entry.
        let rows = query.build().persistent(false).fetch_all(tx.connection()).await?;
        tx.end().await?;
        let items = rows.iter().map(row).collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |row: &AuditRow| row.seq))
    }
}

fn statement(tenant: TenantId, filter: &AuditFilter, limit: u32) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(
        "select seq, id, docmill.millis(at) as at, action, subject, key_id, host(client_ip) as client_ip, request_id,
                detail, hash
         from docmill.audit_entry where seq is not null and tenant_id = ",
    );
    query.push_bind(tenant.uuid());
    if let Some(action) = &filter.action {
        query.push(" and action = ").push_bind(text(action).into_owned());
    }
    if let Some(subject) = &filter.subject {
        let run = subject.parse::<RunId>().ok();
        query
            .push(" and (subject = ")
            .push_bind(text(subject).into_owned());
        if let Some(run) = run {
            query.push(" or id = ").push_bind(run.uuid());
            query
                .push(" or id = (select r.ended_in from docmill.run r where r.tenant_id = ")
                .push_bind(tenant.uuid())
                .push(" and r.id = ")
                .push_bind(run.uuid())
                .push(")");
        }
        query.push(")");
    }
    if let Some(key) = filter.key {
        query.push(" and key_id = ").push_bind(key.uuid());
    }
    if let Some(since) = filter.since {
        query
            .push(" and at >= docmill.time_at(")
            .push_bind(since)
            .push(")");
    }
    if let Some(until) = filter.until {
        query
            .push(" and at < docmill.time_at(")
            .push_bind(until)
            .push(")");
    }
    if let Some(cursor) = filter.cursor {
        query.push(" and seq < ").push_bind(cursor);
    }
    query
        .push(" order by seq desc limit ")
        .push_bind(i64::from(limit) + 1);
    query
}

fn row(row: &sqlx::postgres::PgRow) -> Result<AuditRow, StoreError> {
    let id: Uuid = row.try_get("id")?;
    let action: String = row.try_get("action")?;
    let key: Option<Uuid> = row.try_get("key_id")?;
    let request: Option<Uuid> = row.try_get("request_id")?;
    let detail: Option<Value> = row.try_get("detail")?;
    let together = detail.as_ref().is_some_and(|d| d.get(ENDED_TOGETHER).is_some());
    Ok(AuditRow {
        seq: row.try_get("seq")?,
        id: id.into(),
        at: row.try_get("at")?,
        run: (action == RUN_FINISH && !together).then(|| id.into()),
        action,
        subject: row.try_get("subject")?,
        key: key.map(Into::into),
        client_ip: row.try_get("client_ip")?,
        request: request.map(Into::into),
        detail,
        hash: digest(row.try_get("hash")?)?,
    })
}
