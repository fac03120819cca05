//! Rows of a region to blocks: paragraphs, headings, list items, labels with their values.

use std::collections::HashMap;

use super::{Item, Row, Stats, join};
use crate::document::{Block, BlockKind};
use crate::glyph::{Area, Frame};

/// A step between baselines beyond this multiple of the region's usual one ends a paragraph.
const PARAGRAPH_STEP: f32 = 1.35;

/// Headings are short.
const HEADING_CHARACTERS_MAX: usize = 160;
const BOLD_HEADING_CHARACTERS_MAX: usize = 80;

/// Labels of values are short.
const LABEL_CHARACTERS_MAX: usize = 48;

/// The blocks of a region, in order.
pub fn blocks(items: Vec<Item>, frame: Frame, page: usize, stats: &Stats) -> Vec<Block> {
    let rows = || {
        items.iter().filter_map(|item| {
            if let Item::Row(row) = item {
                Some(row)
            } else {
                None
            }
        })
    };
    let region = Region {
        area: Area::around(rows().map(|row| row.area)).unwrap_or_default(),
        steps: usual_steps(rows()),
    };
    let starts = starts(&items, &region);
    let mut blocks: Vec<Block> = Vec::new();
    let mut group: Option<Group> = None;
    for (item, start) in items.into_iter().zip(starts) {
        let row = match item {
            Item::Row(row) => row,
            Item::Table(table) => {
                blocks.extend(group.take().and_then(|group| group.block(frame, page, stats)));
                blocks.push(table.block(frame));
                continue;
            }
        };
        match &mut group {
            Some(open) if open.takes(&row, start, &region) => open.rows.push(row),
            _ => {
                blocks.extend(group.take().and_then(|group| group.block(frame, page, stats)));
                group = Some(Group {
                    start,
                    rows: vec![row],
                });
            }
        }
    }
    blocks.extend(group.and_then(|group| group.block(frame, page, stats)));
    blocks
}

struct Region {
    area: Area,
    steps: HashMap<i32, f32>,
}

impl Region {
    /// A line of several words that reaches from about the left edge to the right one, as prose does.
    fn fills(&self, row: &Row) -> bool {
        let reaches = row.area.right > self.area.right - row.size * 1.5;
        reaches && row.area.width() > self.area.width() * 0.6 && row.words.len() >= 4
    }
}

/// The usual step between the baselines of rows of each size (in half points).
fn usual_steps<'a>(rows: impl Iterator<Item = &'a Row>) -> HashMap<i32, f32> {
    let mut steps: HashMap<i32, Vec<f32>> = HashMap::new();
    let mut last: Option<&Row> = None;
    for row in rows {
        if let Some(last) = last.filter(|last| half_points(last.size) == half_points(row.size)) {
            let step = row.baseline - last.baseline;
            if step > row.size * 0.7 && step < row.size * 2.2 {
                steps.entry(half_points(row.size)).or_default().push(step);
            }
        }
        last = Some(row);
    }
    let usual = |mut steps: Vec<f32>| {
        steps.sort_by(f32::total_cmp);
        // Below the middle: single-spaced lines, not the steps between paragraphs.
        steps.get(steps.len() / 3).copied()
    };
    steps
        .into_iter()
        .filter_map(|(size, steps)| Some((size, usual(steps)?)))
        .collect()
}

fn half_points(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// What a row says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Plain,
    Bold,
    /// With the left edge of its marker.
    Listed(f32),
    KeyValue,
    /// Its words stand in columns.
    Tabbed,
}

/// What each row says about itself, seen between its neighbours; a table says nothing.
fn starts(items: &[Item], region: &Region) -> Vec<Start> {
    let lists = list_starts(items);
    let row_at = |index: usize| match items.get(index) {
        Some(Item::Row(row)) => Some(row),
        _ => None,
    };
    let mut starts = Vec::new();
    for (index, is_list_start) in lists.into_iter().enumerate() {
        let Some(row) = row_at(index) else {
            starts.push(Start::Plain);
            continue;
        };
        let line = join::line(row);
        let neighbours = [index.checked_sub(1).and_then(row_at), row_at(index + 1)];
        let in_prose = !line.contains('\t')
            && region.fills(row)
            && neighbours.iter().flatten().any(|other| region.fills(other));
        starts.push(if is_list_start {
            Start::Listed(row.area.left)
        } else if is_key_value(&line) && !in_prose {
            Start::KeyValue
        } else if line.contains('\t') {
            Start::Tabbed
        } else if row.words.iter().all(|word| word.bold) {
            Start::Bold
        } else {
            Start::Plain
        });
    }
    starts
}

