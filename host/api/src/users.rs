//! People in the organisation, over HTTP.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use docmill_model::access::{Clearance, Role};
use docmill_model::failure::Code;
use docmill_model::id::UserId;
use docmill_store::StoreError;
use docmill_store::who::{NewUser, Status, UserChange, UserRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{id_of, json as body_of, json_with, limit};
use crate::body::object;
use crate::caller::Caller;
use crate::keys::name_of;
use crate::permission::{May, ReadUsers, WriteUsers};
use crate::pipelines::{expected_version, tagged};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time::rfc3339;

/// Longest address (RFC 5321: 256 with its brackets), in bytes.
const MAX_EMAIL: usize = 254;
/// Largest preferences, as JSON, in bytes.
const MAX_PREFERENCES: usize = 16 * 1024;

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserBody {
    /// `usr_…`
    id: String,
    /// In lower case.
    email: String,
    /// For people.
    name: String,
    /// What they may: `owner`, `developer`, `invoker` or `viewer`.
    #[schema(value_type = String)]
    role: Role,
    /// What they may see: `S`, `A`, `B`, `C` or `D`.
    #[schema(value_type = String)]
    clearance: Clearance,
    /// `active`, `suspended` or `removed`.
    #[schema(value_type = String)]
    status: Status,
    /// What they like.
    #[schema(value_type = Object)]
    preferences: Json,
    /// When they were added.
    created_at: String,
}

impl UserBody {
    pub(crate) fn of(row: UserRow) -> Self {
        Self {
            id: row.id.to_string(),
            email: row.email,
            name: row.name,
            role: row.role,
            clearance: row.clearance,
            status: row.status,
            preferences: row.preferences,
            created_at: rfc3339(row.created_at),
        }
    }
}

fn answer(status: StatusCode, row: UserRow) -> Result<Response, Problem> {
    let version = row.version;
    Ok(tagged(json_with(status, &UserBody::of(row))?, version))
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserBody {
    /// Where they are written to; one user for each address.
    email: String,
    /// For people.
    name: String,
    /// What they may.
    #[schema(value_type = String)]
    role: Role,
    /// What they may see; by default D, which is for everybody.
    #[schema(value_type = Option<String>)]
    clearance: Option<Clearance>,
}

/// Add a user.
///
/// They come in with a key of their own (`POST /v1/keys` with `user`), or with a session that such a key began.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", security(("key" = ["users:write"])), request_body = NewUserBody,
    responses((status = 201, body = UserBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: May<WriteUsers>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let form = "{\"email\": \"…\", \"name\": \"…\", \"role\": \"developer\"}";
    let new: NewUserBody = object(&state, &parts.headers, body, form).await?;
    let email = email_of(&new.email)?;
    let wanted = NewUser {
        email: &email,
        name: name_of(&new.name)?,
        role: new.role,
        clearance: new.clearance.unwrap_or(Clearance::D),
    };
    within(&caller, wanted.role, wanted.clearance)?;
    let row = state.store().create_user(caller.tenant(), &wanted).await;
    let row = row.map_err(|e| e.failure())?;
    let detail = json!({ "role": row.role, "clearance": row.clearance });
    caller
        .note(&state, "user.create", &row.id.to_string(), detail)
        .await;
    answer(StatusCode::CREATED, row)
}

/// Nobody lets others do or see more than they do themselves.
fn within(caller: &Caller, role: Role, clearance: Clearance) -> Result<(), Problem> {
    let who = caller.who();
    if !who.scopes.covers(role.scopes()) {
        let said =
            format!("you may not do all that the role {role} may, so you can neither give it nor take it");
        return Err(Problem::new(Code::Forbidden, said));
    }
    if !who.clearance.sees(clearance) {
        let said = format!(
            "you are cleared for {}, which is not enough to decide about somebody cleared for {clearance}",
            who.clearance
        );
        return Err(Problem::new(Code::Forbidden, said));
    }
    Ok(())
}

/// Users.
#[derive(Serialize, ToSchema)]
pub struct UserList {
    /// Newest first.
    items: Vec<UserBody>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The users.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", security(("key" = ["users:read"])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = UserList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadUsers>,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = limit(&mut query)?;
    let cursor: Option<UserId> = query.parsed("cursor", "the `next` of the page before")?;
    query.finish()?;
    let page = state
        .store()
        .list_users(caller.tenant(), cursor, limit)
        .await
        .map_err(|e| e.failure())?;
    body_of(&UserList {
        items: page.items.into_iter().map(UserBody::of).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

/// One user.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", security(("key" = ["users:read"])),
    params(("id" = String, Path, description = "usr_…")),
    responses((status = 200, body = UserBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadUsers>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = state.store().get_user(caller.tenant(), id_of(&id)?).await;
    answer(StatusCode::OK, row.map_err(|e| e.failure())?)
}

/// What is to change of a user. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// For people.
    name: Option<String>,
    /// What they may.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// What they may see.
    #[schema(value_type = Option<String>)]
    clearance: Option<Clearance>,
    /// `active` or `suspended`: whose keys and sessions do not work.
    #[schema(value_type = Option<String>)]
    status: Option<Status>,
}

/// Change a user.
///
/// `If-Match: "3"` changes only version 3. What the user may and sees follows within 5 s on every host; suspending ends their
/// sessions.
#[utoipa::path(
    patch, path = "/v1/users/{id}", tag = "users", security(("key" = ["users:write"])),
    params(("id" = String, Path, description = "usr_…")), request_body = UserPatch,
    responses((status = 200, body = UserBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: May<WriteUsers>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: UserId = id_of(&id)?;
    let expected_version = expected_version(request.headers())?;
    let (parts, body) = request.into_parts();
    let patch: UserPatch = object(&state, &parts.headers, body, "{\"role\": \"viewer\"}").await?;
    if patch.status == Some(Status::Removed) {
        let said = "a user is removed with DELETE, for good; 'status' is active or suspended";
        return Err(Problem::malformed(said));
    }
    let before = state.store().get_user(caller.tenant(), id).await;
    let before = before.map_err(|e| e.failure())?;
    // Neither of somebody who may more, nor into somebody who may more.
    within(&caller, before.role, before.clearance)?;
    within(
        &caller,
        patch.role.unwrap_or(before.role),
        patch.clearance.unwrap_or(before.clearance),
    )?;
    let change = UserChange {
        name: patch.name.as_deref().map(name_of).transpose()?,
        role: patch.role,
        clearance: patch.clearance,
        status: patch.status,
        preferences: None,
        // Whom the caller was judged against is who is changed.
        expected_version: expected_version.or(Some(before.version)),
    };
    let row = changed(&state, &caller, id, &change, expected_version.is_some()).await?;
    let detail = json!({
        "version": row.version, "role": patch.role, "clearance": patch.clearance, "status": patch.status,
    });
    caller.note(&state, "user.change", &id.to_string(), detail).await;
    answer(StatusCode::OK, row)
}

/// Changes a user; `if_match` tells that the client named the version.
pub(crate) async fn changed(
    state: &ApiState,
    caller: &Caller,
    id: UserId,
    change: &UserChange<'_>,
    if_match: bool,
) -> Result<UserRow, Problem> {
    let row = state.store().change_user(caller.tenant(), id, change).await;
    let row = row.map_err(|error| match error {
        StoreError::Conflict { what } if if_match => Problem::new(Code::PreconditionFailed, what),
        other => other.failure().into(),
    })?;
    state.doubt_callers_of(caller.tenant());
    Ok(row)
}

/// Remove a user.
///
/// Their keys and sessions end. What names them (runs, the audit log) goes on doing so; the address is free again.
#[utoipa::path(
    delete, path = "/v1/users/{id}", tag = "users", security(("key" = ["users:write"])),
    params(("id" = String, Path, description = "usr_…")),
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn remove(
    State(state): State<ApiState>,
    caller: May<WriteUsers>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: UserId = id_of(&id)?;
    let before = state.store().get_user(caller.tenant(), id).await;
    let before = before.map_err(|e| e.failure())?;
    within(&caller, before.role, before.clearance)?;
    let change = UserChange {
        status: Some(Status::Removed),
        expected_version: Some(before.version),
        ..UserChange::default()
    };
    changed(&state, &caller, id, &change, false).await?;
    caller
        .note(&state, "user.remove", &id.to_string(), json!({}))
        .await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The address in lower case, if it can be one. Whether somebody reads what is sent there, only sending can tell.
fn email_of(text: &str) -> Result<String, Problem> {
    let email = text.trim().to_lowercase();
    let parts = email.split_once('@');
    let right = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
    });
    let clean = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if right && clean && email.len() <= MAX_EMAIL {
        return Ok(email);
    }
    let said = format!("'email' is an address such as name@example.org, of at most {MAX_EMAIL} bytes");
    Err(Problem::malformed(said))
}

/// Preferences: an object that is not too large.
pub(crate) fn preferences_of(value: &Json) -> Result<&Json, Problem> {
    if value.is_object() && value.to_string().len() <= MAX_PREFERENCES {
        return Ok(value);
    }
    let said = format!("'preferences' is an object of at most {MAX_PREFERENCES} bytes");
    Err(Problem::malformed(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_their_form() {
        assert_eq!(email_of(" Anna@Example.ORG ").unwrap(), "anna@example.org");
        assert_eq!(email_of("анна@пример.рф").unwrap(), "анна@пример.рф");
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@.b",
            "a@b\0",
            &format!("{}@b", "a".repeat(260)),
        ] {
            assert!(email_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn preferences_are_a_small_object() {
        assert!(preferences_of(&json!({"theme": "dark"})).is_ok());
        for bad in [json!([]), json!(null), json!({"a": "x".repeat(MAX_PREFERENCES)})] {
            assert!(preferences_of(&bad).is_err());
        }
    }
}
