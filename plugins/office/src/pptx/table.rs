//! Tables of slides. Every place of the grid has a cell in the file; those that a merged one covers say so.

use docmill_plugin::{Block, Cell, Error, Table};

use super::geometry::{Affine, Frame, Transform};
use super::text::{Context, joined, lines};
use crate::language::Languages;
use crate::limits::MAX_GRID_SPAN;
use crate::xml::{Element, too_complex};

/// The host's bound on the places of all tables of a page, less what charts may add.
const MAX_PLACES: u64 = 3_000_000;

/// Where a table is.
pub struct Position<'a> {
    pub frame: Option<&'a Frame>,
    pub around: &'a Affine,
    pub transform: Option<Transform>,
}

/// Reads a `tbl`; a table without text is none. `places`: those of the slide's tables so far.
///
/// # Errors
/// `too-complex`.
pub fn read(
    element: &Element,
    position: &Position<'_>,
    context: &Context<'_>,
    languages: &mut Languages,
    places: &mut u64,
) -> Result<Option<Block>, Error> {
    let properties = element.child("tblPr");
    let heads = |name| matches!(properties.and_then(|p| p.attr(name)), Some("1" | "true" | "on"));
    let (first_row, first_column) = (heads("firstRow"), heads("firstCol"));

    let mut cells: Vec<Cell> = Vec::new();
    // For every column, the first row that no cell from above reaches.
    let mut free_from: Vec<u32> = Vec::new();
    let (mut row, mut columns) = (0_u32, 0_u32);
    for tr in element.elements().filter(|child| child.name() == "tr") {
        let mut column = 0_u32;
        for tc in tr.elements().filter(|child| child.name() == "tc") {
            let at = column;
            column += 1;
            let index = at as usize;
            if free_from.len() <= index {
                free_from.resize(index + 1, 0);
            }
            if free_from.get(index).is_some_and(|free| *free > row) {
                continue;
            }
            let text = tc
                .child("txBody")
                .map(|body| joined(lines(body, context, languages)));
            let text = text.unwrap_or_default();
            let span = |name| tc.attr(name).and_then(|n| n.parse().ok()).unwrap_or(1);
            let (wide, high) = (
                u32::clamp(span("gridSpan"), 1, MAX_GRID_SPAN),
                u32::clamp(span("rowSpan"), 1, u32::MAX - row),
            );
            // What says that it is covered, though nothing covers it, is a place like others.
            let end = index + wide as usize;
            if free_from.len() < end {
                free_from.resize(end, 0);
            }
            let mut taken = 0_u32;
            for free in free_from.iter_mut().skip(index).take(wide as usize) {
                if *free > row {
                    break;
                }
                *free = row + high;
                taken += 1;
            }
            *places += u64::from(taken);
            if *places > MAX_PLACES {
                return Err(too_complex("a slide's tables have too many columns"));
            }
            cells.push(Cell {
                row_span: high,
                column_span: taken,
                header: (first_row && row == 0) || (first_column && at == 0),
                ..Cell::new(row, at, text)
            });
        }
        columns = columns.max(column);
        row += 1;
    }

    let grid = Grid::new(element, position, row, columns);
    cells.retain(|cell| !cell.text.is_empty());
    for cell in &mut cells {
        cell.row_span = cell.row_span.min(row - cell.row);
        cell.column_span = cell.column_span.min(columns - cell.column);
        cell.header &= row > 1;
        cell.region = grid.as_ref().and_then(|grid| grid.region(cell, position));
    }
    if cells.is_empty() {
        return Ok(None);
    }
    Ok(Some(Block::table(Table {
        rows: row,
        columns,
        cells,
    })))
}

/// Where the lines between cells are, as fractions of the table.
struct Grid {
    columns: Vec<f64>,
    rows: Vec<f64>,
}

impl Grid {
    /// None if the file does not give a width for every column and a height for every row.
    fn new(element: &Element, position: &Position<'_>, rows: u32, columns: u32) -> Option<Self> {
        position.frame?;
        position.transform?;
        let widths = element
            .child("tblGrid")?
            .elements()
            .filter(|c| c.name() == "gridCol");
        let heights = element.elements().filter(|child| child.name() == "tr");
        let grid = Self {
            columns: fractions(widths.map(|column| column.attr("w")))?,
            rows: fractions(heights.map(|row| row.attr("h")))?,
        };
        (grid.columns.len() > columns as usize && grid.rows.len() > rows as usize).then_some(grid)
    }

    fn region(&self, cell: &Cell, position: &Position<'_>) -> Option<docmill_plugin::Rect> {
        let column = |at: u32| self.columns.get(at as usize).copied();
        let row = |at: u32| self.rows.get(at as usize).copied();
        let part = [
            column(cell.column)?,
            row(cell.row)?,
            column(cell.column + cell.column_span)?,
            row(cell.row + cell.row_span)?,
        ];
        let transform = position.transform?;
        position.frame?.place(position.around, &transform, part).region()
    }
}

fn fractions<'e>(lengths: impl Iterator<Item = Option<&'e str>>) -> Option<Vec<f64>> {
    let mut sum = 0.0;
    let mut lines = vec![0.0];
    for length in lengths {
        let length: u32 = length?.trim().parse().ok()?;
        sum += f64::from(length);
        lines.push(sum);
    }
    if sum <= 0.0 {
        return None;
    }
    lines.iter_mut().for_each(|line| *line /= sum);
    Some(lines)
}
