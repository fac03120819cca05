//! The span of a request.

use std::time::SystemTime;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;

use crate::Traces;

/// Longest `tracestate` that is taken over, in bytes: what everybody passes on at least (W3C Trace Context, 3.3.1.5). Each span
/// that waits holds it.
const MAX_TRACESTATE: usize = 512;

/// The trace that a caller says the request belongs to (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default)]
pub struct Parent<'a> {
    /// The header `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The header `tracestate`.
    pub tracestate: Option<&'a str>,
}

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate.filter(|state| state.len() <= MAX_TRACESTATE),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// A request that is being worked on. Dropped, it ends as it is.
pub struct Trace {
    span: Span,
    context: TraceContext,
}

/// What spans under a request need to know of it; cheap to clone.
#[derive(Clone)]
pub struct TraceContext {
    pub(crate) traces: Traces,
    pub(crate) parent: SpanContext,
}

impl std::fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TraceContext({})", self.id())
    }
}

/// What a request came to.
#[derive(Debug, Default)]
pub struct Ended<'a> {
    /// Of the answer.
    pub status: u16,
    /// The problem's code.
    pub code: Option<&'a str>,
    /// Names and values of whatever else is known; those without a value are left out.
    pub known: &'a [(&'static str, Option<String>)],
}

impl Traces {
    /// Begins the trace of a request, or goes on with its caller's; none if nothing is sent or this one is not sampled. A
    /// parent that cannot be read is none.
    pub fn request(&self, method: &'static str, route: &str, parent: Parent<'_>) -> Option<Trace> {
        let sender = self.0.as_ref()?;
        let above = TraceContextPropagator::new().extract_with_context(&Context::new(), &parent);
        let known = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
        ];
        let builder = sender
            .tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now())
            .with_attributes(known);
        let span = sender.tracer.build_with_context(builder, &above);
        span.is_recording().then(|| Trace {
            context: TraceContext {
                traces: self.clone(),
                parent: span.span_context().clone(),
            },
            span,
        })
    }
}

impl Trace {
    /// For the spans under it.
    pub const fn context(&self) -> &TraceContext {
        &self.context
    }

    /// The request was answered.
    pub fn end(mut self, ended: &Ended<'_>) {
        let status = i64::from(ended.status);
        self.span
            .set_attribute(KeyValue::new("http.response.status_code", status));
        for (name, value) in ended.known {
            if let Some(value) = value {
                self.span.set_attribute(KeyValue::new(*name, value.clone()));
            }
        }
        if let Some(code) = ended.code {
            self.span
                .set_attribute(KeyValue::new("error.type", code.to_owned()));
        }
        // A client's mistakes are no errors of the server (OpenTelemetry's semantic conventions for HTTP).
        if ended.status >= 500 {
            self.span
                .set_status(Status::error(ended.code.unwrap_or_default().to_owned()));
        }
        self.span.end();
    }
}

impl TraceContext {
    /// The trace's id, 32 hexadecimal digits, as collectors show it.
    pub fn id(&self) -> String {
        self.parent.trace_id().to_string()
    }

    pub(crate) fn under(parent: &SpanContext) -> Context {
        Context::new().with_remote_span_context(parent.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_tracestate_is_left_out() {
        let long = "a".repeat(MAX_TRACESTATE + 1);
        let parent = |state| Parent {
            tracestate: Some(state),
            ..Parent::default()
        };
        assert_eq!(parent(&long).get("tracestate"), None);
        assert_eq!(parent("a=1").get("tracestate"), Some("a=1"));
    }
}
