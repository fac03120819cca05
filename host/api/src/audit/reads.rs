//! Which reads are written into the audit log, on one page. A read is one if it is answered: what was refused or not found has
//! shown nothing.

use std::time::SystemTime;

use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use docmill_model::failure::Code;
use docmill_model::id::AuditId;
use docmill_store::audit::NewEntry;
use serde_json::{Map, Value as Json, json};

use super::journal::Full;
use crate::caller::{Caller, name_person};
use crate::observe::Context;
use crate::problem::Problem;
use crate::state::ApiState;

/// Routes that show documents, results, or who did what, and what the audit log calls it.
const READS: &[(&str, &str)] = &[
    ("/v1/runs", "run.list"),
    ("/v1/runs/{id}", "run.read"),
    ("/v1/runs/{id}/artifacts/{artifact}", "artifact.read"),
    ("/v1/documents", "document.list"),
    ("/v1/documents/{id}", "document.read"),
    ("/v1/documents/{id}/source", "source.read"),
    ("/v1/keys", "key.list"),
    ("/v1/secrets", "secret.list"),
    ("/v1/users", "user.list"),
    ("/v1/users/{id}", "user.read"),
    ("/v1/sessions", "session.list"),
    ("/v1/audit", "audit.list"),
    ("/v1/audit:verify", "audit.verify"),
    ("/console/runs", "run.list"),
    ("/console/runs/{id}", "run.read"),
    ("/console/runs/{id}/artifacts/{artifact}", "artifact.read"),
    ("/console/documents", "document.list"),
    ("/console/documents/{id}", "document.read"),
    ("/console/documents/{id}/source", "source.read"),
    ("/console/keys", "key.list"),
    ("/console/keys/{id}/revoke", "key.read"),
    ("/console/audit", "audit.list"),
    ("/console/audit/verify", "audit.verify"),
];

/// The others, which show how the tenant is set up, or what is the same for everybody. A test finds those that are on neither
/// list.
#[cfg(test)]
const UNSEEN: &[&str] = &[
    "/v1/me",
    "/v1/tenant",
    "/v1/quotas",
    "/v1/queue",
    "/v1/pipelines",
    "/v1/pipelines/{name}",
    "/v1/pipelines/{name}/versions",
    "/v1/presets",
    "/v1/presets/{name}",
    "/v1/presets/{name}/versions",
    "/v1/plugins",
    "/v1/plugins/{namespace}/{name}",
    "/v1/plugins/{namespace}/{name}/versions/{version}/report",
    "/v1/plugins/{namespace}/{name}/versions/{version}/{file}",
    "/v1/plugins/{namespace}/{name}/channels",
    "/v1/plugins/{namespace}/{name}/grants",
    "/v1/plugins/{namespace}/{name}/values",
    "/v1/models",
    "/v1/models/{alias}",
    "/v1/signing-keys",
    "/v1/signing-identities",
    "/v1/usage",
    "/v1/openapi.json",
    "/console",
    "/console/sign-in",
    "/console/style.css",
    "/console/icon.svg",
    "/console/pipelines",
    // Its newest runs are told beside it, by the page.
    "/console/pipelines/{name}",
    "/console/pipelines/{name}/run",
    "/console/plugins",
    "/console/plugins/{namespace}/{name}",
    "/console/plugins/{namespace}/{name}/versions/{version}",
    "/console/plugins/{namespace}/{name}/versions/{version}/{file}",
    "/console/usage",
    "/console/{*rest}",
];

/// Query parameters that say which page, or how long to wait, not what was looked for.
const PAGING: [&str; 3] = ["limit", "cursor", "wait"];
/// Most filters that are named, and the longest name: names of look-ups are the caller's.
const MAX_NAMES: usize = 32;
const MAX_NAME_CHARS: usize = 60;

/// A read that is under way.
pub(crate) struct Reading {
    action: &'static str,
    subject: String,
    detail: Map<String, Json>,
}

