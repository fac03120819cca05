//! A run as clients see it: the same shape for the answer of POST and for GET.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use docmill_model::access::Clearance;
use docmill_model::chunk::Chunk;
use docmill_model::definition::{Durability, Retain};
use docmill_model::failure::Failure;
use docmill_model::id::{ArtifactId, DocumentId, KeyId, ReadingId, RunId, SourceId, UserId, WorkerId};
use docmill_model::run::{
    ArtifactRecord, EmbeddingsRecord, InputContent, RunHead, RunOutcome, Status, StepRecord,
};
use docmill_model::value::{Check, Citation, Field, Origin, Outcome, Severity, Value, Verdict};
use docmill_runs::Answer;
use docmill_store::run::{RunSummary, StoredRun};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time::rfc3339;

/// A run.
#[derive(Serialize, ToSchema)]
pub struct RunBody<'a> {
    /// `run_…`
    #[schema(value_type = String)]
    id: RunId,
    /// The pipeline's name, as it was then.
    pipeline: &'a str,
    /// Which version of the pipeline, from 1.
    version: i32,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`
    #[schema(value_type = String)]
    status: Status,
    /// `pass`, `fail` or `undecided`; null if nothing was checked.
    #[schema(value_type = Option<String>)]
    verdict: Option<Verdict>,
    /// Why it failed: `code`, `message`, `step`, `plugin`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
    /// As the definition's `output` says.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a serde_json::Value>,
    /// What was found, merged.
    fields: Vec<FieldBody<'a>>,
    /// What lost against another value of the same path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<FieldBody<'a>>,
    /// Outcomes of rules.
    checks: Vec<CheckBody<'a>>,
    /// Pieces of the readings, each with where it stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chunks: Vec<ChunkBody<'a>>,
    /// Vectors of chunks and texts: `step`, `plugin`, `model`, `purpose` (`document` or `query`), `dimensions`, and `vectors`,
    /// each with `of`, a chunk's id or `role[n]`, and `vector`.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    embeddings: &'a [Arc<EmbeddingsRecord>],
    /// Files that the run produced.
    artifacts: Vec<ArtifactBody<'a>>,
    /// Files that went in.
    documents: Vec<DocumentBody<'a>>,
    /// What parsers made of them; citations name them.
    readings: Vec<ReadingBody<'a>>,
    /// What each step did, in the definition's order.
    #[schema(value_type = Vec<Object>)]
    steps: &'a [StepRecord],
    /// The parameters.
    #[schema(value_type = Object)]
    params: &'a serde_json::Value,
    /// Values by which the run is found.
    lookups: BTreeMap<&'a str, &'a str>,
    /// Which plugin versions were pinned.
    plugins: &'a [String],
    /// `none`, `result` or `debug`
    #[schema(value_type = String)]
    retain: Retain,
    /// `result`, `accepted` or `steps`
    #[schema(value_type = String)]
    durability: Durability,
    /// What it demands of those who look at it: `S`, `A`, `B`, `C` or `D`, which is for everybody.
    #[schema(value_type = String)]
    tier: Clearance,
    /// Which key acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key: Option<KeyId>,
    /// Whose key or session it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user: Option<UserId>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    /// Of a run that waits for a worker or has one: `attempt`, `priority`, `ready_at`, `worker`, `last_error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueBody<'a>>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Timing>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// In which request.
    request_id: String,
}

/// Where a queued run stands.
#[derive(Serialize, ToSchema)]
struct QueueBody<'a> {
    /// How often a worker began with it.
    attempt: u32,
    /// Higher first.
    priority: i16,
    /// When it may begin; RFC 3339 in UTC.
    ready_at: String,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    worker: Option<WorkerId>,
    /// Why the attempt before was broken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    last_error: Option<&'a Failure>,
}

/// How long a run took, in microseconds.
#[derive(Serialize, ToSchema)]
struct Timing {
    /// From admission to the first step: reading the body and waiting for a turn.
    queued_us: u64,
    /// From admission to the answer, the commit included.
    total_us: u64,
}

