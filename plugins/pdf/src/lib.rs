//! `docmill/pdf`: text in reading order with its places, tables, metadata and page labels out of PDF files.
//!
//! [`parse`] is plain Rust and runs natively as in the sandbox; [`plugin`] gives its result to the host. Words of one
//! visual line stay on one line of text, with a tab where a wide gap parts them, so that "label: value" is found by line.
//! Columns of prose are read one after the other.

pub mod config;
pub mod document;
pub mod error;
mod glyph;
mod guard;
mod layout;
mod limits;
pub mod plugin;
mod read;

pub use config::Config;
pub use document::{Block, BlockKind, Cell, Document, Fragment, Origin, Page, Rect, Table, Warning};
pub use error::PdfError;

/// Reads a PDF.
///
/// # Errors
/// [`PdfError`], if nothing of the file can be read. A page that cannot be read is no error: it is empty and has a
/// [`Warning`].
pub fn parse(bytes: &[u8], config: &Config) -> Result<Document, PdfError> {
    parse_owned(bytes.to_vec(), config)
}

/// [`parse`] without a copy of the bytes.
///
/// # Errors
/// As [`parse`].
pub fn parse_owned(bytes: Vec<u8>, config: &Config) -> Result<Document, PdfError> {
    guard::refuse_bombs(&bytes)?;
    let pdf = read::open(bytes)?;
    let mut drafts = Vec::new();
    let mut words = 0;
    read::pages(&pdf, config, |_, raw| {
        let raw = if words < limits::WORDS_MAX {
            raw
        } else {
            raw.left_out()
        };
        let draft = layout::draft(raw);
        words += draft.words();
        drafts.push(draft);
    });
    layout::part_furniture(&mut drafts);
    let stats = layout::Stats::of(&drafts);
    let info = read::info(&pdf);
    let pages = drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| layout::finish(draft, index, info.label(index), &stats))
        .collect();
    Ok(Document {
        language: info.language,
        metadata: info.metadata,
        pages,
    })
}
