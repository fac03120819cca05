//! A reading in the making: joins the texts of blocks into pages and gives everything its range.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use crate::digest::Digest;
use crate::evidence::Broken;
use crate::limits::{
    MAX_KIND_BYTES, MAX_LABEL_BYTES, MAX_MEDIA_TYPE_BYTES, MAX_TABLE_PLACES, MAX_WARNING_BYTES, MAX_WARNINGS,
};
use crate::reading::{
    Attachment, Block, BlockKind, Cell, Fragment, Image, Page, PageInfo, Reading, Rect, Table, TextRange,
};

/// A block as a parser writes it: texts without ranges.
#[derive(Debug, Clone)]
pub struct NewBlock {
    /// What it is.
    pub kind: BlockKind,
    /// Its text; empty if there is a table or fragments.
    pub text: String,
    /// Words or lines with places; their texts, one after the other, are the block's.
    pub fragments: Vec<NewFragment>,
    /// Only for a table.
    pub table: Option<NewTable>,
    /// The number of an image that was added.
    pub image: Option<u32>,
    /// Its place.
    pub region: Option<Rect>,
    /// 0 to 1.
    pub confidence: Option<f32>,
}

/// A word or line as a parser writes it.
#[derive(Debug, Clone)]
pub struct NewFragment {
    /// With the blank that follows it.
    pub text: String,
    /// Its place.
    pub region: Rect,
    /// 0 to 1.
    pub confidence: Option<f32>,
}

/// A table as a parser writes it.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// Number of rows.
    pub rows: u32,
    /// Number of columns.
    pub columns: u32,
    /// In reading order.
    pub cells: Vec<NewCell>,
}

/// A cell as a parser writes it.
#[derive(Debug, Clone)]
pub struct NewCell {
    /// From 0.
    pub row: u32,
    /// From 0.
    pub column: u32,
    /// At least 1.
    pub row_span: u32,
    /// At least 1.
    pub column_span: u32,
    /// Heads a row or a column.
    pub header: bool,
    /// Its text.
    pub text: String,
    /// Its place.
    pub region: Option<Rect>,
}

/// Why something could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The reading outgrew its budget.
    #[error("the reading is larger than the {budget} bytes that the step may use")]
    Exhausted {
        /// Bytes of host memory allowed.
        budget: usize,
    },
    /// A rule of the contract is broken.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A reading in the making.
#[derive(Debug)]
pub struct ReadingBuilder {
    budget: usize,
    used: usize,
    language: Option<String>,
    metadata: Vec<(String, String)>,
    pages: Vec<Page>,
    images: Vec<Arc<Image>>,
    image_numbers: HashMap<Digest, u32>,
    attachments: Vec<Arc<Attachment>>,
}

/// What a block, cell or fragment costs beside its text.
const NODE_BYTES: usize = 128;

/// What a byte of a page's text costs: itself, and its form for searching, which is at most one and a half times as long.
const TEXT_COST: usize = 3;

