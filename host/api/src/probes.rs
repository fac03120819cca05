//! What machines ask a host: is it alive, does it want requests, what are its figures.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::timeout;

use crate::answer::json_with;
use crate::metrics::{head, line, single};
use crate::problem::Problem;
use crate::state::ApiState;

/// Longest time that `/readyz` waits for PostgreSQL.
const PING: Duration = Duration::from_millis(500);

/// Alive. Touches nothing.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "Alive")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Wants requests.
///
/// Stays ready while PostgreSQL is away: every host would be as badly off, and pipelines with `retain: none` go on being
/// served. `store` tells.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "Ready"), (status = 503, description = "Starting or stopping"))
)]
pub async fn readyz(State(state): State<ApiState>) -> Result<Response, Problem> {
    let ready = state.readiness().ready();
    let store = match timeout(PING, state.store().ping()).await {
        Ok(Ok(())) => "ok",
        Ok(Err(_)) | Err(_) => "unavailable",
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut response = json_with(status, &json!({ "ready": ready, "store": store }))?;
    // Not a failure: an answer.
    response.extensions_mut().insert(Answered);
    Ok(response)
}

/// Marks a response with an error status that is an answer of its own and no problem.
#[derive(Clone, Copy)]
pub struct Answered;

/// Figures in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Figures", content_type = "text/plain"))
)]
pub async fn metrics(State(state): State<ApiState>) -> Response {
    let mut text = String::with_capacity(16 * 1024);
    state.metrics().write(&mut text);
    let runs = state.runs().figures();
    head(
        &mut text,
        "docmill_runs_total",
        "counter",
        "Runs that ended, by status.",
    );
    for (status, count) in [
        ("succeeded", runs.succeeded),
        ("failed", runs.failed),
        ("abandoned", runs.abandoned),
    ] {
        line(
            &mut text,
            "docmill_runs_total",
            &format!("status=\"{status}\""),
            count,
        );
    }
    head(
        &mut text,
        "docmill_runs",
        "gauge",
        "Runs in flight, by what they do.",
    );
    for (doing, count) in [
        ("queued", runs.queued),
        ("working", runs.working),
        ("in_flight", runs.in_flight),
    ] {
        line(&mut text, "docmill_runs", &format!("doing=\"{doing}\""), count);
    }
    single(
        &mut text,
        "docmill_runs_shed_total",
        "counter",
        "Runs refused because of overload.",
        runs.shed,
    );
    single(
        &mut text,
        "docmill_steps_total",
        "counter",
        "Steps executed.",
        runs.steps,
    );
    engine(&mut text, &state);
    cache(&mut text, &state);
    pool(&mut text, &state);
    queue(&mut text, &state);
    audit(&mut text, &state);
    quotas(&mut text, &state);
    let ready = u8::from(state.readiness().ready());
    single(
        &mut text,
        "docmill_ready",
        "gauge",
        "Whether this host wants requests.",
        ready,
    );
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

fn engine(text: &mut String, state: &ApiState) {
    let stats = state.runs().executor().engine().stats();
    head(text, "docmill_guests", "gauge", "Guests, by what they do.");
    line(text, "docmill_guests", "doing=\"running\"", stats.running);
    line(text, "docmill_guests", "doing=\"queued\"", stats.queued);
    head(
        text,
        "docmill_guest_failures_total",
        "counter",
        "Calls of plugins that failed, by code.",
    );
    for (code, count) in &stats.failures {
        line(
            text,
            "docmill_guest_failures_total",
            &format!("code=\"{code}\""),
            count,
        );
    }
    for (name, kind, help, value) in [
        (
            "docmill_guest_memory_bytes",
            "gauge",
            "Memory of running guests.",
            stats.memory_bytes,
        ),
        (
            "docmill_guest_calls_total",
            "counter",
            "Calls of plugins.",
            stats.calls,
        ),
        (
            "docmill_code_compiled_total",
            "counter",
            "Components compiled.",
            stats.compiled,
        ),
        (
            "docmill_code_mapped_total",
            "counter",
            "Compiled code mapped from disk.",
            stats.mapped,
        ),
        (
            "docmill_code_pulled_total",
            "counter",
            "Compiled code that another host had made.",
            stats.pulled,
        ),
        (
            "docmill_code_refused_total",
            "counter",
            "Compiled code on disk or among the blobs that was not genuine.",
            stats.refused,
        ),
    ] {
        single(text, name, kind, help, value);
    }
}

/// What pure calls gave and is kept.
fn cache(text: &mut String, state: &ApiState) {
    let figures = state.runs().executor().cache().figures();
    let name = "docmill_cache_lookups_total";
    head(
        text,
        name,
        "counter",
        "Look-ups in the cache, by what they found.",
    );
    for (found, count) in [
        ("local", figures.local_hits),
        ("remote", figures.remote_hits),
        ("nothing", figures.misses),
    ] {
        line(text, name, &format!("found=\"{found}\""), count);
    }
    for (name, kind, help, value) in [
        (
            "docmill_cache_remote_errors_total",
            "counter",
            "Requests to Redis that failed or came too late.",
            figures.remote_errors,
        ),
        (
            "docmill_cache_bytes",
            "gauge",
            "Bytes that the cache holds in memory.",
            figures.local_bytes,
        ),
        (
            "docmill_cache_values",
            "gauge",
            "Values that the cache holds in memory.",
            figures.local_values,
        ),
    ] {
        single(text, name, kind, help, value);
    }
}

/// Whether the audit log keeps up.
fn audit(text: &mut String, state: &ApiState) {
    let lag = state.store().audit_lag();
    let journal = state.journal().figures();
    let waiting = u64::try_from(journal.waiting).unwrap_or(u64::MAX);
    for (name, kind, help, value) in [
        (
            "docmill_audit_unsealed",
            "gauge",
            "Entries of the audit log that are not sealed yet, of all tenants.",
            lag.waiting,
        ),
        (
            "docmill_audit_unsealed_seconds",
            "gauge",
            "Age of the oldest of them; over 60 is an alarm.",
            lag.oldest.as_secs(),
        ),
        (
            "docmill_audit_seal_failures_total",
            "counter",
            "Times that sealing failed.",
            lag.failures,
        ),
        (
            "docmill_audit_reads_waiting",
            "gauge",
            "Reads that wait to be written into the audit log.",
            waiting,
        ),
        (
            "docmill_audit_reads_total",
            "counter",
            "Reads that were written into the audit log.",
            journal.written,
        ),
        (
            "docmill_audit_reads_refused_total",
            "counter",
            "Reads that were refused because the audit log could not take them.",
            journal.refused,
        ),
        (
            "docmill_audit_reads_lost_total",
            "counter",
            "Reads that could not be written into the audit log and are in the host's log instead.",
            journal.lost,
        ),
    ] {
        single(text, name, kind, help, value);
    }
}

/// What was refused, and whether hosts share their counts.
fn quotas(text: &mut String, state: &ApiState) {
    let figures = state.runs().quotas().limiter().figures();
    let name = "docmill_quota_refusals_total";
    head(
        text,
        name,
        "counter",
        "Requests and runs refused, by the quota that was used up.",
    );
    for (quota, count) in figures.refused {
        line(text, name, &format!("quota=\"{quota}\""), count);
    }
    single(
        text,
        "docmill_quota_shared_errors_total",
        "counter",
        "Times that Redis gave no portion of a quota; the host then holds it by itself.",
        figures.shared_errors,
    );
    single(
        text,
        "docmill_quota_tenants",
        "gauge",
        "Tenants whose quotas this host holds in memory.",
        figures.tenants,
    );
}

/// Runs that wait for workers. Depth and age are those of all hosts' queue, by which workers are added.
fn queue(text: &mut String, state: &ApiState) {
    let (figures, depth) = (state.runs().queue_figures(), state.runs().queue_depth());
    let name = "docmill_queue_runs";
    head(
        text,
        name,
        "gauge",
        "Queued runs of all tenants, as a worker of this host saw them last.",
    );
    line(text, name, "state=\"ready\"", depth.ready);
    line(text, name, "state=\"delayed\"", depth.delayed);
    line(text, name, "state=\"leased\"", depth.leased);
    single(
        text,
        "docmill_queue_age_seconds",
        "gauge",
        "How long the oldest queued run could have begun.",
        std::time::Duration::from_millis(depth.oldest_ms).as_secs_f64(),
    );
    for (name, help, value) in [
        (
            "docmill_queue_accepted_total",
            "Runs that this host queued.",
            figures.accepted,
        ),
        (
            "docmill_queue_claimed_total",
            "Queued runs that its worker began with.",
            figures.claimed,
        ),
        (
            "docmill_queue_ended_total",
            "Queued runs that its worker ended.",
            figures.ended,
        ),
        (
            "docmill_queue_retried_total",
            "Queued runs that it handed back for a later attempt.",
            figures.retried,
        ),
        (
            "docmill_queue_lost_total",
            "Queued runs that were cancelled or taken over while its worker had them.",
            figures.lost,
        ),
        (
            "docmill_queue_taken_over_total",
            "Queued runs of silent workers that it made ready again.",
            figures.taken_over,
        ),
        (
            "docmill_queue_resumed_steps_total",
            "Steps of runs that were taken over that were not executed again.",
            figures.resumed_steps,
        ),
    ] {
        single(text, name, "counter", help, value);
    }
}

fn pool(text: &mut String, state: &ApiState) {
    let (open, idle) = state.store().connections();
    head(
        text,
        "docmill_store_connections",
        "gauge",
        "Connections to PostgreSQL, by what they do.",
    );
    line(
        text,
        "docmill_store_connections",
        "doing=\"working\"",
        open.saturating_sub(idle),
    );
    line(text, "docmill_store_connections", "doing=\"idle\"", idle);
}
