//! Readings: what one parser made of a source. The text of a page is joined by the host, so every block, cell and
//! fragment has its range in it and `slice(range)` is its text by construction.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::search::Folded;

/// A part of a page's text in UTF-8 bytes; `end` is exclusive, both lie on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TextRange {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl TextRange {
    /// Whether the two share a byte.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The text that the range covers, if it is inside `text` and on character boundaries.
    pub fn of(self, text: &str) -> Option<&str> {
        text.get(usize::try_from(self.start).ok()?..usize::try_from(self.end).ok()?)
    }
}

/// A part of a document's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TextSpan {
    /// The page, from 0.
    pub page: u32,
    /// Where on the page.
    pub range: TextRange,
}

/// A rectangle in fractions of the page's width and height; 0,0 is the top left corner of the page as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Less than `right`.
    pub left: f32,
    /// Less than `bottom`.
    pub top: f32,
    /// At most 1.
    pub right: f32,
    /// At most 1.
    pub bottom: f32,
}

impl Rect {
    /// The smallest rectangle around both.
    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Width and height in points (1/72 inch).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PageSize {
    /// In points.
    pub width: f32,
    /// In points.
    pub height: f32,
}

/// Where the characters of a page came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextOrigin {
    /// The file itself contains them.
    Digital,
    /// Read from a picture.
    Recognized,
    /// Both on one page.
    Mixed,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// The document's title.
    Title,
    /// A heading with its level, 1 the highest.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// An item with its depth, 0 the outermost.
    ListItem(u8),
    /// A table.
    Table,
    /// A picture.
    Figure,
    /// Text that belongs to a picture or a table.
    Caption,
    /// Program text.
    Code,
    /// Mathematics.
    Formula,
    /// A label and its value.
    KeyValue,
    /// Repeats at the top of pages.
    Header,
    /// Repeats at the bottom of pages.
    Footer,
    /// A note under the text.
    Footnote,
    /// Anything else, as the parser calls it.
    Other(String),
}

impl BlockKind {
    /// What the parser calls it, if it is none of ours; else empty.
    pub const fn name(&self) -> &str {
        match self {
            Self::Other(name) => name.as_str(),
            _ => "",
        }
    }
}

/// A word or line with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// Its text on the page.
    pub range: TextRange,
    /// Its place on the page.
    pub region: Rect,
    /// 0 to 1; none: nobody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
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
    /// Its text on the page.
    pub range: TextRange,
    /// Its place, if the parser knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Rect>,
}

/// Cells in reading order, not overlapping, inside `rows` × `columns`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Number of rows.
    pub rows: u32,
    /// Number of columns.
    pub columns: u32,
    /// A covered or empty place has no cell.
    pub cells: Vec<Cell>,
}

/// One block of a page; its text is the page's text at `range`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text on the page.
    pub range: TextRange,
    /// Its words or lines, in order, if the parser gave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fragments: Vec<Fragment>,
    /// Only for [`BlockKind::Table`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// For a figure: the number of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<u32>,
    /// Its place, if the parser knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Rect>,
    /// 0 to 1; none: nobody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// What is known of a page beside its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageInfo {
    /// As printed ("iv"), a sheet's name, a slide's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// None for formats without pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<PageSize>,
    /// Where its characters came from.
    pub origin: TextOrigin,
    /// Doubts that readers should know, as stable words: `lying-text-layer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// Label, size, origin, warnings.
    #[serde(flatten)]
    pub info: PageInfo,
    /// The texts of the blocks, joined by one newline.
    pub text: String,
    /// In reading order.
    pub blocks: Vec<Block>,
    /// The text prepared for searching; made at the first search.
    #[serde(skip)]
    pub(crate) folded: OnceLock<Folded>,
}

impl Page {
    /// A page of text that is already assembled.
    pub const fn new(info: PageInfo, text: String, blocks: Vec<Block>) -> Self {
        Self {
            info,
            text,
            blocks,
            folded: OnceLock::new(),
        }
    }
}

/// A picture as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/tiff` or `image/webp`.
    pub media_type: String,
    /// The file's bytes.
    pub data: Vec<u8>,
    /// Dots per inch, where known.
    pub resolution: Option<f32>,
}

/// A file inside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// As the file names it; not to be trusted.
    pub name: String,
    /// What it says it is.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// What one parser made of a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reading {
    /// The name by which guests and citations know it within a run: `main`, `contract[1]`. Derived from its place in the
    /// run and not from the id, so that a pure call gives the same bytes in every run.
    #[serde(default)]
    pub key: String,
    /// What the host found the source to be, without parameters.
    #[serde(default)]
    pub source_media_type: String,
    /// BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Title, author, dates; names in lower case with dashes, in the order added.
    #[serde(default)]
    pub metadata: Vec<(String, String)>,
    /// In order.
    pub pages: Vec<Page>,
    /// Pictures, by number. Not stored with the reading.
    #[serde(skip)]
    pub images: Vec<Arc<Image>>,
    /// Files inside the file. Not stored with the reading.
    #[serde(skip)]
    pub attachments: Vec<Arc<Attachment>>,
}

impl Reading {
    /// The page, if there is one of that number.
    pub fn page(&self, number: u32) -> Option<&Page> {
        self.pages.get(usize::try_from(number).ok()?)
    }

    /// The text of a span, if the span is right.
    pub fn slice(&self, span: TextSpan) -> Option<&str> {
        span.range.of(&self.page(span.page)?.text)
    }

    /// Bytes of all pages' text.
    pub fn text_bytes(&self) -> usize {
        self.pages.iter().map(|p| p.text.len()).sum()
    }

    /// All pages' text, joined by form feeds.
    pub fn whole_text(&self) -> String {
        let mut text = String::with_capacity(self.text_bytes() + self.pages.len());
        for (number, page) in self.pages.iter().enumerate() {
            if number > 0 {
                text.push('\u{c}');
            }
            text.push_str(&page.text);
        }
        text
    }
}

/// Bytes that came in, with what the host knows of them.
#[derive(Debug, Clone)]
pub struct Source {
    /// What the host found it to be; the client's word counts only where the bytes do not tell. A text may carry the
    /// encoding that the client named: `text/csv; charset=cp866`.
    pub media_type: String,
    /// As the client gave it, without directories. Not to be trusted.
    pub name: Option<String>,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Fewer than 2³² bytes.
    pub bytes: bytes::Bytes,
}

/// What a step is given: the run's parameters and inputs, and what earlier steps found.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// An object that fits the pipeline's schema.
    pub params: Arc<serde_json::Value>,
    /// The reading that the run is about.
    pub main: Option<Arc<Reading>>,
    /// Readings by role.
    pub readings: BTreeMap<String, Vec<Arc<Reading>>>,
    /// Texts by role.
    pub texts: BTreeMap<String, Vec<Arc<str>>>,
    /// Records by role: records of a theme, results of earlier steps by their id, the item of a fan-out as `item`.
    pub records: BTreeMap<String, Vec<Arc<serde_json::Value>>>,
    /// Found so far, merged.
    pub fields: Arc<Vec<crate::value::Field>>,
    /// Made so far.
    pub checks: Arc<Vec<crate::value::Check>>,
}

impl Inputs {
    /// The reading that a citation names; none means the main one.
    pub fn reading(&self, key: Option<&str>) -> Option<&Arc<Reading>> {
        match key {
            None => self.main.as_ref(),
            Some(key) => self
                .main
                .iter()
                .chain(self.readings.values().flatten())
                .find(|reading| reading.key == key),
        }
    }
}