/// A value with where it was read.
#[derive(Serialize, ToSchema)]
struct FieldBody<'a> {
    /// `seller.tax_id`, `lines[3].amount`
    path: &'a str,
    /// `type` (text, boolean, decimal, money, date, date_time, json) and `value`; absent: looked for and not there.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    value: Option<&'a Value>,
    /// As it stands in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    /// 0 to 1; absent: nobody measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
    /// Who found it.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    /// Where it was read.
    citations: Vec<CitationBody<'a>>,
}

/// The outcome of a rule.
#[derive(Serialize, ToSchema)]
struct CheckBody<'a> {
    /// Stable.
    code: &'a str,
    /// `pass`, `fail` or `undecided`
    #[schema(value_type = String)]
    outcome: Outcome,
    /// `info`, `warning` or `error`
    #[schema(value_type = String)]
    severity: Severity,
    /// For a person.
    reason: &'a str,
    /// Paths of the fields that it looked at.
    fields: &'a [String],
    /// Who says so.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    /// What it looked at.
    citations: Vec<CitationBody<'a>>,
}

/// A piece of a reading, for search.
#[derive(Serialize, ToSchema)]
struct ChunkBody<'a> {
    /// `step/n`: vectors name it.
    id: &'a str,
    /// The quotes of its citations, joined by one newline.
    text: &'a str,
    /// The headings above it, outermost first.
    headings: &'a [String],
    /// What else the chunker said of it.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a serde_json::Value>,
    /// Who made it.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    /// Where it stands, exactly.
    citations: Vec<CitationBody<'a>>,
}

/// A place in a document: page (from 0), range in the page's text (UTF-8 bytes), quote, regions, match class.
#[derive(Serialize, ToSchema)]
struct CitationBody<'a> {
    /// Page, range, quote, regions, match.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    citation: &'a Citation,
    /// The reading that it points into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reading_id: Option<ReadingId>,
    /// The document that the reading is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    document: Option<DocumentId>,
}

/// A file that a run produced.
#[derive(Serialize, ToSchema)]
struct ArtifactBody<'a> {
    /// Id, step, name, media type, size, digest.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    record: &'a ArtifactRecord,
    /// Where to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
    /// Its bytes, if the run is not kept (`retain: none`).
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
}

/// A file that went in.
#[derive(Serialize, ToSchema)]
struct DocumentBody<'a> {
    /// `doc_…`
    #[schema(value_type = String)]
    id: DocumentId,
    /// Which input it is.
    role: &'a str,
    /// As the client gave it.
    name: Option<&'a str>,
    /// What the host found it to be.
    media_type: &'a str,
    /// In bytes.
    size: u64,
    /// SHA-256.
    digest: String,
    /// The document that had the same bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    duplicate_of: Option<DocumentId>,
}

/// What a parser made of a document.
#[derive(Serialize, ToSchema, Clone)]
struct ReadingBody<'a> {
    /// The name by which this run's citations know it.
    key: &'a str,
    /// `rdg_…`
    #[schema(value_type = String)]
    id: ReadingId,
    /// Of which document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    document: Option<DocumentId>,
    /// Which parser.
    plugin: &'a str,
    /// Number of pages.
    pages: usize,
}

impl<'a> RunBody<'a> {
    /// A run that was just executed; `seen`: who asked for it can look at it again.
    pub fn of_answer(answer: &'a Answer, seen: bool) -> Self {
        let readings = answer.outcome.readings.iter();
        let readings = readings.map(|record| ReadingBody {
            key: &record.reading.key,
            id: answer.committed.kept_reading(record.id),
            document: document_of(&answer.head, record.source),
            plugin: &record.plugin,
            pages: record.reading.pages.len(),
        });
        let mut body = Self::new(&answer.head, Some(&answer.outcome), readings.collect());
        for document in &mut body.documents {
            document.duplicate_of = answer.committed.duplicate_of(document.id);
        }
        for artifact in &mut body.artifacts {
            artifact.content_base64 = content(&answer.loose, artifact.record.id);
            artifact.href = artifact.href.take().filter(|_| seen);
        }
        let us = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        body.timing = Some(Timing {
            queued_us: us(answer.queued),
            total_us: us(answer.total),
        });
        body
    }

