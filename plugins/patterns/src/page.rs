//! A page as the search sees it.

use crate::fold::Folded;
use docmill_plugin::{Block, Cell, Error, Reading, Table, TextOrigin, TextRange};

/// What stands further behind a label on one line is not its value; hostile lines are megabytes long.
const LINE_BYTES: usize = 2000;

pub struct Page {
    pub number: u32,
    pub text: String,
    pub folded: Folded,
    pub blocks: Vec<Block>,
    /// Characters were read from a picture, so their confidence counts.
    pub recognized: bool,
}

/// All pages of a reading.
///
/// # Errors
/// What the host answers.
pub fn load(reading: &Reading) -> Result<Vec<Page>, Error> {
    (0..reading.page_count())
        .map(|number| {
            let text = reading.text(number)?;
            Ok(Page {
                number,
                folded: Folded::new(&text),
                text,
                blocks: reading.blocks(number)?,
                recognized: reading.page(number)?.origin != TextOrigin::Digital,
            })
        })
        .collect()
}

/// Bytes of a range; nothing if the host gave none.
pub fn bounds(range: Option<TextRange>) -> Option<(usize, usize)> {
    range.map(|range| (range.start as usize, range.end as usize))
}

impl Page {
    pub fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or("")
    }

    /// The block around an offset.
    pub fn block_at(&self, at: usize) -> Option<&Block> {
        self.blocks
            .iter()
            .find(|block| bounds(block.range).is_some_and(|(start, end)| start <= at && at < end))
    }

    /// The table and the cell around an offset.
    pub fn cell_at(&self, at: usize) -> Option<(&Table, &Cell)> {
        let table = self.block_at(at)?.table.as_ref()?;
        // Cells come in reading order, so their ranges ascend.
        let index = table
            .cells
            .partition_point(|cell| bounds(cell.range).is_some_and(|(_, end)| end <= at));
        let cell = table.cells.get(index)?;
        bounds(cell.range)
            .filter(|(start, _)| *start <= at)
            .map(|_| (table, cell))
    }

    /// The end of the line around an offset, not further than its block and `LINE_BYTES`.
    pub fn line_end(&self, at: usize) -> usize {
        let end = self
            .block_at(at)
            .and_then(|block| bounds(block.range))
            .map_or(self.text.len(), |(_, end)| end);
        let end = self.text.floor_char_boundary(end.min(at + LINE_BYTES));
        self.slice(at, end).find('\n').map_or(end, |newline| at + newline)
    }

    /// The next line that is not blank after an offset, on the whole page; a cell, if a table follows.
    pub fn next_line(&self, line_end: usize) -> Option<(usize, usize)> {
        let rest = self.text.get(line_end..)?;
        let from = line_end + rest.find(|char: char| !char.is_whitespace())?;
        let end = match self.cell_at(from) {
            Some((_, cell)) => bounds(cell.range)?.1,
            None => self.line_end(from),
        };
        Some((from, end))
    }

    /// What the parser says of the text at an offset; 1 if it says nothing.
    pub fn text_confidence(&self, at: usize) -> f32 {
        self.block_at(at)
            .and_then(|block| block.confidence)
            .unwrap_or(1.0)
    }
}

/// The cell that covers a place, beginning there or spanning over it.
pub fn cell_covering(table: &Table, row: u32, column: u32) -> Option<&Cell> {
    let covers = |from: u32, span: u32, at: u32| from <= at && at - from < span;
    // Cells come in reading order: those of later rows cannot cover it.
    let end = table.cells.partition_point(|cell| cell.row <= row);
    let candidates = table.cells.get(..end)?;
    candidates
        .iter()
        .rev()
        .find(|cell| covers(cell.row, cell.row_span, row) && covers(cell.column, cell.column_span, column))
}

/// The cells that begin in a row.
pub fn row_cells(table: &Table, row: u32) -> &[Cell] {
    let from = table.cells.partition_point(|cell| cell.row < row);
    let to = table.cells.partition_point(|cell| cell.row <= row);
    table.cells.get(from..to).unwrap_or_default()
}
