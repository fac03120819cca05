//! The audit log over HTTP, and how reads get into it.

mod journal;
mod reads;

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use docmill_model::id::KeyId;
use docmill_store::Page;
use docmill_store::audit::{AuditFilter, AuditRow, Head, Verified};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::answer::{json, limit};
use crate::caller::Caller;
use crate::permission::{May, ReadAudit};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::{self, rfc3339};

pub use journal::{Journal, JournalFigures};
pub(crate) use reads::{Reading, also_read};

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
struct EntryBody {
    /// Its place in the tenant's chain, from 1 without gaps.
    seq: i64,
    /// `aud_…`
    id: String,
    /// When it happened: RFC 3339 in UTC.
    at: String,
    /// `run.finish`, `document.read`, `key.create`
    action: String,
    /// The id or name of what was acted on.
    subject: String,
    /// The run whose end this is; its pipeline is the subject. Of several that ended together, `detail.runs` has them all, each
    /// with its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// Which key acted; none: the platform.
    key: Option<String>,
    /// From where.
    client_ip: Option<String>,
    /// In which request.
    request: Option<String>,
    /// More: names, versions, digests; never values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    detail: Option<Json>,
    /// SHA-256 over all of this and the hash of the entry before it.
    hash: String,
}

impl EntryBody {
    fn new(row: AuditRow) -> Self {
        Self {
            seq: row.seq,
            id: row.id.to_string(),
            at: rfc3339(row.at),
            action: row.action,
            subject: row.subject,
            run: row.run.map(|id| id.to_string()),
            key: row.key.map(|id| id.to_string()),
            client_ip: row.client_ip,
            request: row.request.map(|id| id.to_string()),
            detail: row.detail,
            hash: row.hash.to_string(),
        }
    }
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditList {
    /// Newest place first.
    items: Vec<EntryBody>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Who did what to which object.
///
/// Reads of documents and results are entries, too, with the names of filters and never their values. An entry is listed once
/// it is sealed, about a second after it was written, and never moves.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", security(("key" = ["audit:read"])),
    params(
        ("action" = Option<String>, Query, description = "`key.create`, `document.read`, …"),
        ("subject" = Option<String>, Query, description = "The id or name of what was acted on; a run's id also finds its end"),
        ("key" = Option<String>, Query, description = "Done by this key: key_…"),
        ("since" = Option<String>, Query, description = "At this time or later: RFC 3339; without an offset, or a date alone, in the tenant's time zone"),
        ("until" = Option<String>, Query, description = "Before this time"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = AuditList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadAudit>,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = filter(&mut query, &caller)?;
    query.finish()?;
    let page = listed(&state, &caller, &filter).await?;
    json(&AuditList {
        items: page.items.into_iter().map(EntryBody::new).collect(),
        next: page.next.map(|seq| seq.to_string()),
    })
}

/// Which entries a query asks for.
pub(crate) fn filter(query: &mut Query, caller: &Caller) -> Result<AuditFilter, Problem> {
    let zone = &caller.who().timezone;
    let time = |query: &mut Query, name: &str| {
        let text = query.take(name)?;
        text.map(|text| time::parse(name, &text, zone).map(|at| at.max(0)))
            .transpose()
    };
    Ok(AuditFilter {
        action: query.take("action")?,
        subject: query.take("subject")?,
        key: query.parsed::<KeyId>("key", "a key's id: key_…")?,
        since: time(query, "since")?,
        until: time(query, "until")?,
        cursor: query.parsed("cursor", "the `next` of the page before")?,
        limit: limit(query)?,
    })
}

/// Those entries, with what this host knows of a moment ago.
pub(crate) async fn listed(
    state: &ApiState,
    caller: &May<ReadAudit>,
    filter: &AuditFilter,
) -> Result<Page<AuditRow, i64>, Problem> {
    if filter.cursor.is_none() {
        settle(state).await;
    }
    let page = state.store().list_audit(caller.tenant(), filter).await;
    Ok(page.map_err(|e| e.failure())?)
}

/// The first place where the chain breaks.
#[derive(Serialize, ToSchema)]
struct BreakBody {
    /// `changed`, `reordered`, `missing`, `doubled`, `cut-off`, `rewritten` or `head-changed`.
    #[schema(value_type = String)]
    fault: docmill_store::audit::Fault,
    /// The place.
    seq: i64,
    /// The entry that stands there: `aud_…`
    entry: Option<String>,
    /// The same for a person.
    detail: String,
}

/// What verifying found.
#[derive(Serialize, ToSchema)]
pub struct VerifiedBody {
    /// No break was found.
    intact: bool,
    /// Entries whose hashes were computed again and were right.
    checked: u64,
    /// The last of them, as `SEQ:HASH`: keep it elsewhere, and pass it as `head` another time.
    head: String,
    /// The end of the chain was reached, or a break. If not, go on with `from`.
    complete: bool,
    /// The first break.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<BreakBody>,
}

impl VerifiedBody {
    fn new(verified: Verified) -> Self {
        Self {
            intact: verified.broken.is_none(),
            checked: verified.checked,
            head: verified.head.to_string(),
            complete: verified.complete,
            broken: verified.broken.map(|found| BreakBody {
                fault: found.fault,
                seq: found.seq,
                entry: found.entry.map(|id| id.to_string()),
                detail: found.said,
            }),
        }
    }
}

/// Compute the audit log's hashes again.
///
/// Looks at 100 000 entries at most; go on with `from` until it is `complete`. A chain that was cut off or written anew by
/// somebody with every right over the database is told only by a `head` that was kept elsewhere.
#[utoipa::path(
    get, path = "/v1/audit:verify", tag = "audit", security(("key" = ["audit:read"])),
    params(
        ("head" = Option<String>, Query, description = "A head seen earlier, `SEQ:HASH`: the chain has to lead through it"),
        ("from" = Option<String>, Query, description = "Go on after this place, `SEQ:HASH`, which is taken for right; from the first entry if left out"),
    ),
    responses((status = 200, body = VerifiedBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn verify(
    State(state): State<ApiState>,
    caller: May<ReadAudit>,
    mut query: Query,
) -> Result<Response, Problem> {
    let form = "written SEQ:HASH, as an earlier verification gave it";
    let known: Option<Head> = query.parsed("head", form)?;
    let from: Option<Head> = query.parsed("from", form)?;
    query.finish()?;
    json(&VerifiedBody::new(verified(&state, &caller, known, from).await?))
}

/// What verifying the chain finds, from `from` on.
pub(crate) async fn verified(
    state: &ApiState,
    caller: &May<ReadAudit>,
    known: Option<Head>,
    from: Option<Head>,
) -> Result<Verified, Problem> {
    let _place = state.heavy_place().await?;
    if from.is_none() {
        settle(state).await;
    }
    let verified = state
        .store()
        .verify_audit(caller.tenant(), from.unwrap_or(Head::START), known)
        .await
        .map_err(|e| e.failure())?;
    // A head that the caller made up proves nothing.
    if let (Some(found), None, None) = (&verified.broken, known, from) {
        tracing::error!(tenant.id = %caller.tenant(), audit.seq = found.seq, audit.said = found.said, "the audit log is broken");
    }
    Ok(verified)
}

/// How long somebody who wants to see the newest entries waits for their seal.
const SEAL: Duration = Duration::from_secs(1);

/// What this host knows of is written and sealed, so that who asks sees what he did a moment ago. If it cannot be done now, it
/// is done a moment later, as ever.
async fn settle(state: &ApiState) {
    state.journal().flush().await;
    timeout(SEAL, state.store().seal_audit()).await.ok();
}
