//! Documents with their truth, the generator that makes them, and a reader of results that shares no code with the host.
//!
//! [`samples`] are the documents that the repository keeps, all invented; [`demo`] are those that the demo posts by
//! default. [`verify::verify`] compares a run's result with a sample's truth. The generator is behind the feature
//! `generate`, so that the platform's binary embeds the documents without what makes them.

pub mod catalog;
#[cfg(feature = "generate")]
pub mod generate;
pub mod verify;

pub use catalog::{Sample, demo, samples};
