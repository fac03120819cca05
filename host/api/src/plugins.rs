//! Plugins over HTTP.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use docmill_model::failure::Code;
use docmill_model::plugin::PluginName;
use docmill_store::plugin::{PluginRow, VersionRow};
use semver::Version;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with, limit};
use crate::body::Reader;
use crate::permission::{May, ReadPlugins, WritePlugins};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// A published version.
#[derive(Serialize, ToSchema)]
pub struct PublishedBody {
    /// `namespace/name`
    name: String,
    /// Semantic version.
    version: String,
    /// `parser`, `extractor`, `validator`, `transformer`, `chunker` or `embedder`
    kind: String,
    /// SHA-256 of the component.
    digest: String,
    /// False: the same bytes had been published under this name and version before.
    created: bool,
    /// What was checked.
    #[schema(value_type = Object)]
    report: Json,
}

/// Publish a version of a plugin.
///
/// The body is a WebAssembly component. It is checked as `POST /v1/plugins:check` does; name and version in its manifest
/// must be those of the address. A published version never changes.
#[utoipa::path(
    put, path = "/v1/plugins/{namespace}/{name}/versions/{version}", tag = "plugins", security(("key" = ["plugins:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("version" = String, Path, description = "Semantic version")
    ),
    request_body(description = "A component", content((String = "application/wasm"))),
    responses(
        (status = 200, description = "It was published already", body = PublishedBody),
        (status = 201, body = PublishedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn publish(
    State(state): State<ApiState>,
    caller: May<WritePlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let version: Version = version.parse().map_err(|error| {
        Problem::malformed(format!("the version in the address is not like 1.2.3: {error}"))
    })?;
    let (component, _reader) = component(&state, request).await?;
    let published = state
        .registry()
        .publish(caller.tenant(), Some((name, version)), component)
        .await;
    let publication = published.map_err(|refusal| {
        let mut problem = Problem::from(refusal.failure);
        problem.report = serde_json::to_value(&refusal.report).ok();
        problem
    })?;
    let plugin = &publication.plugin;
    if publication.created {
        state.runs().changed(caller.tenant());
        let subject = plugin.to_string();
        let detail = json!({ "digest": plugin.digest });
        caller.note(&state, "plugin.publish", &subject, detail).await;
    }
    let status = if publication.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json_with(
        status,
        &PublishedBody {
            name: plugin.name.to_string(),
            version: plugin.version.to_string(),
            kind: plugin.kind.to_string(),
            digest: plugin.digest.to_string(),
            created: publication.created,
            report: serde_json::to_value(&publication.report).unwrap_or_default(),
        },
    )
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct ReportBody {
    /// Whether every rule holds.
    ok: bool,
    /// Rules: `check`, `pass`, `detail`.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Json>,
}

/// Check a component without publishing it.
#[utoipa::path(
    post, path = "/v1/plugins:check", tag = "plugins", security(("key" = ["plugins:write"])),
    request_body(description = "A component", content((String = "application/wasm"))),
    responses((status = 200, body = ReportBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn check(
    State(state): State<ApiState>,
    _caller: May<WritePlugins>,
    request: Request,
) -> Result<Response, Problem> {
    let (component, _reader) = component(&state, request).await?;
    body_of(&state.registry().check(component).await)
}

/// Plugins.
#[derive(Serialize, ToSchema)]
pub struct PluginList {
    /// By name: `name`, `kind`, `summary`, `latest`, `versions`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The plugins with their versions.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = PluginList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor: Option<PluginName> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let page = state
        .store()
        .list_plugins(caller.tenant(), cursor.as_ref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let item = |row: &PluginRow| {
        let versions: Vec<String> = row.versions.iter().map(|v| v.version.to_string()).collect();
        json!({
            "name": row.name, "kind": row.kind, "summary": row.summary, "latest": row.latest, "versions": versions,
        })
    };
    body_of(&PluginList {
        items: page.items.iter().map(item).collect(),
        next: page.next.map(|name| name.to_string()),
    })
}

/// A plugin with its versions.
#[derive(Serialize, ToSchema)]
pub struct PluginBody {
    /// `namespace/name`
    name: String,
    /// `parser`, `extractor`, `validator`, `transformer`, `chunker` or `embedder`
    kind: String,
    /// Of the newest version.
    summary: String,
    /// The highest version.
    latest: String,
    /// Highest first: `version`, `digest`, `size`, `created_at`, `manifest` (with the configuration schema), `inspection`.
    #[schema(value_type = Vec<Object>)]
    versions: Vec<Json>,
}

/// One plugin with its versions.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it")
    ),
    responses((status = 200, body = PluginBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let found = state
        .store()
        .get_plugin(caller.tenant(), &name)
        .await
        .map_err(|e| e.failure())?;
    let row = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no plugin {name}")))?;
    let version = |row: &VersionRow| {
        json!({
            "version": row.version, "digest": row.digest, "size": row.size, "created_at": rfc3339(row.created_at),
            "manifest": row.manifest, "inspection": row.inspection,
        })
    };
    body_of(&PluginBody {
        name: row.name.to_string(),
        kind: row.kind.to_string(),
        summary: row.summary.clone(),
        latest: row.latest.to_string(),
        versions: row.versions.iter().map(version).collect(),
    })
}

pub(crate) fn plugin_name(namespace: &str, name: &str) -> Result<PluginName, Problem> {
    format!("{namespace}/{name}")
        .parse()
        .map_err(|said: String| Problem::new(Code::NotFound, said))
}

async fn component(state: &ApiState, request: Request) -> Result<(Bytes, Reader), Problem> {
    let (parts, body) = request.into_parts();
    let mut reader = Reader::new(state, &parts.headers, body, state.settings().component)?;
    let (bytes, _) = reader.whole().await?;
    if bytes.is_empty() {
        return Err(Problem::new(
            Code::EmptyBody,
            "the body is empty; send the component in it: curl -T plugin.wasm …",
        ));
    }
    Ok((bytes, reader))
}
