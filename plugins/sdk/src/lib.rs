//! Write docmill plugins in Rust.
//!
//! A plugin is a type that implements one of [`Parser`], [`Extractor`], [`Validator`], [`Transformer`], [`Chunker`],
//! [`Embedder`] or [`LlmAdapter`], and one line that exports it:
//!
//! ```
//! use docmill_plugin::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     #[serde(default)]
//!     upper: bool,
//! }
//!
//! struct Lines;
//!
//! impl Parser for Lines {
//!     type Config = Config;
//!
//!     fn describe() -> Description {
//!         Description::new("acme/lines", "1.0.0", "Reads every line as a paragraph.").accepts(["text/plain"])
//!     }
//!
//!     fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
//!         let text = String::from_utf8(source.read_all()?)
//!             .map_err(|_| Error::invalid_input("not-utf-8", "The file is not UTF-8 text; convert it first."))?;
//!         let text = if config.upper { text.to_uppercase() } else { text };
//!         let reading = ReadingBuilder::new();
//!         let blocks: Vec<Block> = text.lines().map(Block::paragraph).collect();
//!         reading.add_page(&PageInfo::digital(), &blocks)?;
//!         Ok(reading)
//!     }
//! }
//!
//! docmill_plugin::export_parser!(Lines);
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes a component of it (`crate-type = ["cdylib", "rlib"]`).
//!
//! **Tests run natively.** On every other target than `wasm32`, [`Source`], [`Reading`], [`ReadingBuilder`] and [`Inputs`]
//! are held in memory and follow the host's rules (how a page's text is joined, which range a block gets, what a quote must
//! equal), so a whole plugin can be called from `cargo test`:
//! `Lines::parse(Source::new("text/plain", None, b"one".to_vec()), config)?.into_reading()`.
//!
//! Standard output and error become the step's log; a panic ends the call and leaves its message there.

mod bindings;
mod chunk;
mod citation;
mod config;
mod describe;
mod error;
mod export;
pub mod llm;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod plugin;
mod read;
pub mod show;
pub mod tree;
mod write;

pub use chunk::{Chunk, Embeddings, Purpose};
pub use describe::{Description, FieldSpec};
pub use plugin::{Chunker, Embedder, Extractor, LlmAdapter, Output, Parser, Transformer, Validator};

pub use bindings::docmill::plugin::types::{
    Artifact, Attachment, Block, BlockKind, Cell, Check, Citation, Error, ErrorKind, Field, Fragment, Image,
    Money, Outcome, PageInfo, Rect, Severity, Size, Span, Table, TextOrigin, TextRange, TextUnit, Value,
};

#[cfg(target_arch = "wasm32")]
pub use bindings::docmill::plugin::{
    documents::{Inputs, Reading, ReadingBuilder, Source},
    progress::report as report_progress,
};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{Inputs, Reading, ReadingBuilder, Source, report_progress};

/// Everything that a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Artifact, Attachment, Block, BlockKind, Cell, Check, Chunk, Chunker, Citation, Description, Embedder,
        Embeddings, Error, ErrorKind, Extractor, Field, FieldSpec, Fragment, Image, Inputs, LlmAdapter,
        Money, Outcome, Output, PageInfo, Parser, Purpose, Reading, ReadingBuilder, Rect, Severity, Size,
        Source, Span, Table, TextOrigin, TextRange, TextUnit, Transformer, Validator, Value,
    };
}

/// For the export macros only.
#[doc(hidden)]
pub mod __export {
    pub use crate::config::parse_config;
    #[cfg(target_arch = "wasm32")]
    pub use crate::export::*;
}
