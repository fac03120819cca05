//! What plugins may do beyond their inputs, over HTTP: grants and their bounds.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::grant::{Bounds, Capability};
use docmill_model::plugin::PluginName;
use docmill_store::grant::GrantRow;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::body::object;
use crate::permission::{GrantPlugins, May, ReadPlugins};
use crate::plugins::{must_exist, plugin_name};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;

/// A grant that holds.
#[derive(Serialize, ToSchema)]
pub struct GrantBody {
    /// `http`, `keyvalue`
    capability: String,
    /// Of `http`: `hosts`, `ports`, `methods`, `plaintext`, `secrets`, `calls`, `request_bytes`, `response_bytes`,
    /// `header_bytes`, `time`. Of `keyvalue`: `prefixes`, `write`, `keys`, `bytes`, `value_bytes`, `calls`.
    #[schema(value_type = Object)]
    bounds: Json,
    /// The bounds in words.
    said: String,
    /// Who gave it.
    granted_by: String,
    /// When; RFC 3339 in UTC.
    granted_at: String,
}

/// Grants of a plugin.
#[derive(Serialize, ToSchema)]
pub struct GrantList {
    /// By capability. What is not here is not granted.
    items: Vec<GrantBody>,
}

impl GrantBody {
    fn of(row: GrantRow) -> Self {
        Self {
            capability: row.capability().to_string(),
            said: row.bounds.to_string(),
            bounds: serde_json::to_value(&row.bounds).unwrap_or_default(),
            granted_by: row.granted_by,
            granted_at: rfc3339(row.granted_at),
        }
    }
}

/// What a plugin may do beyond its inputs.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}/grants", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it")
    ),
    responses((status = 200, body = GrantList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let (store, tenant) = (state.store(), caller.tenant());
    let rows = store.grants(tenant, &name).await.map_err(|e| e.failure())?;
    if rows.is_empty() {
        must_exist(&state, tenant, &name).await?;
    }
    body_of(&GrantList {
        items: rows.into_iter().map(GrantBody::of).collect(),
    })
}

/// Grant a plugin a capability.
///
/// The body is the grant's bounds, and all of it: what was granted before holds no more. It is for all versions of the plugin, and
/// may come before the first one. For `http`, `hosts` are names, `*.name` (one label or more before it) or addresses; `ports` (443 if
/// left out; also 80 with `plaintext`) are numbers or ranges; `methods` are GET and HEAD if left out. Pipelines that were refused for
/// want of it run from now on; this host knows at once, others within a second.
///
/// `keyvalue` is values of the plugin's own that outlive a call (`wasi:keyvalue`, drafts `0.2.0-draft` and `0.2.0-draft2`): `prefixes`
/// that its keys begin with (all, if left out), whether it may `write` (yes), how many `keys` and `bytes` it may keep, `value_bytes` of
/// one value, and `calls`, its requests in one call.
#[utoipa::path(
    put, path = "/v1/plugins/{namespace}/{name}/grants/{capability}", tag = "plugins", security(("key" = ["grants:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("capability" = String, Path, description = "`http`, `keyvalue` or `llm`")
    ),
    request_body(description = "The bounds", content((Object = "application/json"))),
    responses((status = 200, body = GrantBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn grant(
    State(state): State<ApiState>,
    caller: May<GrantPlugins>,
    Path((namespace, name, capability)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let capability = known(&capability)?;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let bounds = match capability {
        Capability::Http => {
            let form = r#"{"hosts": ["api.example.org"], "methods": ["GET"]}"#;
            Bounds::Http(object(&state, headers, body, form).await?)
        }
        Capability::Keyvalue => {
            let form = r#"{"prefixes": ["rates/"], "keys": 1000, "bytes": "1MiB"}"#;
            Bounds::Keyvalue(object(&state, headers, body, form).await?)
        }
        Capability::Llm => {
            let form = r#"{"models": ["default"], "cost": "0.10 USD"}"#;
            Bounds::Llm(object(&state, headers, body, form).await?)
        }
    };
    let (store, tenant) = (state.store(), caller.tenant());
    let changed = store.grant(tenant, &name, &bounds, &caller.who().name).await;
    if changed.map_err(|e| e.failure())? {
        state.runs().changed(tenant);
        let detail = json!({ "capability": capability, "bounds": bounds });
        caller
            .note(&state, "plugin.grant", &name.to_string(), detail)
            .await;
    }
    let rows = store.grants(tenant, &name).await.map_err(|e| e.failure())?;
    let row = rows.into_iter().find(|row| row.capability() == capability);
    body_of(&GrantBody::of(row.ok_or_else(|| ungranted(&name, capability))?))
}

/// Withdraw a grant.
///
/// No run that begins later has it: pipelines whose plugins import the capability run no more until it is granted again. This host
/// knows at once, others within a second.
#[utoipa::path(
    delete, path = "/v1/plugins/{namespace}/{name}/grants/{capability}", tag = "plugins", security(("key" = ["grants:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("capability" = String, Path, description = "`http`, `keyvalue` or `llm`")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn withdraw(
    State(state): State<ApiState>,
    caller: May<GrantPlugins>,
    Path((namespace, name, capability)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let capability = known(&capability)?;
    let tenant = caller.tenant();
    let withdrawn = state
        .store()
        .withdraw(tenant, &name, capability, &caller.who().name)
        .await;
    if !withdrawn.map_err(|e| e.failure())? {
        return Err(ungranted(&name, capability));
    }
    state.runs().changed(tenant);
    let detail = json!({ "capability": capability });
    caller
        .note(&state, "plugin.revoke", &name.to_string(), detail)
        .await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn known(capability: &str) -> Result<Capability, Problem> {
    capability
        .parse()
        .map_err(|said: String| Problem::new(Code::NotFound, said))
}

fn ungranted(name: &PluginName, capability: Capability) -> Problem {
    Problem::new(Code::NotFound, format!("{capability} is not granted to {name}"))
}
