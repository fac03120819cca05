//! Runs that are worked on later, and requests that come again.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::RunId;
use docmill_model::run::Status;
use docmill_runs::Request as RunRequest;
use docmill_runs::queue::Later;
use docmill_store::Sight;
use docmill_store::queue::{Canceller, KeyUse};
use docmill_store::run::StoredRun;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Asked, RunBody};
use crate::answer::{id_of, json as body_of, json_with};
use crate::caller::{Caller, name_person};
use crate::permission::{InvokeRuns, May};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;

/// How long the first answer to a key stands.
const KEY_LASTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Between the first two looks at a run that is waited for, and longest.
const LOOK: Duration = Duration::from_millis(5);
const LOOK_LATER: Duration = Duration::from_millis(500);

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The client's key with what it asks for: everything that decides what the run is.
pub(super) fn key(name: &str, asked: &Asked, request: &RunRequest) -> Option<KeyUse> {
    let key = asked.key.clone()?;
    let files = request.files.iter().map(|file| {
        let source = &file.source;
        json!([
            file.role,
            source.name,
            source.media_type,
            source.digest.to_string()
        ])
    });
    let said = json!({
        "pipeline": name,
        "tier": asked.tier,
        "subject": asked.subject,
        "later": asked.later.map(|later| (later.priority, later.delay.as_millis().to_string())),
        "params": request.params,
        "files": files.collect::<Vec<_>>(),
        "texts": request.texts,
        "records": request.records,
        "documents": request.documents,
    });
    Some(KeyUse {
        key,
        request: Digest::of(said.to_string().as_bytes()),
        lasts: KEY_LASTS,
    })
}

/// The run that came with the key before.
pub(super) async fn used(state: &ApiState, caller: &Caller, key: &KeyUse) -> Result<Option<RunId>, Problem> {
    let used = state.store().used_key(caller.tenant(), &key.key).await;
    match used.map_err(|e| e.failure())? {
        None => Ok(None),
        Some(used) if used.request == key.request => Ok(Some(used.run)),
        Some(_) => Err(Problem::new(
            Code::KeyReused,
            "this Idempotency-Key came with another request before; a new request needs a new key",
        )),
    }
}

/// Waits until the run is over, or the time is; not, if too many wait already.
pub(super) async fn wait(state: &ApiState, sight: Sight, run: RunId, span: Duration) -> Result<(), Problem> {
    if span.is_zero() {
        return Ok(());
    }
    let Some(_place) = state.wait_place() else {
        return Ok(());
    };
    let until = Instant::now() + span;
    let mut pause = LOOK;
    while Instant::now() < until {
        match state
            .store()
            .run_status(sight, run)
            .await
            .map_err(|e| e.failure())
        {
            Ok(status) if status.is_none_or(Status::is_over) => return Ok(()),
            // It may be back within the time.
            Ok(_) => {}
            Err(failure) if failure.code == Code::StoreUnavailable => {}
            Err(failure) => return Err(failure.into()),
        }
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        pause = (pause * 3 / 2).min(LOOK_LATER);
    }
    Ok(())
}

