//! One version of a plugin: what its admission found, and where it stands.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use docmill_model::attachment::{Attachment, AttachmentKind};
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_model::plugin::PluginName;
use docmill_model::registry::VersionState;
use docmill_store::plugin::VersionRow;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::{plugin_name, version_item};
use crate::answer::{file as file_of, json as body_of};
use crate::body::object;
use crate::caller::Caller;
use crate::permission::{May, ReadPlugins, WritePlugins};
use crate::problem::{Problem, ProblemBody};
use crate::state::ApiState;

/// What the admission of a version found.
#[derive(Serialize, ToSchema)]
pub struct ReportBody {
    /// `namespace/name`
    name: String,
    /// Semantic version.
    version: String,
    /// SHA-256 of the component.
    digest: String,
    /// `admitted`, `published`, `deprecated` or `yanked`.
    state: String,
    /// `ok`, `lines` (each with `check`, `pass`, `detail`), `manifest`, `inspection`; null: the version is older than reports.
    #[schema(value_type = Object)]
    report: Json,
}

/// What the admission of a version found.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}/versions/{version}/report", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("version" = String, Path, description = "Semantic version")
    ),
    responses((status = 200, body = ReportBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn report(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (name, version) = version_of(&namespace, &name, &version)?;
    let found = state
        .store()
        .version_report(caller.tenant(), &name, &version)
        .await;
    let row = found.map_err(|e| e.failure())?;
    let row = row.ok_or_else(|| missing(&name, &version))?;
    body_of(&ReportBody {
        name: name.to_string(),
        version: version.to_string(),
        digest: row.digest.to_string(),
        state: row.state.to_string(),
        report: row.report,
    })
}

/// An attachment as it is shown.
pub(crate) fn attachment_item(name: &PluginName, version: &Version, attachment: &Attachment) -> Json {
    let file = if attachment.kind.is_single() {
        attachment.kind.to_string()
    } else {
        attachment.digest.to_string()
    };
    // `+` stands for itself in a path.
    let href = format!("/v1/plugins/{name}/versions/{version}/{file}");
    json!({
        "kind": attachment.kind,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "format": attachment.format,
        "digest": attachment.digest,
        "size": attachment.size,
        "href": href,
    })
}

/// A file of a version.
///
/// The component itself, its SBOM, its provenance or its Sigstore bundle, byte by byte as they were uploaded, or one of its other attachments by its
/// digest. Nobody has checked what an SBOM says; of a provenance it was checked that the component is among its subjects.
#[utoipa::path(
    get, path = "/v1/plugins/{namespace}/{name}/versions/{version}/{file}", tag = "plugins", security(("key" = ["plugins:read"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("version" = String, Path, description = "Semantic version"),
        ("file" = String, Path, description = "`component`, `sbom`, `provenance`, `bundle`, or the digest of an attachment")
    ),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn file(
    State(state): State<ApiState>,
    caller: May<ReadPlugins>,
    Path((namespace, name, version, file)): Path<(String, String, String, String)>,
) -> Result<Response, Problem> {
    let (name, version) = version_of(&namespace, &name, &version)?;
    let found = file_named(&state, &caller, &name, &version, &file).await?;
    let bytes = state.blobs().get(caller.tenant(), found.digest).await;
    let bytes = bytes.map_err(|e| e.failure())?;
    Ok(file_of(
        Some(&found.name),
        &found.media_type,
        &found.digest.to_string(),
        bytes,
    ))
}

/// A file that can be had.
struct Found {
    name: String,
    media_type: String,
    digest: Digest,
}

async fn file_named(
    state: &ApiState,
    caller: &Caller,
    name: &PluginName,
    version: &Version,
    file: &str,
) -> Result<Found, Problem> {
    let (store, tenant) = (state.store(), caller.tenant());
    let row = store.get_plugin(tenant, name).await.map_err(|e| e.failure())?;
    let mut versions = row.into_iter().flat_map(|row| row.versions);
    let row = versions.find(|row| row.version == *version);
    let row = row.ok_or_else(|| missing(name, version))?;
    if file == "component" {
        return Ok(Found {
            name: format!("{}-{version}.wasm", name.name()),
            media_type: "application/wasm".to_owned(),
            digest: row.digest,
        });
    }
    let kind: Option<AttachmentKind> = file.parse().ok().filter(|kind: &AttachmentKind| kind.is_single());
    let digest: Option<Digest> = file.parse().ok();
    let attachments = store.attachments(tenant, name).await.map_err(|e| e.failure())?;
    let mut attachments = attachments.into_iter().filter(|(of, _)| *of == row.id);
    let found = attachments.find(|(_, a)| Some(a.kind) == kind || Some(a.digest) == digest);
    let (_, found) = found.ok_or_else(|| {
        let said =
            format!("{name}@{version} has no such file; `attachments` of the version lists what it has");
        Problem::new(Code::NotFound, said)
    })?;
    Ok(Found {
        name: found.name,
        media_type: found.media_type,
        digest: found.digest,
    })
}

/// Where a version is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionPatch {
    /// `published`, `deprecated` or `yanked`.
    #[schema(value_type = String)]
    state: VersionState,
    /// A word to those who use it, of at most 500 characters: what to use instead, why it was yanked.
    note: Option<String>,
}

/// Publish a version, deprecate it, or yank it.
///
/// What is deprecated goes on, with a warning to whoever saves a pipeline. What is yanked goes on in pipelines that were saved
/// before, and is in no new one. What was yanked or deprecated by mistake can be published again. This host knows at once, others
/// within a second.
#[utoipa::path(
    patch, path = "/v1/plugins/{namespace}/{name}/versions/{version}", tag = "plugins", security(("key" = ["plugins:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("version" = String, Path, description = "Semantic version")
    ),
    request_body(description = "What is to change", content((VersionPatch = "application/merge-patch+json"), (VersionPatch = "application/json"))),
    responses((status = 200, description = "As in `versions` of the plugin", body = Object), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: May<WritePlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (name, version) = version_of(&namespace, &name, &version)?;
    let (parts, body) = request.into_parts();
    let form = "{\"state\": \"deprecated\", \"note\": \"use 2.0\"}";
    let patch: VersionPatch = object(&state, &parts.headers, body, form).await?;
    let row = moved(
        &state,
        &caller,
        &name,
        &version,
        patch.state,
        patch.note.as_deref(),
    )
    .await?;
    let attachments = state.store().attachments(caller.tenant(), &name).await;
    let attachments = attachments.map_err(|e| e.failure())?;
    body_of(&version_item(&name, &row, &attachments))
}

/// Lets a version stand elsewhere; the version as it stands now.
///
/// # Errors
/// [`Code::NotFound`]; when it may not stand there.
pub(crate) async fn moved(
    state: &ApiState,
    caller: &Caller,
    name: &PluginName,
    version: &Version,
    next: VersionState,
    note: Option<&str>,
) -> Result<VersionRow, Problem> {
    let tenant = caller.tenant();
    let before = state
        .registry()
        .set_state(tenant, name, version, next, note)
        .await?;
    let row = state
        .store()
        .get_plugin(tenant, name)
        .await
        .map_err(|e| e.failure())?;
    let versions = row.into_iter().flat_map(|row| row.versions);
    let row = versions.into_iter().find(|row| row.version == *version);
    let row = row.ok_or_else(|| missing(name, version))?;
    if before != next {
        state.runs().changed(tenant);
        let detail = json!({ "from": before, "to": next, "note": row.note });
        let subject = format!("{name}@{version}");
        caller.note(state, "plugin.state", &subject, detail).await;
    }
    Ok(row)
}

pub(crate) fn version_of(
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<(PluginName, Version), Problem> {
    let name = plugin_name(namespace, name)?;
    let version = version.parse().map_err(|_| {
        let said = format!("the version in the address of {name} is not like 1.2.3");
        Problem::new(Code::NotFound, said)
    })?;
    Ok((name, version))
}

pub(crate) fn missing(name: &PluginName, version: &Version) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {name}@{version}"))
}
