//! HTTP in, problem+json out. The only crate that knows axum.
//!
//! - [`routes`]: every route on one page; the OpenAPI document is made from them.
//! - [`observe`]: the outermost layer: request ids, problems, figures, one log line per request.
//! - [`caller`], [`permission`]: a handler that takes a `Caller` needs a valid key, one that takes a `May` a key that may.
//! - [`body`], [`upload`], [`sniff`]: bytes in, bounded in size, time and memory; what they are is found from them.
//! - [`params`], [`weighed`]: JSON and texts of clients, typed and bounded in what they take once they are built.
//! - [`problem`], [`codes`]: errors as RFC 9457 problems, with a page for every code in three languages.
//! - [`audit`]: the audit log, and how reads get into it.
//! - [`console`]: the same for people, as pages in a browser.
//! - [`serve`]: connections, their time-outs and the orderly end.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on panics"))]

pub mod routes;
pub mod serve;
pub mod state;

pub mod audit;
pub mod body;
pub mod caller;
pub mod codes;
pub mod console;
pub mod language;
pub mod metrics;
mod models;
pub mod observe;
pub mod params;
pub mod permission;
pub mod problem;
pub mod query;
pub mod sniff;
pub mod upload;
pub mod weighed;

mod answer;
mod documents;
mod grants;
mod keys;
mod me;
mod pages;
mod pipelines;
mod plugins;
mod presets;
mod probes;
mod queue;
mod quotas;
mod runs;
mod secrets;
mod sessions;
mod signing;
mod tenant;
mod time;
mod usage;
mod users;
mod values;

pub use quotas::quota_list;
pub use routes::{openapi, router};
pub use serve::serve;
pub use state::{ApiState, Readiness, Settings, SignOn};
pub use tenant::tenant_body;
