//! What a document may still grow by.

use docmill_plugin::{Block, Error};

use crate::limits::{MAX_NODES, MAX_TEXT_BYTES};

/// Counts blocks, cells and text.
#[derive(Debug, Default)]
pub struct Budget {
    nodes: usize,
    text_bytes: usize,
}

impl Budget {
    /// Charges a block that is kept, or one whose text goes into a cell.
    ///
    /// # Errors
    /// `too-large`.
    pub fn charge(&mut self, block: &Block) -> Result<(), Error> {
        let cells = block.table.as_ref().map_or(0, |table| table.cells.len());
        self.add(1 + cells, block.text.len())
    }

    /// Charges so many blocks or cells and bytes of text.
    ///
    /// # Errors
    /// `too-large`.
    pub fn add(&mut self, nodes: usize, text_bytes: usize) -> Result<(), Error> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text_bytes = self.text_bytes.saturating_add(text_bytes);
        if self.nodes > MAX_NODES || self.text_bytes > MAX_TEXT_BYTES {
            return Err(Error::exhausted(
                "too-large",
                format!(
                    "The document has more than {MAX_NODES} paragraphs and cells or {} MiB of text; split it.",
                    MAX_TEXT_BYTES >> 20
                ),
            ));
        }
        Ok(())
    }
}
