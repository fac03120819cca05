//! CSV and its relatives: one page with one table.

use crate::Config;
use csv::{ReaderBuilder, StringRecord, Trim};
use docmill_plugin::prelude::*;

const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
/// Enough rows to tell the delimiter.
const SNIFF_BYTES: usize = 64 << 10;

/// # Errors
/// `invalid-input` with code `damaged`, and what the host answers when the reading outgrows its limit.
pub fn read(text: &str, media_type: &str, config: &Config, reading: &ReadingBuilder) -> Result<(), Error> {
    let (text, announced) = announced(text);
    let delimiter = config
        .delimiter
        .or(announced)
        .unwrap_or_else(|| sniff(text, media_type));
    let rows = records(text, delimiter)?;
    let header = config.header.unwrap_or_else(|| heads(&rows));
    let columns = rows.iter().map(StringRecord::len).max().unwrap_or(0);
    let mut table = Table {
        rows: rows.len() as u32,
        columns: columns as u32,
        cells: Vec::new(),
    };
    for (row, record) in rows.iter().enumerate() {
        for (column, text) in record.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            table.cells.push(Cell {
                header: header && row == 0,
                ..Cell::new(row as u32, column as u32, text)
            });
        }
    }
    let name = if delimiter == '\t' {
        "tab".to_owned()
    } else {
        delimiter.to_string()
    };
    reading.add_metadata("delimiter", &name)?;
    reading.add_page(&PageInfo::digital(), &[Block::table(table)])?;
    Ok(())
}

/// Excel writes `sep=;` as a first line.
fn announced(text: &str) -> (&str, Option<char>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first
        .trim_end()
        .strip_prefix("sep=")
        .map(|said| said.chars().collect::<Vec<_>>())
        .as_deref()
    {
        Some([delimiter]) if delimiter.is_ascii() => (rest, Some(*delimiter)),
        _ => (text, None),
    }
}

fn records(text: &str, delimiter: char) -> Result<Vec<StringRecord>, Error> {
    let mut reader = ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .flexible(true)
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let rows: Result<Vec<StringRecord>, _> = reader.records().collect();
    rows.map_err(|error| Error::invalid_input("damaged", format!("The rows cannot be read: {error}.")))
}

/// The delimiter that parts most rows into the same number of cells.
fn sniff(text: &str, media_type: &str) -> char {
    let mut end = text.len().min(SNIFF_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let sample = text.get(..end).unwrap_or(text);
    // The last row of a cut sample is not whole.
    let sample = if end < text.len() {
        sample.rsplit_once('\n').map_or(sample, |(whole, _)| whole)
    } else {
        sample
    };
    let score = |delimiter: char| -> usize {
        let mut counts: Vec<usize> = records(sample, delimiter)
            .unwrap_or_default()
            .iter()
            .map(StringRecord::len)
            .collect();
        counts.sort_unstable();
        let common = counts
            .chunk_by(|a, b| a == b)
            .max_by_key(|run| run.len() * usize::from(run.first() > Some(&1)));
        let share = common.map_or(0, |run| run.len() * 1000 / counts.len().max(1));
        let columns = common.and_then(|run| run.first().copied()).unwrap_or(1);
        if columns < 2 {
            0
        } else {
            share * 10 + columns.min(9)
        }
    };
    let usual = if media_type == "text/tab-separated-values" {
        '\t'
    } else {
        ','
    };
    let best = DELIMITERS
        .into_iter()
        .map(|delimiter| (score(delimiter), delimiter == usual, delimiter))
        .max();
    best.filter(|(score, ..)| *score > 0)
        .map_or(usual, |(.., delimiter)| delimiter)
}

/// The first row heads the columns if it has no number, no blank and no word twice, and something follows.
fn heads(rows: &[StringRecord]) -> bool {
    let Some(first) = rows.first() else { return false };
    let is_number = |text: &str| {
        text.chars().any(|char| char.is_ascii_digit())
            && text
                .chars()
                .all(|char| char.is_ascii_digit() || " \u{A0}.,-+%/:".contains(char))
    };
    let mut words: Vec<&str> = first.iter().collect();
    words.sort_unstable();
    let twice = words.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
    rows.len() > 1 && !twice && first.iter().all(|text| !text.is_empty() && !is_number(text))
}
