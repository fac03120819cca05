//! What plugins keep between their calls, seen from outside: how much it is, and its end.

use axum::extract::{Path, State};
use axum::response::Response;
use docmill_store::value::Held;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::permission::{GrantPlugins, May, ReadPlugins};
use crate::plugins::{must_exist, plugin_name};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;

/// What a plugin keeps.
#[derive(Serialize, ToSchema)]
pub struct ValuesBody {
    /// How many.
    keys: u64,
    /// Of all keys and values.
    bytes: u64,
}

impl From<Held> for ValuesBody {
    fn from(held: Held) -> Self {
        Self {
            keys: held.keys,
            bytes: held.bytes,
        }
    }
}

/// How much a plugin keeps between its calls.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}/values", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it")
    ),
    responses((status = 200, body = ValuesBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let held = state.store().values_held(caller.tenant(), &name).await;
    let held = held.map_err(|e| e.failure())?;
    if held == Held::default() {
        must_exist(&state, caller.tenant(), &name).await?;
    }
    body_of(&ValuesBody::from(held))
}

/// Remove everything that a plugin keeps between its calls.
///
/// The answer tells how much it was. Calls that are under way may write again.
#[utoipa::path(
    delete, path = "/v1/plugins/{namespace}/{name}/values", tag = "plugins", security(("key" = ["grants:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it")
    ),
    responses((status = 200, body = ValuesBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn clear(
    State(state): State<ApiState>,
    caller: May<GrantPlugins>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    must_exist(&state, caller.tenant(), &name).await?;
    let held = state.store().clear_values(caller.tenant(), &name).await;
    let held = held.map_err(|e| e.failure())?;
    let detail = json!({ "keys": held.keys, "bytes": held.bytes });
    caller
        .note(&state, "plugin.clear", &name.to_string(), detail)
        .await;
    body_of(&ValuesBody::from(held))
}
