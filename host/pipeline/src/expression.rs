//! Expressions (CEL) and templates (`${…}` inside the strings of a JSON value).
//!
//! **Compiled** when a definition is saved: at most 4 KiB, comprehensions nested at most twice, no unknown variable, no
//! unknown function; mistakes have line and column. **Evaluated** under a budget ([`meter`]): work is counted before it
//! is done, so a hostile expression over a large document ends early, at the same place on every machine. What an
//! expression does not mention is not converted ([`Scope`]), and texts are borrowed, never copied in. The expressions of a
//! template share an [`Allowance`] as well.
//!
//! Absence: `has(x.y)` tests for it. An expression that runs into a missing key or a null on its way ends as
//! [`Trouble::Absent`]: as a template's whole value that is null (or leaves the member out of a configuration), inside a
//! longer text it is nothing, as a condition it is an error.

mod compile;
mod functions;
mod meter;
mod scope;
mod template;
mod value;

pub use compile::{Expression, Mention, Mistake};
pub use meter::{Allowance, Stop};
pub use scope::{Known, Scope, StepView, Variable, Variables};
pub use template::{Absent, FailedExpression, Template};
pub(crate) use template::{problem, strip};

/// Longest expression, in bytes.
pub const MAX_BYTES: usize = 4 * 1024;
/// Comprehensions (`map`, `filter`, `all`, …) inside comprehensions, themselves counted.
pub const MAX_NESTING: usize = 2;

/// Why an expression gave no value. Says nothing of the values that it saw: they are the document's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It ran into a key that is not there, or into null.
    #[error("{0}")]
    Absent(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

#[cfg(test)]
mod tests;
