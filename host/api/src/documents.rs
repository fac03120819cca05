//! Documents over HTTP.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use docmill_model::access::Clearance;
use docmill_model::failure::Code;
use docmill_model::id::DocumentId;
use docmill_store::StoreError;
use docmill_store::document::{DocumentSummary, DocumentView, Hit, ReadingView, SourceRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{file, id_of, json as body_of, limit};
use crate::body::object;
use crate::permission::{May, ReadDocuments, WriteDocuments};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::runs::SummaryBody;
use crate::state::ApiState;
use crate::time::rfc3339;

/// A document as lists show it.
#[derive(Serialize, ToSchema)]
struct ItemBody {
    /// `doc_…`
    id: String,
    /// As the client gave it.
    name: Option<String>,
    /// What it demands of those who look at it: `S`, `A`, `B`, `C` or `D`, which is for everybody.
    #[schema(value_type = String)]
    tier: Clearance,
    /// What the host found it to be.
    media_type: String,
    /// In bytes.
    size: u64,
    /// SHA-256.
    digest: String,
    /// The document that had the same bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// Where the words that were searched for stand: `page` (from 0) and a part of its `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    hit: Option<Hit>,
}

impl ItemBody {
    fn new(row: DocumentSummary) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            tier: row.tier,
            media_type: row.media_type,
            size: row.size,
            digest: row.digest.to_string(),
            duplicate_of: row.duplicate_of.map(|id| id.to_string()),
            created_at: rfc3339(row.created_at),
            hit: row.hit,
        }
    }
}

