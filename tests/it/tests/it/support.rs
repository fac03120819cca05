//! A whole host in the test's process, over a real PostgreSQL and real components, spoken to through a socket.

pub mod client;
pub mod host;
pub mod proxy;

pub use host::{Host, Setup, component};
