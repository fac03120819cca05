//! The detector's grids, filled with exactly the characters that stand in their cells.

use std::collections::{BTreeMap, HashSet};

use super::{blocks::is_key_value, join, rows};
use crate::document::{Block, BlockKind, Cell, Table};
use crate::glyph::{Area, Frame, Glyph};
use crate::read::{CellBox, TableBox};

/// A table with its place among the rows.
#[derive(Debug, Clone)]
pub struct TableDraft {
    pub area: Area,
    rows: u32,
    columns: u32,
    cells: Vec<CellDraft>,
}

#[derive(Debug, Clone)]
struct CellDraft {
    row: u32,
    column: u32,
    row_span: u32,
    column_span: u32,
    area: Area,
    text: String,
    bold: bool,
}

/// A grid whose cells hold more characters than this on average is a page's frame or a layout of columns.
const CELL_CHARACTERS_MAX: usize = 220;

/// Takes the tables' characters out of the page's.
pub fn take(glyphs: &mut Vec<Glyph>, boxes: Vec<TableBox>, frame: Frame) -> Vec<TableDraft> {
    let mut tables = Vec::new();
    for table in boxes {
        let grid = upright(table, frame);
        if let Some((draft, rest)) = fill(&grid, glyphs) {
            *glyphs = rest;
            tables.push(draft);
        }
    }
    tables
}

fn upright(table: TableBox, frame: Frame) -> TableBox {
    let turned = |cell: CellBox| CellBox {
        area: frame.upright(cell.area),
        ..cell
    };
    let rows = table
        .rows
        .into_iter()
        .map(|row| row.into_iter().map(|cell| cell.map(turned)).collect())
        .collect();
    TableBox { rows, ..table }
}

/// The table and the characters outside it; none if the grid is no table.
fn fill(grid: &TableBox, glyphs: &[Glyph]) -> Option<(TableDraft, Vec<Glyph>)> {
    let columns = grid.rows.iter().map(Vec::len).max().unwrap_or(0);
    if grid.rows.len() < 2 || columns < 2 {
        return None;
    }
    let mut places: Vec<(usize, usize, Area)> = Vec::new();
    for (row, cells) in grid.rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            // An empty cell of a grid without lines has the whole table's box.
            if let Some(cell) = cell.as_ref().filter(|cell| !cell.text.trim().is_empty()) {
                places.push((row, column, cell.area));
            }
        }
    }
    let whole = Area::around(places.iter().map(|(_, _, area)| *area))?;
    let (mut inside, mut rest): (Vec<Glyph>, Vec<Glyph>) = glyphs
        .iter()
        .partition(|glyph| whole.contains(glyph.area.centre()));
    let before = inside.len();
    // Cells may overlap: a character belongs to the smallest around it.
    places.sort_by(|a, b| (a.2.width() * a.2.height()).total_cmp(&(b.2.width() * b.2.height())));
    let mut cells = Vec::new();
    for (row, column, area) in places {
        let (own, others) = inside
            .into_iter()
            .partition(|glyph: &Glyph| area.contains(glyph.area.centre()));
        inside = others;
        let Some((text, tight, bold)) = cell_text(own) else {
            continue;
        };
        let (row_span, column_span) = spans(grid, row, column, area);
        let area = if grid.ruled { area } else { tight };
        cells.push(CellDraft {
            row: row as u32,
            column: column as u32,
            row_span,
            column_span,
            area,
            text,
            bold,
        });
    }
    if grid.ruled {
        inside = fill_open_places(&mut cells, inside);
    }
    let characters = before - inside.len();
    rest.extend(inside);
    cells.sort_by_key(|cell| (cell.row, cell.column));
    part_overlaps(&mut cells);
    let is_table = cells.len() >= 3
        && (grid.ruled || !(is_labelled(&cells) || is_prose(&cells)))
        && characters <= cells.len() * CELL_CHARACTERS_MAX
        && has_columns(&cells);
    let draft = TableDraft {
        area: whole,
        rows: grid.rows.len() as u32,
        columns: columns as u32,
        cells,
    };
    is_table.then_some((draft, rest))
}

