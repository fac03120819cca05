//! Rows to text: what stands between two words, and which hyphens at line ends go.

use super::{Row, Stats, Word, bidi};
use crate::document::{Block, BlockKind, Fragment};
use crate::glyph::{Area, Frame};

/// A gap of this share of the size separates columns of a line, unless the line's other gaps are as wide.
const TAB_GAP: f32 = 1.1;

/// A gap of this share of the size always does.
const WIDE_GAP: f32 = 2.5;

/// A block of these rows; none if they hold no words.
pub fn block(kind: BlockKind, rows: Vec<Row>, frame: Frame, stats: &Stats) -> Option<Block> {
    let region = frame.fractions(Area::around(rows.iter().map(|row| row.area))?);
    let mut fragments: Vec<Fragment> = Vec::new();
    let mut rows = rows.into_iter().map(reading_order).peekable();
    // Set where the next row's first word ends a word of this one: the line break then follows that word.
    let mut broken_word = false;
    while let Some(row) = rows.next() {
        let joins = rows.peek().is_some_and(|next| joins(&row, next, stats));
        let usual = usual_gap(&row);
        let count = row.words.len();
        let mut words = row.words.into_iter().peekable();
        let mut index = 0;
        while let Some(word) = words.next() {
            index += 1;
            let region = frame.fractions(word.area);
            let mut text = word.text;
            match words.peek() {
                Some(next) if !(broken_word && index == 1) => {
                    text.push(separator(word.area, next.area, row.size, usual))
                }
                Some(_) => text.push('\n'),
                None if joins && index == count => {
                    text.pop();
                }
                None => text.push('\n'),
            }
            fragments.push(Fragment { text, region });
        }
        broken_word = joins;
    }
    if let Some(last) = fragments.last_mut() {
        last.text.truncate(last.text.trim_end().len());
    }
    Some(Block {
        kind,
        fragments,
        table: None,
        region,
    })
}

fn reading_order(mut row: Row) -> Row {
    bidi::to_reading_order(&mut row.words);
    row
}

/// The rows' words as one line, separated by blanks.
pub fn one_line(rows: Vec<Row>) -> String {
    let mut text = String::new();
    for row in rows.into_iter().map(reading_order) {
        for word in row.words {
            if text.ends_with('\u{ad}') {
                text.pop();
            } else if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
    }
    text
}

/// The text of a row, with tabs between its columns.
pub fn line(row: &Row) -> String {
    let usual = usual_gap(row);
    let mut text = String::new();
    for pair in row.words.windows(2) {
        if let [word, next] = pair {
            text.push_str(&word.text);
            text.push(separator(word.area, next.area, row.size, usual));
        }
    }
    text.push_str(row.words.last().map_or("", |word| word.text.as_str()));
    text
}

fn gap(a: Area, b: Area) -> f32 {
    (b.left - a.right).max(a.left - b.right)
}

/// The middle one of a row's gaps, where it has enough of them to tell.
fn usual_gap(row: &Row) -> Option<f32> {
    let mut gaps: Vec<f32> = row
        .words
        .windows(2)
        .filter_map(|pair| {
            if let [a, b] = pair {
                Some(gap(a.area, b.area))
            } else {
                None
            }
        })
        .collect();
    gaps.sort_by(f32::total_cmp);
    (gaps.len() >= 4)
        .then(|| gaps.get(gaps.len() / 2).copied())
        .flatten()
}

fn separator(word: Area, next: Area, size: f32, usual: Option<f32>) -> char {
    let gap = gap(word, next);
    let stands_out = usual.is_none_or(|usual| gap > usual * 2.0);
    if gap > size * WIDE_GAP || (gap > size * TAB_GAP && stands_out) {
        '\t'
    } else {
        ' '
    }
}

/// Whether the row's last word goes on in the next row: its hyphen is soft, or the document knows the word without it.
fn joins(row: &Row, next: &Row, stats: &Stats) -> bool {
    let (Some(Word { text: head, .. }), Some(Word { text: tail, .. })) =
        (row.words.last(), next.words.first())
    else {
        return false;
    };
    if head.ends_with('\u{ad}') {
        return true;
    }
    let Some(stem) = head.strip_suffix(['-', '\u{2010}']) else {
        return false;
    };
    let is_stem = stem.chars().rev().take_while(|ch| ch.is_alphabetic()).count() >= 2;
    let goes_on = tail.chars().next().is_some_and(char::is_lowercase);
    is_stem && goes_on && stats.knows(&format!("{stem}{tail}")) && !stats.knows(&format!("{stem}-{tail}"))
}
