//! Tables drawn with characters: cells parted by tabs, bars or at least two blanks.

use docmill_plugin::prelude::*;

/// A run of lines of one paragraph.
#[derive(Debug)]
pub enum Part<'a> {
    Table(Table),
    Lines(&'a [&'a str]),
}

/// Finds the tables among the lines of one group. What is not clearly one stays lines.
pub fn split<'a>(lines: &'a [&'a str]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let mut from = 0;
    while from < lines.len() {
        let Some(rest) = lines.get(from..) else { break };
        let (kind, length) = match Separator::ALL
            .into_iter()
            .map(|kind| (kind, kind.run(rest)))
            .max_by_key(|(_, n)| *n)
        {
            Some((kind, length)) if length >= 2 => (Some(kind), length),
            _ => (None, 1),
        };
        let run = rest.get(..length).unwrap_or(rest);
        match kind.and_then(|kind| kind.table(run)) {
            Some(table) => parts.push(Part::Table(table)),
            None => match parts.last_mut() {
                Some(Part::Lines(before)) => {
                    *before = lines.get(from - before.len()..from + length).unwrap_or(run);
                }
                _ => parts.push(Part::Lines(run)),
            },
        }
        from += length;
    }
    parts
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Separator {
    Bar,
    Tab,
    Blanks,
}

/// A cell of a line: the columns of characters that it covers, and its text.
type Piece<'a> = (usize, usize, &'a str);

impl Separator {
    const ALL: [Self; 3] = [Self::Blanks, Self::Tab, Self::Bar];

    /// How many of the first lines are rows of such a table.
    fn run(self, lines: &[&str]) -> usize {
        let mut length = 0;
        for line in lines {
            if !(self.is_rule(line) && length > 0 || self.is_row(line)) {
                break;
            }
            length += 1;
        }
        length
    }

    fn is_row(self, line: &str) -> bool {
        let pieces = self.pieces(line).len();
        match self {
            Self::Bar => pieces >= 2 && line.contains(['|', '│', '║']),
            Self::Tab => pieces >= 2,
            // Two columns of blanks are as often an indented remark as a table.
            Self::Blanks => pieces >= 3,
        }
    }

    /// A line that only draws: `+----+----+`, `|----|`, `====`.
    fn is_rule(self, line: &str) -> bool {
        let drawing = |char: char| {
            matches!(char, '-' | '+' | '=' | '|' | ':' | ' ' | '\u{2014}')
                || ('\u{2500}'..='\u{257F}').contains(&char)
        };
        line.chars().all(drawing) && line.chars().any(|char| char != ' ')
    }

    fn pieces(self, line: &str) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        match self {
            Self::Bar => {
                let inner = line
                    .trim()
                    .trim_start_matches(['|', '│', '║'])
                    .trim_end_matches(['|', '│', '║']);
                for (index, text) in inner.split(['|', '│', '║']).enumerate() {
                    pieces.push((index, index + 1, text.trim()));
                }
            }
            Self::Tab => {
                if line.contains('\t') {
                    pieces.extend(
                        line.split('\t')
                            .enumerate()
                            .map(|(index, text)| (index, index + 1, text.trim())),
                    );
                }
            }
            Self::Blanks => {
                let mut at = 0;
                for text in line.split("  ") {
                    let length = text.chars().count();
                    let indent = length - text.trim_start().chars().count();
                    let trimmed = text.trim();
                    if !trimmed.is_empty() {
                        pieces.push((at + indent, at + indent + trimmed.chars().count(), trimmed));
                    }
                    at += length + 2;
                }
            }
        }
        pieces
    }

    fn table(self, lines: &[&str]) -> Option<Table> {
        let rows: Vec<Vec<Piece<'_>>> = lines
            .iter()
            .filter(|line| !self.is_rule(line))
            .map(|line| self.pieces(line))
            .collect();
        if rows.len() < 2 {
            return None;
        }
        let most = rows.iter().map(Vec::len).max()?;
        let same = rows.iter().all(|row| row.len() == most);
        let bands = if same || self != Self::Blanks {
            None
        } else {
            Some(bands(&rows)?)
        };
        let mut table = Table {
            rows: rows.len() as u32,
            columns: most as u32,
            cells: Vec::new(),
        };
        if let Some(bands) = &bands {
            table.columns = bands.len() as u32;
        }
        for (row, pieces) in rows.iter().enumerate() {
            for (index, (from, to, text)) in pieces.iter().enumerate() {
                let column = match &bands {
                    Some(bands) => bands.iter().position(|(start, end)| start < to && from < end)?,
                    None => index,
                };
                if !text.is_empty() {
                    table.cells.push(Cell {
                        header: row == 0,
                        ..Cell::new(row as u32, column as u32, *text)
                    });
                }
            }
        }
        Some(table)
    }
}

/// Columns of rows of different length, by where their cells stand; `None` if two cells of a row fall into one.
fn bands(rows: &[Vec<Piece<'_>>]) -> Option<Vec<(usize, usize)>> {
    let mut spans: Vec<(usize, usize)> = rows.iter().flatten().map(|(from, to, _)| (*from, *to)).collect();
    spans.sort_unstable();
    let mut bands: Vec<(usize, usize)> = Vec::new();
    for (from, to) in spans {
        match bands.last_mut() {
            Some((_, end)) if from < *end => *end = to.max(*end),
            _ => bands.push((from, to)),
        }
    }
    let fits = rows.iter().all(|row| {
        bands.iter().all(|(start, end)| {
            row.iter()
                .filter(|(from, to, _)| from < end && start < to)
                .count()
                <= 1
        })
    });
    (fits && bands.len() >= 3).then_some(bands)
}
