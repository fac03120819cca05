//! Reading a run back, whole.

use std::collections::HashMap;
use std::sync::Arc;

use docmill_model::chunk::Chunk;
use docmill_model::definition::Retain;
use docmill_model::failure::Failure;
use docmill_model::id::{DocumentId, RunId};
use docmill_model::reading::{Rect, TextRange};
use docmill_model::run::{
    ArtifactRecord, AttemptRecord, CallUsage, EmbeddingsRecord, InputContent, Lookup, RunHead, RunInput,
    RunOutcome, Status, StepRecord,
};
use docmill_model::value::{Check, Citation, Field, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::{QueuePlace, ReadingRef, StoredRun};
use crate::connect::Store;
use crate::convert::{count_in, digest, size_in, tag, typed};
use crate::error::StoreError;
use crate::tenant::{Sight, TenantTx};

impl Store {
    /// A run with everything that is kept of it; none, if there is none or it may not be seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_run(&self, sight: Sight, run: RunId) -> Result<Option<StoredRun>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let (tenant, id) = (sight.tenant.uuid(), run.uuid());
        let Some(row) = sqlx::query!(
            r#"select pipeline_id, pipeline_name, pipeline_version_id, version_number, durability, retain, status, verdict,
                      error as "error: Json<Failure>", output, params, plugins, key_id, user_id, subject,
                      tier::text as "tier!", client_ip::text as client_ip, request_id, docmill.millis(created_at) as "created_at!", docmill.millis(started_at) as started_at,
                      docmill.millis(finished_at) as finished_at
               from docmill.run where tenant_id = $1 and id = $2"#,
            tenant,
            id,
        )
        .fetch_optional(tx.connection())
        .await?
        else {
            return Ok(None);
        };
        let head = RunHead {
            id: run,
            pipeline: row.pipeline_id.into(),
            pipeline_name: row.pipeline_name,
            pipeline_version: row.pipeline_version_id.into(),
            version_number: row.version_number,
            durability: tag(&row.durability)?,
            retain: tag(&row.retain)?,
            created_at: row.created_at,
            tier: tag(&row.tier)?,
            key: row.key_id.map(Into::into),
            user: row.user_id.map(Into::into),
            subject: row.subject,
            // The text of an inet may end in a mask.
            client_ip: row.client_ip.and_then(|ip| ip.split('/').next()?.parse().ok()),
            request: row.request_id.into(),
            params: row.params,
            lookups: lookups(&mut tx, tenant, id).await?,
            inputs: inputs(&mut tx, tenant, id).await?,
            plugins: row.plugins,
        };
        let status: Status = tag(&row.status)?;
        let (outcome, readings) = match (status, row.started_at, row.finished_at) {
            (Status::Queued | Status::Running | Status::Cancelled, ..) | (_, None, _) | (_, _, None) => {
                (None, Vec::new())
            }
            (_, Some(started_at), Some(finished_at)) => {
                let mut cited = citations(&mut tx, tenant, id).await?;
                let (chunks, embeddings) = chunks(&mut tx, tenant, id).await?;
                let (fields, conflicts) = fields(&mut tx, tenant, id, &mut cited).await?;
                let outcome = RunOutcome {
                    status,
                    verdict: row.verdict.as_deref().map(tag).transpose()?,
                    error: row.error.map(|e| e.0),
                    output: row.output,
                    fields,
                    conflicts,
                    checks: checks(&mut tx, tenant, id, &mut cited).await?,
                    chunks,
                    embeddings,
                    steps: steps(&mut tx, tenant, id, head.retain).await?,
                    artifacts: artifacts(&mut tx, tenant, id).await?,
                    readings: Vec::new(),
                    started_at,
                    finished_at,
                };
                (Some(outcome), readings(&mut tx, tenant, id).await?)
            }
        };
        let duplicates = duplicates(&mut tx, tenant, id).await?;
        let queued = match status {
            Status::Queued => place(&mut tx, tenant, id).await?,
            _ => None,
        };
        tx.end().await?;
        Ok(Some(StoredRun {
            status: match &queued {
                Some(place) if place.worker.is_some() => Status::Running,
                _ => status,
            },
            queued,
            head,
            outcome,
            readings,
            duplicates,
        }))
    }
}

impl Store {
    /// Where a run stands; none, if there is none or it may not be seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn run_status(&self, sight: Sight, run: RunId) -> Result<Option<Status>, StoreError> {
        let mut tx = self.seeing(sight).await?;
        let status = sqlx::query_scalar!(
            r#"select case when r.status = 'queued' and exists (
                   select from docmill.job j
                   where j.tenant_id = r.tenant_id and j.run_id = r.id and j.state = 'leased')
               then 'running' else r.status end as "status!"
               from docmill.run r where r.tenant_id = $1 and r.id = $2"#,
            sight.tenant.uuid(),
            run.uuid(),
        )
        .fetch_optional(tx.connection())
        .await?;
        tx.end().await?;
        status.as_deref().map(tag).transpose()
    }
}

