//! Plugins over HTTP.

pub mod channels;
pub mod digest;
pub mod publish;
pub mod upload;
pub mod versions;

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use docmill_model::attachment::Attachment;
use docmill_model::failure::Code;
use docmill_model::id::{PluginVersionId, TenantId};
use docmill_model::plugin::{Kind, PluginName};
use docmill_model::registry::VersionState;
use docmill_model::run::Millis;
use docmill_runs::now;
use docmill_store::plugin::{PluginFilter, PluginRow, VersionRow};
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, limit};
use crate::permission::{May, ReadPlugins};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// How far back calls are counted.
pub(crate) const USED_MS: Millis = 30 * 86_400_000;
/// Longest text that is looked for, in characters.
const MAX_TEXT: usize = 200;

/// Plugins.
#[derive(Serialize, ToSchema)]
pub struct PluginList {
    /// By name: `name`, `kind`, `summary`, `latest`, its `state` and `size` in bytes, `capabilities` that it asks for, `versions`,
    /// `calls_30d`: how often runs of the last 30 days called any version, as the ledger has it.
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
        ("q" = Option<String>, Query, description = "Stands in the name or in the summary of a version, in any case"),
        ("kind" = Option<String>, Query, description = "`parser`, `extractor`, `validator`, `transformer`, `chunker`, `embedder` or `llm-adapter`"),
        ("state" = Option<String>, Query, description = "With a version that is `admitted`, `published`, `deprecated` or `yanked`"),
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
    let filter = filter_of(&mut query)?;
    query.finish()?;
    let store = state.store();
    let page = store
        .list_plugins(caller.tenant(), &filter, cursor.as_ref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let names: Vec<PluginName> = page.items.iter().map(|row| row.name.clone()).collect();
    let calls = store
        .calls_of_plugins(caller.tenant(), &names, now() - USED_MS)
        .await
        .map_err(|e| e.failure())?;
    body_of(&PluginList {
        items: page.items.iter().map(|row| item(row, &calls)).collect(),
        next: page.next.map(|name| name.to_string()),
    })
}

pub(crate) fn filter_of(query: &mut Query) -> Result<PluginFilter, Problem> {
    let text = query.take("q")?.filter(|text| !text.trim().is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
        return Err(Problem::malformed(format!(
            "the query parameter 'q' has more than {MAX_TEXT} characters"
        )));
    }
    Ok(PluginFilter {
        text: text.map(|text| text.trim().to_owned()),
        kind: query.parsed::<Kind>(
            "kind",
            "parser, extractor, validator, transformer, chunker, embedder or llm-adapter",
        )?,
        state: query.parsed::<VersionState>("state", "admitted, published, deprecated or yanked")?,
    })
}

fn item(row: &PluginRow, calls: &HashMap<String, u64>) -> Json {
    let versions: Vec<String> = row.versions.iter().map(|v| v.version.to_string()).collect();
    let latest = row.versions.iter().find(|v| v.version == row.latest);
    json!({
        "name": row.name,
        "kind": row.kind,
        "summary": row.summary,
        "latest": row.latest,
        "state": latest.map(|v| v.state),
        "size": latest.map(|v| v.size),
        "capabilities": latest.map(|v| capabilities(&v.inspection)).unwrap_or_default(),
        "versions": versions,
        "calls_30d": calls.get(&row.name.to_string()).copied().unwrap_or(0),
    })
}

/// Interfaces that somebody has to grant.
fn capabilities(inspection: &Json) -> Vec<&str> {
    let imports = inspection.get("imports").and_then(Json::as_array);
    imports
        .into_iter()
        .flatten()
        .filter(|import| import.get("purpose").and_then(Json::as_str) == Some("capability"))
        .filter_map(|import| import.get("interface").and_then(Json::as_str))
        .collect()
}

/// A plugin with its versions.
#[derive(Serialize, ToSchema)]
pub struct PluginBody {
    /// `namespace/name`
    name: String,
    /// `parser`, `extractor`, `validator`, `transformer`, `chunker`, `embedder` or `llm-adapter`
    kind: String,
    /// Of the newest version.
    summary: String,
    /// The highest version that plans may use.
    latest: String,
    /// By name: `name`, `version` (null: closed), `changed_at`.
    #[schema(value_type = Vec<Object>)]
    channels: Vec<Json>,
    /// How often runs of the last 30 days called any version.
    calls_30d: u64,
    /// Highest first: `version`, `state`, `note`, `state_at`, `digest`, `size`, `created_at`, `signed_by`, `signature`,
    /// `attachments`, `manifest` (with the configuration schema), `inspection`. An attachment is a file that came with it: `kind`
    /// (`sample`, `document`, `sbom`, `provenance`, `bundle`), `name`, `media_type`, `format`, `digest`, `size`, and where it is (`href`).
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
    let (store, tenant) = (state.store(), caller.tenant());
    let found = store.get_plugin(tenant, &name).await.map_err(|e| e.failure())?;
    let row = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no plugin {name}")))?;
    let own = std::slice::from_ref(&name);
    let channels = store.channels(tenant, own).await.map_err(|e| e.failure())?;
    let calls = store.calls_of_plugins(tenant, own, now() - USED_MS).await;
    let calls = calls.map_err(|e| e.failure())?;
    let attachments = store.attachments(tenant, &name).await;
    let attachments = attachments.map_err(|e| e.failure())?;
    body_of(&PluginBody {
        name: row.name.to_string(),
        kind: row.kind.to_string(),
        summary: row.summary.clone(),
        latest: row.latest.to_string(),
        channels: channels.iter().map(channels::item).collect(),
        calls_30d: calls.get(&name.to_string()).copied().unwrap_or(0),
        versions: row
            .versions
            .iter()
            .map(|version| version_item(&name, version, &attachments))
            .collect(),
    })
}

/// `attachments` are those of all versions of the plugin.
pub(crate) fn version_item(
    name: &PluginName,
    row: &VersionRow,
    attachments: &[(PluginVersionId, Attachment)],
) -> Json {
    let own = attachments.iter().filter(|(version, _)| *version == row.id);
    let own: Vec<Json> = own
        .map(|(_, attachment)| versions::attachment_item(name, &row.version, attachment))
        .collect();
    json!({
        "version": row.version,
        "state": row.state,
        "note": row.note,
        "state_at": rfc3339(row.state_at.unwrap_or(row.created_at)),
        "digest": row.digest,
        "size": row.size,
        "created_at": rfc3339(row.created_at),
        "signed_by": row.signature.as_ref().map(|signature| signature.key),
        "signature": row.signature,
        "attachments": own,
        "manifest": row.manifest,
        "inspection": row.inspection,
    })
}

/// Refuses the name of a plugin that is not there: what is kept beside a plugin cannot tell an empty answer from none.
pub(crate) async fn must_exist(state: &ApiState, tenant: TenantId, name: &PluginName) -> Result<(), Problem> {
    let found = state.store().get_plugin(tenant, name).await;
    match found.map_err(|e| e.failure())? {
        Some(_) => Ok(()),
        None => Err(Problem::new(Code::NotFound, format!("there is no plugin {name}"))),
    }
}

pub(crate) fn plugin_name(namespace: &str, name: &str) -> Result<PluginName, Problem> {
    format!("{namespace}/{name}")
        .parse()
        .map_err(|said: String| Problem::new(Code::NotFound, said))
}
