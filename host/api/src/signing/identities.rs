//! People and programs whose Sigstore bundles the tenant trusts.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_model::plugin::is_name;
use docmill_model::signature::{Signer, Subject, TrustedIdentity, check_issuer};
use docmill_model::size::ByteSize;
use docmill_pipeline::{check_key, check_root};
use docmill_runs::now;
use docmill_store::StoreError;
use docmill_store::signing::NewIdentity;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::answer::{json as body_of, json_with};
use crate::body::{Reader, object_of};
use crate::permission::{May, ReadTenant, WriteTenant};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;
use crate::time::{self, rfc3339};

/// Of a root and what is around it.
const MAX_BODY: ByteSize = ByteSize::kib(192);
/// Longest public key in PEM, in bytes.
const MAX_KEY: usize = 8 * 1024;

/// Identities.
#[derive(Serialize, ToSchema)]
pub struct SigningIdentityList {
    /// By name: `name`, `subject` or `subject_prefix`, and `issuer`, or `public_key`; `trusted_root` (its SHA-256; null: that of
    /// the public Sigstore), `expires_at`, `revoked_at`, `created_at`. At most 50.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Json>,
}

/// Whose Sigstore bundles of plugins are trusted, and whose were.
#[utoipa::path(
    get, path = "/v1/signing-identities", tag = "plugins", security(("key" = ["tenant:read"])),
    responses((status = 200, body = SigningIdentityList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(State(state): State<ApiState>, caller: May<ReadTenant>) -> Result<Response, Problem> {
    let identities = state.store().trusted_identities(caller.tenant()).await;
    let identities = identities.map_err(|e| e.failure())?;
    body_of(&SigningIdentityList {
        items: identities.iter().map(item).collect(),
    })
}

fn item(identity: &TrustedIdentity) -> Json {
    let (subject, prefix, issuer, key) = match &identity.signer {
        Signer::Identity {
            subject: Subject::Exact(subject),
            issuer,
        } => (Some(subject), None, Some(issuer), None),
        Signer::Identity {
            subject: Subject::Prefix(prefix),
            issuer,
        } => (None, Some(prefix), Some(issuer), None),
        Signer::Key(key) => (None, None, None, Some(key)),
    };
    let root = identity.trusted_root.as_ref();
    json!({
        "name": identity.name,
        "subject": subject,
        "subject_prefix": prefix,
        "issuer": issuer,
        "public_key": key,
        "trusted_root": root.map(|root| Digest::of(root.as_bytes())),
        "expires_at": identity.expires_at.map(rfc3339),
        "revoked_at": identity.revoked_at.map(rfc3339),
        "created_at": rfc3339(identity.created_at),
    })
}

/// Somebody to be trusted: a subject with its issuer, or a public key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSigningIdentity {
    /// Lower-case letters, digits and dashes.
    name: String,
    /// The e-mail address or URI in their certificates, exactly.
    subject: Option<String>,
    /// Or how the URI begins: a place and an owner there at least, as in `https://github.com/acme/`.
    subject_prefix: Option<String>,
    /// The OpenID Connect issuer that vouches for them, as certificates name it.
    issuer: Option<String>,
    /// A public key in PEM, as `cosign generate-key-pair` writes it, instead.
    public_key: Option<String>,
    /// The root of a Sigstore of one's own (`application/vnd.dev.sigstore.trustedroot+json`). Left out: that of the public one, as it
    /// was when this docmill was built.
    #[schema(value_type = Option<Object>)]
    trusted_root: Option<Box<serde_json::value::RawValue>>,
    /// Until when: RFC 3339, or a date in the tenant's time zone. Left out: until they are revoked.
    expires_at: Option<String>,
}

impl NewSigningIdentity {
    fn signer(&self) -> Result<Signer, Problem> {
        let wrong =
            |member: &str, why: String| Problem::malformed(format!("'{member}' cannot be used: {why}"));
        let subject = match (&self.subject, &self.subject_prefix) {
            (Some(subject), None) => Some(("subject", Subject::Exact(subject.clone()))),
            (None, Some(prefix)) => Some(("subject_prefix", Subject::Prefix(prefix.clone()))),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(Problem::malformed(
                    "'subject' and 'subject_prefix' exclude each other",
                ));
            }
        };
        match (subject, &self.issuer, &self.public_key) {
            (Some((member, subject)), Some(issuer), None) => {
                subject.check().map_err(|why| wrong(member, why))?;
                check_issuer(issuer).map_err(|why| wrong("issuer", why))?;
                Ok(Signer::Identity {
                    subject,
                    issuer: issuer.clone(),
                })
            }
            (None, None, Some(key)) => {
                if key.len() > MAX_KEY {
                    return Err(wrong("public_key", format!("it has more than {MAX_KEY} bytes")));
                }
                check_key(key).map_err(|why| wrong("public_key", why))?;
                Ok(Signer::Key(key.clone()))
            }
            _ => Err(Problem::malformed(
                "an identity is a 'subject' (or 'subject_prefix') with its 'issuer', or a 'public_key'",
            )),
        }
    }
}

