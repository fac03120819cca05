//! Presets over HTTP: named configurations of plugins, versioned, guarded by ETags.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use docmill_model::definition;
use docmill_model::failure::Code;
use docmill_model::plugin::is_name;
use docmill_model::preset::Preset;
use docmill_pipeline::{Catalog, judge_preset};
use docmill_store::StoreError;
use docmill_store::preset::PresetRow;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with, limit};
use crate::body::object;
use crate::permission::{May, ReadPipelines, WritePipelines};
use crate::pipelines::{expected_version, off_thread, tagged, written};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// A saved preset.
#[derive(Serialize, ToSchema)]
pub struct PresetBody {
    /// Its name.
    name: String,
    /// Its number, from 1.
    version: i32,
    /// Whether any version of it may be used.
    active: bool,
    /// As steps name this version: `preset/strict@3`.
    reference: String,
    /// As read: `name`, `description`, `use`, `with`.
    #[schema(value_type = Object)]
    preset: Json,
    /// As written, comments and all.
    source: String,
    /// When this version was saved; RFC 3339 in UTC.
    created_at: String,
}

/// What saving came to.
#[derive(Serialize, ToSchema)]
pub struct SavedPresetBody {
    /// Its name.
    name: String,
    /// Its newest version now, from 1.
    version: i32,
    /// False: the newest version was the same already.
    created: bool,
    /// Whether it may be used.
    active: bool,
    /// As steps name it: `preset/strict@3`.
    reference: String,
    /// Which version of the plugin a run would use now.
    plugin: String,
}

