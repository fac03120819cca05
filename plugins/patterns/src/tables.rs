//! Rows of tables as fields: `lines[0].amount`.

use crate::choose::{rounded, settled};
use crate::config::{TableConfig, TypedColumn};
use crate::find::cells::{Column, header, value_at};
use crate::fold::{begins, fold};
use crate::page::{Page, bounds, cell_covering, row_cells};
use crate::value::Spec;
use docmill_plugin::{Citation, Error, Field, Reading, Span, Table};

/// A column as it is looked for.
pub struct Wanted {
    pub name: String,
    pub words: Vec<String>,
    pub required: bool,
    pub spec: Spec,
}

pub struct TableSearch {
    pub name: String,
    pub columns: Vec<Wanted>,
    pub until: Vec<String>,
    pub max_rows: usize,
}

impl TableSearch {
    pub fn new(config: TableConfig, spec: impl Fn(&TypedColumn) -> Spec) -> Self {
        let columns = config.columns.into_iter().map(|(name, column)| {
            let column = TypedColumn::from(column);
            Wanted {
                name,
                words: column.headers.iter().map(|word| fold(word)).collect(),
                required: column.required,
                spec: spec(&column),
            }
        });
        Self {
            name: config.name,
            columns: columns.collect(),
            until: config.until.iter().map(|label| fold(label)).collect(),
            max_rows: config.max_rows,
        }
    }

    /// The fields of all rows of all tables with these headers, numbered through from `rows` on.
    ///
    /// # Errors
    /// What the host answers.
    pub fn run(&self, reading: &Reading, pages: &[Page], rows: &mut usize) -> Result<Vec<Field>, Error> {
        let words: Vec<Vec<String>> = self.columns.iter().map(|column| column.words.clone()).collect();
        // One column's header alone stands in too many tables.
        let least = words.len().min(2).max(words.len().div_ceil(2));
        let mut fields = Vec::new();
        // The table that the last page ended with may go on without its headers.
        let mut open: Option<(u32, u32, Vec<Option<Column>>)> = None;
        for page in pages {
            for (index, table) in page
                .blocks
                .iter()
                .filter_map(|block| block.table.as_ref())
                .enumerate()
            {
                let (from, columns) = match header(table, &words, least) {
                    Some((head, columns)) => (head + 1, columns),
                    None => match open.take() {
                        Some((on, width, columns))
                            if index == 0 && on + 1 == page.number && width == table.columns =>
                        {
                            (0, columns)
                        }
                        _ => continue,
                    },
                };
                let ended = self.rows(reading, page, table, from, &columns, rows, &mut fields)?;
                open = if ended {
                    None
                } else {
                    Some((page.number, table.columns, columns))
                };
            }
        }
        Ok(fields)
    }

    /// Reads rows until the table ends; whether it said so itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "one row loop over what the table search holds"
    )]
    fn rows(
        &self,
        reading: &Reading,
        page: &Page,
        table: &Table,
        from: u32,
        columns: &[Option<Column>],
        rows: &mut usize,
        fields: &mut Vec<Field>,
    ) -> Result<bool, Error> {
        for row in from..table.rows {
            let cells = row_cells(table, row);
            if cells.first().is_some_and(|cell| begins(&cell.text, &self.until)) || *rows >= self.max_rows {
                return Ok(true);
            }
            if cells.is_empty() || cells.iter().all(|cell| cell.header) || is_numbering(table, row) {
                continue;
            }
            let found = self.row(reading, page, table, row, columns, *rows)?;
            let lacks = self
                .columns
                .iter()
                .zip(&found)
                .any(|(column, field)| column.required && field.value.is_none());
            if lacks || found.iter().all(|field| field.raw.is_none()) {
                continue;
            }
            fields.extend(found);
            *rows += 1;
        }
        Ok(false)
    }

    fn row(
        &self,
        reading: &Reading,
        page: &Page,
        table: &Table,
        row: u32,
        columns: &[Option<Column>],
        number: usize,
    ) -> Result<Vec<Field>, Error> {
        let cite = |start: usize, end: usize| {
            Citation::of(reading, Span::new(page.number, start as u32, end as u32))
        };
        let mut fields = Vec::new();
        for (wanted, column) in self.columns.iter().zip(columns) {
            let mut field = Field::missing(format!("{}[{number}].{}", self.name, wanted.name));
            let cell = column
                .and_then(|column| cell_covering(table, row, column.column))
                .filter(|cell| cell.row == row);
            if let (Some(column), Some(cell)) = (column, cell) {
                if let Some(found) = value_at(page, table, row, *column, &wanted.spec).map(settled) {
                    let citation = cite(found.start, found.end)?;
                    field.raw = Some(citation.quote.clone());
                    field.value = Some(found.value);
                    field.confidence = Some(rounded(found.confidence));
                    field.citations = vec![citation];
                } else if let Some((start, end)) = bounds(cell.range).filter(|_| !cell.text.trim().is_empty())
                {
                    // Something stands there that is no such value: shown, not judged.
                    let citation = cite(start, end)?;
                    field.raw = Some(citation.quote.clone());
                    field.citations = vec![citation];
                }
            }
            fields.push(field);
        }
        Ok(fields)
    }
}

/// A row "1 2 3 4 5" under the headers, as in Russian forms.
fn is_numbering(table: &Table, row: u32) -> bool {
    let cells = row_cells(table, row);
    cells.len() >= 3
        && cells
            .iter()
            .enumerate()
            .all(|(index, cell)| cell.text.trim() == (index + 1).to_string())
}