/// Two cells may reach into the same free place, one from above and one from the left; then neither keeps it.
fn part_overlaps(cells: &mut [CellDraft]) {
    let mut taken: HashSet<(u32, u32)> = cells.iter().map(|cell| (cell.row, cell.column)).collect();
    for cell in cells {
        let (rows, columns) = (
            cell.row..cell.row + cell.row_span,
            cell.column..cell.column + cell.column_span,
        );
        let covered: Vec<(u32, u32)> = rows
            .flat_map(|row| columns.clone().map(move |column| (row, column)))
            .filter(|place| *place != (cell.row, cell.column))
            .collect();
        if covered.iter().any(|place| taken.contains(place)) {
            (cell.row_span, cell.column_span) = (1, 1);
        } else {
            taken.extend(covered);
        }
    }
}

/// A table's outer columns often lack their outer line, so the detector sees no cell there: what stands in a free place,
/// level with a row and below a column's head, is its cell. Returns what stands in no place.
fn fill_open_places(cells: &mut Vec<CellDraft>, glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let single = |cell: &&CellDraft| cell.row_span == 1 && cell.column_span == 1;
    let bands = |key: fn(&CellDraft) -> u32, extent: fn(Area) -> (f32, f32)| {
        let mut bands: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
        for cell in cells.iter().filter(single) {
            let (low, high) = extent(cell.area);
            let band = bands.entry(key(cell)).or_insert((low, high));
            *band = (band.0.min(low), band.1.max(high));
        }
        bands
    };
    let rows = bands(|cell| cell.row, |area| (area.top, area.bottom));
    let columns = bands(|cell| cell.column, |area| (area.left, area.right));
    let find = |bands: &BTreeMap<u32, (f32, f32)>, at: f32| {
        bands
            .iter()
            .find(|(_, (low, high))| at >= *low && at < *high)
            .map(|(index, _)| *index)
    };
    let covered = |row: u32, column: u32| {
        cells.iter().any(|cell| {
            (cell.row..cell.row + cell.row_span).contains(&row)
                && (cell.column..cell.column + cell.column_span).contains(&column)
        })
    };
    let mut open: BTreeMap<(u32, u32), Vec<Glyph>> = BTreeMap::new();
    let mut rest = Vec::new();
    for glyph in glyphs {
        let (x, y) = glyph.area.centre();
        match find(&rows, y)
            .zip(find(&columns, x))
            .filter(|(row, column)| !covered(*row, *column))
        {
            Some(place) => open.entry(place).or_default().push(glyph),
            None => rest.push(glyph),
        }
    }
    for ((row, column), glyphs) in open {
        if let Some((text, area, bold)) = cell_text(glyphs) {
            cells.push(CellDraft {
                row,
                column,
                row_span: 1,
                column_span: 1,
                area,
                text,
                bold,
            });
        }
    }
    rest
}

/// Without lines, cells that are labels with their values are no table but lists side by side.
fn is_labelled(cells: &[CellDraft]) -> bool {
    let labelled = cells.iter().filter(|cell| is_key_value(&cell.text)).count();
    labelled * 2 >= cells.len()
}

/// Without lines, cells full of words are columns of prose that happen to stand level.
fn is_prose(cells: &[CellDraft]) -> bool {
    let words: usize = cells
        .iter()
        .map(|cell| cell.text.split_whitespace().count())
        .sum();
    let characters = || cells.iter().flat_map(|cell| cell.text.chars());
    let (letters, digits) = (
        characters().filter(|ch| ch.is_alphabetic()).count(),
        characters().filter(|ch| ch.is_numeric()).count(),
    );
    words >= cells.len() * 4 && digits * 8 < letters
}

/// At least two columns have text.
fn has_columns(cells: &[CellDraft]) -> bool {
    let first = cells.first().map(|cell| cell.column);
    cells.iter().any(|cell| Some(cell.column) != first)
}

