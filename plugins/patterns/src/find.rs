//! Candidates: values of the wanted kind in the places where a field may stand.

pub mod cells;
pub mod labels;
pub mod regexes;

use crate::page::Page;
use crate::value::{Scan, Spec, scan};
use docmill_plugin::Value;

pub const SAME_LINE: f32 = 0.95;
pub const NEXT_CELL: f32 = 0.95;
pub const REGEX: f32 = 0.93;
pub const COLUMN: f32 = 0.93;
pub const RIGHT_BLOCK: f32 = 0.90;
pub const NEXT_LINE: f32 = 0.85;
pub const UNDER_LABEL: f32 = 0.85;
/// What each word between label and value takes.
const GAP: f32 = 0.15;
const GAP_LEAST: f32 = 0.40;

/// A value that may be a field's.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub page: u32,
    /// Bytes of the page's text.
    pub start: usize,
    pub end: usize,
    pub value: Value,
    /// The product of README's table.
    pub confidence: f32,
    pub verified: bool,
}

/// A piece of a page where a value may stand, and how much finding it there says.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    pub start: usize,
    pub end: usize,
    pub place: f32,
    /// Cells that were passed over, or words of a longer label.
    pub skipped: u32,
}

impl Zone {
    pub fn new(bounds: (usize, usize), place: f32) -> Self {
        Self {
            start: bounds.0,
            end: bounds.1,
            place,
            skipped: 0,
        }
    }
}

/// The first value in a zone.
pub fn in_zone(page: &Page, zone: Zone, spec: &Spec) -> Option<Candidate> {
    let text = page.slice(zone.start, zone.end);
    let found = scan(text, spec)?;
    let words = if spec.kind == crate::value::Kind::Text && spec.pattern.is_none() {
        0
    } else {
        words_before(text, found.start)
    };
    Some(candidate(
        page,
        zone.start,
        found,
        zone.place * gap(words.max(zone.skipped)),
    ))
}

pub fn candidate(page: &Page, offset: usize, found: Scan, place: f32) -> Candidate {
    Candidate {
        page: page.number,
        start: offset + found.start,
        end: offset + found.end,
        value: found.value,
        confidence: place * found.form * page.text_confidence(offset + found.start),
        verified: found.verified,
    }
}

fn gap(words: u32) -> f32 {
    (1.0 - GAP * words as f32).max(GAP_LEAST)
}

/// Words between the beginning of a zone and a place in it; a remark in brackets right at the beginning is none.
fn words_before(text: &str, start: usize) -> u32 {
    let before = text.get(..start).unwrap_or("");
    let lead = before.trim_start();
    let counted = match lead.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
        Some((_, after)) => after,
        None => lead,
    };
    counted
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .count() as u32
}
