//! Values in tables: under a column's header, perhaps in the row that a label begins.

use super::{COLUMN, Candidate, Zone, in_zone};
use crate::fold::{begins, fold};
use crate::page::{Page, bounds, cell_covering, row_cells};
use crate::value::Spec;
use docmill_plugin::{Cell, Table};

/// Rows from the top in which headers are looked for.
const HEADER_ROWS: u32 = 15;
/// A header that says more than what was looked for.
const PARTIAL: f32 = 0.95;

/// A column that was found by its header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    pub column: u32,
    /// 1, or less if the header says more.
    pub fit: f32,
}

/// How well a cell's text is one of the (folded) words: equal, or beginning with, or containing it as whole words.
fn fit(text: &str, words: &[String]) -> Option<f32> {
    let text = fold(text);
    let bare = text.trim_end_matches(|char: char| !char.is_alphanumeric());
    if words.iter().any(|word| *word == text || word == bare) {
        return Some(1.0);
    }
    let folded = crate::fold::Folded::new(&text);
    let places: Vec<usize> = words
        .iter()
        .filter_map(|word| folded.find(word).next())
        .map(|(start, _)| start)
        .collect();
    places
        .iter()
        .min()
        .map(|start| if *start == 0 { PARTIAL } else { PARTIAL * PARTIAL })
}

/// The row that heads a table, and the column of every set of words; `None` if fewer than `least` are there.
pub fn header(table: &Table, wanted: &[Vec<String>], least: usize) -> Option<(u32, Vec<Option<Column>>)> {
    let mut best: Option<(usize, f32, u32, Vec<Option<Column>>)> = None;
    for row in 0..table.rows.min(HEADER_ROWS) {
        let columns = assign(&standing(table, row), wanted);
        let count = columns.iter().flatten().count();
        let sum: f32 = columns.iter().flatten().map(|column| column.fit).sum();
        let better = best
            .as_ref()
            .is_none_or(|(most, fits, ..)| count > *most || (count == *most && sum > *fits));
        if count >= least && better {
            best = Some((count, sum, row, columns));
        }
    }
    best.map(|(_, _, row, columns)| (row, columns))
}

/// The cells that stand in a row, those too that hang into it from above: under a merged header ("Cost" over "Price" and
/// "Amount") the lowest row heads the columns.
fn standing(table: &Table, row: u32) -> Vec<&Cell> {
    let end = table.cells.partition_point(|cell| cell.row <= row);
    let above = table.cells.get(..end).unwrap_or_default();
    above
        .iter()
        .filter(|cell| row - cell.row < cell.row_span)
        .collect()
}

/// Gives each set of words its best cell; a cell serves one set.
fn assign(cells: &[&Cell], wanted: &[Vec<String>]) -> Vec<Option<Column>> {
    let mut pairs: Vec<(f32, usize, u32)> = wanted
        .iter()
        .enumerate()
        .flat_map(|(set, words)| {
            cells
                .iter()
                .filter_map(move |cell| Some((fit(&cell.text, words)?, set, cell.column)))
        })
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut columns = vec![None; wanted.len()];
    let mut taken = Vec::new();
    for (fit, set, column) in pairs {
        if let Some(place @ None) = columns.get_mut(set)
            && !taken.contains(&column)
        {
            *place = Some(Column { column, fit });
            taken.push(column);
        }
    }
    columns
}

/// Values under a header; with row labels only in the rows that begin with one.
pub fn values(page: &Page, column: &[String], rows: &[String], spec: &Spec) -> Vec<Candidate> {
    let wanted = [column.to_vec()];
    let mut found = Vec::new();
    for table in page.blocks.iter().filter_map(|block| block.table.as_ref()) {
        let Some((head, columns)) = header(table, &wanted, 1) else {
            continue;
        };
        let Some(Some(column)) = columns.first() else {
            continue;
        };
        for row in head + 1..table.rows {
            if !rows.is_empty()
                && !row_cells(table, row)
                    .first()
                    .is_some_and(|cell| begins(&cell.text, rows))
            {
                continue;
            }
            found.extend(value_at(page, table, row, *column, spec));
        }
    }
    found
}

/// The value of one place of a table.
pub fn value_at(page: &Page, table: &Table, row: u32, column: Column, spec: &Spec) -> Option<Candidate> {
    let cell = cell_covering(table, row, column.column).filter(|cell| cell.row == row)?;
    in_zone(page, Zone::new(bounds(cell.range)?, COLUMN * column.fit), spec)
}