/// The answer for a run that is kept: its result if it is over within the time, otherwise where it is to be found.
pub(super) async fn answered(
    state: &ApiState,
    caller: &Caller,
    run: RunId,
    span: Duration,
    replayed: bool,
) -> Result<Response, Problem> {
    let whole = Sight::whole(caller.tenant());
    wait(state, whole, run, span).await?;
    let found = match state.store().get_run(whole, run).await {
        Ok(found) => found,
        // The run is kept; that it cannot be read at this moment is no reason to have it sent again.
        Err(error) if !replayed && error.failure().code == Code::StoreUnavailable => {
            let mut response = accepted(run)?;
            if let Ok(location) = HeaderValue::try_from(format!("/v1/runs/{run}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            return Ok(response);
        }
        Err(error) => return Err(error.failure().into()),
    };
    let stored = found.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "the run that came with this key was kept for as long as its pipeline says, and is gone",
        )
    })?;
    // Who posted it gets its answer, whatever tier it has; of others, who sees it.
    let own = stored.head.key.is_some() && stored.head.key == caller.who().key;
    let sees = caller.who().clearance.sees(stored.head.tier);
    let mut response = if own || sees {
        whole_answer(&stored)?
    } else {
        accepted(run)?
    };
    let headers = response.headers_mut();
    if sees && let Ok(location) = HeaderValue::try_from(format!("/v1/runs/{run}")) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    } else {
        headers.insert(APPLIED, HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

/// That it is kept, and nothing else.
fn accepted(run: RunId) -> Result<Response, Problem> {
    json_with(
        StatusCode::ACCEPTED,
        &json!({ "id": run, "status": Status::Queued }),
    )
}

fn whole_answer(stored: &StoredRun) -> Result<Response, Problem> {
    let body = RunBody::of_stored(stored);
    match stored.status {
        Status::Succeeded => body_of(&body),
        Status::Failed => {
            let failure = stored.outcome.as_ref().and_then(|outcome| outcome.error.clone());
            let failure =
                failure.unwrap_or_else(|| Failure::new(Code::Internal, "the run failed without saying why"));
            Err(Problem::from(failure).of_run(Some(stored.head.id)))
        }
        Status::Cancelled => {
            Err(Problem::new(Code::Cancelled, "the run was cancelled").of_run(Some(stored.head.id)))
        }
        Status::Queued | Status::Running => {
            let mut response = json_with(StatusCode::ACCEPTED, &body)?;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
    }
}

/// Cancel a run that is not over.
///
/// It ends at once, whether it waits for a worker or has one; what its worker still does changes nothing. A run that somebody waits
/// for ends when they hang up, and is not cancelled here.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs", security(("key" = ["runs:invoke"])),
    params(("id" = String, Path, description = "run_…")),
    responses((status = 200, body = RunBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn cancel(
    State(state): State<ApiState>,
    caller: May<InvokeRuns>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run: RunId = id_of(&id)?;
    let mut who = serde_json::Map::new();
    name_person(caller.who(), &mut who);
    let by = Canceller {
        key: caller.who().key,
        request: caller.context().request(),
    };
    let store = state.store();
    let cancelled = store.cancel_run(caller.sight(), run, by, &who.into()).await;
    let cancelled = cancelled.map_err(|e| e.failure())?;
    let found = store
        .get_run(caller.sight(), run)
        .await
        .map_err(|e| e.failure())?;
    let stored = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no run {run}")))?;
    if !cancelled && stored.status != Status::Cancelled {
        let said = match stored.status {
            Status::Running | Status::Queued => {
                "somebody waits for the run's answer: it ends when they hang up".to_owned()
            }
            over => format!("the run is over: it {}", over.as_str()),
        };
        return Err(Problem::new(Code::NotQueued, said).of_run(Some(run)));
    }
    if caller.may(Scope::RunsRead) {
        return body_of(&RunBody::of_stored(&stored));
    }
    body_of(&json!({ "id": run, "status": stored.status }))
}

/// Run again what a run was given.
///
/// The run has to be over. Another one is queued over the same inputs and params, with what its pipeline is now; the first one stays as
/// it is.
#[utoipa::path(
    post, path = "/v1/runs/{id}/redrive", tag = "runs", security(("key" = ["runs:invoke"])),
    params(("id" = String, Path, description = "run_…")),
    responses(
        (status = 202, description = "The new run", body = RunBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn redrive(
    State(state): State<ApiState>,
    caller: May<InvokeRuns>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run: RunId = id_of(&id)?;
    // What is kept is read.
    caller.must(Scope::RunsRead)?;
    caller.must(Scope::DocumentsRead)?;
    let found = state
        .store()
        .get_run(caller.sight(), run)
        .await
        .map_err(|e| e.failure())?;
    let stored = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no run {run}")))?;
    if !stored.status.is_over() {
        let said = "the run is not over: cancel it first, or wait for its end";
        return Err(Problem::new(Code::Conflict, said).of_run(Some(run)));
    }
    let runs = state.runs();
    let admission = runs.admit(caller.quota())?;
    let snapshot = runs.snapshot(caller.tenant(), &stored.head.pipeline_name).await?;
    let accepted = runs
        .redrive(
            admission,
            &snapshot,
            caller.acting(),
            &stored.head,
            Later::default(),
        )
        .await
        .map_err(|refused| Problem::from(refused.failure))?;
    let detail = json!({ "run": accepted.head.id });
    caller.note(&state, "run.redrive", &run.to_string(), detail).await;
    answered(&state, &caller, accepted.head.id, Duration::ZERO, false).await
}
