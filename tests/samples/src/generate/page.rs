//! What a document consists of before it takes a format.

/// A document in the making: blocks from top to bottom.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// For the file's metadata.
    pub title: String,
    /// BCP 47.
    pub language: &'static str,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub enum Block {
    Title(String),
    Heading(String),
    Paragraph(String),
    /// A short line at the right margin: a date, an addressee.
    Right(String),
    Pairs {
        rows: Vec<Pair>,
        layout: PairLayout,
    },
    /// Two columns side by side, such as a letterhead's.
    Columns {
        left: Vec<String>,
        right: Vec<String>,
    },
    Table(Table),
    /// Label and amount at the right margin, under a table.
    Totals(Vec<Pair>),
    /// Check boxes.
    Boxes(Vec<(bool, String)>),
    Signature {
        role: String,
        name: String,
    },
    /// Large pale text across the page, not part of what the document says.
    Watermark(String),
}

#[derive(Clone, Debug)]
pub struct Pair {
    pub label: String,
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PairLayout {
    /// `Label: value`, one under the other.
    Line,
    /// The label small above its value.
    Above,
    /// A ruled grid of two columns.
    Grid,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<Column>,
    /// One row, or two if some columns stand under a common heading.
    pub header: Vec<Vec<HeaderCell>>,
    pub rows: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// A share of the table's width.
    pub width: u32,
    pub right: bool,
}

#[derive(Clone, Debug)]
pub struct HeaderCell {
    pub text: String,
    pub column: usize,
    pub columns: usize,
    pub rows: usize,
}

impl Pair {
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
        }
    }

    /// `Label: value`
    pub fn line(&self) -> String {
        format!("{}: {}", self.label, self.value)
    }
}

impl Table {
    /// The labels of the columns: the lowest header cell over each.
    pub fn labels(&self) -> Vec<String> {
        let mut labels = vec![String::new(); self.columns.len()];
        for cell in self.header.iter().flatten().filter(|cell| cell.columns == 1) {
            if let Some(label) = labels.get_mut(cell.column) {
                label.clone_from(&cell.text);
            }
        }
        labels
    }
}

impl Document {
    /// Applies `change` to every text of the document.
    pub fn map_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        change(&mut self.title);
        for block in &mut self.blocks {
            match block {
                Block::Title(text)
                | Block::Heading(text)
                | Block::Paragraph(text)
                | Block::Right(text)
                | Block::Watermark(text) => change(text),
                Block::Pairs { rows, .. } | Block::Totals(rows) => {
                    for pair in rows {
                        change(&mut pair.label);
                        change(&mut pair.value);
                    }
                }
                Block::Columns { left, right } => left.iter_mut().chain(right).for_each(&mut *change),
                Block::Table(table) => {
                    table
                        .header
                        .iter_mut()
                        .flatten()
                        .for_each(|cell| change(&mut cell.text));
                    table.rows.iter_mut().flatten().for_each(&mut *change);
                }
                Block::Boxes(boxes) => boxes.iter_mut().for_each(|(_, text)| change(text)),
                Block::Signature { role, name } => {
                    change(role);
                    change(name);
                }
            }
        }
    }
}
