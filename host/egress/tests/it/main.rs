//! The way out, against real sockets: what must not be reached is listened on, and nothing may come.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod bounds;
mod namespace;
mod secrets;
mod ssrf;
mod support;
mod targets;
mod tls;