/// Trust somebody's Sigstore bundles of plugins.
///
/// A bundle says who signed which bytes, and not for whom: it counts for everybody who trusts them.
#[utoipa::path(
    post, path = "/v1/signing-identities", tag = "plugins", security(("key" = ["tenant:write"])), request_body = NewSigningIdentity,
    responses(
        (status = 200, description = "They were trusted already", body = Object),
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
    let form = "{\"name\": \"release\", \"subject_prefix\": \"https://github.com/acme/\", \"issuer\": \"https://…\"}";
    // With a root it is larger than others.
    let (bytes, _) = Reader::new(&state, &parts.headers, body, MAX_BODY)?
        .whole()
        .await?;
    let new: NewSigningIdentity = object_of(&bytes, form)?;
    if !is_name(&new.name) {
        return Err(Problem::malformed(
            "'name' is 1 to 60 of lower-case letters, digits and dashes, beginning with a letter",
        ));
    }
    let signer = new.signer()?;
    let root = new.trusted_root.as_ref().map(|root| root.get());
    if let Some(root) = root {
        check_root(root)
            .map_err(|why| Problem::malformed(format!("'trusted_root' cannot be used: {why}")))?;
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
    let identity = NewIdentity {
        name: &new.name,
        signer: &signer,
        trusted_root: root,
        expires_at: end,
    };
    let created = store.trust_identity(caller.tenant(), &identity).await;
    let created = created.map_err(|e| e.failure())?;
    let identities = store.trusted_identities(caller.tenant()).await;
    let identities = identities.map_err(|e| e.failure())?;
    let made = identities
        .iter()
        .find(|identity| identity.name == new.name)
        .map(item);
    if created {
        state.runs().changed(caller.tenant());
        let detail = made.clone().unwrap_or_default();
        caller
            .note(&state, "signing-identity.create", &new.name, detail)
            .await;
    }
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json_with(status, &made)
}

/// Trust somebody's Sigstore bundles no more.
///
/// While the organisation asks for signatures, versions that they alone signed run no more: on this host at once, on others
/// within a second.
#[utoipa::path(
    delete, path = "/v1/signing-identities/{name}", tag = "plugins", security(("key" = ["tenant:write"])),
    params(("name" = String, Path, description = "What they are called")),
    responses((status = 204, description = "They are revoked"), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn revoke(
    State(state): State<ApiState>,
    caller: May<WriteTenant>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::NotFound, "there is no signing identity of that name");
    if !is_name(&name) {
        return Err(unknown());
    }
    let revoked = state
        .store()
        .revoke_trusted_identity(caller.tenant(), &name)
        .await;
    let revoked = revoked.map_err(|error| match error {
        StoreError::NotFound { .. } => unknown(),
        other => other.failure().into(),
    })?;
    if revoked {
        state.runs().changed(caller.tenant());
        caller
            .note(&state, "signing-identity.revoke", &name, json!({}))
            .await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
