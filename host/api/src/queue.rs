//! The organisation's queue: how full it is, holding it, and letting it go on.

use axum::extract::{Path, State};
use axum::response::Response;
use docmill_model::failure::Code;
use docmill_model::id::PipelineId;
use docmill_store::queue::{PipelineQueue, TenantQueue};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::caller::Caller;
use crate::permission::{May, ReadRuns, WritePipelines, WriteTenant};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;

/// The queued runs of the organisation.
#[derive(Serialize, ToSchema)]
pub struct QueueBody {
    /// Nothing of the organisation begins.
    paused: bool,
    /// Pipelines with queued runs, or that are held: `pipeline`, `ready`, `delayed`, `running`, `oldest_ms`, `paused`, `most`.
    #[schema(value_type = Vec<Object>)]
    pipelines: Vec<PipelineQueue>,
}

impl From<TenantQueue> for QueueBody {
    fn from(queue: TenantQueue) -> Self {
        Self {
            paused: queue.paused,
            pipelines: queue.pipelines,
        }
    }
}

async fn shown(state: &ApiState, caller: &Caller) -> Result<Response, Problem> {
    let queue = state.store().tenant_queue(caller.tenant()).await;
    body_of(&QueueBody::from(queue.map_err(|e| e.failure())?))
}

/// See how full the queue is.
#[utoipa::path(
    get, path = "/v1/queue", tag = "runs", security(("key" = ["runs:read"])),
    responses((status = 200, body = QueueBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(State(state): State<ApiState>, caller: May<ReadRuns>) -> Result<Response, Problem> {
    shown(&state, &caller).await
}

/// Hold all queued runs.
///
/// None begins until the queue is let go on; what is at work goes on to its end, and runs are accepted meanwhile.
#[utoipa::path(
    post, path = "/v1/queue/pause", tag = "runs", security(("key" = ["tenant:write"])),
    responses((status = 200, body = QueueBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn pause(State(state): State<ApiState>, caller: May<WriteTenant>) -> Result<Response, Problem> {
    hold(&state, &caller, true).await
}

/// Let all queued runs go on.
#[utoipa::path(
    post, path = "/v1/queue/resume", tag = "runs", security(("key" = ["tenant:write"])),
    responses((status = 200, body = QueueBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn resume(State(state): State<ApiState>, caller: May<WriteTenant>) -> Result<Response, Problem> {
    hold(&state, &caller, false).await
}

async fn hold(state: &ApiState, caller: &Caller, paused: bool) -> Result<Response, Problem> {
    let held = state.store().pause_queue(caller.tenant(), None, paused).await;
    if held.map_err(|e| e.failure())? {
        let action = if paused { "queue.pause" } else { "queue.resume" };
        caller.note(state, action, "queue", json!({})).await;
    }
    shown(state, caller).await
}

/// Hold the queued runs of a pipeline.
#[utoipa::path(
    post, path = "/v1/pipelines/{name}/pause", tag = "pipelines", security(("key" = ["pipelines:write"])),
    params(("name" = String, Path, description = "The pipeline's name")),
    responses((status = 200, body = QueueBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn pause_pipeline(
    State(state): State<ApiState>,
    caller: May<WritePipelines>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    hold_pipeline(&state, &caller, &name, true).await
}

/// Let the queued runs of a pipeline go on.
#[utoipa::path(
    post, path = "/v1/pipelines/{name}/resume", tag = "pipelines", security(("key" = ["pipelines:write"])),
    params(("name" = String, Path, description = "The pipeline's name")),
    responses((status = 200, body = QueueBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn resume_pipeline(
    State(state): State<ApiState>,
    caller: May<WritePipelines>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    hold_pipeline(&state, &caller, &name, false).await
}

async fn hold_pipeline(
    state: &ApiState,
    caller: &Caller,
    name: &str,
    paused: bool,
) -> Result<Response, Problem> {
    let pipeline = pipeline(state, caller, name).await?;
    let held = state
        .store()
        .pause_queue(caller.tenant(), Some(pipeline), paused)
        .await;
    if held.map_err(|e| e.failure())? {
        let action = if paused {
            "pipeline.pause"
        } else {
            "pipeline.resume"
        };
        caller.note(state, action, name, json!({})).await;
    }
    shown(state, caller).await
}

async fn pipeline(state: &ApiState, caller: &Caller, name: &str) -> Result<PipelineId, Problem> {
    let found = state.store().get_pipeline(caller.tenant(), name).await;
    let row = found.map_err(|e| e.failure())?.ok_or_else(|| {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        Problem::new(Code::UnknownPipeline, format!("there is no pipeline '{shown}'"))
    })?;
    caller.cleared_for(row.definition.tier, "hold a pipeline of the tier")?;
    Ok(row.pipeline)
}
