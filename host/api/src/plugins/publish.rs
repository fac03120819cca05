//! Uploading versions.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use docmill_model::failure::Failure;
use docmill_model::plugin::PluginName;
use docmill_registry::{Author, Publication, Refusal, check_namespace};
use semver::Version;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::plugin_name;
use super::upload::{Uploaded, not_empty, read};
use crate::answer::{json as body_of, json_with};
use crate::body::Reader;
use crate::caller::Caller;
use crate::permission::{May, WritePlugins};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;

/// An admitted version.
#[derive(Serialize, ToSchema)]
pub struct PublishedBody {
    /// `namespace/name`
    name: String,
    /// Semantic version.
    version: String,
    /// `parser`, `extractor`, `validator`, `transformer`, `chunker`, `embedder` or `llm-adapter`
    kind: String,
    /// SHA-256 of the component.
    digest: String,
    /// False: the same bytes had been uploaded under this name and version before.
    created: bool,
    /// `admitted`, `published`, `deprecated` or `yanked`.
    state: String,
    /// What was checked.
    #[schema(value_type = Object)]
    report: Json,
}

/// Upload a version of a plugin.
///
/// The body is a WebAssembly component, or a form: `component`, `signature` (what `docmill plugin sign` writes), `bundle` (a
/// Sigstore bundle of version 0.3, as cosign writes it), `sbom` (CycloneDX
/// or SPDX in JSON), `provenance` (a statement of in-toto whose subject is the component, alone or in a DSSE envelope), each of at
/// most 4 MiB, golden samples as parts `sample` (JSON, with a file name) and the documents that they name as parts `file`. It is checked as `POST
/// /v1/plugins:check` does, and beside that for its name, the promises of the version before it, its signature and its samples,
/// which run on the caller's usage. Nothing is kept of what is refused. A version never changes: the same bytes again are
/// answered 200. `Repr-Digest` or `Content-Digest` (RFC 9530, sha-256) of the body is compared if it is sent. The namespace
/// `docmill` is the operator's. A plain `wasi:http` component, which says nothing of itself, has the name and the version of the
/// address, and any object as its configuration.
#[utoipa::path(
    put, path = "/v1/plugins/{namespace}/{name}/versions/{version}", tag = "plugins", security(("key" = ["plugins:write"])),
    params(
        ("namespace" = String, Path, description = "What stands before the slash"),
        ("name" = String, Path, description = "What stands behind it"),
        ("version" = String, Path, description = "Semantic version"),
        ("publish" = Option<bool>, Query, description = "False: it is admitted only, and published later"),
        ("Repr-Digest" = Option<String>, Header, description = "sha-256=:BASE64=: of the body")
    ),
    request_body(description = "A component, alone or in a form", content((String = "application/wasm"), (Object = "multipart/form-data"))),
    responses(
        (status = 200, description = "It was uploaded already", body = PublishedBody),
        (status = 201, body = PublishedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn publish(
    State(state): State<ApiState>,
    caller: May<WritePlugins>,
    Path((namespace, name, version)): Path<(String, String, String)>,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let name = plugin_name(&namespace, &name)?;
    let version: Version = version.parse().map_err(|error| {
        Problem::malformed(format!("the version in the address is not like 1.2.3: {error}"))
    })?;
    let publish: Option<bool> = query.parsed("publish", "true or false")?;
    query.finish()?;
    // Before a byte is read.
    check_namespace(&name)?;
    let (parts, body) = request.into_parts();
    let uploaded = read(&state, &parts.headers, body, publish.unwrap_or(true)).await?;
    let publication = admitted(&state, &caller, Some((name, version)), uploaded).await?;
    let plugin = &publication.plugin;
    let status = if publication.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json_with(
        status,
        &PublishedBody {
            name: plugin.name.to_string(),
            version: plugin.version.to_string(),
            kind: plugin.kind.to_string(),
            digest: plugin.digest.to_string(),
            created: publication.created,
            state: publication.state.to_string(),
            report: publication.report,
        },
    )
}

/// Admits it on the caller's behalf, under the name and version that are expected or else those that it gives itself; samples wait
/// for the tenant's turn and are charged to it.
///
/// # Errors
/// The first rule that does not hold, with the report.
pub(crate) async fn admitted(
    state: &ApiState,
    caller: &Caller,
    expected: Option<(PluginName, Version)>,
    uploaded: Uploaded,
) -> Result<Publication, Problem> {
    let Uploaded { upload, reader } = uploaded;
    let author = Author {
        tenant: caller.tenant(),
        key: caller.who().key,
        allowance: Arc::clone(&caller.quota().allowance()),
    };
    let has_samples = !upload.samples.is_empty();
    let work = async {
        let registry = state.registry();
        let published = match expected {
            Some(_) => registry.publish(&author, expected, upload).await,
            None => registry.publish_by_itself(&author, upload).await,
        };
        let cpu_us = match &published {
            Ok(publication) => publication.cpu_us,
            Err(refusal) => refusal.cpu_us,
        };
        (published, cpu_us)
    };
    let published: Result<Publication, Refusal> = if has_samples {
        let worked: Result<_, Failure> = state.runs().at_work(caller.quota(), work).await;
        worked?
    } else {
        work.await.0
    };
    drop(reader);
    let publication = published.map_err(|refusal| {
        let mut problem = Problem::from(refusal.failure);
        let report = Some(&refusal.report).filter(|report| !report.lines.is_empty());
        problem.report = report.and_then(|report| serde_json::to_value(report).ok());
        problem
    })?;
    if publication.created {
        state.runs().changed(caller.tenant());
        let plugin = &publication.plugin;
        let detail = json!({ "digest": plugin.digest, "state": publication.state });
        caller
            .note(state, "plugin.publish", &plugin.to_string(), detail)
            .await;
    }
    Ok(publication)
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct CheckBody {
    /// Whether every rule holds.
    ok: bool,
    /// Rules: `check`, `pass`, `detail`.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Json>,
}

/// Check a component without publishing it.
#[utoipa::path(
    post, path = "/v1/plugins:check", tag = "plugins", security(("key" = ["plugins:write"])),
    request_body(description = "A component", content((String = "application/wasm"))),
    responses((status = 200, body = CheckBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn check(
    State(state): State<ApiState>,
    _caller: May<WritePlugins>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut reader = Reader::new(&state, &parts.headers, body, state.settings().component)?;
    let (bytes, _) = reader.whole().await?;
    body_of(&state.registry().check(not_empty(bytes)?).await)
}
