//! Who calls.

use axum::extract::{Request, State};
use axum::response::Response;
use docmill_model::access::{Clearance, Role, Scope};
use docmill_model::failure::Code;
use docmill_store::who::{UserChange, UserRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::json as body_of;
use crate::body::object;
use crate::caller::Caller;
use crate::keys::name_of;
use crate::pipelines::expected_version;
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::rfc3339;
use crate::users::{UserBody, changed, preferences_of};

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
    /// `key_…`; none: a session was sent.
    key: Option<String>,
    /// The key's name.
    key_name: Option<String>,
    /// `ses_…`; none: a key was sent.
    session: Option<String>,
    /// Whose key or session it is; none: a service's.
    user: Option<UserBody>,
    /// The credential's role.
    #[schema(value_type = String)]
    role: Role,
    /// What it may.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// What it may see: S, A, B, C or D.
    #[schema(value_type = String)]
    clearance: Clearance,
    /// When it stops working by itself.
    expires_at: Option<String>,
}

/// Whose key this is, and what it may.
#[utoipa::path(
    get, path = "/v1/me", tag = "keys",
    responses((status = 200, body = MeBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(State(state): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let user = match &caller.who().user {
        Some((id, _)) => Some(
            state
                .store()
                .get_user(caller.tenant(), *id)
                .await
                .map_err(|e| e.failure())?,
        ),
        None => None,
    };
    answer(&caller, user)
}

fn answer(caller: &Caller, user: Option<UserRow>) -> Result<Response, Problem> {
    let who = caller.who();
    body_of(&MeBody {
        tenant: who.tenant.to_string(),
        tenant_name: who.tenant_name.clone(),
        timezone: who.timezone.clone(),
        locale: who.locale.clone(),
        key: who.key.map(|id| id.to_string()),
        key_name: who.key.is_some().then(|| who.name.clone()),
        session: who.session.map(|id| id.to_string()),
        user: user.map(UserBody::of),
        role: who.role,
        scopes: who.scopes.iter().collect(),
        clearance: who.clearance,
        expires_at: who.expires_at.map(rfc3339),
    })
}

/// What somebody changes of themselves. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MePatch {
    /// For people.
    name: Option<String>,
    /// What they like: an object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Json>,
}

/// Change your own name or preferences.
#[utoipa::path(
    patch, path = "/v1/me", tag = "keys", request_body = MePatch,
    responses((status = 200, body = MeBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let Some((id, _)) = caller.who().user.clone() else {
        let said = "this key is a service's: it has no name and preferences of a person";
        return Err(Problem::new(Code::Conflict, said));
    };
    let expected_version = expected_version(request.headers())?;
    let (parts, body) = request.into_parts();
    let form = "{\"name\": \"…\", \"preferences\": {}}";
    let patch: MePatch = object(&state, &parts.headers, body, form).await?;
    let change = UserChange {
        name: patch.name.as_deref().map(name_of).transpose()?,
        preferences: patch.preferences.as_ref().map(preferences_of).transpose()?,
        expected_version,
        ..UserChange::default()
    };
    let row = changed(&state, &caller, id, &change, expected_version.is_some()).await?;
    caller
        .note(
            &state,
            "user.change",
            &id.to_string(),
            json!({ "version": row.version }),
        )
        .await;
    answer(&caller, Some(row))
}
