//! Markdown with pipe tables.

use super::Rendered;
use crate::generate::form::mark;
use crate::generate::page::{Block, Document, PairLayout, Table};

/// Renders the document as Markdown.
pub fn render(document: &Document) -> Rendered {
    let blocks: Vec<String> = document.blocks.iter().map(markdown).collect();
    Rendered::one_page((blocks.join("\n\n") + "\n").into_bytes(), document)
}

fn markdown(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("# {text}"),
        Block::Heading(text) => format!("## {text}"),
        Block::Paragraph(text) | Block::Right(text) => text.clone(),
        Block::Pairs {
            rows,
            layout: PairLayout::Grid,
        } => {
            let rows: String = rows
                .iter()
                .map(|pair| format!("\n| {} | {} |", pair.label, pair.value))
                .collect();
            format!("| | |\n|---|---|{rows}")
        }
        Block::Pairs { rows, .. } => rows
            .iter()
            .map(|pair| format!("**{}:** {}", pair.label, pair.value))
            .collect::<Vec<_>>()
            .join("\n\n"),
        Block::Columns { left, right } => left.iter().chain(right).cloned().collect::<Vec<_>>().join("  \n"),
        Block::Table(table) => table_markdown(table),
        Block::Totals(rows) => rows
            .iter()
            .map(|pair| format!("{}: **{}**", pair.label, pair.value))
            .collect::<Vec<_>>()
            .join("\n\n"),
        Block::Boxes(boxes) => boxes
            .iter()
            .map(|(ticked, text)| format!("- {} {text}", mark(*ticked)))
            .collect::<Vec<_>>()
            .join("\n"),
        Block::Signature { role, name } => format!("{role}, {name}"),
        Block::Watermark(text) => format!("*{text}*"),
    }
}

fn table_markdown(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule: Vec<String> = table
        .columns
        .iter()
        .map(|column| if column.right { "---:" } else { "---" }.to_owned())
        .collect();
    let mut lines = vec![line(&table.labels()), line(&rule)];
    lines.extend(table.rows.iter().map(|row| line(row)));
    lines.join("\n")
}