impl ReadingBuilder {
    /// An empty reading that may use `budget` bytes of host memory.
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            used: 0,
            language: None,
            metadata: Vec::new(),
            pages: Vec::new(),
            images: Vec::new(),
            image_numbers: HashMap::new(),
            attachments: Vec::new(),
        }
    }

    /// Bytes of host memory that the reading uses, estimated from above.
    pub const fn used(&self) -> usize {
        self.used
    }

    fn charge(&mut self, bytes: usize) -> Result<(), AddError> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.budget {
            return Err(AddError::Exhausted { budget: self.budget });
        }
        Ok(())
    }

    /// Sets the main language (BCP 47).
    ///
    /// # Errors
    /// When it is no language tag, or the budget is spent.
    pub fn set_language(&mut self, language: &str) -> Result<(), AddError> {
        let fits = (2..=35).contains(&language.len())
            && language
                .split('-')
                .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
        if !fits {
            return Err(Broken::new(
                "language-tag",
                "language",
                "not a BCP 47 tag such as `kk` or `ru-KZ`",
            )
            .into());
        }
        self.charge(language.len())?;
        self.language = Some(language.to_owned());
        Ok(())
    }

    /// Adds a name and a value.
    ///
    /// # Errors
    /// When the name is empty or too long, or the budget is spent.
    pub fn add_metadata(&mut self, name: &str, value: &str) -> Result<(), AddError> {
        if name.is_empty() || name.len() > 200 {
            return Err(Broken::new("metadata-name", "metadata", "a name has 1 to 200 bytes").into());
        }
        self.charge(NODE_BYTES + name.len() + value.len())?;
        self.metadata.push((clean(name), clean(value)));
        Ok(())
    }

    /// Adds a picture and gives its number; the same bytes give the same number.
    ///
    /// # Errors
    /// When the media type is not allowed, or the budget is spent.
    pub fn add_image(&mut self, image: Image) -> Result<u32, AddError> {
        let digest = Digest::of(&image.data);
        if let Some(number) = self.image_numbers.get(&digest) {
            return Ok(*number);
        }
        if !["image/png", "image/jpeg", "image/tiff", "image/webp"].contains(&image.media_type.as_str()) {
            let what = "image/png, image/jpeg, image/tiff or image/webp";
            return Err(Broken::new("image-media-type", "add-image", what).into());
        }
        self.charge(NODE_BYTES + image.data.len())?;
        let number = narrow(self.images.len());
        self.images.push(Arc::new(image));
        self.image_numbers.insert(digest, number);
        Ok(number)
    }

    /// Adds a file inside the file.
    ///
    /// # Errors
    /// When the budget is spent.
    pub fn add_attachment(&mut self, mut attachment: Attachment) -> Result<(), AddError> {
        attachment.media_type = cut(&attachment.media_type, MAX_MEDIA_TYPE_BYTES);
        self.charge(
            NODE_BYTES + attachment.name.len() + attachment.media_type.len() + attachment.content.len(),
        )?;
        self.attachments.push(Arc::new(attachment));
        Ok(())
    }

    /// Joins a page's text, gives every part its range, and adds the page; returns its number.
    ///
    /// # Errors
    /// When a block breaks a rule, or the budget is spent.
    pub fn add_page(&mut self, mut info: PageInfo, blocks: Vec<NewBlock>) -> Result<u32, AddError> {
        let number = narrow(self.pages.len());
        let nodes: usize = blocks
            .iter()
            .map(|b| 1 + b.fragments.len() + b.table.as_ref().map_or(0, |t| t.cells.len()))
            .sum();
        let text_bytes: usize = blocks.iter().map(written_bytes).sum();
        info.label = info.label.map(|label| cut(&label, MAX_LABEL_BYTES));
        // Collected anew: the list that came may have room for millions.
        let warnings = info.warnings.iter().take(MAX_WARNINGS);
        info.warnings = warnings.map(|warning| cut(warning, MAX_WARNING_BYTES)).collect();
        let said = info.label.iter().chain(&info.warnings);
        let said_bytes: usize = said.map(|text| size_of::<String>() + text.len()).sum();
        let kind_bytes: usize = blocks.iter().map(|b| b.kind.name().len()).sum();
        self.charge(
            NODE_BYTES
                .saturating_mul(nodes + 1)
                .saturating_add(text_bytes.saturating_mul(TEXT_COST))
                .saturating_add(said_bytes + kind_bytes),
        )?;
        fits_the_page(&blocks, number)?;
        let mut text = String::with_capacity(text_bytes + blocks.len());
        let mut placed = Vec::with_capacity(blocks.len());
        for (index, block) in blocks.into_iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            let at = format!("page {number}, block {index}");
            placed.push(place(block, &mut text, &at, self.images.len())?);
        }
        if u32::try_from(text.len()).is_err() {
            return Err(AddError::Exhausted { budget: self.budget });
        }
        self.pages.push(Page::new(info, text, placed));
        Ok(number)
    }

    /// The finished reading, still without a key.
    pub fn finish(self, source_media_type: &str) -> Reading {
        Reading {
            key: String::new(),
            source_media_type: source_media_type.to_owned(),
            language: self.language,
            metadata: self.metadata,
            pages: self.pages,
            images: self.images,
            attachments: self.attachments,
        }
    }
}

