//! XLSX as accounting programs export it: labels beside values, a table with numbers, merged cells.

use anyhow::Result;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet};

use super::Rendered;
use crate::generate::form::mark;
use crate::generate::page::{Block, Document, Pair, Table};

const LAST_COLUMN: u16 = 5;

/// Renders the document as one sheet.
pub fn render(document: &Document) -> Result<Rendered> {
    let mut book = Workbook::new();
    let created = ExcelDateTime::from_ymd(2025, 1, 15)?;
    book.set_properties(
        &DocProperties::new()
            .set_title(&document.title)
            .set_creation_datetime(&created),
    );
    let sheet = book.add_worksheet().set_name(if document.language == "en" {
        "Invoice"
    } else {
        "Документ"
    })?;
    for (column, width) in [6.0, 44.0, 12.0, 10.0, 15.0, 17.0].into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
    }
    let mut row = 0;
    for block in &document.blocks {
        row = write(sheet, block, row)?;
    }
    Ok(Rendered::one_page(book.save_to_buffer()?, document))
}

/// True if the cell is written as a number: such a quote has no text of its own in the file.
pub fn number(cell: &str) -> Option<f64> {
    let plain: String = cell.chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_number = plain
        .chars()
        .all(|letter| letter.is_ascii_digit() || matches!(letter, ',' | '.'));
    if !is_number {
        return None;
    }
    // English amounts group by commas, the others point with them.
    let plain = if plain.contains('.') {
        plain.replace(',', "")
    } else {
        plain.replace(',', ".")
    };
    plain.parse().ok()
}

fn write(sheet: &mut Worksheet, block: &Block, row: u32) -> Result<u32> {
    let bold = Format::new().set_bold();
    Ok(match block {
        Block::Title(text) => {
            let format = Format::new().set_bold().set_font_size(14);
            sheet.merge_range(row, 0, row, LAST_COLUMN, text, &format)?;
            row + 2
        }
        Block::Heading(text) => {
            sheet.write_string_with_format(row, 0, text, &bold)?;
            row + 1
        }
        Block::Paragraph(text) => {
            let format = Format::new().set_text_wrap().set_align(FormatAlign::Top);
            sheet.merge_range(row, 0, row, LAST_COLUMN, text, &format)?;
            sheet.set_row_height(row, 15 * (text.chars().count() as u32 / 90 + 1))?;
            row + 1
        }
        Block::Right(text) => {
            sheet.write_string_with_format(
                row,
                LAST_COLUMN,
                text,
                &Format::new().set_align(FormatAlign::Right),
            )?;
            row + 1
        }
        Block::Pairs { rows, .. } => pairs(sheet, rows, row)? + 1,
        Block::Columns { left, right } => {
            for (at, line) in left.iter().enumerate() {
                sheet.write_string(row + at as u32, 0, line)?;
            }
            for (at, line) in right.iter().enumerate() {
                sheet.write_string(row + at as u32, 2, line)?;
            }
            row + left.len().max(right.len()) as u32 + 1
        }
        Block::Table(table) => write_table(sheet, table, row)? + 1,
        Block::Totals(rows) => {
            let amount = Format::new().set_num_format("#,##0.00").set_bold();
            for (at, pair) in rows.iter().enumerate() {
                let row = row + at as u32;
                sheet.write_string_with_format(row, LAST_COLUMN - 1, format!("{}:", pair.label), &bold)?;
                match number(&pair.value) {
                    Some(value) => sheet.write_number_with_format(row, LAST_COLUMN, value, &amount)?,
                    None => sheet.write_string_with_format(row, LAST_COLUMN, &pair.value, &bold)?,
                };
            }
            row + rows.len() as u32 + 1
        }
        Block::Boxes(boxes) => {
            for (at, (ticked, text)) in boxes.iter().enumerate() {
                sheet.write_string(row + at as u32, 0, mark(*ticked))?;
                sheet.write_string(row + at as u32, 1, text)?;
            }
            row + boxes.len() as u32 + 1
        }
        Block::Signature { role, name } => {
            sheet.write_string(row + 1, 1, role)?;
            sheet.write_string(row + 1, LAST_COLUMN - 1, name)?;
            row + 3
        }
        Block::Watermark(_) => row,
    })
}

/// The label spans the narrow first column and the next one's beginning would cut it: it stands in the second column,
/// its value merged over the others.
fn pairs(sheet: &mut Worksheet, rows: &[Pair], row: u32) -> Result<u32> {
    let bold = Format::new().set_bold();
    for (at, pair) in rows.iter().enumerate() {
        let row = row + at as u32;
        sheet.write_string_with_format(row, 1, format!("{}:", pair.label), &bold)?;
        sheet.merge_range(row, 2, row, LAST_COLUMN, &pair.value, &Format::new())?;
    }
    Ok(row + rows.len() as u32)
}

fn write_table(sheet: &mut Worksheet, table: &Table, row: u32) -> Result<u32> {
    let ruled = Format::new().set_border(FormatBorder::Thin);
    let amount = ruled.clone().set_num_format("#,##0.00");
    let count = ruled.clone().set_num_format("General");
    let heading = ruled.clone().set_bold().set_align(FormatAlign::Center);
    for (at, cells) in table.header.iter().enumerate() {
        let top = row + at as u32;
        for cell in cells {
            let (left, right) = (cell.column as u16, (cell.column + cell.columns - 1) as u16);
            let bottom = top + cell.rows as u32 - 1;
            if (top, left) == (bottom, right) {
                sheet.write_string_with_format(top, left, &cell.text, &heading)?;
            } else {
                sheet.merge_range(top, left, bottom, right, &cell.text, &heading)?;
            }
        }
    }
    let first = row + table.header.len() as u32;
    for (at, cells) in table.rows.iter().enumerate() {
        let row = first + at as u32;
        for (column, text) in cells.iter().enumerate() {
            let right = table.columns.get(column).is_some_and(|column| column.right);
            match number(text).filter(|_| right) {
                Some(value) => {
                    let format = if column == 2 { &count } else { &amount };
                    sheet.write_number_with_format(row, column as u16, value, format)?
                }
                None => sheet.write_string_with_format(row, column as u16, text, &ruled)?,
            };
        }
    }
    Ok(first + table.rows.len() as u32)
}
