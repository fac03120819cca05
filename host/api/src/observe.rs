//! The outermost layer: request ids, problems, panics, figures and one wide log line per request, which is also that of the run that it became.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use docmill_model::failure::Code;
use docmill_model::id::{RequestId, RunId};
use docmill_model::run::Status;
use docmill_model::value::Verdict;
use docmill_quota::Tenant;
use docmill_runs::{Answer, Snapshot};
use docmill_store::who;
use docmill_traces::{Parent, RunTimes, Trace, TraceContext};
use futures_util::FutureExt as _;

use crate::audit::Reading;
use crate::language::Language;
use crate::metrics::{Metrics, RequestKey};
use crate::probes::Answered;
use crate::problem::Problem;
use crate::state::ApiState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// draft-ietf-httpapi-ratelimit-headers
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What becomes known of a request while it is worked on; every handler may add to it.
#[derive(Debug, Clone)]
pub struct Context(Arc<Known>);

#[derive(Debug)]
struct Known {
    request: RequestId,
    client_ip: Option<IpAddr>,
    who: OnceLock<Arc<who::Caller>>,
    quota: OnceLock<Arc<Tenant>>,
    run: OnceLock<RunId>,
    ended: OnceLock<Ended>,
    language: OnceLock<Language>,
    /// None: no trace is made of it.
    trace: Option<TraceContext>,
}

/// What a run came to, for the request's line.
#[derive(Debug)]
struct Ended {
    snapshot: Arc<Snapshot>,
    status: Status,
    verdict: Option<Verdict>,
    steps: usize,
    fields: usize,
    checks: usize,
    failed_step: Option<String>,
    queued: Duration,
}

impl Known {
    /// What its span tells.
    fn traced(&self) -> [(&'static str, Option<String>); 7] {
        let who = self.who.get();
        [
            ("docmill.request.id", Some(self.request.to_string())),
            ("client.address", self.client_ip.map(|ip| ip.to_string())),
            ("docmill.tenant.id", who.map(|w| w.tenant.to_string())),
            ("docmill.key.id", who.and_then(|w| w.key).map(|id| id.to_string())),
            (
                "docmill.session.id",
                who.and_then(|w| w.session).map(|id| id.to_string()),
            ),
            (
                "docmill.user.id",
                who.and_then(|w| w.user.as_ref()).map(|(id, _)| id.to_string()),
            ),
            ("docmill.run.id", self.run.get().map(ToString::to_string)),
        ]
    }
}

impl Context {
    /// The request's id.
    pub fn request(&self) -> RequestId {
        self.0.request
    }

    /// The peer's address.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.0.client_ip
    }

    /// Who asks.
    pub fn set_caller(&self, who: Arc<who::Caller>) {
        let _ = self.0.who.set(who);
    }

    /// Who asks, if it is known.
    pub fn caller(&self) -> Option<&who::Caller> {
        self.0.who.get().map(AsRef::as_ref)
    }

    /// What their tenant may use.
    pub fn set_quota(&self, tenant: Arc<Tenant>) {
        let _ = self.0.quota.set(tenant);
    }

    /// The language of problems unless the client asks for another.
    pub fn set_language(&self, language: Language) {
        let _ = self.0.language.set(language);
    }

    /// Which run it became.
    pub fn set_run(&self, run: RunId) {
        let _ = self.0.run.set(run);
    }

    /// Which run it became, and what that came to.
    pub fn set_ended(&self, answer: &Answer, snapshot: Arc<Snapshot>) {
        self.set_run(answer.head.id);
        let outcome = &answer.outcome;
        if let Some(trace) = &self.0.trace {
            let times = RunTimes {
                queued: answer.queued,
                total: answer.total,
            };
            trace.run(&answer.head, outcome, times);
        }
        let _ = self.0.ended.set(Ended {
            snapshot,
            status: outcome.status,
            verdict: outcome.verdict,
            steps: outcome.steps.len(),
            fields: outcome.fields.len(),
            checks: outcome.checks.len(),
            failed_step: outcome.error.as_ref().and_then(|e| e.step.clone()),
            queued: answer.queued,
        });
    }
}

/// A request that is being worked on; counted as 499 when it is dropped before it is answered: the client went away.
struct Open {
    state: ApiState,
    context: Context,
    method: &'static str,
    route: Arc<str>,
    started: Instant,
    answered: bool,
    trace: Option<Trace>,
}