/// Whether the tables' cells span no more than [`MAX_TABLE_PLACES`] columns, all together.
fn fits_the_page(blocks: &[NewBlock], page: u32) -> Result<(), Broken> {
    let cells = blocks
        .iter()
        .filter_map(|b| b.table.as_ref())
        .flat_map(|t| &t.cells);
    let places: u64 = cells.map(|c| u64::from(c.column_span)).sum();
    if places > MAX_TABLE_PLACES {
        let most = format!("the tables of a page have at most {MAX_TABLE_PLACES} places together");
        return Err(Broken::new("table-size", &format!("page {page}"), &most));
    }
    Ok(())
}

fn written_bytes(block: &NewBlock) -> usize {
    block.text.len()
        + block.fragments.iter().map(|f| f.text.len()).sum::<usize>()
        + block
            .table
            .iter()
            .flat_map(|t| &t.cells)
            .map(|c| c.text.len() + 1)
            .sum::<usize>()
}

fn place(block: NewBlock, text: &mut String, at: &str, images: usize) -> Result<Block, Broken> {
    let start = narrow(text.len());
    let kind = match block.kind {
        BlockKind::Other(name) if name.len() > MAX_KIND_BYTES => {
            let most = format!("the name of a block's kind has at most {MAX_KIND_BYTES} bytes");
            return Err(Broken::new("block-kind", at, &most));
        }
        BlockKind::Other(name) => BlockKind::Other(clean(&name)),
        kind => kind,
    };
    if let Some(image) = block.image
        && usize::try_from(image).map_or(true, |n| n >= images)
    {
        return Err(Broken::new(
            "image-number",
            at,
            "there is no image of that number; add it first",
        ));
    }
    if (kind == BlockKind::Table) != block.table.is_some() {
        return Err(Broken::new(
            "table-block",
            at,
            "a block has a table if, and only if, its kind is `table`",
        ));
    }
    let mut fragments = Vec::with_capacity(block.fragments.len());
    let mut table = None;
    match block.table {
        Some(_) if !block.text.is_empty() || !block.fragments.is_empty() => {
            return Err(Broken::new(
                "table-text",
                at,
                "a table's text comes from its cells; leave text and fragments empty",
            ));
        }
        Some(written) => table = Some(place_table(written, text, at)?),
        None if block.fragments.is_empty() => push_clean(text, &block.text),
        None => {
            let joined = block.fragments.iter().map(|f| f.text.as_str());
            if !block.text.is_empty() && !joined.flat_map(str::bytes).eq(block.text.bytes()) {
                return Err(Broken::new(
                    "fragment-text",
                    at,
                    "the fragments' texts, one after the other, are not the block's",
                ));
            }
            for (index, fragment) in block.fragments.into_iter().enumerate() {
                let from = narrow(text.len());
                push_clean(text, &fragment.text);
                fragments.push(Fragment {
                    range: TextRange {
                        start: from,
                        end: narrow(text.len()),
                    },
                    region: region(fragment.region, || format!("{at}, fragment {index}"))?,
                    confidence: confidence(fragment.confidence, || format!("{at}, fragment {index}"))?,
                });
            }
        }
    }
    Ok(Block {
        kind,
        range: TextRange {
            start,
            end: narrow(text.len()),
        },
        fragments,
        table,
        image: block.image,
        region: block.region.map(|r| region(r, || at.to_owned())).transpose()?,
        confidence: confidence(block.confidence, || at.to_owned())?,
    })
}

/// The columns that cells of the rows above reach down into: the first column → one past the last column and row.
#[derive(Default)]
struct Covered(BTreeMap<u32, (u32, u32)>);

