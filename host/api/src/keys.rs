//! Keys over HTTP. Roles and scopes come later: every key of a tenant may do everything in it.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use docmill_model::failure::Code;
use docmill_model::id::KeyId;
use docmill_model::size::ByteSize;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{id_of, json as body_of, json_with, limit};
use crate::body::Reader;
use crate::caller::Caller;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// Longest name of a key, in characters.
const MAX_NAME: usize = 100;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// For people.
    name: String,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub struct KeyBody {
    /// `key_…`
    id: String,
    /// For people.
    name: String,
    /// What clients send as `Authorization: Bearer …`. Shown now and never again.
    key: String,
}

/// Make another key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = KeyBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (bytes, _) = Reader::new(&state, &parts.headers, body, ByteSize::kib(16))?
        .whole()
        .await?;
    if bytes.is_empty() {
        return Err(Problem::new(Code::EmptyBody, "send {\"name\": \"…\"}"));
    }
    let new: NewKey = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::malformed(format!(
            "the body is not of the form {{\"name\": \"…\"}}: {error}"
        ))
    })?;
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::malformed(format!(
            "a key's name has 1 to {MAX_NAME} characters, no control characters"
        )));
    }
    let (id, secret) = state
        .store()
        .create_key(caller.tenant(), name)
        .await
        .map_err(|e| e.failure())?;
    audit(&state, &caller, "key.create", id).await;
    json_with(
        StatusCode::CREATED,
        &KeyBody {
            id: id.to_string(),
            name: name.to_owned(),
            key: secret.expose().to_owned(),
        },
    )
}

/// Keys.
#[derive(Serialize, ToSchema)]
pub struct KeyList {
    /// Newest first: `id`, `name`, `prefix`, `created_at`, `revoked_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The keys, without their secrets.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = KeyList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor: Option<KeyId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let page = state
        .store()
        .list_keys(caller.tenant(), cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    let items = page.items.iter().map(|row| {
        json!({
            "id": row.id, "name": row.name, "prefix": row.prefix, "created_at": rfc3339(row.created_at),
            "revoked_at": row.revoked_at.map(rfc3339),
        })
    });
    body_of(&KeyList {
        items: items.collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

/// Revoke a key.
///
/// This host refuses it at once, others within 5 s; while the database is away, a host that has not asked yet goes on taking
/// it for up to 10 minutes.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "key_…")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: KeyId = id_of(&id)?;
    state
        .store()
        .revoke_key(caller.tenant(), id)
        .await
        .map_err(|e| e.failure())?;
    // Which digest is this key's is not known here: all are asked for again.
    state.callers().doubt(|_| true);
    audit(&state, &caller, "key.revoke", id).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn audit(state: &ApiState, caller: &Caller, action: &str, id: KeyId) {
    let subject = id.to_string();
    let entry = caller.audit(action, &subject, json!({}));
    if let Err(error) = state.store().audit(caller.tenant(), &entry).await {
        tracing::error!(%error, action, "a change of keys is not in the audit log");
    }
}

/// Who calls.
#[derive(Serialize, ToSchema)]
pub struct MeBody {
    /// `ten_…`
    tenant: String,
    /// The tenant's name.
    tenant_name: String,
    /// Of the tenant; IANA name.
    timezone: String,
    /// Of the tenant; BCP 47.
    locale: String,
    /// `key_…`
    key: String,
    /// The key's name.
    key_name: String,
}

/// Whom this key belongs to.
#[utoipa::path(
    get, path = "/v1/me", tag = "keys",
    responses((status = 200, body = MeBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn me(caller: Caller) -> Result<Response, Problem> {
    let who = caller.who();
    body_of(&MeBody {
        tenant: who.tenant.to_string(),
        tenant_name: who.tenant_name.clone(),
        timezone: who.timezone.clone(),
        locale: who.locale.clone(),
        key: who.key.to_string(),
        key_name: who.name.clone(),
    })
}
