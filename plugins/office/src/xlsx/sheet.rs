//! A worksheet: the cells that have content, as Excel displays them.

use std::collections::BTreeMap;

use docmill_plugin::Error;

use super::merges::Region;
use super::strings::{SharedStrings, rich_text};
use super::styles::Styles;
use crate::budget::Budget;
use crate::limits::{LAST_COLUMN, LAST_ROW, MAX_MERGES};
use crate::text::clean;
use crate::xml::{Tag, Token, Xml};

/// What cells refer to.
pub struct Values<'a> {
    pub styles: &'a Styles,
    pub strings: &'a SharedStrings,
    pub epoch_1904: bool,
}

/// A cell with content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetCell {
    pub row: u32,
    pub column: u32,
    pub text: String,
    /// A number, a date, a truth value.
    pub numeric: bool,
    pub bold: bool,
}

/// A worksheet.
#[derive(Debug, Default)]
pub struct Grid {
    /// In reading order, one for each place.
    pub cells: Vec<SheetCell>,
    pub merges: Vec<Region>,
    pub warnings: Vec<&'static str>,
}

impl Grid {
    fn warn(&mut self, warning: &'static str) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Reads the part. Rows and columns without content cost nothing, whatever the sheet says of its size.
///
/// # Errors
/// `damaged`, `too-large`.
pub fn read(mut xml: Xml<'_>, values: &Values<'_>, budget: &mut Budget) -> Result<Grid, Error> {
    let mut grid = Grid::default();
    let mut hidden_columns = HiddenColumns::default();
    let (mut row, mut column, mut next_row) = (0_u32, 0_u32, 0_u32);
    let mut hidden_row = false;
    let mut sorted = true;
    loop {
        let head = match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "c" => CellHead::of(&tag, row, column),
                "row" => {
                    row = number(&tag, "r")
                        .map_or(next_row, |r| r.saturating_sub(1))
                        .min(LAST_ROW);
                    next_row = row + 1;
                    column = 0;
                    hidden_row = is_on(&tag, "hidden");
                    continue;
                }
                "col" if is_on(&tag, "hidden") => {
                    if let (Some(first), Some(last)) = (number(&tag, "min"), number(&tag, "max")) {
                        hidden_columns.add(first.saturating_sub(1), last.saturating_sub(1));
                    }
                    continue;
                }
                "mergeCell" => {
                    if grid.merges.len() < MAX_MERGES {
                        grid.merges
                            .extend(tag.attr("ref").and_then(|range| Region::parse(&range)));
                    } else {
                        grid.warn("merged-regions-ignored");
                    }
                    continue;
                }
                _ => continue,
            },
            Token::Eof => break,
            _ => continue,
        };
        // Rows and cells without a number of their own follow the one before.
        (row, column) = (head.row, head.column + 1);
        next_row = row + 1;
        let Some(cell) = cell(&mut xml, head, values, &mut grid)? else {
            continue;
        };
        budget.add(1, cell.text.len())?;
        if hidden_row {
            grid.warn("hidden-rows");
        }
        if hidden_columns.contains(cell.column) {
            grid.warn("hidden-columns");
        }
        sorted &= grid
            .cells
            .last()
            .is_none_or(|last| (last.row, last.column) < (cell.row, cell.column));
        grid.cells.push(cell);
    }
    if !sorted {
        // The last one written wins, as in Excel.
        grid.cells.reverse();
        grid.cells.sort_by_key(|cell| (cell.row, cell.column));
        grid.cells.dedup_by_key(|cell| (cell.row, cell.column));
    }
    Ok(grid)
}

/// Ranges of hidden columns: first and last.
#[derive(Default)]
struct HiddenColumns(BTreeMap<u32, u32>);

impl HiddenColumns {
    fn add(&mut self, first: u32, last: u32) {
        let reach = self.0.entry(first.min(LAST_COLUMN)).or_insert(last);
        *reach = last.max(*reach);
    }

    fn contains(&self, column: u32) -> bool {
        // Ranges hardly ever overlap; the nearest one decides.
        self.0
            .range(..=column)
            .next_back()
            .is_some_and(|(_, last)| *last >= column)
    }
}

/// The place, type and style of a cell.
struct CellHead {
    row: u32,
    column: u32,
    kind: String,
    style: usize,
}

impl CellHead {
    fn of(tag: &Tag<'_>, row: u32, column: u32) -> Self {
        let place = tag.attr("r").and_then(|name| place(&name));
        let (row, column) = place.unwrap_or((row, column));
        Self {
            row: row.min(LAST_ROW),
            column: column.min(LAST_COLUMN),
            kind: tag.attr("t").unwrap_or_default().into_owned(),
            style: number(tag, "s").unwrap_or(0) as usize,
        }
    }
}

fn cell(
    xml: &mut Xml<'_>,
    head: CellHead,
    values: &Values<'_>,
    grid: &mut Grid,
) -> Result<Option<SheetCell>, Error> {
    let inside = xml.depth();
    let (mut value, mut inline) = (String::new(), None);
    let mut formula = false;
    while xml.depth() >= inside {
        match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "v" => value = xml.text()?,
                "is" => inline = Some(rich_text(xml)?),
                "f" => {
                    formula = true;
                    xml.skip()?;
                }
                _ => xml.skip()?,
            },
            Token::Eof => break,
            _ => {}
        }
    }
    if formula && value.is_empty() && inline.is_none() && head.kind != "str" {
        grid.warn("formula-without-value");
    }
    let (text, numeric) = match (head.kind.as_str(), inline) {
        (_, Some(text)) => (text, false),
        ("s", None) => {
            let number = value.trim().parse().ok();
            (
                number
                    .and_then(|number| values.strings.get(number))
                    .unwrap_or_default()
                    .to_owned(),
                false,
            )
        }
        ("str" | "inlineStr" | "e", None) => (value, false),
        ("b", None) => (
            if matches!(value.trim(), "1" | "true") {
                "TRUE"
            } else {
                "FALSE"
            }
            .to_owned(),
            !value.is_empty(),
        ),
        ("d", None) => (value, true),
        (_, None) => match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => match values.styles.format(head.style) {
                Some(format) => (format.write(number, values.epoch_1904), true),
                None => (super::format::general(number, '.'), true),
            },
            _ => (value, false),
        },
    };
    let text = clean(&text);
    let cell = SheetCell {
        row: head.row,
        column: head.column,
        text,
        numeric,
        bold: values.styles.bold(head.style),
    };
    Ok((!cell.text.is_empty()).then_some(cell))
}

fn number(tag: &Tag<'_>, name: &str) -> Option<u32> {
    tag.attr(name)?.trim().parse().ok()
}

fn is_on(tag: &Tag<'_>, name: &str) -> bool {
    matches!(tag.attr(name).as_deref(), Some("1" | "true" | "on"))
}

/// "B12" is row 11, column 1.
pub fn place(name: &str) -> Option<(u32, u32)> {
    let name = name.trim().replace('$', "");
    let letters = name.len() - name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (letters, digits) = name.split_at_checked(letters)?;
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters.bytes().fold(0, |column, letter| {
        column * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    let row: u32 = digits.parse().ok()?;
    Some((row.checked_sub(1)?.min(LAST_ROW), (column - 1).min(LAST_COLUMN)))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn names_are_places() {
        assert_eq!(place("A1"), Some((0, 0)));
        assert_eq!(place("$AB$12"), Some((11, 27)));
        assert_eq!(place("XFD1048576"), Some((1_048_575, 16_383)));
        for wrong in ["", "A", "1", "A0", "AAAA1", "A1B", "Я1", "A-1", "A99999999999"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
