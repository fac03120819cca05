//! The kinds.

use crate::llm::{DeltaSink, Request, Response};
use crate::{
    Artifact, Check, Chunk, Description, Embeddings, Error, Field, Inputs, Purpose, Reading, ReadingBuilder,
    Source,
};
use serde::de::DeserializeOwned;

/// Makes a reading of a source.
pub trait Parser {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `parse` is called. Use
    /// [`serde_json::Value`] for "anything".
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// # Errors
    /// Whatever is wrong with the source, as a typed [`Error`].
    fn parse(source: Source, config: Self::Config) -> Result<ReadingBuilder, Error>;
}

/// Finds fields in readings.
pub trait Extractor {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `extract` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// Returns only its own fields; what is looked for and not there is a field without a value, not an error.
    ///
    /// # Errors
    /// Whatever keeps the plugin from looking, as a typed [`Error`].
    fn extract(inputs: Inputs, config: Self::Config) -> Result<Vec<Field>, Error>;
}

/// Judges what was found.
pub trait Validator {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `validate` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// A document that breaks the rules is not an error: return failed checks.
    ///
    /// # Errors
    /// Whatever keeps the plugin from judging, as a typed [`Error`].
    fn validate(inputs: Inputs, config: Self::Config) -> Result<Vec<Check>, Error>;
}

/// Makes something new of what was found: a letter, a table, a merged object.
pub trait Transformer {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `transform` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// # Errors
    /// Whatever keeps the plugin from writing, as a typed [`Error`].
    fn transform(inputs: Inputs, config: Self::Config) -> Result<Output, Error>;
}

/// Cuts a reading into pieces, for search.
pub trait Chunker {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `split` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// Called once for each reading; no chunks is an answer, too.
    ///
    /// # Errors
    /// Whatever keeps the plugin from splitting, as a typed [`Error`].
    fn split(reading: Reading, config: Self::Config) -> Result<Vec<Chunk>, Error>;
}

/// Makes vectors of texts.
pub trait Embedder {
    /// Parsed from the step's JSON; a mismatch answers `invalid-config` before `embed` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// One vector for each text, in order.
    ///
    /// # Errors
    /// Whatever keeps the plugin from making vectors, as a typed [`Error`].
    fn embed(texts: Vec<String>, purpose: Purpose, config: Self::Config) -> Result<Embeddings, Error>;
}

/// Asks a provider's language models.
pub trait LlmAdapter {
    /// Parsed from the model's JSON; a mismatch answers `invalid-config` before `complete` is called.
    type Config: DeserializeOwned;

    fn describe() -> Description;

    /// Asks for `request.model`, which is always there. What arrives is pushed into the sink if there is one; the whole is
    /// returned in any case.
    ///
    /// # Errors
    /// Whatever the provider refuses, as a typed [`Error`]; what the sink answers, as it is.
    fn complete(request: Request, sink: Option<DeltaSink>, config: Self::Config) -> Result<Response, Error>;
}

/// What a transformer makes.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Json(serde_json::Value),
    Artifact(Artifact),
}
