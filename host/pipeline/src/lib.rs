//! Definition → plan → result.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test that cannot go on panics"
    )
)]

pub mod expression;

mod catalog;
mod codes;
mod cost;
mod execute;
mod inputs;
mod loader;
mod mentions;
mod merge;
mod models;
mod plan;
mod prepared;
mod preset;
mod program;
mod schema;
mod suggest;
mod trust;
mod values;
mod vault;
mod weight;

/// Values up to this many bytes are evaluated where the run is; more goes to a thread that may block.
pub(crate) const INLINE_BYTES: usize = 32 * 1024;

/// Problems of one definition that are told.
pub(crate) const MAX_PROBLEMS: usize = 50;

pub use catalog::{Catalog, Unresolved};
pub use codes::Codes;
pub use execute::{Executor, Progress, RunContext, execute, execute_from};
pub use inputs::{FileInput, RunInputs};
pub use loader::Loader;
pub use models::judge_model;
pub use plan::plan;
pub use preset::{judge_preset, write_out};
pub use schema::check_schema;
pub use trust::{Distrusted, MAX_BUNDLE, Trust, check_key, check_root};
pub use vault::Vault;
pub use weight::json as weigh_json;
