//! The binary as a user meets it: commands, exit codes, what they print, how they end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod audit;
mod demo;
mod dev;
mod examples;
mod exits;
mod presets;
mod registry;
mod roles;
mod serve;
mod support;
