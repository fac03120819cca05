//! Finding runs.

use docmill_model::failure::{Code, Failure};
use docmill_model::id::{RunId, TenantId};
use docmill_model::lookup;
use docmill_model::run::{Lookup, Status};
use docmill_model::value::Verdict;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use super::{RunFilter, RunSummary};
use crate::Page;
use crate::clean::text;
use crate::connect::Store;
use crate::convert::tag;
use crate::error::StoreError;
use crate::tenant::{Sight, TenantTx};

/// Rows of a page when the caller does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a page.
const MAX_LIMIT: u32 = 200;

/// The number of rows that a page has.
pub(crate) fn page_size(asked: u32) -> u32 {
    if asked == 0 {
        DEFAULT_LIMIT
    } else {
        asked.min(MAX_LIMIT)
    }
}

impl Store {
    /// Runs that may be seen, newest first.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when a look-up has no letter and no digit.
    pub async fn list_runs(
        &self,
        sight: Sight,
        filter: &RunFilter,
    ) -> Result<Page<RunSummary, RunId>, StoreError> {
        let (tenant, limit) = (sight.tenant, page_size(filter.limit));
        let mut tx = self.seeing(sight).await?;
        let pipeline = match &filter.pipeline {
            None => None,
            Some(name) => match pipeline_id(&mut tx, tenant, name).await? {
                Some(id) => Some(id),
                None => {
                    return Ok(Page {
                        items: Vec::new(),
                        next: None,
                    });
                }
            },
        };
        let mut query = statement(tenant, filter, pipeline, limit)?;
        // Planned for these very values: what is rare is found through its index, what is common is not.
        let rows = query.build().persistent(false).fetch_all(tx.connection()).await?;
        tx.end().await?;
        let items = rows.iter().map(summary).collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |run: &RunSummary| run.id))
    }
}

async fn pipeline_id(tx: &mut TenantTx, tenant: TenantId, name: &str) -> Result<Option<Uuid>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from docmill.pipeline where tenant_id = $1 and name = $2",
        tenant.uuid(),
        &*text(name),
    );
    Ok(id.fetch_optional(tx.connection()).await?)
}

/// The statement has only the conditions that are asked for, each with its word written out where a partial index asks for
/// it: then the planner sees which index serves.
fn statement(
    tenant: TenantId,
    filter: &RunFilter,
    pipeline: Option<Uuid>,
    limit: u32,
) -> Result<QueryBuilder<Postgres>, StoreError> {
    let mut query = QueryBuilder::new(
        "select r.id, r.pipeline_name, r.version_number, r.verdict,
                case when r.status = 'queued' and exists (
                    select from docmill.job j
                    where j.tenant_id = r.tenant_id and j.run_id = r.id and j.state = 'leased')
                then 'running' else r.status end as status, r.error, r.tier::text as tier, r.subject,
                docmill.millis(r.created_at) as created_at, docmill.millis(r.finished_at) as finished_at,
                (select coalesce(json_agg(json_build_object('name', l.name, 'value', l.value, 'tokens', l.tokens)
                                          order by l.ordinal), '[]')
                 from docmill.lookup l where l.tenant_id = r.tenant_id and l.run_id = r.id) as lookups,
                array(select i.document_id from docmill.run_input i
                      where i.tenant_id = r.tenant_id and i.run_id = r.id and i.document_id is not null
                      order by i.ordinal) as documents
         from docmill.run r where r.tenant_id = ",
    );
    query.push_bind(tenant.uuid());
    if let Some(id) = pipeline {
        query.push(" and r.pipeline_id = ").push_bind(id);
    }
    // A queued run that a worker has says so in its job.
    let is_leased = "exists (select from docmill.job j where j.tenant_id = r.tenant_id and j.run_id = r.id
                             and j.state = 'leased')";
    match filter.status {
        Some(Status::Queued) => query.push(format!(" and r.status = 'queued' and not {is_leased}")),
        Some(Status::Running) => query.push(format!(
            " and (r.status = 'running' or (r.status = 'queued' and {is_leased}))"
        )),
        Some(Status::Succeeded) => query.push(" and r.status = 'succeeded'"),
        Some(Status::Failed) => query.push(" and r.status = 'failed'"),
        Some(Status::Cancelled) => query.push(" and r.status = 'cancelled'"),
        None => &mut query,
    };
    match filter.verdict {
        Some(Verdict::Pass) => query.push(" and r.verdict = 'pass'"),
        Some(Verdict::Fail) => query.push(" and r.verdict = 'fail'"),
        Some(Verdict::Undecided) => query.push(" and r.verdict = 'undecided'"),
        None => &mut query,
    };
    if let Some(code) = filter.error {
        query.push(" and r.error_code = ").push_bind(Code::as_str(code));
    }
    if let Some(document) = filter.document {
        query.push(" and r.id in (select i.run_id from docmill.run_input i where i.tenant_id = ");
        query
            .push_bind(tenant.uuid())
            .push(" and i.document_id = ")
            .push_bind(document.uuid())
            .push(")");
    }
    for (name, value) in &filter.lookups {
        let tokens = lookup::tokens(value);
        if tokens.is_empty() {
            return Err(StoreError::invalid(format!(
                "the look-up '{}' has no letter and no digit",
                text(name)
            )));
        }
        query
            .push(" and r.id in (select docmill.runs_with(")
            .push_bind(text(name).into_owned())
            .push(", ")
            .push_bind(tokens)
            .push("))");
    }
    if let Some(key) = filter.key {
        query.push(" and r.key_id = ").push_bind(key.uuid());
    }
    if let Some(user) = filter.user {
        query.push(" and r.user_id = ").push_bind(user.uuid());
    }
    if let Some(subject) = &filter.subject {
        query
            .push(" and r.subject = ")
            .push_bind(text(subject).into_owned());
    }
    // Ids are ordered by time, and `created_at` is the time in them, give or take a millisecond.
    if let Some(since) = filter.since {
        query
            .push(" and r.created_at >= docmill.time_at(")
            .push_bind(since)
            .push(")");
    }
    if let Some(until) = filter.until {
        query
            .push(" and r.created_at < docmill.time_at(")
            .push_bind(until)
            .push(")");
    }
    if let Some(cursor) = filter.cursor {
        query.push(" and r.id < ").push_bind(cursor.uuid());
    }
    query
        .push(" order by r.id desc limit ")
        .push_bind(i64::from(limit) + 1);
    Ok(query)
}

fn summary(row: &sqlx::postgres::PgRow) -> Result<RunSummary, StoreError> {
    let verdict: Option<&str> = row.try_get("verdict")?;
    let documents: Vec<Uuid> = row.try_get("documents")?;
    Ok(RunSummary {
        id: row.try_get::<Uuid, _>("id")?.into(),
        pipeline: row.try_get("pipeline_name")?,
        version_number: row.try_get("version_number")?,
        status: tag(row.try_get("status")?)?,
        verdict: verdict.map(tag).transpose()?,
        tier: tag(row.try_get("tier")?)?,
        subject: row.try_get("subject")?,
        error: row.try_get::<Option<Json<Failure>>, _>("error")?.map(|e| e.0),
        created_at: row.try_get("created_at")?,
        finished_at: row.try_get("finished_at")?,
        lookups: row.try_get::<Json<Vec<Lookup>>, _>("lookups")?.0,
        documents: documents.into_iter().map(Into::into).collect(),
    })
}
