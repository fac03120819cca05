//! The contract's resources in memory, for tests of plugins on a developer's machine. The rules are the host's:
//! a page's text is its blocks joined by one newline; a table's text is its rows joined by newlines and a row's cells by
//! tabs; offsets are UTF-8 bytes on character boundaries.

mod find;
mod inputs;
mod llm;
mod page;
mod reading;
mod source;

pub use inputs::Inputs;
pub use llm::{DeltaSink, answering, complete};
pub use reading::{Reading, ReadingBuilder};
pub use source::Source;

/// For people who wait; natively nobody does.
pub fn report_progress(_done: u32, _total: Option<u32>, _note: &str) {}
