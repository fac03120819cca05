//! From characters and boxes to blocks in reading order.
//!
//! A page is drafted alone (words, rows, tables); what only the whole document shows (body size, running headers, the
//! vocabulary that says which hyphens are soft) is gathered over all drafts; then each draft becomes a page.

mod bidi;
mod blocks;
mod clean;
mod columns;
mod furniture;
mod join;
mod rows;
mod stats;
mod tables;

pub use stats::Stats;

use crate::document::{Block, BlockKind, Fragment, Origin, Page, Warning};
use crate::glyph::{Area, Frame, Glyph, Turn};
use crate::read::RawPage;

/// A word of a row, in the row's upright frame.
#[derive(Debug, Clone)]
pub struct Word {
    pub text: String,
    pub area: Area,
    pub size: f32,
    pub bold: bool,
}

/// The words of one visual line, left to right as seen.
#[derive(Debug, Clone)]
pub struct Row {
    pub words: Vec<Word>,
    pub area: Area,
    pub baseline: f32,
    /// Of the most of its characters.
    pub size: f32,
}

/// What stands on a page, one below the other or side by side.
#[derive(Debug, Clone)]
pub enum Item {
    Row(Row),
    Table(tables::TableDraft),
}

impl Item {
    pub fn area(&self) -> Area {
        match self {
            Self::Row(row) => row.area,
            Self::Table(table) => table.area,
        }
    }
}

/// Everything of one direction on a page.
#[derive(Debug)]
struct Part {
    frame: Frame,
    items: Vec<Item>,
    headers: Vec<Row>,
    footers: Vec<Row>,
}

/// A page before the whole document is known.
#[derive(Debug)]
pub struct Draft {
    width: f32,
    height: f32,
    origin: Origin,
    warnings: Vec<Warning>,
    /// The main direction first.
    parts: Vec<Part>,
    /// Text aslant: a stamp, a watermark.
    skew: Option<(String, Area)>,
}

impl Draft {
    /// The number of words outside tables.
    pub fn words(&self) -> usize {
        let items = self.parts.iter().flat_map(|part| &part.items);
        items
            .map(|item| {
                if let Item::Row(row) = item {
                    row.words.len()
                } else {
                    0
                }
            })
            .sum()
    }
}

/// Drafts a page.
pub fn draft(raw: RawPage) -> Draft {
    let mut warnings = raw.warnings;
    let cleaned = clean::clean(raw.glyphs, raw.width, raw.height);
    if cleaned.glyphs.is_empty() && (raw.draws || cleaned.unmapped > 0) {
        warnings.push(Warning::NoTextLayer);
    } else if cleaned.unmapped * 3 > cleaned.glyphs.len() {
        warnings.push(Warning::LyingTextLayer);
    }
    let origin = match (raw.invisible_codes, raw.visible_codes) {
        (0, _) => Origin::Digital,
        (invisible, visible) if visible <= invisible / 10 => Origin::Recognized,
        _ => Origin::Mixed,
    };
    let mut draft = Draft {
        width: raw.width,
        height: raw.height,
        origin,
        warnings,
        parts: Vec::new(),
        skew: skew(&cleaned.glyphs),
    };
    let mut turns = [Turn::Right, Turn::Down, Turn::Left, Turn::Up].map(|turn| {
        (
            turn,
            cleaned.glyphs.iter().filter(|glyph| glyph.turn == turn).count(),
        )
    });
    turns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut boxes = raw.tables;
    for (turn, count) in turns {
        if count == 0 {
            continue;
        }
        let frame = Frame::new(turn, raw.width, raw.height);
        let mut glyphs = upright(&cleaned.glyphs, frame, turn);
        let tables = tables::take(&mut glyphs, std::mem::take(&mut boxes), frame);
        let mut items: Vec<Item> = rows::rows(glyphs).into_iter().map(Item::Row).collect();
        items.extend(tables.into_iter().map(Item::Table));
        draft.parts.push(Part {
            frame,
            items,
            headers: Vec::new(),
            footers: Vec::new(),
        });
    }
    draft
}

fn upright(glyphs: &[Glyph], frame: Frame, turn: Turn) -> Vec<Glyph> {
    glyphs
        .iter()
        .filter(|glyph| glyph.turn == turn)
        .map(|glyph| {
            let origin = frame.upright_point(glyph.origin);
            clean::boxed(Glyph {
                area: frame.upright(glyph.area),
                origin,
                ..*glyph
            })
        })
        .collect()
}

fn skew(glyphs: &[Glyph]) -> Option<(String, Area)> {
    let aslant = || glyphs.iter().filter(|glyph| glyph.turn == Turn::Skew);
    let text: String = aslant().map(|glyph| glyph.ch).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let area = Area::around(aslant().map(|glyph| glyph.area))?;
    (!text.is_empty()).then_some((text, area))
}

/// Finds what repeats at the pages' edges and takes it out of the flow.
pub fn part_furniture(drafts: &mut [Draft]) {
    furniture::part(drafts);
}

/// Makes the page.
pub fn finish(draft: Draft, index: usize, label: Option<String>, stats: &Stats) -> Page {
    let mut blocks = Vec::new();
    let mut feet = Vec::new();
    for part in draft.parts {
        let edge = |rows: Vec<Row>, kind: BlockKind| {
            rows.into_iter()
                .filter_map(|row| join::block(kind, vec![row], part.frame, stats))
                .collect::<Vec<Block>>()
        };
        blocks.extend(edge(part.headers, BlockKind::Header));
        for region in columns::regions(part.items) {
            blocks.extend(blocks::blocks(region, part.frame, index, stats));
        }
        feet.extend(edge(part.footers, BlockKind::Footer));
    }
    if let Some((text, area)) = draft.skew {
        let region = Frame::new(Turn::Right, draft.width, draft.height).fractions(area);
        let fragments = vec![Fragment { text, region }];
        blocks.push(Block {
            kind: BlockKind::Paragraph,
            fragments,
            table: None,
            region,
        });
    }
    blocks.extend(feet);
    Page {
        label,
        width: draft.width,
        height: draft.height,
        origin: draft.origin,
        warnings: draft.warnings,
        blocks,
    }
}