    /// A run that is kept.
    pub fn of_stored(run: &'a StoredRun) -> Self {
        let readings = run.readings.iter().map(|reading| ReadingBody {
            key: &reading.key,
            id: reading.id,
            // The reading may be that of the first document with the same bytes; here it is told as the run's own.
            document: Some(own(run, reading.document)),
            plugin: &reading.plugin,
            pages: usize::try_from(reading.pages).unwrap_or(usize::MAX),
        });
        let mut body = Self::new(&run.head, run.outcome.as_ref(), readings.collect());
        body.status = run.status;
        body.queue = run.queued.as_ref().map(|place| QueueBody {
            attempt: place.attempt,
            priority: place.priority,
            ready_at: rfc3339(place.ready_at),
            worker: place.worker,
            last_error: place.last_error.as_ref(),
        });
        for document in &mut body.documents {
            let same = run.duplicates.iter().find(|(new, _)| *new == document.id);
            document.duplicate_of = same.map(|(_, first)| *first);
        }
        // What is kept knows milliseconds.
        let us = |from: i64, to: i64| {
            u64::try_from(to.saturating_sub(from))
                .unwrap_or(0)
                .saturating_mul(1000)
        };
        body.timing = run.outcome.as_ref().map(|outcome| Timing {
            queued_us: us(run.head.created_at, outcome.started_at),
            total_us: us(run.head.created_at, outcome.finished_at),
        });
        body
    }

    fn new(head: &'a RunHead, outcome: Option<&'a RunOutcome>, readings: Vec<ReadingBody<'a>>) -> Self {
        let cite = |citations: &'a [Citation]| citations.iter().map(|c| resolve(c, &readings)).collect();
        let field = |field: &'a Field| FieldBody {
            path: &field.path,
            value: field.value.as_ref(),
            raw: field.raw.as_deref(),
            confidence: field.confidence,
            origin: field.origin.as_ref(),
            citations: cite(&field.citations),
        };
        let check = |check: &'a Check| CheckBody {
            code: &check.code,
            outcome: check.outcome,
            severity: check.severity,
            reason: &check.reason,
            fields: &check.fields,
            origin: check.origin.as_ref(),
            citations: cite(&check.citations),
        };
        let chunk = |chunk: &'a Arc<Chunk>| ChunkBody {
            id: &chunk.id,
            text: &chunk.text,
            headings: &chunk.headings,
            metadata: chunk.metadata.as_ref(),
            origin: chunk.origin.as_ref(),
            citations: cite(&chunk.citations),
        };
        let artifact = |record: &'a ArtifactRecord| ArtifactBody {
            record,
            href: (head.retain != Retain::None)
                .then(|| format!("/v1/runs/{}/artifacts/{}", head.id, record.id)),
            content_base64: None,
        };
        Self {
            id: head.id,
            pipeline: &head.pipeline_name,
            version: head.version_number,
            status: outcome.map_or(Status::Running, |o| o.status),
            verdict: outcome.and_then(|o| o.verdict),
            error: outcome.and_then(|o| o.error.as_ref()),
            output: outcome.and_then(|o| o.output.as_ref()),
            fields: outcome.map_or_else(Vec::new, |o| o.fields.iter().map(field).collect()),
            conflicts: outcome.map_or_else(Vec::new, |o| o.conflicts.iter().map(field).collect()),
            checks: outcome.map_or_else(Vec::new, |o| o.checks.iter().map(check).collect()),
            chunks: outcome.map_or_else(Vec::new, |o| o.chunks.iter().map(chunk).collect()),
            embeddings: outcome.map_or(&[], |o| &o.embeddings),
            artifacts: outcome.map_or_else(Vec::new, |o| o.artifacts.iter().map(artifact).collect()),
            documents: documents(head),
            steps: outcome.map_or(&[], |o| &o.steps),
            params: &head.params,
            lookups: head
                .lookups
                .iter()
                .map(|l| (l.name.as_str(), l.value.as_str()))
                .collect(),
            plugins: &head.plugins,
            retain: head.retain,
            durability: head.durability,
            tier: head.tier,
            key: head.key,
            user: head.user,
            subject: head.subject.as_deref(),
            queue: None,
            timing: None,
            created_at: rfc3339(head.created_at),
            request_id: head.request.to_string(),
            readings,
        }
    }
}