impl Open {
    fn close(&mut self, status: u16, code: Option<Code>, detail: &str) {
        self.answered = true;
        let took = self.started.elapsed();
        let metrics = self.state.metrics();
        metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(code) = code {
            metrics.problem(code);
        }
        let known = &self.context.0;
        let (run, who) = (known.ended.get(), self.context.caller());
        // Fields that are not known stay out of the line.
        tracing::info!(
            target: "docmill::request",
            {
            request.id = %known.request,
            trace.id = known.trace.as_ref().map(|trace| tracing::field::display(trace.id())),
            http.method = self.method,
            http.route = &*self.route,
            http.status = status,
            duration_us = micros(took),
            client.ip = known.client_ip.map(tracing::field::display),
            tenant.id = who.map(|w| tracing::field::display(w.tenant)),
            key.id = who.and_then(|w| w.key).map(tracing::field::display),
            session.id = who.and_then(|w| w.session).map(tracing::field::display),
            user.id = who.and_then(|w| w.user.as_ref()).map(|(id, _)| tracing::field::display(*id)),
            run.id = known.run.get().map(tracing::field::display),
            pipeline.name = run.map(|r| r.snapshot.definition().name.as_str()),
            pipeline.version = run.map(|r| r.snapshot.number),
            run.status = run.map(|r| r.status.as_str()),
            run.verdict = run.and_then(|r| r.verdict).map(Verdict::as_str),
            run.steps = run.map(|r| r.steps),
            run.fields = run.map(|r| r.fields),
            run.checks = run.map(|r| r.checks),
            run.queued_us = run.map(|r| micros(r.queued)),
            error.step = run.and_then(|r| r.failed_step.as_deref()),
            error.code = code.map(Code::as_str),
            error.detail = Some(detail).filter(|d| !d.is_empty()),
            },
            "a request was answered"
        );
        if let Some(trace) = self.trace.take() {
            trace.end(&docmill_traces::Ended {
                status,
                code: code.map(Code::as_str),
                known: &known.traced(),
            });
        }
        metrics.record(
            RequestKey {
                method: self.method,
                route: self.route.clone(),
                status,
            },
            took,
        );
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.answered {
            self.close(499, None, "the client went away before the answer");
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Wraps everything that the router does.
pub async fn observe(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let client_ip = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.ip().to_canonical());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".into(), |path| Arc::from(path.as_str()));
    let method = method_name(request.method());
    let trace = traced(&state, method, &route, request.headers());
    let context = Context(Arc::new(Known {
        request: request_id(request.headers()),
        client_ip,
        who: OnceLock::new(),
        quota: OnceLock::new(),
        run: OnceLock::new(),
        ended: OnceLock::new(),
        language: OnceLock::new(),
        trace: trace.as_ref().map(|trace| trace.context().clone()),
    }));
    let asked = Language::asked(request.headers());
    let refused = refused_header(request.uri().path(), request.headers());
    state.metrics().in_flight.fetch_add(1, Ordering::Relaxed);
    let mut open = Open {
        state,
        context: context.clone(),
        method,
        route,
        started: Instant::now(),
        answered: false,
        trace,
    };
    request.extensions_mut().insert(context.clone());
    let reading = Reading::of(&mut request, &open.route).await;

    let response = match refused {
        Some(said) => Problem::malformed(said).into_response(),
        None if changes(request.method(), &open.route) => {
            let (state, answer) = (open.state.clone(), next.run(request));
            let done = tokio::spawn(async move { caught(state.metrics(), answer).await });
            done.await.unwrap_or_else(|_| {
                Problem::new(Code::Internal, "the host stopped before the change was done").into_response()
            })
        }
        None => caught(open.state.metrics(), next.run(request)).await,
    };
    let response = match reading {
        Some(reading) => reading.written(&open.state, &context, response).await,
        None => response,
    };

    let problem = problem_of(&response);
    let code = problem.as_ref().map(|p| p.failure.code);
    let detail = problem.as_ref().map_or("", |p| p.failure.message.as_str());
    let mut response = match &problem {
        // The console has told it already, as a page.
        Some(_) if response.extensions().get::<Answered>().is_some() => response,
        Some(problem) => {
            let language = asked.or(context.0.language.get().copied()).unwrap_or_default();
            let mut rendered = problem.render(context.request(), language);
            if let Some(allow) = response.headers().get(header::ALLOW) {
                rendered.headers_mut().insert(header::ALLOW, allow.clone());
            }
            rendered
        }
        None => response,
    };
    if let Ok(value) = HeaderValue::from_str(&context.request().to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(tenant) = context.0.quota.get() {
        say_what_is_left(response.headers_mut(), &open.state, tenant);
    }
    if let Some(run) = problem.as_ref().and_then(|p| p.run) {
        context.set_run(run);
    }
    open.close(response.status().as_u16(), code, detail);
    response
}

/// The request's span, if it is sampled. Who looks whether the host is alive is not what traces are for.
fn traced(state: &ApiState, method: &'static str, route: &str, headers: &HeaderMap) -> Option<Trace> {
    if matches!(route, "/healthz" | "/readyz" | "/metrics") {
        return None;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let parent = Parent {
        traceparent: text("traceparent"),
        tracestate: text("tracestate"),
    };
    state.settings().traces.request(method, route, parent)
}

/// Nothing, if the tenant's requests are not limited.
fn say_what_is_left(headers: &mut HeaderMap, state: &ApiState, tenant: &Tenant) {
    let Some(policy) = tenant.policy() else {
        return;
    };
    let left = tenant.rate_limit(state.runs().quotas().limiter().at());
    if let (Ok(policy), Some(Ok(left))) = (HeaderValue::from_str(&policy), left.map(HeaderValue::try_from)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// Whether the request changes something that the audit log tells of: it is then carried out to its end, with its entry, also
/// when the client goes away. Runs see to that themselves.
fn changes(method: &Method, route: &str) -> bool {
    let judges = route.contains(':');
    let ours = route.starts_with("/v1/") || route.starts_with("/console/");
    !method.is_safe() && ours && !judges && !route.ends_with("/runs")
}

/// The answer, also of a handler that panics: one request must not take its connection's others along.
async fn caught(metrics: &Metrics, answer: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            metrics.panics.fetch_add(1, Ordering::Relaxed);
            let said = "a handler panicked; the log tells the place under the request's id";
            Problem::new(Code::Internal, said).into_response()
        }
    }
}

/// The problem that a response carries, or the one that takes the place of an answer that the framework made.
pub(crate) fn problem_of(response: &Response) -> Option<Arc<Problem>> {
    if let Some(problem) = response.extensions().get::<Arc<Problem>>() {
        return Some(problem.clone());
    }
    let status = response.status();
    let fine = !status.is_client_error() && !status.is_server_error();
    if fine || response.extensions().get::<Answered>().is_some() {
        return None;
    }
    let (code, detail) = match status.as_u16() {
        404 => (Code::NotFound, "there is no such path; GET / lists the routes"),
        405 => (
            Code::MethodNotAllowed,
            "the path has no such method; the header Allow lists those it has",
        ),
        413 => (Code::BodyTooLarge, "the body is larger than this route takes"),
        415 => (
            Code::UnsupportedMediaType,
            "the route does not read this kind of body",
        ),
        400..=499 => (
            Code::MalformedRequest,
            "the path or the query holds bytes that are not UTF-8 when decoded",
        ),
        _ => (Code::Internal, "an answer could not be made"),
    };
    Some(Arc::new(Problem::new(code, detail)))
}

/// The client's id if it has the right form (`req_…` or a bare UUID), otherwise a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| {
            let uuid = || uuid::Uuid::try_parse(text).ok().map(RequestId::from);
            text.parse().ok().or_else(uuid)
        })
        .unwrap_or_else(RequestId::new)
}

/// What is wrong with the headers of any request.
fn refused_header(path: &str, headers: &HeaderMap) -> Option<String> {
    if headers.contains_key(IDEMPOTENCY_KEY) && !keeps_keys(path) {
        // Ignored, it would have a client believe that repeating the request is safe.
        let said = "the header Idempotency-Key is for runs alone: this request, sent twice, is carried out twice; leave it out";
        return Some(said.to_owned());
    }
    doubled_header(headers).map(|name| format!("the header {name} stands twice; send it once"))
}

/// Where a request with a key is carried out once.
fn keeps_keys(path: &str) -> bool {
    path.starts_with("/v1/pipelines/") && path.ends_with("/runs")
}

/// A header that must stand once and stands twice: which of the two counts is what request smuggling lives on.
fn doubled_header(headers: &HeaderMap) -> Option<HeaderName> {
    const ONCE: [HeaderName; 5] = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TRANSFER_ENCODING,
    ];
    if headers.len() == headers.keys_len() {
        return None;
    }
    ONCE.into_iter()
        .find(|name| headers.get_all(name).iter().nth(1).is_some())
}

