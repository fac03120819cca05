//! The engine from outside: real components, real processes, every limit.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod chunks;
mod code;
mod contract;
mod each_limit;
mod flood;
mod handler;
mod handmade;
mod http;
mod inspect;
mod keyvalue;
mod kinds;
mod limits;
mod llm;
mod malformed;
mod plugins;
mod speed;
mod state;
mod support;
mod time;
