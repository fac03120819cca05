//! Evidence: where a value was read.

use crate::{Citation, Error, Reading, Span, TextRange};

impl Citation {
    /// The evidence of a span: its quote is exactly the text there, its regions are filled in by the host.
    ///
    /// # Errors
    /// Whatever `reading.slice` answers: a span outside its page or between the bytes of a character.
    pub fn of(reading: &Reading, span: Span) -> Result<Self, Error> {
        let quote = reading.slice(span)?;
        Ok(Self {
            reading: Some(reading.id()),
            page: span.page,
            range: Some(span.range),
            quote,
            regions: Vec::new(),
        })
    }
}

impl Span {
    /// Offsets into a page's text in UTF-8 bytes; `end` is exclusive.
    pub fn new(page: u32, start: u32, end: u32) -> Self {
        Self {
            page,
            range: TextRange { start, end },
        }
    }
}