/// A closed set, so that a client cannot make new series.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_right_form_are_taken_over() {
        let id = RequestId::new();
        let with = |text: &str| {
            HeaderValue::from_str(text).map_or_else(
                |_| RequestId::new(),
                |value| request_id(&HeaderMap::from_iter([(REQUEST_ID, value)])),
            )
        };
        assert_eq!(with(&id.to_string()), id);
        assert_eq!(with(&id.uuid().to_string()), id);
        assert_ne!(with("abc"), with("abc"));
        assert_ne!(with("run_0193"), id);
    }

    #[tokio::test]
    #[expect(clippy::panic, reason = "what is tested is a panic")]
    async fn a_panic_is_answered_and_counted() {
        let metrics = Metrics::default();
        let response = caught(&metrics, async { panic!("as asked") }).await;
        assert_eq!(response.status().as_u16(), 500);
        assert_eq!(problem_of(&response).unwrap().failure.code, Code::Internal);
        assert_eq!(metrics.panics.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn only_headers_that_must_stand_once_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("a/b"));
        headers.append(header::ACCEPT, HeaderValue::from_static("c/d"));
        assert_eq!(doubled_header(&headers), None);
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("a/b"));
        assert_eq!(doubled_header(&headers), None);
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("c/d"));
        assert_eq!(doubled_header(&headers), Some(header::CONTENT_TYPE));
    }
}
