//! A sheet's content as blocks: what empty rows or columns keep apart becomes tables of its own; single lines become
//! paragraphs. Rows and columns without content are left out, so that a label's value is in the next column.

use std::collections::{BTreeMap, BTreeSet};

use docmill_plugin::{Block, Cell, Table};

use super::merges::PlacedCell;

/// Cutting by rows and columns in turn; real sheets need three or four.
const MAX_CUTS: usize = 8;

/// The host's bound on the places of a table, less what is needed to stay clear of it.
const MAX_SPANNED_PLACES: usize = 3_000_000;

/// The blocks of a sheet, from top to bottom and left to right. `cells` are in reading order.
pub fn blocks(cells: Vec<PlacedCell>) -> Vec<Block> {
    let mut out = Vec::new();
    cut(cells, 0, &mut out);
    out
}

fn cut(cells: Vec<PlacedCell>, depth: usize, out: &mut Vec<Block>) {
    let bands = split_rows(cells);
    let single = bands.len() == 1;
    for band in bands {
        let parts = split_columns(band);
        let done = (single && parts.len() == 1) || depth >= MAX_CUTS;
        for part in parts {
            if done {
                emit(part, out);
            } else {
                cut(part, depth + 1, out);
            }
        }
    }
}

/// Cuts at rows without content that no merged region bridges.
fn split_rows(cells: Vec<PlacedCell>) -> Vec<Vec<PlacedCell>> {
    let mut bands: Vec<Vec<PlacedCell>> = Vec::new();
    let mut reach = 0;
    for cell in cells {
        let bottom = cell.at.bottom;
        match bands.last_mut() {
            Some(band) if cell.at.top <= reach + 1 => band.push(cell),
            _ => {
                bands.push(vec![cell]);
                reach = 0;
            }
        }
        reach = reach.max(bottom);
    }
    bands
}

/// Cuts at columns without content, if what stands on both sides looks like a table of its own: two columns and two rows
/// at least. A label far from its value stays with it.
fn split_columns(cells: Vec<PlacedCell>) -> Vec<Vec<PlacedCell>> {
    let columns: BTreeSet<u32> = cells.iter().map(|cell| cell.at.left).collect();
    // Runs of adjacent columns, by their first column.
    let mut runs: BTreeMap<u32, Run> = BTreeMap::new();
    let mut before = None;
    let mut first = 0;
    for column in columns {
        if before.is_none_or(|before: u32| column > before + 1) {
            first = column;
        }
        runs.entry(first).or_default().columns += 1;
        before = Some(column);
    }
    if runs.len() < 2 {
        return vec![cells];
    }
    for cell in &cells {
        let Some((_, run)) = runs.range_mut(..=cell.at.left).next_back() else {
            continue;
        };
        if run.last_row != Some(cell.at.top) {
            run.last_row = Some(cell.at.top);
            run.rows += 1;
        }
        run.right = run.right.max(cell.at.right);
    }
    let mut starts = Vec::new();
    let mut left: Option<&Run> = None;
    let mut reach = 0;
    for (first, run) in &runs {
        // A region that reaches into the run holds it to what is on its left.
        if left.is_some_and(|left| left.is_table() && run.is_table() && reach < *first) {
            starts.push(*first);
        }
        left = Some(run);
        reach = reach.max(run.right);
    }
    if starts.is_empty() {
        return vec![cells];
    }
    let mut parts: Vec<Vec<PlacedCell>> = Vec::new();
    parts.resize_with(starts.len() + 1, Vec::new);
    for cell in cells {
        let part = starts.partition_point(|start| *start <= cell.at.left);
        if let Some(part) = parts.get_mut(part) {
            part.push(cell);
        }
    }
    parts
}

#[derive(Default)]
struct Run {
    columns: usize,
    rows: usize,
    last_row: Option<u32>,
    /// The last column that a region of it reaches.
    right: u32,
}

impl Run {
    fn is_table(&self) -> bool {
        self.columns > 1 && self.rows > 1
    }
}

fn emit(cells: Vec<PlacedCell>, out: &mut Vec<Block>) {
    let columns: BTreeSet<u32> = cells.iter().map(|cell| cell.at.left).collect();
    if columns.len() == 1 && cells.iter().skip(1).all(|cell| !cell.numeric) {
        out.extend(cells.into_iter().map(|cell| Block::paragraph(cell.text)));
        return;
    }
    // Lines above a table stand alone in their rows: its title, a remark.
    let alone = cells.windows(2).take_while(|pair| match pair {
        [line, below] => line.at.bottom < below.at.top,
        _ => false,
    });
    let alone = if columns.len() > 1 { alone.count() } else { 0 };
    let mut cells = cells.into_iter();
    out.extend(cells.by_ref().take(alone).map(|line| Block::paragraph(line.text)));
    let rest: Vec<_> = cells.collect();
    match rest.as_slice() {
        [] => {}
        [only] => out.push(Block::paragraph(only.text.clone())),
        _ => out.push(Block::table(table(rest))),
    }
}

/// Places are counted among rows and columns with content, so regions that were apart stay apart.
fn table(cells: Vec<PlacedCell>) -> Table {
    let distinct = |places: BTreeSet<u32>| places.into_iter().collect::<Vec<_>>();
    let rows = distinct(cells.iter().map(|cell| cell.at.top).collect());
    let columns = distinct(cells.iter().map(|cell| cell.at.left).collect());
    let rank = |places: &[u32], place: u32| places.partition_point(|known| *known < place);
    let span = |places: &[u32], first: u32, last: u32| {
        places.partition_point(|known| *known <= last) - rank(places, first)
    };
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);

    let header = has_header(&cells, columns.len());
    let mut spanned = 0;
    let mut placed = Vec::with_capacity(cells.len());
    for cell in cells {
        let row = rank(&rows, cell.at.top);
        let mut columns_spanned = span(&columns, cell.at.left, cell.at.right);
        spanned += columns_spanned;
        if spanned > MAX_SPANNED_PLACES {
            columns_spanned = 1;
        }
        placed.push(Cell {
            row_span: narrow(span(&rows, cell.at.top, cell.at.bottom)),
            column_span: narrow(columns_spanned),
            header: header && row == 0,
            ..Cell::new(narrow(row), narrow(rank(&columns, cell.at.left)), cell.text)
        });
    }
    Table {
        rows: narrow(rows.len()),
        columns: narrow(columns.len()),
        cells: placed,
    }
}

/// Whether the first row heads columns: it alone is bold, or it is the only one of three or more columns without numbers.
fn has_header(cells: &[PlacedCell], columns: usize) -> bool {
    let Some(top) = cells.first().map(|cell| cell.at.top) else {
        return false;
    };
    let (first, rest): (Vec<_>, Vec<_>) = cells.iter().partition(|cell| cell.at.top == top);
    if first.len() < 2 || rest.is_empty() {
        return false;
    }
    let bold = first.iter().all(|cell| cell.bold) && !rest.iter().all(|cell| cell.bold);
    let words = columns > 2 && first.iter().all(|cell| !cell.numeric) && rest.iter().any(|cell| cell.numeric);
    bold || words
}
