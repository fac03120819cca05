//! Pipelines over HTTP: saved by name, versioned, guarded by ETags.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use docmill_model::definition::{self, Definition};
use docmill_model::failure::{Code, Failure};
use docmill_model::plan::{ModelPin, Plan};
use docmill_model::size::ByteSize;
use docmill_pipeline::{Catalog, plan, write_out};
use docmill_quota::Tenant;
use docmill_store::StoreError;
use docmill_store::pipeline::{PipelineRow, PipelineVersionSummary};
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with, limit};
use crate::body::Reader;
use crate::permission::{May, ReadPipelines, WritePipelines};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// A saved pipeline.
#[derive(Serialize, ToSchema)]
pub struct PipelineBody {
    /// Its name.
    name: String,
    /// Its number, from 1.
    version: i32,
    /// As read.
    #[schema(value_type = Object)]
    definition: Json,
    /// As written, comments and all.
    source: String,
    /// When this version was saved; RFC 3339 in UTC.
    created_at: String,
}

/// What saving came to.
#[derive(Serialize, ToSchema)]
pub struct SavedBody {
    /// Its name.
    name: String,
    /// Its newest version now, from 1.
    version: i32,
    /// False: the newest version was the same definition already.
    created: bool,
    /// Which plugin versions a run would use now, in the order of the steps.
    plugins: Vec<String>,
    /// What to know about them, such as that one is deprecated: `at`, `message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<definition::Problem>,
}

