//! CSV as accounting programs export it: a head of labels and values, the lines, the totals; fields split by semicolons.

use super::Rendered;
use crate::generate::form::mark;
use crate::generate::page::{Block, Document};

/// Renders the document; watermarks and signatures have no place in data.
pub fn render(document: &Document) -> Rendered {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for block in &document.blocks {
        match block {
            Block::Title(text) | Block::Heading(text) | Block::Paragraph(text) | Block::Right(text) => {
                rows.push(vec![text.clone()]);
            }
            Block::Pairs { rows: pairs, .. } | Block::Totals(pairs) => {
                rows.extend(
                    pairs
                        .iter()
                        .map(|pair| vec![pair.label.clone(), pair.value.clone()]),
                );
            }
            Block::Columns { left, right } => {
                rows.extend(left.iter().chain(right).map(|line| {
                    line.split_once(": ").map_or_else(
                        || vec![line.clone()],
                        |(label, value)| vec![label.to_owned(), value.to_owned()],
                    )
                }));
            }
            Block::Table(table) => {
                rows.push(table.labels());
                rows.extend(table.rows.iter().cloned());
            }
            Block::Boxes(boxes) => {
                rows.extend(
                    boxes
                        .iter()
                        .map(|(ticked, text)| vec![mark(*ticked).to_owned(), text.clone()]),
                );
            }
            Block::Signature { .. } | Block::Watermark(_) => {}
        }
    }
    let line = |row: &Vec<String>| {
        row.iter()
            .map(|field| quoted(field))
            .collect::<Vec<_>>()
            .join(";")
    };
    let text = rows.iter().map(line).collect::<Vec<_>>().join("\r\n") + "\r\n";
    Rendered::one_page(text.into_bytes(), document)
}

fn quoted(field: &str) -> String {
    if field.contains([';', '"', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
