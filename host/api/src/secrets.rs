//! Secrets over HTTP. Values come in and never go out.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::grant::HostPattern;
use docmill_pipeline::Vault;
use docmill_store::secret::SecretRow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with};
use crate::body::Reader;
use crate::permission::{May, WriteSecrets};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;

/// The largest body: a secret of 8 KiB, escaped, and its hosts.
const BODY: docmill_model::size::ByteSize = docmill_model::size::ByteSize::kib(128);

/// A secret to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// 8 to 8192 visible ASCII characters, blanks between them.
    value: String,
    /// Where it may go: names, `*.name` or addresses.
    #[schema(value_type = Vec<String>)]
    hosts: Vec<HostPattern>,
}

/// What is known of a secret.
#[derive(Serialize, ToSchema)]
pub struct SecretBody {
    /// Its name.
    name: String,
    /// Where it may go.
    hosts: Vec<String>,
    /// Who set it last.
    changed_by: String,
    /// When; RFC 3339 in UTC.
    changed_at: String,
}

/// Secrets.
#[derive(Serialize, ToSchema)]
pub struct SecretList {
    /// By name, without their values.
    items: Vec<SecretBody>,
}

impl SecretBody {
    fn of(row: SecretRow) -> Self {
        Self {
            name: row.name,
            hosts: row.hosts,
            changed_by: row.changed_by,
            changed_at: rfc3339(row.changed_at),
        }
    }
}

/// Keep a secret.
///
/// It is sealed, and nobody reads it again. A plugin whose grant of `http` names it for a header writes `{{secret:NAME}}` into that
/// header; the host puts the value there in requests to these hosts. The same name again replaces value and hosts, from the next call of
/// a plugin on.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", tag = "plugins", security(("key" = ["secrets:write"])),
    params(("name" = String, Path, description = "1 to 60 letters, digits, '-' and '_', beginning with a letter")),
    request_body(description = "Value and hosts", content((NewSecret = "application/json"))),
    responses(
        (status = 200, description = "Replaced", body = SecretBody),
        (status = 201, description = "New", body = SecretBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn put(
    State(state): State<ApiState>,
    caller: May<WriteSecrets>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (bytes, _) = Reader::new(&state, &parts.headers, body, BODY)?.whole().await?;
    // What a parser says of a body may repeat a part of it.
    let new: NewSecret = serde_json::from_slice(&bytes).map_err(|_| {
        Problem::malformed("the body is not of the form {\"value\": \"…\", \"hosts\": [\"api.example.org\"]}")
    })?;
    let (vault, tenant) = (vault(&state)?, caller.tenant());
    let created = vault
        .put(
            tenant,
            &name,
            &new.hosts,
            new.value.into_bytes(),
            &caller.who().name,
        )
        .await?;
    let hosts: Vec<String> = new.hosts.iter().map(ToString::to_string).collect();
    caller
        .note(&state, "secret.set", &name, json!({ "hosts": hosts }))
        .await;
    let rows = state
        .store()
        .list_secrets(tenant)
        .await
        .map_err(|e| e.failure())?;
    let row = rows
        .into_iter()
        .find(|row| row.name == name)
        .ok_or_else(|| unknown(&name))?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json_with(status, &SecretBody::of(row))
}

/// The secrets, without their values.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "plugins", security(("key" = ["secrets:write"])),
    responses((status = 200, body = SecretList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(State(state): State<ApiState>, caller: May<WriteSecrets>) -> Result<Response, Problem> {
    let rows = state
        .store()
        .list_secrets(caller.tenant())
        .await
        .map_err(|e| e.failure())?;
    body_of(&SecretList {
        items: rows.into_iter().map(SecretBody::of).collect(),
    })
}

/// Forget a secret.
///
/// From the next call of a plugin on, requests that hold its placeholder are refused.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", tag = "plugins", security(("key" = ["secrets:write"])),
    params(("name" = String, Path, description = "Its name")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn remove(
    State(state): State<ApiState>,
    caller: May<WriteSecrets>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let removed = state
        .store()
        .remove_secret(caller.tenant(), &name, &caller.who().name)
        .await;
    if !removed.map_err(|e| e.failure())? {
        return Err(unknown(&name));
    }
    caller.note(&state, "secret.remove", &name, json!({})).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn vault(state: &ApiState) -> Result<&Vault, Problem> {
    let vault = state.runs().executor().vault();
    vault.ok_or_else(|| Problem::new(Code::Internal, "this host keeps no secrets"))
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Problem::new(
        Code::NotFound,
        format!("there is no secret '{shown}'; GET /v1/secrets lists those that there are"),
    )
}