struct Group {
    start: Start,
    rows: Vec<Row>,
}

impl Group {
    fn takes(&self, row: &Row, start: Start, region: &Region) -> bool {
        let Some(last) = self.rows.last() else { return true };
        let step = row.baseline - last.baseline;
        let usual = region
            .steps
            .get(&half_points(last.size))
            .map_or(last.size * 1.2, |step| step.max(last.size * 0.9));
        let is_near = step <= usual.max(row.size * 1.15) * PARAGRAPH_STEP && step > -row.size;
        let same_size = row.size < last.size * 1.12 && row.size > last.size * 0.88;
        if !is_near || !same_size {
            return false;
        }
        match (self.start, start) {
            (_, Start::Listed(_) | Start::KeyValue) => false,
            (Start::KeyValue, Start::Plain) => self.value_goes_on(last, row),
            (Start::KeyValue, _) => false,
            (Start::Listed(left), Start::Plain) => {
                row.area.left > left + row.size * 0.4 || self.rows.len() > 1
            }
            (Start::Listed(_), _) => false,
            (Start::Tabbed, Start::Tabbed) => true,
            (Start::Tabbed, _) | (_, Start::Tabbed) => false,
            (Start::Bold, Start::Bold) => true,
            (Start::Bold, _) => false,
            (Start::Plain, Start::Bold) => !ends_short(last, region),
            (Start::Plain, Start::Plain) => !self.ends_before(last, row, region),
        }
    }

    /// A value that its line could not hold: it ends on a comma or within quotes, or its next line hangs.
    fn value_goes_on(&self, last: &Row, row: &Row) -> bool {
        let text = join::line(last);
        let is_open =
            text.ends_with([',', '-', '–']) || text.matches('«').count() > text.matches('»').count();
        let hangs = self
            .rows
            .first()
            .is_some_and(|first| row.area.left > first.area.left + row.size);
        (is_open || hangs) && self.rows.len() < 4
    }

    /// A first line's indent after a line that ended early.
    fn ends_before(&self, last: &Row, row: &Row, region: &Region) -> bool {
        let left = self
            .rows
            .iter()
            .map(|row| row.area.left)
            .fold(f32::INFINITY, f32::min);
        let is_indented = row.area.left > left + row.size && row.area.left > last.area.left + row.size;
        let ends_sentence = last
            .words
            .last()
            .is_some_and(|word| word.text.ends_with(['.', '!', '?', ';']));
        is_indented && (ends_short(last, region) || ends_sentence)
    }

    fn block(self, frame: Frame, page: usize, stats: &Stats) -> Option<Block> {
        let kind = self.kind(page, stats);
        join::block(kind, self.rows, frame, stats)
    }

    fn kind(&self, page: usize, stats: &Stats) -> BlockKind {
        let characters = self
            .rows
            .iter()
            .flat_map(|row| &row.words)
            .flat_map(|word| word.text.chars());
        let (mut length, mut letters) = (0, 0);
        for ch in characters {
            length += 1;
            letters += usize::from(ch.is_alphabetic());
        }
        let names = letters >= 2 && letters * 2 > length;
        let size = self.rows.iter().map(|row| row.size).fold(0.0, f32::max);
        let is_short = length <= HEADING_CHARACTERS_MAX && self.rows.len() <= 4;
        match (self.start, stats.level(size)) {
            (Start::KeyValue, _) => BlockKind::KeyValue,
            (Start::Listed(_), None) => BlockKind::ListItem(0),
            (Start::Plain | Start::Bold, Some(1)) if names && is_short && page == 0 => BlockKind::Title,
            (Start::Plain | Start::Bold | Start::Listed(_), Some(level)) if names && is_short => {
                BlockKind::Heading(level)
            }
            (Start::Plain, None) if names && self.is_numbered_heading(length) => {
                BlockKind::Heading(stats.bold_level())
            }
            (Start::Bold, None) if names && self.is_bold_heading(length) => {
                BlockKind::Heading(stats.bold_level())
            }
            _ => BlockKind::Paragraph,
        }
    }

