//! The store over a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod audit;
mod catalogue;
mod documents;
mod embedded;
mod isolation;
mod outage;
mod plans;
mod plugins_and_pipelines;
mod queue;
mod registry;
mod runs;
mod sample;
mod speed;
mod usage;
mod who;
