//! What is read from a PDF, in plain types.

/// A read document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// BCP 47, as the file declares it.
    pub language: Option<String>,
    /// Names in lower case with dashes: `title`, `author`, `created` (RFC 3339), `pages-in-file`, …
    pub metadata: Vec<(String, String)>,
    pub pages: Vec<Page>,
}

/// One page, its blocks in reading order.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// As printed: "iv", "12".
    pub label: Option<String>,
    /// In points, after the page's rotation.
    pub width: f32,
    pub height: f32,
    pub origin: Origin,
    pub warnings: Vec<Warning>,
    pub blocks: Vec<Block>,
}

impl Page {
    /// The blocks' texts, joined by one newline, as the host joins them.
    pub fn text(&self) -> String {
        let texts: Vec<String> = self.blocks.iter().map(Block::text).collect();
        texts.join("\n")
    }
}

/// Where the page's characters come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// Drawn as text.
    #[default]
    Digital,
    /// An invisible layer over a picture: somebody's OCR.
    Recognized,
    /// Both on one page.
    Mixed,
}

/// A doubt about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    /// The page shows something but holds no characters: a scan. OCR can help.
    NoTextLayer,
    /// Many characters have no Unicode value: what is read differs from what is seen. OCR can help.
    LyingTextLayer,
    /// A part of the page could not be read.
    DamagedPage,
    /// The page is beyond the parser's bounds and was left empty.
    PageTooComplex,
    /// Words' regions are estimated, because the page was read with the tolerant reader.
    ApproximateRegions,
}

impl Warning {
    /// Stable, lower case with dashes.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTextLayer => "no-text-layer",
            Self::LyingTextLayer => "lying-text-layer",
            Self::DamagedPage => "damaged-page",
            Self::PageTooComplex => "page-too-complex",
            Self::ApproximateRegions => "approximate-regions",
        }
    }
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    Title,
    /// 1 is the highest.
    Heading(u8),
    Paragraph,
    /// 0 is the outermost.
    ListItem(u8),
    Table,
    KeyValue,
    Header,
    Footer,
}

/// A block: either fragments or a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub kind: BlockKind,
    /// Words with what follows them: a blank, a tab between the columns of a line, a newline at a line's end.
    pub fragments: Vec<Fragment>,
    pub table: Option<Table>,
    pub region: Rect,
}

impl Block {
    /// The fragments' texts one after the other, or the table's cells with tabs and newlines.
    pub fn text(&self) -> String {
        match &self.table {
            Some(table) => table.text(),
            None => self
                .fragments
                .iter()
                .map(|fragment| fragment.text.as_str())
                .collect(),
        }
    }
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    pub text: String,
    pub region: Rect,
}

/// Cells in reading order; places that a cell covers or that are empty have none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub rows: u32,
    pub columns: u32,
    pub cells: Vec<Cell>,
}

impl Table {
    /// Row by row, cells separated by tabs.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut last: Option<u32> = None;
        for cell in &self.cells {
            match last {
                None => {}
                Some(row) if row == cell.row => text.push('\t'),
                Some(_) => text.push('\n'),
            }
            last = Some(cell.row);
            text.push_str(&cell.text);
        }
        text
    }
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub row: u32,
    pub column: u32,
    pub row_span: u32,
    pub column_span: u32,
    pub header: bool,
    pub text: String,
    pub region: Rect,
}

/// Fractions of the page: 0,0 is the top left corner, `left < right`, `top < bottom`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rect {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}
