//! How a page comes to its text.

use crate::{Block, Error, Fragment, PageInfo, Span, TextRange};

#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) info: PageInfo,
    pub(super) text: String,
    /// With ranges, without fragments.
    pub(super) blocks: Vec<Block>,
    pub(super) fragments: Vec<(TextRange, Fragment)>,
}

impl Page {
    pub(super) fn new(info: &PageInfo, blocks: &[Block]) -> Self {
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
            page.push(block);
        }
        page
    }

    fn push(&mut self, block: &Block) {
        let mut block = block.clone();
        let start = self.text.len();
        let fragments = std::mem::take(&mut block.fragments);
        if let Some(table) = &mut block.table {
            table.cells.sort_by_key(|cell| (cell.row, cell.column));
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