/// A page of documents.
#[derive(Serialize, ToSchema)]
pub struct DocumentList {
    /// Newest first.
    items: Vec<ItemBody>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Find documents.
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", security(("key" = ["documents:read"])),
    params(
        ("q" = Option<String>, Query, description = "With a page that has all of these words, in any form (Russian, English)"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = DocumentList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadDocuments>,
    mut query: Query,
) -> Result<Response, Problem> {
    let words = query.take("q")?.filter(|words| !words.trim().is_empty());
    let limit = limit(&mut query)?;
    let cursor: Option<DocumentId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let listed = state
        .store()
        .list_documents(caller.sight(), cursor, limit, words.as_deref())
        .await;
    let page = listed.map_err(|e| e.failure())?;
    body_of(&DocumentList {
        items: page.items.into_iter().map(ItemBody::new).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

/// A version of a document's bytes.
#[derive(Serialize, ToSchema)]
struct SourceBody {
    /// `src_…`
    id: String,
    /// As the client gave it.
    name: Option<String>,
    /// What the host found it to be.
    media_type: String,
    /// In bytes.
    size: u64,
    /// SHA-256.
    digest: String,
    /// Of its text, 16 hexadecimal digits: texts that differ little differ in few bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    simhash: Option<String>,
    /// The document that had the same bytes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
}

impl SourceBody {
    fn new(row: SourceRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            media_type: row.media_type,
            size: row.size,
            digest: row.digest.to_string(),
            simhash: row.simhash,
            duplicate_of: row.duplicate_of.map(|id| id.to_string()),
            created_at: rfc3339(row.created_at),
        }
    }
}

/// What one parser made of a source.
#[derive(Serialize, ToSchema)]
struct ReadingBody {
    /// `rdg_…`
    id: String,
    /// Of which source.
    source: String,
    /// `namespace/name@version`
    plugin: String,
    /// BCP 47.
    language: Option<String>,
    /// Title, author, dates, as pairs of name and value.
    metadata: Vec<(String, String)>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// In order: `number` (from 0), `label`, `size`, `origin`, `warnings`, `text`.
    #[schema(value_type = Vec<Object>)]
    pages: Vec<Json>,
}

impl ReadingBody {
    fn new(view: ReadingView) -> Self {
        let pages = view
            .pages
            .iter()
            .map(|page| serde_json::to_value(page).unwrap_or_default());
        Self {
            id: view.id.to_string(),
            source: view.source.to_string(),
            plugin: view.plugin,
            language: view.language,
            metadata: view.metadata,
            created_at: rfc3339(view.created_at),
            pages: pages.collect(),
        }
    }
}

/// A document with its pages and every run over it.
#[derive(Serialize, ToSchema)]
pub struct DocumentBody {
    /// `doc_…`
    id: String,
    /// The name of its newest source.
    name: Option<String>,
    /// What it demands of those who look at it: `S`, `A`, `B`, `C` or `D`, which is for everybody.
    #[schema(value_type = String)]
    tier: Clearance,
    /// RFC 3339 in UTC.
    created_at: String,
    /// Newest first.
    sources: Vec<SourceBody>,
    /// Newest first.
    readings: Vec<ReadingBody>,
    /// Newest first, at most 100.
    runs: Vec<SummaryBody>,
}

impl DocumentBody {
    fn new(view: DocumentView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            tier: view.tier,
            created_at: rfc3339(view.created_at),
            sources: view.sources.into_iter().map(SourceBody::new).collect(),
            readings: view.readings.into_iter().map(ReadingBody::new).collect(),
            runs: view.runs.iter().map(SummaryBody::new).collect(),
        }
    }
}

/// One document with its pages and the runs over it.
#[utoipa::path(
    get, path = "/v1/documents/{id}", tag = "documents", security(("key" = ["documents:read"])),
    params(("id" = String, Path, description = "doc_…")),
    responses((status = 200, body = DocumentBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadDocuments>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: DocumentId = id_of(&id)?;
    let found = state
        .store()
        .get_document(caller.sight(), id)
        .await
        .map_err(|e| e.failure())?;
    body_of(&DocumentBody::new(found.ok_or_else(|| missing(id))?))
}

/// What is to change of a document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentPatch {
    /// What it demands of those who look at it: `S`, `A`, `B`, `C` or `D`, which is for everybody.
    #[schema(value_type = String)]
    tier: Clearance,
}

/// A document that was changed.
#[derive(Serialize, ToSchema)]
pub struct ChangedBody {
    /// `doc_…`
    id: String,
    /// What it demands now.
    #[schema(value_type = String)]
    tier: Clearance,
}

/// Give a document another tier.
///
/// Takes a clearance for the tier that it has and for the one that it gets. Runs over a document that is raised are raised with it,
/// because they quote it; none are lowered.
#[utoipa::path(
    patch, path = "/v1/documents/{id}", tag = "documents", security(("key" = ["documents:write"])),
    params(("id" = String, Path, description = "doc_…")), request_body = DocumentPatch,
    responses((status = 200, body = ChangedBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: May<WriteDocuments>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: DocumentId = id_of(&id)?;
    let (parts, body) = request.into_parts();
    let DocumentPatch { tier } = object(&state, &parts.headers, body, "{\"tier\": \"B\"}").await?;
    caller.cleared_for(tier, "give something the tier")?;
    let before = state.store().set_tier(caller.sight(), id, tier).await;
    let before = before.map_err(|error| match error {
        StoreError::NotFound { .. } => missing(id),
        other => other.failure().into(),
    })?;
    if before != tier {
        let detail = json!({ "tier": tier, "before": before });
        caller
            .note(&state, "document.tier", &id.to_string(), detail)
            .await;
    }
    body_of(&ChangedBody {
        id: id.to_string(),
        tier,
    })
}

/// The bytes of a document's newest source, as they came in.
#[utoipa::path(
    get, path = "/v1/documents/{id}/source", tag = "documents", security(("key" = ["documents:read"])),
    params(("id" = String, Path, description = "doc_…")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn source(
    State(state): State<ApiState>,
    caller: May<ReadDocuments>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: DocumentId = id_of(&id)?;
    let found = state
        .store()
        .newest_source(caller.sight(), id)
        .await
        .map_err(|e| e.failure())?;
    let stored = found.ok_or_else(|| missing(id))?;
    let bytes = match stored.inline {
        Some(bytes) => bytes,
        None => state
            .blobs()
            .get(caller.tenant(), stored.row.digest)
            .await
            .map_err(|e| e.failure())?,
    };
    let row = stored.row;
    Ok(file(
        row.name.as_deref(),
        &row.media_type,
        &row.digest.to_string(),
        bytes,
    ))
}

fn missing(id: DocumentId) -> Problem {
    Problem::new(Code::NotFound, format!("there is no document {id}"))
}
