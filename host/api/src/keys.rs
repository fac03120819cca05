//! Keys over HTTP.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use docmill_model::access::{Clearance, Role, Scope, Scopes};
use docmill_model::failure::Code;
use docmill_model::id::{KeyId, UserId};
use docmill_model::run::Millis;
use docmill_runs::now;
use docmill_store::who::{self, KeyRow, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{id_of, json as body_of, json_with, limit};
use crate::body::object;
use crate::caller::Caller;
use crate::permission::{May, ReadKeys, WriteKeys};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::{self, rfc3339};

/// Longest name of a key or a user, in characters.
const MAX_NAME: usize = 100;
/// The furthest that a key's end may be away: about ten years.
const MAX_LIFE_MS: Millis = 3_653 * 86_400_000;
/// How long a rotated key goes on working unless the client says otherwise.
const OVERLAP_S: u32 = 86_400;
/// The longest that it may.
const MAX_OVERLAP_S: u32 = 30 * 86_400;

/// A key to be made. What it may is never more than what its maker may.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// For people.
    pub(crate) name: String,
    /// `owner`, `developer`, `invoker` or `viewer`; by default that of the key that makes it.
    #[schema(value_type = Option<String>)]
    pub(crate) role: Option<Role>,
    /// Some of the role's scopes; by default all: `["runs:invoke", "runs:read"]`.
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) scopes: Option<Vec<Scope>>,
    /// `S`, `A`, `B`, `C` or `D`; by default that of the key that makes it.
    #[schema(value_type = Option<String>)]
    pub(crate) clearance: Option<Clearance>,
    /// Whose it is: `usr_…`. Left out: a service's, which outlives the person who made it.
    pub(crate) user: Option<String>,
    /// When it stops working: RFC 3339, or a date in the tenant's time zone. Left out: when the key that makes it does.
    pub(crate) expires_at: Option<String>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub struct KeyBody {
    /// `key_…`
    id: String,
    /// What clients send as `Authorization: Bearer …`. Shown now and never again.
    key: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Make a key.
///
/// Its role and scopes are at most those of the key or session that makes it; so is its clearance, and it does not outlive that
/// key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), request_body = NewKey,
    responses((status = 201, body = KeyBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: May<WriteKeys>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let form = "{\"name\": \"…\", \"role\": \"invoker\"}";
    let new: NewKey = object(&state, &parts.headers, body, form).await?;
    let (id, secret) = made(&state, &caller, &new).await?;
    json_with(
        StatusCode::CREATED,
        &KeyBody {
            id: id.to_string(),
            key: secret.expose().to_owned(),
            name: Some(new.name.trim().to_owned()),
        },
    )
}

/// Makes it, if the caller may.
pub(crate) async fn made(
    state: &ApiState,
    caller: &May<WriteKeys>,
    new: &NewKey,
) -> Result<(KeyId, Secret), Problem> {
    let name = name_of(&new.name)?;
    let wanted = who::NewKey {
        name,
        user: new
            .user
            .as_deref()
            .map(|id| {
                id.parse::<UserId>()
                    .map_err(|e| Problem::malformed(e.to_string()))
            })
            .transpose()?,
        role: new.role.unwrap_or(caller.who().role),
        scopes: match (new.scopes.as_deref(), new.role) {
            (Some(scopes), _) => Some(Scopes::of(scopes)),
            (None, Some(_)) => None,
            // Like its maker's in everything.
            (None, None) => narrowed(caller),
        },
        clearance: new.clearance.unwrap_or(caller.who().clearance),
        expires_at: new
            .expires_at
            .as_deref()
            .map(|text| end_of(text, &caller.who().timezone))
            .transpose()?,
    };
    within(caller, &wanted)?;
    let end = caller.who().key_expires_at;
    if let (Some(end), Some(wanted)) = (end, wanted.expires_at)
        && wanted > end
    {
        let said = format!("the new key would outlive yours, which ends at {}", rfc3339(end));
        return Err(Problem::new(Code::Forbidden, said));
    }
    let wanted = who::NewKey {
        expires_at: wanted.expires_at.or(end),
        ..wanted
    };
    let (id, secret) = state
        .store()
        .create_key(caller.tenant(), &wanted)
        .await
        .map_err(|e| e.failure())?;
    let detail = json!({
        "role": wanted.role, "scopes": wanted.scopes.map(|s| s.iter().collect::<Vec<_>>()),
        "clearance": wanted.clearance, "user": wanted.user, "expires_at": wanted.expires_at.map(rfc3339),
    });
    caller.note(state, "key.create", &id.to_string(), detail).await;
    Ok((id, secret))
}

/// The maker's own scopes, if they are fewer than those of its role.
fn narrowed(caller: &Caller) -> Option<Scopes> {
    let who = caller.who();
    (who.scopes != who.role.scopes()).then_some(who.scopes)
}

/// Nobody makes, rotates or ends a key that may more than they do.
fn within(caller: &Caller, wanted: &who::NewKey<'_>) -> Result<(), Problem> {
    let who = caller.who();
    let role = wanted.role.scopes();
    let scopes = wanted.scopes.unwrap_or(role);
    if scopes == Scopes::default() {
        return Err(Problem::malformed(
            "'scopes' is empty: such a key could do nothing; leave it out for all that the role may",
        ));
    }
    let listed = |scopes: Scopes| scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(", ");
    if !role.covers(scopes) {
        let said = format!(
            "the role {} has not all of these scopes; it has: {}",
            wanted.role,
            listed(role)
        );
        return Err(Problem::malformed(said));
    }
    if !who.scopes.covers(scopes) {
        let said = format!(
            "that key has more scopes than yours, which has: {}",
            listed(who.scopes)
        );
        return Err(Problem::new(Code::Forbidden, said));
    }
    if !who.clearance.sees(wanted.clearance) {
        let said = format!(
            "that key is cleared for {}, and yours for {}",
            wanted.clearance, who.clearance
        );
        return Err(Problem::new(Code::Forbidden, said));
    }
    Ok(())
}

/// A key that may as much as this one.
fn like(old: &KeyRow) -> who::NewKey<'_> {
    who::NewKey {
        name: &old.name,
        user: old.user,
        role: old.role,
        scopes: old.known_scopes(),
        clearance: old.clearance,
        expires_at: None,
    }
}

fn end_of(text: &str, timezone: &str) -> Result<Millis, Problem> {
    let end = time::parse("expires_at", text, timezone)?;
    if end <= now() || end > now() + MAX_LIFE_MS {
        return Err(Problem::malformed(
            "'expires_at' is in the future, at most ten years away",
        ));
    }
    Ok(end)
}

/// Keys.
#[derive(Serialize, ToSchema)]
pub struct KeyList {
    /// Newest first: `id`, `name`, `prefix`, `user`, `role`, `scopes`, `clearance`, `created_at`, `expires_at`, `last_used_at`,
    /// `rotated_to`, `revoked_at`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The keys, without their secrets.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", security(("key" = ["keys:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = KeyList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadKeys>,
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
    body_of(&KeyList {
        items: page.items.iter().map(shown).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

fn shown(row: &KeyRow) -> Json {
    json!({
        "id": row.id, "name": row.name, "prefix": row.prefix, "user": row.user, "role": row.role,
        "scopes": row.known_scopes().unwrap_or(row.role.scopes()).iter().collect::<Vec<_>>(),
        "clearance": row.clearance, "created_at": rfc3339(row.created_at),
        "expires_at": row.expires_at.map(rfc3339), "last_used_at": row.last_used_at.map(rfc3339),
        "rotated_to": row.rotated_to, "revoked_at": row.revoked_at.map(rfc3339),
    })
}

/// Revoke a key.
///
/// This host refuses it at once, others within 5 s; while the database is away, a host that has not asked yet goes on taking
/// it for up to 10 minutes.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["keys:write"])),
    params(("id" = String, Path, description = "key_…")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn revoke(
    State(state): State<ApiState>,
    caller: May<WriteKeys>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    ended(&state, &caller, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends it, if the caller may; that it was ended before is no error.
pub(crate) async fn ended(state: &ApiState, caller: &May<WriteKeys>, id: KeyId) -> Result<(), Problem> {
    // Who may less than a key cannot end it, but for their own.
    if caller.who().key != Some(id) {
        let old = state.store().get_key(caller.tenant(), id).await;
        within(caller, &like(&old.map_err(|e| e.failure())?))?;
    }
    let worked = state
        .store()
        .revoke_key(caller.tenant(), id)
        .await
        .map_err(|e| e.failure())?;
    if worked {
        state.doubt_callers_of(caller.tenant());
        caller.note(state, "key.revoke", &id.to_string(), json!({})).await;
    }
    Ok(())
}

/// How a key is to be rotated.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds that the old key goes on working: up to 30 days; by default a day.
    overlap_seconds: Option<u32>,
}

/// Rotate a key.
///
/// Makes a key like it, which lives as long as the old one was to, and no longer than the key that makes it. The old one works
/// until the overlap is over.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys", security(("key" = ["keys:write"])),
    params(("id" = String, Path, description = "key_…")), request_body = Rotation,
    responses((status = 201, body = KeyBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn rotate(
    State(state): State<ApiState>,
    caller: May<WriteKeys>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: KeyId = id_of(&id)?;
    let (parts, body) = request.into_parts();
    let form = "{\"overlap_seconds\": 86400}";
    let wanted: Rotation = object(&state, &parts.headers, body, form).await?;
    let seconds = wanted.overlap_seconds.unwrap_or(OVERLAP_S);
    if seconds > MAX_OVERLAP_S {
        let said = format!("'overlap_seconds' is at most {MAX_OVERLAP_S}: 30 days");
        return Err(Problem::malformed(said));
    }
    // Like making one: a key that may more than the caller's is not handed out.
    let old = state.store().get_key(caller.tenant(), id).await;
    let old = old.map_err(|e| e.failure())?;
    within(&caller, &like(&old))?;
    let overlap = Duration::from_secs(seconds.into());
    let (new, secret) = state
        .store()
        .rotate_key(caller.tenant(), id, overlap, caller.who().key_expires_at)
        .await
        .map_err(|e| e.failure())?;
    state.doubt_callers_of(caller.tenant());
    let detail = json!({ "new": new, "overlap_seconds": seconds });
    caller.note(&state, "key.rotate", &id.to_string(), detail).await;
    json_with(
        StatusCode::CREATED,
        &KeyBody {
            id: new.to_string(),
            key: secret.expose().to_owned(),
            name: None,
        },
    )
}

/// A name of a key or a user.
pub(crate) fn name_of(text: &str) -> Result<&str, Problem> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::malformed(format!(
            "a name has 1 to {MAX_NAME} characters, no control characters"
        )));
    }
    Ok(name)
}