fn content(loose: &[(ArtifactId, bytes::Bytes)], id: ArtifactId) -> Option<String> {
    let (_, bytes) = loose.iter().find(|(of, _)| *of == id)?;
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn documents(head: &RunHead) -> Vec<DocumentBody<'_>> {
    head.inputs
        .iter()
        .filter_map(|input| match &input.content {
            InputContent::File {
                document,
                name,
                media_type,
                size,
                digest,
                ..
            } => Some(DocumentBody {
                id: *document,
                role: &input.role,
                name: name.as_deref(),
                media_type,
                size: *size,
                digest: digest.to_string(),
                duplicate_of: None,
            }),
            InputContent::Text { .. } | InputContent::Record { .. } => None,
        })
        .collect()
}

/// The run's own document with the bytes of `kept`.
fn own(run: &StoredRun, kept: DocumentId) -> DocumentId {
    let same = run.duplicates.iter().find(|(_, first)| *first == kept);
    same.map_or(kept, |(new, _)| *new)
}

fn document_of(head: &RunHead, wanted: SourceId) -> Option<DocumentId> {
    head.inputs.iter().find_map(|input| match &input.content {
        InputContent::File { document, source, .. } if *source == wanted => Some(*document),
        _ => None,
    })
}

/// Citations name readings by their key within the run; none means the main one.
fn resolve<'a>(citation: &'a Citation, readings: &[ReadingBody<'a>]) -> CitationBody<'a> {
    let key = citation.reading.as_deref().unwrap_or("main");
    let found = readings.iter().find(|reading| reading.key == key);
    let found = found.or_else(|| readings.first().filter(|_| citation.reading.is_none()));
    CitationBody {
        citation,
        reading_id: found.map(|reading| reading.id),
        document: found.and_then(|reading| reading.document),
    }
}

/// A run as lists show it.
#[derive(Serialize, ToSchema)]
pub struct SummaryBody {
    /// `run_…`
    id: String,
    /// The pipeline's name, as it was then.
    pipeline: String,
    /// Which version of it.
    version: i32,
    /// `running`, `succeeded` or `failed`
    #[schema(value_type = String)]
    status: Status,
    /// `pass`, `fail` or `undecided`
    #[schema(value_type = Option<String>)]
    verdict: Option<Verdict>,
    /// What it demands of those who look at it.
    #[schema(value_type = String)]
    tier: Clearance,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<Failure>,
    /// Values by which it is found.
    lookups: BTreeMap<String, String>,
    /// Documents among its inputs.
    documents: Vec<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

impl SummaryBody {
    /// A row of a list.
    pub fn new(run: &RunSummary) -> Self {
        Self {
            id: run.id.to_string(),
            pipeline: run.pipeline.clone(),
            version: run.version_number,
            status: run.status,
            verdict: run.verdict,
            tier: run.tier,
            subject: run.subject.clone(),
            error: run.error.clone(),
            lookups: run
                .lookups
                .iter()
                .map(|l| (l.name.clone(), l.value.clone()))
                .collect(),
            documents: run.documents.iter().map(ToString::to_string).collect(),
            created_at: rfc3339(run.created_at),
            finished_at: run.finished_at.map(rfc3339),
        }
    }
}
