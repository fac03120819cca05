//! Integration tests, one binary: real components, a real PostgreSQL, HTTP over a real socket.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod architecture;
mod http;
mod support;
