//! Tables: spans by the standard's rules. Rows and columns without text are left out, so that a label's value is in the
//! next column; a table that only lays out the page gives its contents.

use std::collections::BTreeSet;

use docmill_plugin::{Block, BlockKind, Cell, Table};
use dom_query::NodeRef;

use super::{Walker, flatten};
use crate::dom::{Content, attribute, content};
use crate::limits::{MAX_COLUMN_SPAN, MAX_COLUMNS, MAX_SPANNED_PLACES};
use crate::visibility::is_hidden;

/// A table's parts, without those of tables in it.
#[derive(Default)]
struct Parts<'a> {
    captions: Vec<NodeRef<'a>>,
    rows: Vec<Row<'a>>,
    /// Of another table in a cell.
    nested: bool,
    /// Has cells that head others.
    heads: bool,
}

struct Row<'a> {
    cells: Vec<NodeRef<'a>>,
    head: bool,
}

impl<'a> Parts<'a> {
    fn of(table: &NodeRef<'a>) -> Self {
        let mut parts = Self::default();
        parts.collect(table, false);
        parts.nested = parts
            .rows
            .iter()
            .flat_map(|row| &row.cells)
            .any(|cell| cell.descendants_it().any(|node| node.has_name("table")));
        parts
    }

    fn collect(&mut self, node: &NodeRef<'a>, in_head: bool) {
        for child in node.children_it(false) {
            let Content::Element(name) = content(&child) else {
                continue;
            };
            if is_hidden(&child) {
                continue;
            }
            match &*name {
                "caption" => self.captions.push(child),
                "thead" => self.collect(&child, true),
                "tbody" | "tfoot" => self.collect(&child, false),
                "tr" => {
                    let is_cell =
                        |cell: &NodeRef<'_>| (cell.has_name("td") || cell.has_name("th")) && !is_hidden(cell);
                    let cells: Vec<_> = child.children_it(false).filter(is_cell).collect();
                    self.heads |= in_head || cells.iter().any(|cell| cell.has_name("th"));
                    self.rows.push(Row { cells, head: in_head });
                }
                _ => {}
            }
        }
    }

    /// Whether the table only lays out the page.
    fn is_layout(&self, table: &NodeRef<'_>) -> bool {
        if matches!(attribute(table, "role").as_deref(), Some("presentation" | "none")) {
            return true;
        }
        let one_column = self.rows.iter().all(|row| row.cells.len() < 2);
        let cells: usize = self.rows.iter().map(|row| row.cells.len()).sum();
        !self.heads && self.captions.is_empty() && (self.nested || one_column || cells < 2)
    }
}

impl Walker {
    pub(super) fn table(&mut self, node: &NodeRef<'_>) {
        self.flush();
        let parts = Parts::of(node);
        if parts.is_layout(node) {
            for cell in parts.rows.iter().flat_map(|row| &row.cells) {
                self.children(cell);
                self.flush();
            }
            return;
        }
        for caption in &parts.captions {
            self.of_kind(caption, BlockKind::Caption);
        }
        let links = self.links;
        let grid = Grid::of(&parts, |cell| {
            let mut walker = Self {
                links,
                ..Self::default()
            };
            walker.children(cell);
            walker.flush();
            flatten(&walker.blocks)
        });
        match grid.cells.as_slice() {
            [] => {}
            [only] => self.blocks.push(Block::paragraph(only.text.clone())),
            _ => self.blocks.push(Block::table(grid.into_table())),
        }
    }
}

/// Cells in their places.
#[derive(Default)]
struct Grid {
    cells: Vec<Cell>,
    rows: u32,
}

impl Grid {
    fn of(parts: &Parts<'_>, text: impl Fn(&NodeRef<'_>) -> String) -> Self {
        let mut grid = Self {
            rows: u32::try_from(parts.rows.len()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        // By column, the row at which it is free again.
        let mut free_at: Vec<u32> = Vec::new();
        let mut places = 0_u64;
        for (row, written) in (0_u32..).zip(&parts.rows) {
            let mut column = 0_usize;
            for node in &written.cells {
                let taken = |column: usize| free_at.get(column).is_some_and(|until| *until > row);
                while taken(column) {
                    column += 1;
                }
                if column >= MAX_COLUMNS as usize {
                    break;
                }
                let wide = span(node, "colspan")
                    .clamp(1, MAX_COLUMN_SPAN)
                    .min(MAX_COLUMNS - column as u32);
                let wide = (column..column + wide as usize)
                    .take_while(|column| !taken(*column))
                    .count();
                // A span of 0 rows reaches to the end.
                let high = match span(node, "rowspan") {
                    0 => grid.rows - row,
                    high => high.min(grid.rows - row),
                };
                places += wide as u64;
                let (wide, high) = if places > MAX_SPANNED_PLACES {
                    (1, 1)
                } else {
                    (wide, high)
                };
                if free_at.len() < column + wide {
                    free_at.resize(column + wide, 0);
                }
                for until in free_at.iter_mut().skip(column).take(wide) {
                    *until = row + high;
                }
                let text = text(node);
                if !text.is_empty() {
                    let header = written.head || node.has_name("th");
                    grid.cells.push(Cell {
                        row_span: high,
                        column_span: wide as u32,
                        header,
                        ..Cell::new(row, column as u32, text)
                    });
                }
                column += wide;
            }
        }
        grid
    }

    /// Places are counted among rows and columns with text, so cells that were apart stay apart.
    fn into_table(self) -> Table {
        let distinct = |places: BTreeSet<u32>| places.into_iter().collect::<Vec<_>>();
        let rows = distinct(self.cells.iter().map(|cell| cell.row).collect());
        let columns = distinct(self.cells.iter().map(|cell| cell.column).collect());
        let rank = |places: &[u32], place: u32| {
            u32::try_from(places.partition_point(|known| *known < place)).unwrap_or(u32::MAX)
        };
        let cells = self.cells.into_iter().map(|cell| Cell {
            row: rank(&rows, cell.row),
            column: rank(&columns, cell.column),
            row_span: rank(&rows, cell.row + cell.row_span) - rank(&rows, cell.row),
            column_span: rank(&columns, cell.column + cell.column_span) - rank(&columns, cell.column),
            ..cell
        });
        Table {
            cells: cells.collect(),
            rows: rank(&rows, u32::MAX),
            columns: rank(&columns, u32::MAX),
        }
    }
}

fn span(node: &NodeRef<'_>, name: &str) -> u32 {
    attribute(node, name).and_then(|n| n.parse().ok()).unwrap_or(1)
}