/// Save a preset.
///
/// The body is YAML or JSON: `name`, `description`, `use` (a plugin, as in a step) and `with`. The configuration is judged by the
/// plugin's schema. Steps use it as `use: preset/NAME@VERSION`; what they say in `with` is laid over it (RFC 7396: objects member
/// by member, `null` takes a member away). `If-Match: "3"` saves only over version 3, `If-None-Match: *` only a new preset.
#[utoipa::path(
    put, path = "/v1/presets/{name}", tag = "pipelines", security(("key" = ["pipelines:write"])),
    params(("name" = String, Path, description = "Equal to `name` in the preset")),
    request_body(description = "A preset", content((String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, description = "It was so already", body = SavedPresetBody),
        (status = 201, description = "A new version", body = SavedPresetBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn save(
    State(state): State<ApiState>,
    caller: May<WritePipelines>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let expected = expected_version(request.headers())?;
    let text = written(&state, request, "preset").await?;
    // YAML is read, schemas and expressions are compiled: not on the async threads.
    let (text, parsed) = off_thread(move || {
        let parsed = Preset::parse(&text);
        (text, parsed)
    })
    .await?;
    let preset = parsed.map_err(Problem::definition)?;
    if preset.name != name {
        let said = format!(
            "is '{}', but the address says '{name}'; make them equal",
            preset.name
        );
        return Err(Problem::definition(vec![definition::Problem::new("name", said)]));
    }
    let catalog = Catalog::of_preset(state.store(), caller.tenant(), &preset)
        .await
        .map_err(|e| e.failure())?;
    let (preset, judged) = off_thread(move || {
        let judged = judge_preset(&preset, &catalog);
        (preset, judged)
    })
    .await?;
    let plugin = judged.map_err(Problem::definition)?;
    let saved = state
        .store()
        .save_preset(caller.tenant(), &preset, &text, expected)
        .await
        .map_err(|error| match error {
            StoreError::Conflict { what } if expected.is_some() => {
                Problem::new(Code::PreconditionFailed, what)
            }
            other => other.failure().into(),
        })?;
    if saved.created {
        let detail = json!({ "version": saved.number, "plugin": plugin.to_string() });
        caller.note(&state, "preset.save", &name, detail).await;
    }
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = SavedPresetBody {
        reference: reference(&name, saved.number),
        name,
        version: saved.number,
        created: saved.created,
        active: saved.active,
        plugin: plugin.to_string(),
    };
    Ok(tagged(json_with(status, &body)?, saved.number))
}

/// What is to change of a preset.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetPatch {
    /// False: pipelines that use it run no more, and none that does is saved, until it is true again.
    active: bool,
}

/// Let a preset be used, or not any more.
///
/// This host knows at once, others within a second.
#[utoipa::path(
    patch, path = "/v1/presets/{name}", tag = "pipelines", security(("key" = ["pipelines:write"])),
    params(("name" = String, Path, description = "Its name")),
    request_body(description = "What is to change", content((PresetPatch = "application/merge-patch+json"), (PresetPatch = "application/json"))),
    responses((status = 200, body = PresetBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: May<WritePipelines>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let patch: PresetPatch = object(&state, &parts.headers, body, "{\"active\": false}").await?;
    known(&name)?;
    let (store, tenant) = (state.store(), caller.tenant());
    let changed = store.activate_preset(tenant, &name, patch.active).await;
    if changed.map_err(|error| refusal(&error, &name))? {
        state.runs().changed(tenant);
        let action = if patch.active {
            "preset.activate"
        } else {
            "preset.deactivate"
        };
        caller.note(&state, action, &name, json!({})).await;
    }
    answer(&state, &caller, &name, None).await
}

/// Presets.
#[derive(Serialize, ToSchema)]
pub struct PresetList {
    /// By name: `name`, `description`, `plugin` as written, `version`, `reference`, `active`, `updated_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The presets.
#[utoipa::path(
    get, path = "/v1/presets", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = PresetList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadPipelines>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor = query.take("cursor")?;
    query.finish()?;
    let page = state
        .store()
        .list_presets(caller.tenant(), cursor.as_deref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let item = |row: PresetRow| {
        json!({
            "name": row.preset.name,
            "description": row.preset.description,
            "plugin": row.preset.plugin,
            "version": row.number,
            "reference": reference(&row.preset.name, row.number),
            "active": row.active,
            "updated_at": rfc3339(row.created_at),
        })
    };
    body_of(&PresetList {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    })
}

/// One preset, in its newest version or the one that `version` names.
#[utoipa::path(
    get, path = "/v1/presets/{name}", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("name" = String, Path, description = "Its name"),
        ("version" = Option<i32>, Query, description = "From 1; the newest if left out")
    ),
    responses((status = 200, body = PresetBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadPipelines>,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let number: Option<i32> = query.parsed("version", "a whole number from 1")?;
    query.finish()?;
    known(&name)?;
    answer(&state, &caller, &name, number).await
}

/// Versions of a preset.
#[derive(Serialize, ToSchema)]
pub struct PresetVersionList {
    /// Newest first: `version`, `created_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The versions of a preset, newest first.
#[utoipa::path(
    get, path = "/v1/presets/{name}/versions", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("name" = String, Path, description = "Its name"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = PresetVersionList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn versions(
    State(state): State<ApiState>,
    caller: May<ReadPipelines>,
    Path(name): Path<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor: Option<i32> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    known(&name)?;
    let page = state
        .store()
        .preset_versions(caller.tenant(), &name, cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    if page.items.is_empty() && cursor.is_none() {
        return Err(unknown(&name));
    }
    let item = |(number, at): &(i32, i64)| json!({ "version": number, "created_at": rfc3339(*at) });
    body_of(&PresetVersionList {
        items: page.items.iter().map(item).collect(),
        next: page.next.map(|number| number.to_string()),
    })
}

async fn answer<P>(
    state: &ApiState,
    caller: &May<P>,
    name: &str,
    number: Option<i32>,
) -> Result<Response, Problem> {
    let row = state.store().get_preset(caller.tenant(), name, number).await;
    let row = row.map_err(|e| e.failure())?.ok_or_else(|| unknown(name))?;
    let body = PresetBody {
        name: row.preset.name.clone(),
        version: row.number,
        active: row.active,
        reference: reference(&row.preset.name, row.number),
        preset: serde_json::to_value(&row.preset).unwrap_or_default(),
        source: row.source_text,
        created_at: rfc3339(row.created_at),
    };
    Ok(tagged(body_of(&body)?, row.number))
}

fn reference(name: &str, number: i32) -> String {
    format!("preset/{name}@{number}")
}

/// Names that cannot be never reach the database.
fn known(name: &str) -> Result<(), Problem> {
    if is_name(name) { Ok(()) } else { Err(unknown(name)) }
}

fn refusal(error: &StoreError, name: &str) -> Problem {
    match error {
        StoreError::NotFound { .. } => unknown(name),
        other => other.failure().into(),
    }
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let said = format!(
        "there is no preset '{shown}', or no such version of it; GET /v1/presets lists those that there are"
    );
    Problem::new(Code::NotFound, said)
}