impl Covered {
    /// Takes the places of a cell, if none of them is another's. Cells come in reading order, so what ended above can be
    /// forgotten: a cell costs one entry, whatever it spans.
    fn take(&mut self, columns: Range<u32>, rows: Range<u32>) -> bool {
        while let Some((&first, &(end, bottom))) = self.0.range(..columns.end).next_back()
            && end > columns.start
        {
            if bottom > rows.start {
                return false;
            }
            self.0.remove(&first);
        }
        self.0.insert(columns.start, (columns.end, rows.end));
        true
    }
}

fn place_table(table: NewTable, text: &mut String, at: &str) -> Result<Table, Broken> {
    let mut cells: Vec<Cell> = Vec::with_capacity(table.cells.len());
    let mut covered = Covered::default();
    let mut before: Option<(u32, u32)> = None;
    for (index, cell) in table.cells.into_iter().enumerate() {
        let place = || format!("{at}, cell {index} (row {}, column {})", cell.row, cell.column);
        let bottom = cell.row.checked_add(cell.row_span).filter(|b| *b <= table.rows);
        let right = cell
            .column
            .checked_add(cell.column_span)
            .filter(|r| *r <= table.columns);
        let (Some(bottom), Some(right), true, true) =
            (bottom, right, cell.row_span > 0, cell.column_span > 0)
        else {
            return Err(Broken::new(
                "cell-outside",
                &place(),
                "a cell lies inside rows × columns and spans at least 1",
            ));
        };
        if before.is_some_and(|last| last >= (cell.row, cell.column)) {
            return Err(Broken::new(
                "cell-order",
                &place(),
                "cells come in reading order, one for each place",
            ));
        }
        if !covered.take(cell.column..right, cell.row..bottom) {
            return Err(Broken::new("cell-overlap", &place(), "two cells cover one place"));
        }
        match before {
            Some((row, _)) if row == cell.row => text.push('\t'),
            Some(_) => text.push('\n'),
            None => {}
        }
        before = Some((cell.row, cell.column));
        let start = narrow(text.len());
        push_clean(text, &cell.text);
        cells.push(Cell {
            row: cell.row,
            column: cell.column,
            row_span: cell.row_span,
            column_span: cell.column_span,
            header: cell.header,
            range: TextRange {
                start,
                end: narrow(text.len()),
            },
            region: cell.region.map(|r| region(r, place)).transpose()?,
        });
    }
    Ok(Table {
        rows: table.rows,
        columns: table.columns,
        cells,
    })
}

/// Rounding of fractions may leave a hair's breadth outside the page.
const TOLERANCE: f32 = 0.002;

/// The region, brought inside the page if it is outside by rounding alone.
pub(crate) fn region(r: Rect, at: impl FnOnce() -> String) -> Result<Rect, Broken> {
    let inside = |x: f32| (-TOLERANCE..=1.0 + TOLERANCE).contains(&x);
    if [r.left, r.top, r.right, r.bottom].into_iter().all(inside) && r.left < r.right && r.top < r.bottom {
        let clamp = |x: f32| x.clamp(0.0, 1.0);
        return Ok(Rect {
            left: clamp(r.left),
            top: clamp(r.top),
            right: clamp(r.right),
            bottom: clamp(r.bottom),
        });
    }
    Err(Broken::new(
        "region",
        &at(),
        "a region has 0 ≤ left < right ≤ 1 and 0 ≤ top < bottom ≤ 1",
    ))
}

/// The confidence, if it is one.
pub(crate) fn confidence(value: Option<f32>, at: impl FnOnce() -> String) -> Result<Option<f32>, Broken> {
    match value {
        Some(c) if !(0.0..=1.0).contains(&c) => {
            Err(Broken::new("confidence", &at(), "a confidence is 0 to 1"))
        }
        other => Ok(other),
    }
}

/// Text without U+0000, which PostgreSQL cannot keep.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The beginning of a text for people, clean.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let mut cut = clean(text.get(..end).unwrap_or_default());
    // A replaced U+0000 is longer than it was.
    cut.truncate(cut.floor_char_boundary(most));
    cut
}

fn push_clean(to: &mut String, text: &str) {
    if text.contains('\0') {
        to.push_str(&clean(text));
    } else {
        to.push_str(text);
    }
}

/// Lengths are checked against `u32` before a page is kept.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
