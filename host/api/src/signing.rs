//! Keys whose signatures of plugins the tenant trusts.

pub mod identities;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::plugin::is_name;
use docmill_model::signature::{PublicKey, TrustedKey};
use docmill_runs::now;
use docmill_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with};
use crate::body::object;
use crate::permission::{May, ReadTenant, WriteTenant};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::{self, rfc3339};

/// Keys.
#[derive(Serialize, ToSchema)]
pub struct SigningKeyList {
    /// By name: `name`, `public_key`, `expires_at`, `revoked_at`, `created_at`. At most 200.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
}

/// The keys whose signatures of plugins are trusted, and those that were.
#[utoipa::path(
    get, path = "/v1/signing-keys", tag = "plugins", security(("key" = ["tenant:read"])),
    responses((status = 200, body = SigningKeyList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(State(state): State<ApiState>, caller: May<ReadTenant>) -> Result<Response, Problem> {
    let keys = state.store().trusted_keys(caller.tenant()).await;
    let keys = keys.map_err(|e| e.failure())?;
    body_of(&SigningKeyList {
        items: keys.iter().map(item).collect(),
    })
}

fn item(key: &TrustedKey) -> Json {
    json!({
        "name": key.name,
        "public_key": key.public_key,
        "expires_at": key.expires_at.map(rfc3339),
        "revoked_at": key.revoked_at.map(rfc3339),
        "created_at": rfc3339(key.created_at),
    })
}

/// A key to be trusted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSigningKey {
    /// Lower-case letters, digits and dashes.
    name: String,
    /// Ed25519, as `docmill plugin keygen` prints it: 64 hexadecimal digits.
    #[schema(value_type = String)]
    public_key: PublicKey,
    /// Until when: RFC 3339, or a date in the tenant's time zone. Left out: until it is revoked.
    expires_at: Option<String>,
}

/// Trust a key's signatures of plugins.
#[utoipa::path(
    post, path = "/v1/signing-keys", tag = "plugins", security(("key" = ["tenant:write"])), request_body = NewSigningKey,
    responses(
        (status = 200, description = "It was trusted already", body = Object),
        (status = 201, body = Object),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: May<WriteTenant>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let form = "{\"name\": \"release\", \"public_key\": \"…\"}";
    let new: NewSigningKey = object(&state, &parts.headers, body, form).await?;
    if !is_name(&new.name) {
        return Err(Problem::malformed(
            "'name' is 1 to 60 of lower-case letters, digits and dashes, beginning with a letter",
        ));
    }
    if is_of_small_order(&new.public_key) {
        return Err(Problem::malformed(
            "'public_key' is a point of small order: anybody can make signatures that it verifies; make a key with `docmill plugin \
             keygen`",
        ));
    }
    let zone = &caller.who().timezone;
    let end = new.expires_at.as_deref();
    let end = end
        .map(|text| time::parse("expires_at", text, zone))
        .transpose()?;
    if end.is_some_and(|end| end <= now()) {
        return Err(Problem::malformed("'expires_at' is over already"));
    }
    let store = state.store();
    let created = store
        .trust_key(caller.tenant(), &new.name, new.public_key, end)
        .await;
    let created = created.map_err(|e| e.failure())?;
    if created {
        state.runs().changed(caller.tenant());
        let detail = json!({ "public_key": new.public_key, "expires_at": end.map(rfc3339) });
        caller.note(&state, "signing-key.create", &new.name, detail).await;
    }
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let keys = store
        .trusted_keys(caller.tenant())
        .await
        .map_err(|e| e.failure())?;
    let made = keys.iter().find(|key| key.name == new.name);
    json_with(status, &made.map(item))
}

/// The points of Edwards25519 whose order is 1, 2, 4 or 8, as they may be encoded, without the sign (RFC 8032, section 5.1; the list
/// that libsodium refuses, too).
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn is_of_small_order(key: &PublicKey) -> bool {
    let mut bytes = *key.as_bytes();
    if let Some(last) = bytes.last_mut() {
        *last &= 0x7f;
    }
    let unsigned = PublicKey::from_bytes(bytes).to_string();
    SMALL_ORDER.contains(&unsigned.as_str())
}

/// Trust a key no more.
///
/// While the organisation asks for signatures, versions that it signed run no more: on this host at once, on others within a
/// second.
#[utoipa::path(
    delete, path = "/v1/signing-keys/{name}", tag = "plugins", security(("key" = ["tenant:write"])),
    params(("name" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is revoked"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn revoke(
    State(state): State<ApiState>,
    caller: May<WriteTenant>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::NotFound, "there is no signing key of that name");
    if !is_name(&name) {
        return Err(unknown());
    }
    let revoked = state.store().revoke_trusted_key(caller.tenant(), &name).await;
    let revoked = revoked.map_err(|error| match error {
        StoreError::NotFound { .. } => unknown(),
        other => other.failure().into(),
    })?;
    if revoked {
        state.runs().changed(caller.tenant());
        caller.note(&state, "signing-key.revoke", &name, json!({})).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
