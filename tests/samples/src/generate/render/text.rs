//! Plain text in a line of fixed width, in the code pages that such files still come in.

use anyhow::{Result, bail};
use encoding_rs::{Encoding, IBM866, KOI8_R, UTF_8, WINDOWS_1251};

use super::{Rendered, wrap};
use crate::generate::form::mark;
use crate::generate::page::{Block, Document, PairLayout, Table};
use crate::generate::style::Style;

/// Characters in a line.
const WIDTH: usize = 78;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodePage {
    Utf8,
    Windows1251,
    Cp866,
    Koi8R,
}

impl CodePage {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Windows1251 => WINDOWS_1251,
            Self::Cp866 => IBM866,
            Self::Koi8R => KOI8_R,
        }
    }
}

/// Renders the document; fails if the code page cannot hold one of its characters.
pub fn render(document: &Document, style: &Style, code_page: CodePage) -> Result<Rendered> {
    let mut text = String::new();
    for block in &document.blocks {
        let lines = lines(block, style);
        if lines.is_empty() {
            continue;
        }
        text += &lines.join("\n");
        text += "\n\n";
    }
    let text = text.trim_end().to_owned() + "\n";
    // Old programs end their lines so; UTF-8 files come from new ones.
    let text = if code_page == CodePage::Utf8 {
        text
    } else {
        text.replace('\n', "\r\n")
    };
    let (bytes, _, lost) = code_page.encoding().encode(&text);
    if lost {
        bail!(
            "{} cannot hold every character of «{}»",
            code_page.encoding().name(),
            document.title
        );
    }
    Ok(Rendered::one_page(bytes.into_owned(), document))
}

fn lines(block: &Block, style: &Style) -> Vec<String> {
    let fits = |line: &str| length(line) <= WIDTH;
    match block {
        Block::Title(text) => vec![centered(text)],
        Block::Heading(text) => vec![text.clone()],
        Block::Paragraph(text) => wrap(text, style.noise.hyphenation, &fits),
        Block::Right(text) => vec![padded(text)],
        Block::Pairs { rows, layout } => {
            let widest = rows.iter().map(|pair| length(&pair.label)).max().unwrap_or(0);
            let line = |label: &str, value: &str| match layout {
                PairLayout::Above => vec![label.to_owned(), format!("  {value}")],
                PairLayout::Grid => vec![format!(
                    "{label}:{}{value}",
                    " ".repeat(widest + 2 - length(label))
                )],
                PairLayout::Line => vec![format!("{label}: {value}")],
            };
            rows.iter()
                .flat_map(|pair| line(&pair.label, &pair.value))
                .collect()
        }
        Block::Columns { left, right } => {
            let count = left.len().max(right.len());
            let at = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
            (0..count)
                .map(|row| {
                    let start = at(left, row);
                    let gap = 42usize.saturating_sub(length(&start)).max(3);
                    format!("{start}{}{}", " ".repeat(gap), at(right, row))
                        .trim_end()
                        .to_owned()
                })
                .collect()
        }
        Block::Table(table) => table_lines(table),
        Block::Totals(rows) => rows.iter().map(|pair| padded(&pair.line())).collect(),
        Block::Boxes(boxes) => boxes
            .iter()
            .map(|(ticked, text)| format!("{} {text}", mark(*ticked)))
            .collect(),
        Block::Signature { role, name } => vec![format!("{role} ______________ {name}")],
        Block::Watermark(text) => vec![centered(&format!("*** {text} ***"))],
    }
}

fn table_lines(table: &Table) -> Vec<String> {
    let labels = table.labels();
    let widths: Vec<usize> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| {
            let cells = table
                .rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| length(cell));
            cells.chain([length(label)]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .zip(&table.columns)
            .map(|((cell, width), column)| {
                let gap = " ".repeat(width - length(cell));
                if column.right {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
                }
            })
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = format!(
        "+{}+",
        widths
            .iter()
            .map(|width| "-".repeat(width + 2))
            .collect::<Vec<_>>()
            .join("+")
    );
    let mut lines = vec![rule.clone(), line(&labels), rule.clone()];
    lines.extend(table.rows.iter().map(|row| line(row)));
    lines.push(rule);
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn centered(text: &str) -> String {
    " ".repeat(WIDTH.saturating_sub(length(text)) / 2) + text
}

fn padded(text: &str) -> String {
    " ".repeat(WIDTH.saturating_sub(length(text))) + text
}
