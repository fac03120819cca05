//! People who are signed in, over HTTP.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use docmill_model::access::Scope;
use docmill_model::failure::Code;
use docmill_model::id::{SessionId, UserId};
use docmill_store::who::{NewSession, SessionRow};
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{id_of, json as body_of, json_with, limit};
use crate::caller::Caller;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// How long somebody stays signed in.
const LASTS: Duration = Duration::from_hours(24);

/// A session that began.
#[derive(Serialize, ToSchema)]
pub struct SessionBody {
    /// `ses_…`
    id: String,
    /// What is sent as `Authorization: Bearer …`. Shown now and never again.
    session: String,
    /// When it ends by itself.
    expires_at: String,
}

/// Sign in.
///
/// With a key of a user: the session may what the key may, for 24 hours, or until it or the key is revoked. A session does not
/// begin another.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "users",
    responses((status = 201, body = SessionBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let who = caller.who();
    let (Some((user, _)), Some(key)) = (who.user.clone(), who.key) else {
        let said = "a session begins with a key that belongs to a user, and neither a service's key nor a session is one";
        return Err(Problem::new(Code::Forbidden, said));
    };
    let agent = request.headers().get(header::USER_AGENT);
    let new = NewSession {
        user,
        key,
        client_ip: caller.context().client_ip(),
        user_agent: agent.and_then(|value| value.to_str().ok()),
        lasts: LASTS,
    };
    let made = state.store().create_session(caller.tenant(), &new).await;
    let (id, secret, expires_at) = made.map_err(|e| e.failure())?;
    caller
        .note(&state, "session.begin", &id.to_string(), json!({ "user": user }))
        .await;
    json_with(
        StatusCode::CREATED,
        &SessionBody {
            id: id.to_string(),
            session: secret.expose().to_owned(),
            expires_at: rfc3339(expires_at),
        },
    )
}

/// Sessions.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    /// Newest first: `id`, `user`, `client_ip`, `user_agent`, `created_at`, `expires_at`, `revoked_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Who is signed in: your own sessions, or with the scope `users:read` everybody's.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "users",
    params(
        ("user" = Option<String>, Query, description = "Of this user"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = SessionList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let asked: Option<UserId> = query.parsed("user", "a user's id: usr_…")?;
    let limit = limit(&mut query)?;
    let cursor: Option<SessionId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let own = caller.who().user.as_ref().map(|(id, _)| *id);
    let of = if own.is_some() && (asked == own || asked.is_none() && !caller.may(Scope::UsersRead)) {
        own
    } else {
        caller.must(Scope::UsersRead)?;
        asked
    };
    let page = state
        .store()
        .list_sessions(caller.tenant(), of, cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    body_of(&SessionList {
        items: page.items.iter().map(shown).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

fn shown(row: &SessionRow) -> Json {
    json!({
        "id": row.id, "user": row.user, "client_ip": row.client_ip, "user_agent": row.user_agent,
        "created_at": rfc3339(row.created_at), "expires_at": rfc3339(row.expires_at),
        "revoked_at": row.revoked_at.map(rfc3339),
    })
}

/// End a session: your own, or with the scope `users:write` anybody's. Signing out is this.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "users",
    params(("id" = String, Path, description = "ses_…")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: SessionId = id_of(&id)?;
    let own = caller.who().user.as_ref().map(|(id, _)| *id);
    let of = if caller.may(Scope::UsersWrite) { None } else { own };
    if of.is_none() {
        caller.must(Scope::UsersWrite)?;
    }
    let ended = state.store().revoke_session(caller.tenant(), id, of).await;
    if ended.map_err(|e| e.failure())? {
        state.doubt_callers_of(caller.tenant());
        caller
            .note(&state, "session.end", &id.to_string(), json!({}))
            .await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