/// Where a queued run stands; none: it ended a moment ago.
async fn place(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Option<QueuePlace>, StoreError> {
    let row = sqlx::query!(
        r#"select attempt, priority, worker_id, docmill.millis(ready_at) as "ready_at!",
                  last_error as "last_error: Json<Failure>"
           from docmill.job where tenant_id = $1 and run_id = $2"#,
        tenant,
        run,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| QueuePlace {
        worker: row.worker_id.map(Into::into),
        attempt: count_in(row.attempt),
        priority: row.priority,
        ready_at: row.ready_at,
        last_error: row.last_error.map(|json| json.0),
    }))
}

async fn lookups(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Vec<Lookup>, StoreError> {
    let rows = sqlx::query_as!(
        Lookup,
        "select name, value, tokens from docmill.lookup where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    );
    Ok(rows.fetch_all(tx.connection()).await?)
}

async fn inputs(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Vec<RunInput>, StoreError> {
    let rows = sqlx::query!(
        "select role, position, document_id, source_id, name, media_type, size, digest, text, record
         from docmill.run_input where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let content = match (row.document_id, row.source_id, row.text) {
                (Some(document), Some(source), _) => InputContent::File {
                    document: document.into(),
                    source: source.into(),
                    name: row.name,
                    media_type: row.media_type.unwrap_or_default(),
                    size: size_in(row.size.unwrap_or_default()),
                    digest: digest(&row.digest.unwrap_or_default())?,
                },
                (_, _, Some(text)) => InputContent::Text { text },
                _ => InputContent::Record {
                    record: row.record.unwrap_or_default(),
                },
            };
            Ok(RunInput {
                role: row.role,
                position: row.position,
                content,
            })
        })
        .collect()
}

async fn duplicates(
    tx: &mut TenantTx,
    tenant: Uuid,
    run: Uuid,
) -> Result<Vec<(DocumentId, DocumentId)>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.document_id, o.document_id as "first"
         from docmill.run_input i
         join docmill.source s on s.tenant_id = i.tenant_id and s.id = i.source_id
         join docmill.source o on o.tenant_id = s.tenant_id and o.id = s.duplicate_of
         where i.tenant_id = $1 and i.run_id = $2"#,
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.document_id.into(), row.first.into()))
        .collect())
}

