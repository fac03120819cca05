//! Traces for OpenTelemetry: what requests and their runs came to, as spans, sent by OTLP over HTTP.
//!
//! ```text
//! POST /v1/pipelines/{name}/runs      a request
//!   run invoice                       from admission to the answer
//!     step parse                      one plugin use, or one item of a fan-out
//!       call docmill/pdf@0.1.0        one try: a guest's call, or a result that was used again
//! ```
//!
//! Spans of a run are made of what the run recorded of itself, when it is over: nothing is measured twice, and a host that
//! sends no traces does nothing for them. They are handed over without waiting; a collector that is slow or away costs spans,
//! never requests. They hold ids, names, figures and codes, never what a document says.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

mod export;
mod request;
mod run;

pub use export::{InvalidTraces, Settings, Traces};
pub use request::{Ended, Parent, Trace, TraceContext};
pub use run::RunTimes;
