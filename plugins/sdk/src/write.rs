//! Making readings and fields: short constructors for the contract's records.

use crate::{Block, BlockKind, Cell, Field, Fragment, Money, PageInfo, Rect, Size, Table, TextOrigin, Value};

impl Block {
    /// A block with text; its place, if known, by [`at`](Self::at).
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            fragments: Vec::new(),
            table: None,
            image: None,
            region: None,
            confidence: None,
            range: None,
        }
    }

    pub fn paragraph(text: impl Into<String>) -> Self {
        Self::new(BlockKind::Paragraph, text)
    }

    pub fn title(text: impl Into<String>) -> Self {
        Self::new(BlockKind::Title, text)
    }

    /// `level` 1 is the highest.
    pub fn heading(level: u8, text: impl Into<String>) -> Self {
        Self::new(BlockKind::Heading(level), text)
    }

    /// `depth` 0 is the outermost.
    pub fn list_item(depth: u8, text: impl Into<String>) -> Self {
        Self::new(BlockKind::ListItem(depth), text)
    }

    pub fn code(text: impl Into<String>) -> Self {
        Self::new(BlockKind::Code, text)
    }

    /// A label and its value in one text: "Total: 42".
    pub fn key_value(text: impl Into<String>) -> Self {
        Self::new(BlockKind::KeyValue, text)
    }

    /// The host makes a table's text from its cells.
    pub fn table(table: Table) -> Self {
        Self {
            table: Some(table),
            ..Self::new(BlockKind::Table, "")
        }
    }

    /// Text made of words or lines with their own places, so that evidence gets exact regions. Each fragment's text
    /// includes the blank that follows it.
    pub fn of_fragments(kind: BlockKind, fragments: Vec<Fragment>) -> Self {
        Self {
            fragments,
            ..Self::new(kind, "")
        }
    }

    pub fn at(mut self, region: Rect) -> Self {
        self.region = Some(region);
        self
    }

    /// 0 to 1.
    pub fn with_confidence(mut self, confidence: f32) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

impl Table {
    /// A plain grid whose first `header_rows` rows are headers. Rows may differ in length; an empty text leaves its
    /// place empty.
    pub fn from_rows<R, T>(rows: impl IntoIterator<Item = R>, header_rows: u32) -> Self
    where
        R: IntoIterator<Item = T>,
        T: Into<String>,
    {
        let mut table = Self {
            rows: 0,
            columns: 0,
            cells: Vec::new(),
        };
        for row in rows {
            let mut columns = 0;
            for text in row {
                let text = text.into();
                if !text.is_empty() {
                    table.cells.push(Cell {
                        header: table.rows < header_rows,
                        ..Cell::new(table.rows, columns, text)
                    });
                }
                columns += 1;
            }
            table.rows += 1;
            table.columns = table.columns.max(columns);
        }
        table
    }
}

impl Cell {
    /// A cell of one row and one column that heads nothing.
    pub fn new(row: u32, column: u32, text: impl Into<String>) -> Self {
        Self {
            row,
            column,
            row_span: 1,
            column_span: 1,
            header: false,
            text: text.into(),
            region: None,
            range: None,
        }
    }
}

impl PageInfo {
    /// A page without a size whose characters come from the file itself.
    pub fn digital() -> Self {
        Self {
            label: None,
            size: None,
            origin: TextOrigin::Digital,
            warnings: Vec::new(),
        }
    }

    /// As printed: "iv", "12"; a sheet's name; a slide's number.
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// In points (1/72 inch).
    pub fn sized(mut self, width: f32, height: f32) -> Self {
        self.size = Some(Size { width, height });
        self
    }

    /// A doubt that readers should know: `lying-text-layer`, `low-resolution`.
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

impl Field {
    /// Looked for and not there.
    pub fn missing(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            value: None,
            raw: None,
            confidence: None,
            citations: Vec::new(),
        }
    }

    /// A value without evidence yet; add `raw`, `confidence` (0 to 1) and `citations`.
    pub fn found(path: impl Into<String>, value: Value) -> Self {
        Self {
            value: Some(value),
            ..Self::missing(path)
        }
    }
}

impl Value {
    /// `amount`: decimal digits with an optional sign and point; `currency`: ISO 4217.
    pub fn money(amount: impl Into<String>, currency: Option<&str>) -> Self {
        Self::Money(Money {
            amount: amount.into(),
            currency: currency.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_different_length_make_one_grid() {
        let table = Table::from_rows([vec!["a", "b", "c"], vec!["1", ""]], 1);
        assert_eq!((table.rows, table.columns), (2, 3));
        let placed: Vec<_> = table
            .cells
            .iter()
            .map(|cell| (cell.row, cell.column, cell.header))
            .collect();
        assert_eq!(placed, [(0, 0, true), (0, 1, true), (0, 2, true), (1, 0, false)]);
    }
}
