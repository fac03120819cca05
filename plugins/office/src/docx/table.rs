//! Tables with merged cells. A table in a cell becomes the cell's text, row by row; a table of one cell is only a frame
//! and gives its content.

use std::collections::HashMap;

use docmill_plugin::{Block, Cell, Error, Table};

use super::body::Walker;
use super::inline::is_placeholder;
use crate::limits::MAX_GRID_SPAN;
use crate::xml::{Element, branch, too_complex};

/// The host's bound on the places of a table.
const MAX_PLACES: u64 = 4_000_000;

#[derive(Debug)]
struct Draft {
    cell: Cell,
    bold: bool,
}

/// A table in the making, row by row.
#[derive(Debug, Default)]
pub struct TableBuilder {
    rows: u32,
    columns: u32,
    places: u64,
    drafts: Vec<Draft>,
    /// By first column: the draft that a vertical merge would continue.
    open: HashMap<u32, usize>,
    /// The blocks of the last cell, for a table that has no other.
    last: Vec<Block>,
    cells: usize,
    declared_header: bool,
}

impl TableBuilder {
    /// Adds a row; a tracked deletion is passed over.
    ///
    /// # Errors
    /// Limits.
    pub fn row(&mut self, walker: &mut Walker<'_>, row: &Element) -> Result<(), Error> {
        let properties = row.child("trPr");
        if properties.is_some_and(|p| p.child("del").is_some()) {
            return Ok(());
        }
        let header = properties.and_then(|p| p.is_on("tblHeader")).unwrap_or(false);
        self.declared_header |= header;
        let before = properties
            .and_then(|p| p.val("gridBefore"))
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let mut column = u32::min(before, MAX_GRID_SPAN);
        let mut open = HashMap::new();
        self.cells_of(walker, row, header, &mut column, &mut open)?;
        self.open = open;
        self.columns = self.columns.max(column);
        self.rows += 1;
        Ok(())
    }

    fn cells_of(
        &mut self,
        walker: &mut Walker<'_>,
        row: &Element,
        header: bool,
        column: &mut u32,
        open: &mut HashMap<u32, usize>,
    ) -> Result<(), Error> {
        for child in row.elements() {
            match child.name() {
                "tc" => self.cell(walker, child, header, column, open)?,
                // A control around a cell that nobody has filled in: the cell is there, its prompt is not.
                "sdt" if is_placeholder(child.child("sdtPr")) => *column += 1,
                "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" => {
                    self.cells_of(walker, child, header, column, open)?
                }
                "AlternateContent" => {
                    if let Some(branch) = branch(child) {
                        self.cells_of(walker, branch, header, column, open)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn cell(
        &mut self,
        walker: &mut Walker<'_>,
        element: &Element,
        header: bool,
        column: &mut u32,
        open: &mut HashMap<u32, usize>,
    ) -> Result<(), Error> {
        let properties = element.child("tcPr");
        let span = properties
            .and_then(|p| p.val("gridSpan"))
            .and_then(|n| n.parse().ok())
            .unwrap_or(1);
        let span = u32::clamp(span, 1, MAX_GRID_SPAN);
        let first = *column;
        *column += span;
        self.places += u64::from(span);
        if self.places > MAX_PLACES || *column > 16 * MAX_GRID_SPAN {
            return Err(too_complex("a table has too many columns"));
        }

        let merge = |name: &str| {
            properties
                .and_then(|p| p.child(name))
                .map(|merge| merge.attr("val").unwrap_or("continue"))
        };
        if merge("vMerge") == Some("continue")
            && let Some(index) = self.open.get(&first).copied()
            && let Some(above) = self.drafts.get_mut(index)
            && above.cell.column_span == span
        {
            above.cell.row_span += 1;
            open.insert(first, index);
            return Ok(());
        }
        if merge("hMerge") == Some("continue")
            && let Some(left) = self.drafts.last_mut()
            && left.cell.row == self.rows
            && left.cell.column + left.cell.column_span == first
        {
            left.cell.column_span += span;
            return Ok(());
        }

        let (letters, bold_letters) = (walker.letters, walker.bold_letters);
        let mut blocks = Vec::new();
        walker.blocks_of(element, &mut blocks)?;
        let text = flatten(&blocks);
        walker.budget.add(1, 0)?;
        let bold = walker.letters > letters && walker.letters - letters == walker.bold_letters - bold_letters;
        let cell = Cell {
            header,
            column_span: span,
            ..Cell::new(self.rows, first, text)
        };
        if merge("vMerge").is_some() {
            open.insert(first, self.drafts.len());
        }
        self.drafts.push(Draft { cell, bold });
        self.last = blocks;
        self.cells += 1;
        Ok(())
    }

    /// The table as a block, the content of its only cell, or nothing.
    pub fn finish(mut self) -> Vec<Block> {
        if self.cells == 1 && self.rows == 1 {
            return self.last;
        }
        self.drafts.retain(|draft| !draft.cell.text.is_empty());
        if self.drafts.is_empty() {
            return Vec::new();
        }
        if !self.declared_header && self.rows > 1 {
            let bold_row = |row: u32| {
                let mut cells = self
                    .drafts
                    .iter()
                    .filter(|draft| draft.cell.row == row)
                    .peekable();
                cells.peek().is_some() && cells.all(|draft| draft.bold)
            };
            // A first row that alone is bold is how people write a header without declaring one.
            if bold_row(0)
                && !bold_row(1)
                && self.drafts.iter().filter(|draft| draft.cell.row == 0).count() > 1
            {
                self.drafts
                    .iter_mut()
                    .filter(|draft| draft.cell.row == 0)
                    .for_each(|draft| draft.cell.header = true);
            }
        }
        let cells = self.drafts.into_iter().map(|draft| draft.cell).collect();
        vec![Block::table(Table {
            rows: self.rows,
            columns: self.columns,
            cells,
        })]
    }
}

/// Blocks as the text of a cell or a note: one per line, nested tables row by row with tabs.
pub fn flatten(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        let Some(table) = &block.table else {
            out.push_str(&block.text);
            continue;
        };
        let mut row = None;
        for cell in &table.cells {
            if let Some(row) = row {
                out.push(if row == cell.row { '\t' } else { '\n' });
            }
            row = Some(cell.row);
            out.push_str(&cell.text);
        }
    }
    out
}
