//! Chunks and vectors.

use crate::{Error, Reading, Span};

/// A piece of a reading. Its text is that of its spans, joined by one newline; the host joins it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chunk {
    /// At least one, none empty, in the reading's order and not overlapping. Spans of two chunks may overlap.
    pub spans: Vec<Span>,
    /// The headings above it, outermost first. Context belongs here, so that citations stay exact.
    pub headings: Vec<String>,
    /// An object.
    pub metadata: Option<serde_json::Value>,
}

impl Chunk {
    /// What stands at these spans.
    pub fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        Self {
            spans: spans.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Names the headings above it, outermost first.
    pub fn under<T: Into<String>>(mut self, headings: impl IntoIterator<Item = T>) -> Self {
        self.headings = headings.into_iter().map(Into::into).collect();
        self
    }

    /// The text as the host joins it.
    ///
    /// # Errors
    /// Whatever the host answers to a span that is none.
    pub fn text(&self, reading: &Reading) -> Result<String, Error> {
        let texts: Result<Vec<String>, Error> = self.spans.iter().map(|span| reading.slice(*span)).collect();
        Ok(texts?.join("\n"))
    }
}

/// What vectors are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Texts that will be searched.
    Document,
    /// Texts that search.
    Query,
}

/// What an embedder makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Name and version of what made them; vectors of different models are never compared.
    pub model: String,
    /// One for each text, in order, all of one length, every number finite.
    pub vectors: Vec<Vec<f32>>,
}
