//! Reads pages with the plugin and holds the result to the contract's rules.

use std::collections::HashSet;

use docmill_html::{Config, Html, Mode};
use docmill_plugin::prelude::*;

pub fn try_read(bytes: &[u8], mode: Mode) -> Result<Reading, Error> {
    let source = Source::new("text/html", None, bytes);
    let reading = Html::parse(source, Config { mode, links: false })?.into_reading();
    assert_eq!(reading.page_count(), 1);
    reading.blocks(0).unwrap().iter().for_each(well_formed);
    Ok(reading)
}

pub fn read(html: &str) -> Reading {
    try_read(html.as_bytes(), Mode::Main).unwrap()
}

/// The stable code with which a page is refused.
pub fn refusal(bytes: &[u8]) -> String {
    match try_read(bytes, Mode::Main) {
        Ok(_) => "read".to_owned(),
        Err(error) => {
            assert!(error.message.len() > 20, "{}", error.message);
            error.code
        }
    }
}

/// `kind: text` for every block, tables as their cells.
pub fn outline(reading: &Reading) -> Vec<String> {
    let blocks = reading.blocks(0).unwrap();
    blocks
        .iter()
        .map(|block| match &block.table {
            Some(table) => format!("table {}×{}: {}", table.rows, table.columns, cells(table)),
            None => format!(
                "{}: {}",
                format!("{:?}", block.kind)
                    .replace("BlockKind::", "")
                    .to_lowercase(),
                block.text
            ),
        })
        .collect()
}

/// `[row,column]text`, spans as `[row+span,column+span]`, headers with `*`.
fn cells(table: &Table) -> String {
    let span = |at: u32, span: u32| {
        if span == 1 {
            at.to_string()
        } else {
            format!("{at}+{span}")
        }
    };
    let cells = table.cells.iter().map(|cell| {
        let head = if cell.header { "*" } else { "" };
        format!(
            "[{},{}]{head}{}",
            span(cell.row, cell.row_span),
            span(cell.column, cell.column_span),
            cell.text
        )
    });
    cells.collect::<Vec<_>>().join(" ")
}

fn well_formed(block: &Block) {
    assert_eq!(block.kind == BlockKind::Table, block.table.is_some());
    let Some(table) = &block.table else {
        assert!(!block.text.trim().is_empty(), "an empty {:?}", block.kind);
        return;
    };
    let mut taken = HashSet::new();
    let mut before = None;
    for cell in &table.cells {
        assert!(
            before < Some((cell.row, cell.column)),
            "order at {},{}",
            cell.row,
            cell.column
        );
        before = Some((cell.row, cell.column));
        assert!(cell.row_span > 0 && cell.row + cell.row_span <= table.rows);
        assert!(cell.column_span > 0 && cell.column + cell.column_span <= table.columns);
        assert!(!cell.text.is_empty());
        for row in cell.row..cell.row + cell.row_span {
            for column in cell.column..cell.column + cell.column_span {
                assert!(taken.insert((row, column)), "two cells at {row},{column}");
            }
        }
    }
}