async fn steps(
    tx: &mut TenantTx,
    tenant: Uuid,
    run: Uuid,
    retain: Retain,
) -> Result<Vec<StepRecord>, StoreError> {
    let steps = sqlx::query!(
        "select ordinal, id, step, item, plugin, status, started_us, wall_us
         from docmill.step where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    let attempts = sqlx::query!(
        r#"select step_ordinal, ordinal, id, plugin, error as "error: Json<Failure>", wall_us, cpu_us, peak_memory_bytes, host_calls,
                  host_call_bytes, log_dropped_bytes, effects, log, reused
           from docmill.attempt where tenant_id = $1 and run_id = $2 order by step_ordinal, ordinal"#,
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut outputs = HashMap::new();
    if retain == Retain::Debug {
        let rows = sqlx::query!(
            "select step_ordinal, output from docmill.step_output where tenant_id = $1 and run_id = $2",
            tenant,
            run,
        );
        let rows = rows.fetch_all(tx.connection()).await?;
        outputs.extend(rows.into_iter().map(|row| (row.step_ordinal, row.output)));
    }
    let mut asked = HashMap::new();
    // Few runs ask any.
    if attempts
        .iter()
        .any(|row| row.effects.iter().any(|effect| effect == "llm"))
    {
        asked = super::llm::calls(tx, tenant, run).await?;
    }
    let mut attempts = attempts.into_iter().peekable();
    steps
        .into_iter()
        .map(|step| {
            let mut of_step = Vec::new();
            while let Some(row) = attempts.next_if(|a| a.step_ordinal == step.ordinal) {
                of_step.push(AttemptRecord {
                    id: row.id.into(),
                    plugin: row.plugin,
                    started_us: 0,
                    error: row.error.map(|e| e.0),
                    usage: CallUsage {
                        wall_us: size_in(row.wall_us),
                        cpu_us: size_in(row.cpu_us),
                        peak_memory_bytes: size_in(row.peak_memory_bytes),
                        host_calls: size_in(row.host_calls),
                        host_call_bytes: size_in(row.host_call_bytes),
                        log_dropped_bytes: size_in(row.log_dropped_bytes),
                        effects: row.effects,
                        llm: asked.remove(&(row.step_ordinal, row.ordinal)).unwrap_or_default(),
                    },
                    log: row.log,
                    reused: row.reused,
                });
            }
            Ok(StepRecord {
                id: step.id.into(),
                step: step.step,
                item: step.item,
                plugin: step.plugin,
                status: tag(&step.status)?,
                started_us: step.started_us,
                wall_us: step.wall_us,
                output: outputs.remove(&step.ordinal).map(Arc::new),
                attempts: of_step,
            })
        })
        .collect()
}

/// A citation and the field or check that it belongs to.
struct Cited {
    field: Option<i32>,
    check: Option<i32>,
    citation: Citation,
}

async fn citations(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Vec<Cited>, StoreError> {
    let rows = sqlx::query!(
        r#"select field_ordinal, check_ordinal, reading, page, range_start, range_end, quote,
                  regions as "regions: Json<Vec<Rect>>", match as class
           from docmill.citation where tenant_id = $1 and run_id = $2 order by ordinal"#,
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let range = row.range_start.zip(row.range_end);
            Ok(Cited {
                field: row.field_ordinal,
                check: row.check_ordinal,
                citation: Citation {
                    reading: row.reading,
                    page: count_in(row.page),
                    range: range.map(|(start, end)| TextRange {
                        start: count_in(start),
                        end: count_in(end),
                    }),
                    quote: row.quote,
                    regions: row.regions.0,
                    class: tag(&row.class)?,
                },
            })
        })
        .collect()
}

/// Fields and those that lost against another of the same path.
async fn fields(
    tx: &mut TenantTx,
    tenant: Uuid,
    run: Uuid,
    cited: &mut Vec<Cited>,
) -> Result<(Vec<Field>, Vec<Field>), StoreError> {
    let rows = sqlx::query!(
        "select ordinal, path, lost, value, raw, confidence, origin
         from docmill.field where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    let (mut fields, mut conflicts) = (Vec::new(), Vec::new());
    for row in rows {
        let field = Field {
            path: row.path,
            value: row.value.map(typed::<Value>).transpose()?,
            raw: row.raw,
            confidence: row.confidence,
            origin: row.origin.map(typed).transpose()?,
            citations: take(cited, |c| c.field == Some(row.ordinal)),
        };
        if row.lost {
            conflicts.push(field)
        } else {
            fields.push(field)
        }
    }
    Ok((fields, conflicts))
}

async fn checks(
    tx: &mut TenantTx,
    tenant: Uuid,
    run: Uuid,
    cited: &mut Vec<Cited>,
) -> Result<Vec<Check>, StoreError> {
    let rows = sqlx::query!(
        "select ordinal, code, outcome, severity, reason, fields, origin
         from docmill.check where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Check {
                code: row.code,
                outcome: tag(&row.outcome)?,
                severity: tag(&row.severity)?,
                reason: row.reason,
                fields: row.fields,
                origin: row.origin.map(typed).transpose()?,
                citations: take(cited, |c| c.check == Some(row.ordinal)),
            })
        })
        .collect()
}

type Chunks = (Vec<Arc<Chunk>>, Vec<Arc<EmbeddingsRecord>>);

async fn chunks(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Chunks, StoreError> {
    let row = sqlx::query!(
        r#"select chunks as "chunks: Json<Vec<Arc<Chunk>>>", embeddings as "embeddings: Json<Vec<Arc<EmbeddingsRecord>>>"
           from docmill.run_chunks where tenant_id = $1 and run_id = $2"#,
        tenant,
        run,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row
        .map(|row| (row.chunks.0, row.embeddings.0))
        .unwrap_or_default())
}

/// Citations stand in the order of what they belong to, so those wanted next are the first ones.
fn take(cited: &mut Vec<Cited>, wanted: impl Fn(&Cited) -> bool) -> Vec<Citation> {
    let end = cited.iter().position(|c| !wanted(c)).unwrap_or(cited.len());
    cited.drain(..end).map(|c| c.citation).collect()
}

async fn artifacts(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Vec<ArtifactRecord>, StoreError> {
    let rows = sqlx::query!(
        "select id, step, name, media_type, size, digest
         from docmill.artifact where tenant_id = $1 and run_id = $2 order by ordinal",
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ArtifactRecord {
                id: row.id.into(),
                step: row.step,
                name: row.name,
                media_type: row.media_type,
                size: size_in(row.size),
                digest: digest(&row.digest)?,
            })
        })
        .collect()
}

async fn readings(tx: &mut TenantTx, tenant: Uuid, run: Uuid) -> Result<Vec<ReadingRef>, StoreError> {
    let rows = sqlx::query!(
        // The document that had the bytes first; if that was raised since, the run's own.
        r#"select u.key, r.id, r.source_id, r.plugin, r.page_count, coalesce(first.document_id, (
                select s.document_id from docmill.run_input i
                join docmill.source s on s.tenant_id = i.tenant_id and s.id = i.source_id
                where i.tenant_id = $1 and i.run_id = $2 and s.duplicate_of = r.source_id
                order by i.ordinal limit 1)) as "document_id!"
         from docmill.run_reading u
         join docmill.reading r on r.tenant_id = u.tenant_id and r.id = u.reading_id
         left join docmill.source first on first.tenant_id = r.tenant_id and first.id = r.source_id
         where u.tenant_id = $1 and u.run_id = $2 order by u.key"#,
        tenant,
        run,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReadingRef {
            key: row.key,
            id: row.id.into(),
            source: row.source_id.into(),
            document: row.document_id.into(),
            plugin: row.plugin,
            pages: count_in(row.page_count),
        })
        .collect())
}