impl Reading {
    /// What the request reads, if it is to be written down.
    pub async fn of(request: &mut Request, route: &str) -> Option<Self> {
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            return None;
        }
        let (path, action) = READS.iter().find(|(path, _)| *path == route)?;
        let mut reading = Self {
            action,
            subject: noun(path).to_owned(),
            detail: Map::new(),
        };
        let names = filters(request.uri().query().unwrap_or_default());
        if !names.is_empty() {
            reading.detail.insert("filters".to_owned(), names.into());
        }
        let (mut parts, body) = std::mem::take(request).into_parts();
        // Bytes that are no UTF-8 are refused by the handler.
        if let Ok(params) = RawPathParams::from_request_parts(&mut parts, &()).await {
            for (place, (name, id)) in params.iter().enumerate() {
                // An id is read in either case and has one form.
                let id = id.to_ascii_lowercase();
                if place == 0 {
                    reading.subject = id;
                } else {
                    reading.detail.insert(name.to_owned(), json!(id));
                }
            }
        }
        *request = Request::from_parts(parts, body);
        Some(reading)
    }

    /// Hands it to the journal; the answer, or what is answered instead if the journal cannot take it.
    pub async fn written(self, state: &ApiState, context: &Context, response: Response) -> Response {
        if !response.status().is_success() {
            return response;
        }
        match self.noted(state, context).await {
            Ok(()) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// Hands it to the journal.
    async fn noted(mut self, state: &ApiState, context: &Context) -> Result<(), Problem> {
        let Some(who) = context.caller() else {
            return Ok(());
        };
        name_person(who, &mut self.detail);
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let entry = NewEntry {
            id: AuditId::new(),
            at: i64::try_from(at.as_millis()).unwrap_or(i64::MAX),
            action: self.action,
            subject: self.subject,
            key: who.key,
            client_ip: context.client_ip(),
            request: Some(context.request()),
            detail: Some(Json::Object(self.detail)).filter(|d| d.as_object().is_some_and(|d| !d.is_empty())),
        };
        state.journal().take(who.tenant, entry).await.map_err(|Full| {
            let said = "the audit log cannot take the read that this would be; try again soon";
            Problem::new(Code::Overloaded, said)
        })
    }
}

/// What a page shows beside what its route is about.
///
/// # Errors
/// [`Code::Overloaded`]: then it must not be shown.
pub(crate) async fn also_read(
    state: &ApiState,
    caller: &Caller,
    action: &'static str,
    subject: &str,
) -> Result<(), Problem> {
    let reading = Reading {
        action,
        subject: subject.to_owned(),
        detail: Map::new(),
    };
    reading.noted(state, caller.context()).await
}

/// What a list is a list of.
fn noun(path: &str) -> &str {
    let name = path
        .strip_prefix("/v1/")
        .or_else(|| path.strip_prefix("/console/"));
    let name = name.unwrap_or(path);
    name.split([':', '/']).next().unwrap_or(name)
}

/// The names of the filters, never their values.
fn filters(query: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name.chars().take(MAX_NAME_CHARS).collect::<String>())
        .filter(|name| !PAGING.contains(&name.as_str()))
        .take(MAX_NAMES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{console, routes};

    #[test]
    fn every_route_that_reads_is_on_one_of_the_lists() {
        let reads: Vec<&str> = routes::summary()
            .iter()
            .filter(|(method, path, _)| *method == "GET" && path.starts_with("/v1/"))
            .map(|(_, path, _)| *path)
            .chain(
                console::routes()
                    .iter()
                    .filter(|(method, _, _)| *method == "GET")
                    .map(|(_, path, _)| *path),
            )
            .collect();
        for path in &reads {
            let listed = READS.iter().any(|(read, _)| read == path);
            assert!(listed != UNSEEN.contains(path), "{path}");
        }
        let all = READS.iter().map(|(path, _)| path).chain(UNSEEN);
        for path in all {
            assert!(reads.contains(path), "{path} is no route");
        }
    }

    #[test]
    fn filters_are_named_and_their_values_are_not() {
        let names = filters("lookup.fio=%D0%98%D0%B2%D0%B0%D0%BD&limit=5&q=secret&cursor=x");
        assert_eq!(names, ["lookup.fio", "q"]);
        assert_eq!(filters(""), [] as [&str; 0]);
        let hostile = format!("{}=1", "ж".repeat(50_000));
        let names = filters(&[hostile.as_str(); 100].join("&"));
        assert_eq!(
            (names.len(), names[0].chars().count()),
            (MAX_NAMES, MAX_NAME_CHARS)
        );
    }

    #[tokio::test]
    async fn only_reads_of_what_is_on_the_list_are_noticed() {
        let of = async |method: Method, route: &str| {
            let mut request = Request::builder()
                .method(method)
                .uri("/x?status=failed")
                .body(axum::body::Body::empty())
                .unwrap();
            let reading = Reading::of(&mut request, route).await;
            assert_eq!(request.uri(), "/x?status=failed", "the request is as it was");
            reading.map(|reading| (reading.action, reading.subject, Json::Object(reading.detail)))
        };
        let list = ("run.list", "runs".to_owned(), json!({"filters": ["status"]}));
        assert_eq!(of(Method::GET, "/v1/runs").await, Some(list.clone()));
        assert_eq!(of(Method::HEAD, "/v1/runs").await, Some(list));
        for (method, route) in [
            (Method::POST, "/v1/runs"),
            (Method::GET, "/healthz"),
            (Method::GET, "/readyz"),
            (Method::GET, "/metrics"),
            (Method::GET, "/v1/me"),
            (Method::GET, "unmatched"),
        ] {
            assert_eq!(of(method, route).await, None, "{route}");
        }
    }
}
