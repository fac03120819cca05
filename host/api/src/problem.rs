//! Failures as RFC 9457 problems. A handler returns a [`Problem`]; the outermost layer ([`crate::observe`]) knows the
//! request's id and language and writes the body, so that no error leaves in another shape.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use docmill_model::definition;
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{RequestId, RunId};
use docmill_model::quota::Quota;
use serde::Serialize;

use crate::codes;
use crate::language::Language;

/// What a handler answers when it cannot do what was asked. Boxed: it is the rare way out of nearly every function.
#[derive(Debug, Clone)]
pub struct Problem(Box<Said>);

/// What a [`Problem`] says.
#[derive(Debug, Clone)]
pub struct Said {
    /// What went wrong.
    pub failure: Failure,
    /// The run that failed, if there is one.
    pub run: Option<RunId>,
    /// Rules that a definition breaks.
    pub problems: Vec<definition::Problem>,
    /// What a check of a component found.
    pub report: Option<serde_json::Value>,
}

impl Deref for Problem {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Said {
        &mut self.0
    }
}

impl Problem {
    /// A problem of its own, outside any run.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Failure::new(code, detail).into()
    }

    /// The request cannot be read; `detail` names the part.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// A definition with everything that is wrong with it.
    pub fn definition(problems: Vec<definition::Problem>) -> Self {
        let first = problems.first().map_or_else(String::new, ToString::to_string);
        let more = match problems.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more, see problems)", n - 1),
        };
        let mut problem = Self::new(definition::code_of(&problems), format!("{first}{more}"));
        problem.problems = problems;
        problem
    }

    /// The same, of a run.
    #[must_use]
    pub fn of_run(mut self, run: Option<RunId>) -> Self {
        self.run = run;
        self
    }

    /// Not before that many seconds; at least a second for what may pass by itself.
    fn retry_after_seconds(&self) -> Option<u32> {
        let stated = self.failure.retry_after_ms.map(|ms| ms.div_ceil(1000).max(1));
        stated.or_else(|| self.failure.code.transient().then_some(1))
    }

    /// The response as the client gets it.
    pub fn render(&self, request: RequestId, language: Language) -> Response {
        let code = self.failure.code;
        let words = codes::words(code, language);
        let body = Body9457 {
            kind: format!("/errors/{code}"),
            title: words.title,
            status: code.status(),
            detail: &self.failure.message,
            code,
            fix: words.fix,
            reason: self.failure.reason.as_deref(),
            step: self.failure.step.as_deref(),
            plugin: self.failure.plugin.as_deref(),
            retry_after_ms: self.failure.retry_after_ms,
            quota: self.failure.quota.as_ref().map(|passed| passed.quota),
            value: self.failure.quota.as_ref().map(|passed| passed.value),
            unit: self.failure.quota.as_ref().map(|passed| passed.quota.unit()),
            run: self.run,
            problems: &self.problems,
            report: self.report.as_ref(),
            request_id: request,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status(code);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == Code::Unauthenticated {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"docmill\""),
            );
        }
        response
    }
}

/// The status of a code.
pub fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(Box::new(Said {
            failure,
            run: None,
            problems: Vec::new(),
            report: None,
        }))
    }
}

impl IntoResponse for Problem {
    /// A bare response that carries the problem; [`crate::observe`] writes the body.
    fn into_response(self) -> Response {
        let mut response = status(self.failure.code).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// RFC 9457 with docmill's members.
#[derive(Serialize)]
struct Body9457<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    fix: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    problems: &'a [definition::Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a serde_json::Value>,
    request_id: RequestId,
}

/// A problem as the OpenAPI document describes it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the shape that `Problem::render` writes")]
pub struct ProblemBody {
    /// `/errors/{code}`: the page with cause and fix.
    #[schema(rename = "type", example = "/errors/missing-input")]
    kind: String,
    /// A few words, in the language of `Accept-Language` (en, ru, kk), otherwise the tenant's.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// Stable; branch on this.
    #[schema(example = "missing-input")]
    code: String,
    /// What to do about it, in the same language.
    fix: String,
    /// The plugin's own code: `encrypted`.
    reason: Option<String>,
    /// The step's id in the definition.
    step: Option<String>,
    /// `namespace/name@version`
    plugin: Option<String>,
    /// Not before that many milliseconds.
    retry_after_ms: Option<u32>,
    /// The quota that is used up (`quota-exceeded`); GET /v1/quotas lists all
    quota: Option<String>,
    /// How much there is of it.
    value: Option<u64>,
    /// What it is counted in.
    unit: Option<String>,
    /// The run that failed, unless its pipeline says `retain: none`; it is kept under this id (`store-unavailable`: it may be).
    run: Option<String>,
    /// Rules that a definition breaks: `at`, `message`, `line`, `column`.
    #[schema(value_type = Vec<Object>)]
    problems: Option<Vec<serde_json::Value>>,
    /// What the check of a component found.
    #[schema(value_type = Object)]
    report: Option<serde_json::Value>,
    /// Of this request; it stands in the log.
    request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_and_what_may_pass_says_when() {
        for code in Code::ALL {
            let problem = Problem::new(*code, "detail");
            let response = problem.render(RequestId::new(), Language::Russian);
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                code.transient(),
                "{code}"
            );
        }
    }

    #[test]
    fn the_first_broken_rule_is_the_detail() {
        let problem = Problem::definition(vec![
            definition::Problem::new("steps.a.use", "is unknown"),
            definition::Problem::new("name", "is empty"),
        ]);
        assert_eq!(
            problem.failure.message,
            "steps.a.use: is unknown (and 1 more, see problems)"
        );
    }
}
