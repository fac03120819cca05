//! Channels: names such as `stable` and `beta` that stand for one version of a plugin at a time.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::plugin::PluginName;
use docmill_model::registry::ChannelName;
use docmill_store::plugin::ChannelRow;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::plugin_name;
use crate::answer::json as body_of;
use crate::body::object;
use crate::caller::Caller;
use crate::permission::{May, ReadPlugins, WritePlugins};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;

/// Channels of a plugin.
#[derive(Serialize, ToSchema)]
pub struct ChannelList {
    /// By name: `name`, `version` (null: closed), `changed_at`. At most 50.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
}

/// The channels of a plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}/channels", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it")
    ),
    responses((status = 200, body = ChannelList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let (store, tenant) = (state.store(), caller.tenant());
    let channels = store.channels(tenant, std::slice::from_ref(&name)).await;
    let channels = channels.map_err(|e| e.failure())?;
    if channels.is_empty() {
        let found = store.catalog_of(tenant, std::slice::from_ref(&name)).await;
        if found.map_err(|e| e.failure())?.is_empty() {
            return Err(Problem::new(Code::NotFound, format!("there is no plugin {name}")));
        }
    }
    body_of(&ChannelList {
        items: channels.iter().map(item).collect(),
    })
}

pub(super) fn item(row: &ChannelRow) -> Json {
    json!({ "name": row.name, "version": row.version, "changed_at": rfc3339(row.changed_at) })
}

/// What a channel stands for.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelBody {
    /// A version that is published or deprecated.
    #[schema(value_type = String)]
    version: Version,
}

/// Let a channel stand for a version.
///
/// Steps name it as `use: acme/x@beta`. Pipelines follow: this host at once, others within a second.
#[utoipa::path(
    put, path = "/v1/plugins/{namespace}/{name}/channels/{channel}", tag = "plugins", security(("key" = ["plugins:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("channel" = String, Path, description = "`stable`, `beta` or a word of your own")
    ),
    request_body = ChannelBody,
    responses((status = 200, body = ChannelBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn set(
    State(state): State<ApiState>,
    caller: May<WritePlugins>,
    Path((namespace, name, channel)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let channel: ChannelName = channel.parse().map_err(|said: String| Problem::malformed(said))?;
    let (parts, body) = request.into_parts();
    let wanted: ChannelBody = object(&state, &parts.headers, body, "{\"version\": \"1.2.3\"}").await?;
    changed(&state, &caller, &name, &channel, Some(&wanted.version)).await?;
    body_of(&wanted)
}

/// Close a channel.
///
/// Pipelines that name it have no plan until it stands for a version again.
#[utoipa::path(
    delete, path = "/v1/plugins/{namespace}/{name}/channels/{channel}", tag = "plugins", security(("key" = ["plugins:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("channel" = String, Path, description = "Its name")
    ),
    responses((status = 204, description = "It is closed"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn close(
    State(state): State<ApiState>,
    caller: May<WritePlugins>,
    Path((namespace, name, channel)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let channel: ChannelName = channel
        .parse()
        .map_err(|said: String| Problem::new(Code::NotFound, said))?;
    changed(&state, &caller, &name, &channel, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lets a channel stand for a version; none closes it.
///
/// # Errors
/// [`Code::NotFound`]; when plans may not use the version.
pub(crate) async fn changed(
    state: &ApiState,
    caller: &Caller,
    name: &PluginName,
    channel: &ChannelName,
    version: Option<&Version>,
) -> Result<(), Problem> {
    let registry = state.registry();
    let before = registry
        .set_channel(caller.tenant(), name, channel, version)
        .await?;
    if before.as_ref() != version {
        state.runs().changed(caller.tenant());
        let detail = json!({ "channel": channel, "from": before, "to": version });
        caller
            .note(state, "plugin.channel", &name.to_string(), detail)
            .await;
    }
    Ok(())
}
