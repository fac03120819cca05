//! A whole host in the test's process, over a real PostgreSQL and real components, spoken to through a socket.

pub mod browser;
pub mod client;
pub mod host;
pub mod provider;
pub mod proxy;
pub mod redis;
pub mod sigstore;

/// Small Office files, made by what the plugin's own tests make theirs with.
#[path = "../../../../plugins/office/tests/it/build.rs"]
#[expect(dead_code, reason = "these tests need less of it")]
pub mod office;
/// Small PDF files, likewise.
#[path = "../../../../plugins/pdf/tests/made/writer.rs"]
#[expect(dead_code, reason = "these tests need less of it")]
pub mod pdf;

pub use host::{Host, Setup, component};