fn cell_text(glyphs: Vec<Glyph>) -> Option<(String, Area, bool)> {
    let rows = rows::rows(glyphs);
    let area = Area::around(rows.iter().map(|row| row.area))?;
    let bold = rows.iter().flat_map(|row| &row.words).all(|word| word.bold);
    Some((join::one_line(rows), area, bold))
}

/// How many rows and columns the cell covers: the empty places that its box reaches into.
fn spans(grid: &TableBox, row: usize, column: usize, area: Area) -> (u32, u32) {
    let column_left = |column: usize| {
        grid.rows
            .iter()
            .filter_map(|row| row.get(column)?.as_ref())
            .map(|cell| cell.area.left)
            .reduce(f32::max)
    };
    let row_top = |row: usize| {
        grid.rows
            .get(row)?
            .iter()
            .flatten()
            .map(|cell| cell.area.top)
            .reduce(f32::max)
    };
    let is_free = |row: usize, column: usize| {
        grid.rows
            .get(row)
            .is_some_and(|row| matches!(row.get(column), Some(None)))
    };
    if !grid.ruled {
        return (1, 1);
    }
    let mut columns = 1;
    while is_free(row, column + columns)
        && column_left(column + columns).is_some_and(|left| left < area.right - 1.0)
    {
        columns += 1;
    }
    let mut rows = 1;
    while (column..column + columns).all(|column| is_free(row + rows, column))
        && row_top(row + rows).is_some_and(|top| top < area.bottom - 1.0)
    {
        rows += 1;
    }
    (rows as u32, columns as u32)
}

/// How many rows name the columns: the first, if it holds no numbers while the rows below do or it alone is bold; and the
/// second, if the first groups its columns.
fn header_rows(cells: &[CellDraft]) -> u32 {
    let is_number = |cell: &CellDraft| {
        let digits = cell.text.chars().filter(char::is_ascii_digit).count();
        digits > 0 && digits * 2 >= cell.text.chars().filter(|ch| ch.is_alphanumeric()).count()
    };
    let row = |row: u32| cells.iter().filter(move |cell| cell.row == row);
    let below = |row: u32| cells.iter().filter(move |cell| cell.row > row);
    if row(0).count() < 2 || row(0).any(is_number) {
        return 0;
    }
    let stands_out = row(0).all(|cell| cell.bold) && !below(0).all(|cell| cell.bold);
    if !stands_out && !below(0).any(is_number) {
        return 0;
    }
    let groups = row(0).any(|cell| cell.column_span > 1) && !row(1).any(is_number) && below(1).any(is_number);
    if groups { 2 } else { 1 }
}

impl TableDraft {
    pub fn block(self, frame: Frame) -> Block {
        let header_rows = header_rows(&self.cells);
        let cells = self
            .cells
            .into_iter()
            .map(|cell| Cell {
                row: cell.row,
                column: cell.column,
                row_span: cell.row_span,
                column_span: cell.column_span,
                header: cell.row < header_rows,
                text: cell.text,
                region: frame.fractions(cell.area),
            })
            .collect();
        let table = Table {
            rows: self.rows,
            columns: self.columns,
            cells,
        };
        Block {
            kind: BlockKind::Table,
            fragments: Vec::new(),
            table: Some(table),
            region: frame.fractions(self.area),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(row: u32, column: u32, row_span: u32, column_span: u32) -> CellDraft {
        CellDraft {
            row,
            column,
            row_span,
            column_span,
            area: Area::default(),
            text: "x".to_owned(),
            bold: false,
        }
    }

    #[test]
    fn cells_never_share_a_place() {
        let mut cells = [cell(0, 0, 1, 1), cell(0, 1, 2, 1), cell(1, 0, 1, 2)];
        part_overlaps(&mut cells);
        let spans: Vec<(u32, u32)> = cells
            .iter()
            .map(|cell| (cell.row_span, cell.column_span))
            .collect();
        assert_eq!(spans, [(1, 1), (2, 1), (1, 1)]);
    }
}
