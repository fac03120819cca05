//! How a page comes to its text.

use crate::{Block, BlockKind, Error, Fragment, PageInfo, Span, TextRange};

#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) info: PageInfo,
    pub(super) text: String,
    /// With ranges, without fragments.
    pub(super) blocks: Vec<Block>,
    pub(super) fragments: Vec<(TextRange, Fragment)>,
}

impl Page {
    /// # Errors
    /// `failed` with the host's name of the rule that a block breaks, which the host answers as `invalid-output`.
    pub(super) fn new(info: &PageInfo, blocks: &[Block]) -> Result<Self, Error> {
        let mut page = Self {
            info: info.clone(),
            text: String::new(),
            blocks: Vec::new(),
            fragments: Vec::new(),
        };
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                page.text.push('\n');
            }
            check(block)?;
            page.push(block);
        }
        Ok(page)
    }

    fn push(&mut self, block: &Block) {
        let mut block = block.clone();
        let start = self.text.len();
        let fragments = std::mem::take(&mut block.fragments);
        if let Some(table) = &mut block.table {
            let mut previous: Option<u32> = None;
            for cell in &mut table.cells {
                if let Some(row) = previous {
                    self.text.push(if row == cell.row { '\t' } else { '\n' });
                }
                previous = Some(cell.row);
                let cell_start = self.text.len();
                self.text.push_str(&clean(&cell.text));
                cell.range = Some(range(cell_start, self.text.len()));
            }
        } else if fragments.is_empty() {
            self.text.push_str(&clean(&block.text));
        } else {
            for fragment in fragments {
                let fragment_start = self.text.len();
                self.text.push_str(&clean(&fragment.text));
                self.fragments
                    .push((range(fragment_start, self.text.len()), fragment));
            }
        }
        block.range = Some(range(start, self.text.len()));
        block.text = self.text.get(start..).unwrap_or_default().to_owned();
        self.blocks.push(block);
    }

    pub(super) fn slice(&self, at: Span) -> Result<&str, Error> {
        self.text
            .get(at.range.start as usize..at.range.end as usize)
            .ok_or_else(|| {
                Error::failed(
                    "bad-span",
                    "The span lies outside its page or between the bytes of a character.",
                )
            })
    }
}

/// Text never holds U+0000.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn range(start: usize, end: usize) -> TextRange {
    TextRange {
        start: start as u32,
        end: end as u32,
    }
}

fn check(block: &Block) -> Result<(), Error> {
    let broken = |rule: &str, what: &str| Err(Error::failed(rule, what));
    if block
        .confidence
        .is_some_and(|confidence| !(0.0..=1.0).contains(&confidence))
    {
        return broken("confidence", "A confidence is 0 to 1.");
    }
    let Some(table) = &block.table else {
        return match block.kind {
            BlockKind::Table => broken(
                "table-block",
                "A block has a table if, and only if, its kind is `table`.",
            ),
            _ => Ok(()),
        };
    };
    if block.kind != BlockKind::Table {
        return broken(
            "table-block",
            "A block has a table if, and only if, its kind is `table`.",
        );
    }
    if !block.text.is_empty() || !block.fragments.is_empty() {
        return broken(
            "table-text",
            "A table's text comes from its cells; leave text and fragments empty.",
        );
    }
    let mut before = None;
    for cell in &table.cells {
        let inside = |from: u32, span: u32, limit: u32| {
            span > 0 && from.checked_add(span).is_some_and(|end| end <= limit)
        };
        if !inside(cell.row, cell.row_span, table.rows)
            || !inside(cell.column, cell.column_span, table.columns)
        {
            return broken(
                "cell-outside",
                "A cell lies inside rows × columns and spans at least 1.",
            );
        }
        if before.is_some_and(|before| before >= (cell.row, cell.column)) {
            return broken("cell-order", "Cells come in reading order, one for each place.");
        }
        before = Some((cell.row, cell.column));
    }
    Ok(())
}
