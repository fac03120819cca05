//! Language models over HTTP: what the organisation calls them, who is asked, and what that costs.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::llm::{Alias, ModelSetting};
use docmill_pipeline::{Catalog, judge_model};
use docmill_store::model::ModelRow;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with};
use crate::body::object;
use crate::permission::{GrantPlugins, May, ReadPlugins};
use crate::pipelines::off_thread;
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;

/// A model that is set up.
#[derive(Serialize, ToSchema)]
pub struct ModelBody {
    /// What the organisation calls it: what plugins ask for, and grants name.
    alias: String,
    /// The llm-adapter, as a step would name it: `docmill/openai@0.1`.
    #[serde(rename = "use")]
    plugin: String,
    /// What the provider calls the model.
    model: String,
    /// The adapter's configuration.
    #[schema(value_type = Object)]
    with: Json,
    /// For a million tokens each: `currency` (ISO 4217), `input`, `cached_input`, `output`; left out: it costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    prices: Option<Json>,
    /// Tokens of an answer, whatever a plugin asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    /// Who set it last.
    changed_by: String,
    /// When; RFC 3339 in UTC.
    changed_at: String,
}

/// Models.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// By alias.
    items: Vec<ModelBody>,
}

impl ModelBody {
    fn of(row: ModelRow) -> Self {
        let ModelSetting {
            plugin,
            model,
            config,
            prices,
            max_output_tokens,
        } = row.setting;
        Self {
            alias: row.alias.to_string(),
            plugin: plugin.to_string(),
            model,
            with: config.into(),
            prices: prices.and_then(|prices| serde_json::to_value(prices).ok()),
            max_output_tokens,
            changed_by: row.changed_by,
            changed_at: rfc3339(row.changed_at),
        }
    }
}

/// The models.
#[utoipa::path(
    get, path = "/v1/models", tag = "plugins", security(("key" = ["plugins:read"])),
    responses((status = 200, body = ModelList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(State(state): State<ApiState>, caller: May<ReadPlugins>) -> Result<Response, Problem> {
    let rows = state.store().models(caller.tenant(), None).await;
    let rows = rows.map_err(|e| e.failure())?;
    body_of(&ModelList {
        items: rows.into_iter().map(ModelBody::of).collect(),
    })
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{alias}", tag = "plugins", security(("key" = ["plugins:read"])),
    params(("alias" = String, Path, description = "What the organisation calls it")),
    responses((status = 200, body = ModelBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path(alias): Path<String>,
) -> Result<Response, Problem> {
    let row = found(&state, &caller, &known(&alias)?).await?;
    body_of(&ModelBody::of(row))
}

/// Set a model up.
///
/// The body is all of it: `use` names an llm-adapter with a range or a channel, `model` is the provider's name of the model, `with` the
/// adapter's configuration, which is checked. `prices` are decimals for a million tokens; by them what a plugin may spend is counted.
/// Plugins ask for the alias, and for `default` if they name none; which of them may, their grants of `llm` say. Pipelines know at once on
/// this host, on others within a second; runs that began before keep what they began with.
#[utoipa::path(
    put, path = "/v1/models/{alias}", tag = "plugins", security(("key" = ["grants:write"])),
    params(("alias" = String, Path, description = "1 to 60 lower-case letters, digits and dashes, beginning with a letter")),
    request_body(
        description = "`use`, `model`, `with`, `prices`, `max_output_tokens`", content((Object = "application/json"))
    ),
    responses(
        (status = 200, description = "Replaced", body = ModelBody),
        (status = 201, description = "New", body = ModelBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn set(
    State(state): State<ApiState>,
    caller: May<GrantPlugins>,
    Path(alias): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let alias: Alias = alias
        .parse()
        .map_err(|said: String| Problem::new(Code::MalformedRequest, said))?;
    let (parts, body) = request.into_parts();
    let form = r#"{"use": "docmill/openai@0.1", "model": "gpt-4o-mini", "with": {"secret": "openai"}}"#;
    let setting: ModelSetting = object(&state, &parts.headers, body, form).await?;
    let allowance = caller.quota().allowance();
    if !allowance.allows_model(&setting.model) {
        let said = format!(
            "{} is not among the models that your organisation may use",
            setting.model
        );
        return Err(Problem::new(Code::Forbidden, said));
    }
    let (store, tenant) = (state.store(), caller.tenant());
    let catalog = Catalog::of_model(store, tenant, &setting).await;
    let catalog = catalog.map_err(|e| e.failure())?;
    let judged = setting.clone();
    let adapter = off_thread(move || judge_model(&catalog, &judged)).await?;
    let adapter = adapter.map_err(Problem::definition)?;
    if !allowance.allows_plugin(&adapter.name.to_string()) {
        let said = format!("{adapter} is not among the plugins that your organisation may use");
        return Err(Problem::new(Code::PluginNotAllowed, said));
    }
    let before = store.models(tenant, Some(std::slice::from_ref(&alias))).await;
    let new = before.map_err(|e| e.failure())?.is_empty();
    let changed = store
        .set_model(tenant, &alias, &setting, &caller.who().name)
        .await;
    if changed.map_err(|e| e.failure())? {
        state.runs().changed(tenant);
        // Of a configuration its digest: it may hold what is nobody's business.
        let config = Json::Object(setting.config.clone()).to_string();
        let detail = json!({
            "use": setting.plugin, "model": setting.model, "prices": setting.prices,
            "max_output_tokens": setting.max_output_tokens,
            "with": docmill_model::digest::Digest::of(config.as_bytes()),
        });
        caller.note(&state, "model.set", alias.as_str(), detail).await;
    }
    let row = found(&state, &caller, &alias).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    json_with(status, &ModelBody::of(row))
}

/// Remove a model.
///
/// Plugins that ask for it are refused, in runs that begin from now on.
#[utoipa::path(
    delete, path = "/v1/models/{alias}", tag = "plugins", security(("key" = ["grants:write"])),
    params(("alias" = String, Path, description = "What the organisation calls it")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn remove(
    State(state): State<ApiState>,
    caller: May<GrantPlugins>,
    Path(alias): Path<String>,
) -> Result<Response, Problem> {
    let alias = known(&alias)?;
    let tenant = caller.tenant();
    let removed = state
        .store()
        .remove_model(tenant, &alias, &caller.who().name)
        .await;
    if !removed.map_err(|e| e.failure())? {
        return Err(unknown(alias.as_str()));
    }
    state.runs().changed(tenant);
    caller
        .note(&state, "model.remove", alias.as_str(), json!({}))
        .await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn found<P>(state: &ApiState, caller: &May<P>, alias: &Alias) -> Result<ModelRow, Problem> {
    let rows = state
        .store()
        .models(caller.tenant(), Some(std::slice::from_ref(alias)))
        .await;
    let row = rows.map_err(|e| e.failure())?.into_iter().next();
    row.ok_or_else(|| unknown(alias.as_str()))
}

fn known(alias: &str) -> Result<Alias, Problem> {
    alias.parse().map_err(|_| unknown(alias))
}

fn unknown(alias: &str) -> Problem {
    let shown: String = alias.chars().filter(|c| !c.is_control()).take(60).collect();
    Problem::new(
        Code::NotFound,
        format!("there is no model '{shown}'; GET /v1/models lists those that there are"),
    )
}