    fn is_bold_heading(&self, length: usize) -> bool {
        let ends_sentence = self
            .rows
            .last()
            .and_then(|row| row.words.last())
            .is_some_and(|word| word.text.ends_with(['.', ',', ';']));
        length <= BOLD_HEADING_CHARACTERS_MAX && self.rows.len() <= 2 && !ends_sentence
    }
}

impl Group {
    /// "2 Background", "3.1. Предмет договора" alone on a line.
    fn is_numbered_heading(&self, length: usize) -> bool {
        let [row] = self.rows.as_slice() else { return false };
        let [number, name, ..] = row.words.as_slice() else {
            return false;
        };
        let is_number = number.text.starts_with(|ch: char| ch.is_ascii_digit())
            && number.text.chars().all(|ch| ch.is_ascii_digit() || ch == '.')
            && number
                .text
                .split('.')
                .filter(|part| !part.is_empty())
                .all(|part| part.len() <= 2);
        let is_name = name.text.starts_with(char::is_uppercase)
            && name.text.chars().all(|ch| ch.is_alphabetic() || ch == '-');
        let ends_sentence = row
            .words
            .last()
            .is_some_and(|word| word.text.ends_with(['.', ',', ';', ':']));
        is_number
            && is_name
            && !ends_sentence
            && length <= BOLD_HEADING_CHARACTERS_MAX
            && row.words.len() <= 9
    }
}

fn ends_short(row: &Row, region: &Region) -> bool {
    row.area.right < region.area.right - region.area.width() * 0.15
}

/// "Label: value", perhaps with a tab between them.
pub fn is_key_value(line: &str) -> bool {
    let Some((label, value)) = line.split_once(':') else {
        return false;
    };
    let label = label.trim();
    let starts_well = label
        .chars()
        .next()
        .is_some_and(|ch| ch.is_alphanumeric() || ch == '№');
    let has_letter = label.chars().any(char::is_alphabetic);
    let is_label = label.chars().count() <= LABEL_CHARACTERS_MAX
        && !label.contains(". ")
        && label.split_whitespace().count() <= 7;
    // "12:30" and "http://" hold no label.
    value.starts_with(char::is_whitespace)
        && !value.trim().is_empty()
        && starts_well
        && has_letter
        && is_label
}

/// Which items start a list item: those with a bullet, and numbered ones that have a neighbour in the numbering.
fn list_starts(items: &[Item]) -> Vec<bool> {
    let markers: Vec<Option<Marker>> = items
        .iter()
        .map(|item| match item {
            Item::Row(row) => Marker::of(row),
            Item::Table(_) => None,
        })
        .collect();
    let follows =
        |a: Marker, b: Marker| matches!((a, b), (Marker::Number(a), Marker::Number(b)) if b == a + 1);
    let numbered: Vec<Marker> = markers.iter().flatten().copied().collect();
    markers
        .iter()
        .map(|marker| match marker {
            Some(Marker::Bullet) => true,
            Some(number) => numbered
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if follows(*a, *b) && (a == number || b == number))),
            None => false,
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Marker {
    Bullet,
    Number(u32),
}

impl Marker {
    fn of(row: &Row) -> Option<Self> {
        let [first, second, ..] = row.words.as_slice() else {
            return None;
        };
        // A marker stands near its text; a number far from it is a cell.
        if second.area.left - first.area.right > row.size * 2.5 {
            return None;
        }
        match first.text.as_str() {
            "•" | "●" | "◦" | "▪" | "■" | "○" | "‣" | "–" | "—" | "-" | "*" | "·" | "" => {
                Some(Self::Bullet)
            }
            text => text
                .strip_suffix(['.', ')'])?
                .parse()
                .ok()
                .filter(|number| *number < 1000)
                .map(Self::Number),
        }
    }
}