/// Save a pipeline.
///
/// The body is a definition in YAML or JSON. It is judged before it is saved: plugins and versions, kinds, configurations,
/// expressions, cycles. `If-Match: "3"` saves only over version 3, `If-None-Match: *` only a new pipeline.
#[utoipa::path(
    put, path = "/v1/pipelines/{name}", tag = "pipelines", security(("key" = ["pipelines:write"])),
    params(("name" = String, Path, description = "Equal to `name` in the definition")),
    request_body(description = "A definition", content((String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, description = "It was so already", body = SavedBody),
        (status = 201, description = "A new version", body = SavedBody),
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
    let (text, definition, plan, warnings) = judged(&state, caller.quota(), request).await?;
    if definition.name != name {
        let said = format!(
            "is '{}', but the address says '{name}'; make them equal",
            definition.name
        );
        return Err(Problem::definition(vec![definition::Problem::new("name", said)]));
    }
    // Whoever may not see a pipeline's runs must not make the next ones visible.
    let last = state.store().get_pipeline(caller.tenant(), &name).await;
    let last = last.map_err(|e| e.failure())?.map(|row| row.definition.tier);
    let highest = definition.tier.raised_to(last.unwrap_or(definition.tier));
    caller.cleared_for(highest, "save a pipeline of the tier")?;
    let saved = state
        .store()
        .save_pipeline(caller.tenant(), &definition, &text, expected)
        .await
        .map_err(|error| match error {
            StoreError::Conflict { what } if expected.is_some() => {
                Problem::new(Code::PreconditionFailed, what)
            }
            other => other.failure().into(),
        })?;
    state.runs().changed(caller.tenant());
    if saved.created {
        let detail = json!({ "version": saved.number });
        caller.note(&state, "pipeline.save", &name, detail).await;
    }
    let status = if saved.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = SavedBody {
        name,
        version: saved.number,
        created: saved.created,
        plugins: pinned(&plan),
        warnings,
    };
    Ok(tagged(json_with(status, &body)?, saved.number))
}

/// What a definition that holds every rule would run.
#[derive(Serialize, ToSchema)]
pub struct ValidBody {
    /// Always true: a definition that breaks a rule is answered as a problem.
    valid: bool,
    /// Its name.
    name: String,
    /// Which plugin versions a run would use now, in the order of the steps.
    plugins: Vec<String>,
    /// What to know about them, such as that one is deprecated: `at`, `message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<definition::Problem>,
}

/// Judge a definition without saving it.
#[utoipa::path(
    post, path = "/v1/pipelines:validate", tag = "pipelines", security(("key" = ["pipelines:write"])),
    request_body(description = "A definition", content((String = "application/yaml"), (Object = "application/json"))),
    responses((status = 200, body = ValidBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn validate(
    State(state): State<ApiState>,
    caller: May<WritePipelines>,
    request: Request,
) -> Result<Response, Problem> {
    let (_, definition, plan, warnings) = judged(&state, caller.quota(), request).await?;
    body_of(&ValidBody {
        valid: true,
        name: definition.name,
        plugins: pinned(&plan),
        warnings,
    })
}

/// Pipelines.
#[derive(Serialize, ToSchema)]
pub struct PipelineList {
    /// By name: `name`, `description`, `version`, `updated_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The pipelines.
#[utoipa::path(
    get, path = "/v1/pipelines", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = PipelineList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
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
        .list_pipelines(caller.tenant(), cursor.as_deref(), limit)
        .await
        .map_err(|e| e.failure())?;
    let item = |row: docmill_store::pipeline::PipelineSummary| {
        json!({
            "name": row.name,
            "description": row.description,
            "version": row.number,
            "updated_at": rfc3339(row.updated_at),
        })
    };
    body_of(&PipelineList {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    })
}

/// Versions of a pipeline.
#[derive(Serialize, ToSchema)]
pub struct PipelineVersionList {
    /// Newest first: `version`, `created_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One pipeline, in its newest version or the one that `version` names.
#[utoipa::path(
    get, path = "/v1/pipelines/{name}", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("name" = String, Path, description = "Its name"),
        ("version" = Option<i32>, Query, description = "From 1; the newest if left out")
    ),
    responses((status = 200, body = PipelineBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
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
    let store = state.store();
    let found = match number {
        Some(number) => store.get_pipeline_version(caller.tenant(), &name, number).await,
        None => store.get_pipeline(caller.tenant(), &name).await,
    };
    let row: PipelineRow = found.map_err(|e| e.failure())?.ok_or_else(|| unknown(&name))?;
    let body = PipelineBody {
        name: row.definition.name.clone(),
        version: row.number,
        definition: serde_json::to_value(&row.definition).unwrap_or_default(),
        source: row.source_text,
        created_at: rfc3339(row.created_at),
    };
    Ok(tagged(body_of(&body)?, row.number))
}

/// The versions of a pipeline, newest first.
#[utoipa::path(
    get, path = "/v1/pipelines/{name}/versions", tag = "pipelines", security(("key" = ["pipelines:read"])),
    params(
        ("name" = String, Path, description = "Its name"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = PipelineVersionList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
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
        .pipeline_versions(caller.tenant(), &name, cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    if page.items.is_empty() && cursor.is_none() {
        return Err(unknown(&name));
    }
    let item = |row: &PipelineVersionSummary| json!({ "version": row.number, "created_at": rfc3339(row.created_at) });
    body_of(&PipelineVersionList {
        items: page.items.iter().map(item).collect(),
        next: page.next.map(|number| number.to_string()),
    })
}

/// The text, the definition in it, its plan, and what to know about that.
async fn judged(
    state: &ApiState,
    tenant: &Tenant,
    request: Request,
) -> Result<(String, Definition, Plan, Vec<definition::Problem>), Problem> {
    let text = written(state, request, "definition").await?;
    // YAML is read, schemas and expressions are compiled: not on the async threads.
    let (text, parsed) = off_thread(move || {
        let parsed = Definition::parse(&text);
        (text, parsed)
    })
    .await?;
    let definition = parsed.map_err(Problem::definition)?;
    let written_out = write_out(state.store(), tenant.id, definition.clone()).await;
    let written_out = written_out
        .map_err(|e| e.failure())?
        .map_err(Problem::definition)?;
    let catalog = Catalog::of(state.store(), tenant.id, &written_out)
        .await
        .map_err(|e| e.failure())?;
    let (planned, warnings) = off_thread(move || {
        let planned = plan(&written_out, &catalog);
        (planned, catalog.warnings_of(&written_out))
    })
    .await?;
    let plan = planned.map_err(Problem::definition)?;
    all_allowed(tenant, &plan)?;
    Ok((text, definition, plan, warnings))
}

/// Refuses a plan with a plugin, or a fallback, that the tenant may not use; runs look again.
fn all_allowed(tenant: &Tenant, plan: &Plan) -> Result<(), Problem> {
    let allowance = tenant.allowance();
    for plugin in plan.models.values().filter_map(|pin| match pin {
        ModelPin::Ready(model) => Some(&model.plugin),
        ModelPin::Unusable(_) => None,
    }) {
        if !allowance.allows_plugin(&plugin.name.to_string()) {
            let said = format!(
                "{plugin}, through which models are asked, is not among the plugins that your organisation may use"
            );
            return Err(Failure::new(Code::PluginNotAllowed, said).into());
        }
    }
    for (step, written) in plan.steps.iter().zip(&plan.definition.steps) {
        let mut plugins = std::iter::once(&step.plugin).chain(&step.fallback);
        if let Some(plugin) = plugins.find(|plugin| !allowance.allows_plugin(&plugin.name.to_string())) {
            let said = format!("{plugin} is not among the plugins that your organisation may use");
            return Err(Failure::new(Code::PluginNotAllowed, said)
                .in_step(&written.id)
                .into());
        }
    }
    Ok(())
}

/// The text of a body in YAML or JSON; `what` it is.
pub(crate) async fn written(state: &ApiState, request: Request, what: &str) -> Result<String, Problem> {
    let (parts, body) = request.into_parts();
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if kind.starts_with("multipart/") {
        let said =
            format!("a {what} is sent as it is, with Content-Type application/yaml or application/json");
        return Err(Problem::new(Code::UnsupportedMediaType, said));
    }
    // A little more than one may have, so that the refusal can name the rule.
    let most = ByteSize(definition::MAX_DEFINITION_BYTES as u64 * 2);
    let (bytes, _) = Reader::new(state, &parts.headers, body, most)?.whole().await?;
    if bytes.trim_ascii().is_empty() {
        let said = format!("the body is empty; send the {what} in it");
        return Err(Problem::new(Code::EmptyBody, said));
    }
    String::from_utf8(bytes.into()).map_err(|_| Problem::malformed(format!("the {what} is not UTF-8")))
}

pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "judging a definition panicked");
        let why = "the definition could not be judged; the log tells more";
        Problem::new(Code::Internal, why)
    })
}

fn pinned(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.plugin.to_string()).collect()
}

/// The version that the client wants to replace: 0 for none.
pub fn expected_version(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|v: &HeaderValue| v.to_str().unwrap_or_default().trim())
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(0)),
        (Some(tag), None) => tag
            .trim_matches('"')
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .map(Some)
            .ok_or_else(|| Problem::malformed("If-Match holds the ETag of a version, such as \"3\"")),
        _ => Err(Problem::malformed(
            "send If-Match with one ETag, or If-None-Match: *",
        )),
    }
}

/// The answer with its version as its ETag.
pub fn tagged(mut response: Response, number: i32) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{number}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Names that cannot be never reach the database.
pub(crate) fn known(name: &str) -> Result<(), Problem> {
    if docmill_model::plugin::is_name(name) {
        Ok(())
    } else {
        Err(unknown(name))
    }
}

pub(crate) fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Problem::new(
        Code::UnknownPipeline,
        format!("there is no pipeline '{shown}', or no such version of it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preconditions() {
        let with = |pairs: &[(header::HeaderName, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(n, v)| (n.clone(), HeaderValue::from_static(v)));
            expected_version(&headers.collect()).ok()
        };
        assert_eq!(with(&[]), Some(None));
        assert_eq!(with(&[(header::IF_MATCH, "\"3\"")]), Some(Some(3)));
        assert_eq!(with(&[(header::IF_NONE_MATCH, "*")]), Some(Some(0)));
        for bad in ["\"0\"", "*", "\"x\"", "W/\"3\"", ""] {
            assert_eq!(with(&[(header::IF_MATCH, bad)]), None, "{bad}");
        }
        assert_eq!(
            with(&[(header::IF_MATCH, "\"3\""), (header::IF_NONE_MATCH, "*")]),
            None
        );
    }
}
