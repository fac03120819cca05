//! Characters to words to visual lines.

use super::{Row, Word};
use crate::glyph::{Area, Glyph};

/// Characters whose baselines differ by less than this share of their mean size stand on one line.
const SAME_BASELINE: f32 = 0.3;

/// A gap wider than this share of the size ends a word. Kerning stays below 0.1, the narrowest justified blank is 0.17.
const WORD_GAP: f32 = 0.15;

/// A blank character ends a word only if the gap there is at least this share of the size: strings are padded with
/// blanks over which other text is then set. Blanks drawn right between two characters always count.
const BLANK_GAP: f32 = 0.05;

/// The same character drawn again this close is drawn for boldness or shadow…
const REDRAWN: f32 = 0.13;

/// …or this close if nothing was drawn between: narrow letters follow each other, Arabic ones overlap.
const REDRAWN_AT_ONCE: f32 = 0.05;

/// Superscripts and subscripts are at most this share of their letters' size.
const SCRIPT_SIZE: f32 = 0.87;

/// Characters of one line, in construction.
struct Line {
    baseline: f32,
    glyphs: Vec<Glyph>,
}

impl Line {
    fn size(&self) -> f32 {
        self.glyphs.iter().map(|glyph| glyph.size).fold(0.0, f32::max)
    }
}

/// The rows of upright characters, from the top.
pub fn rows(glyphs: Vec<Glyph>) -> Vec<Row> {
    let (blanks, solids): (Vec<Glyph>, Vec<Glyph>) = glyphs.into_iter().partition(|glyph| glyph.ch == ' ');
    let mut lines = lines(solids);
    attach_scripts(&mut lines);
    lines.retain(|line| !line.glyphs.is_empty());
    spread_blanks(&mut lines, blanks);
    lines.into_iter().filter_map(row).collect()
}

fn lines(mut solids: Vec<Glyph>) -> Vec<Line> {
    solids.sort_by(|a, b| {
        a.origin
            .1
            .total_cmp(&b.origin.1)
            .then(a.area.left.total_cmp(&b.area.left))
    });
    let mut lines: Vec<Line> = Vec::new();
    for glyph in solids {
        match lines.last_mut() {
            Some(line)
                if glyph.origin.1 - line.baseline
                    <= SAME_BASELINE * (line.size_of_first() + glyph.size) / 2.0 =>
            {
                line.glyphs.push(glyph);
            }
            _ => lines.push(Line {
                baseline: glyph.origin.1,
                glyphs: vec![glyph],
            }),
        }
    }
    lines
}

impl Line {
    fn size_of_first(&self) -> f32 {
        self.glyphs.first().map_or(0.0, |glyph| glyph.size)
    }
}

/// How far up and down among the lines a script's letters are looked for: lines of other columns stand between.
const SCRIPT_REACH: usize = 3;

/// Moves superscripts and subscripts into the line of the letters that they touch.
fn attach_scripts(lines: &mut [Line]) {
    for index in 0..lines.len() {
        for distance in 1..=SCRIPT_REACH {
            for neighbour in [index + distance, index.wrapping_sub(distance)] {
                if let Ok([small, base]) = lines.get_disjoint_mut([index, neighbour]) {
                    attach_touching(small, base);
                }
            }
        }
    }
}

fn attach_touching(small: &mut Line, base: &mut Line) {
    let size = base.size();
    let least = small
        .glyphs
        .iter()
        .map(|glyph| glyph.size)
        .fold(f32::INFINITY, f32::min);
    if (small.baseline - base.baseline).abs() > size * 0.6 || least > size * SCRIPT_SIZE {
        return;
    }
    let mut ends: Vec<(f32, f32)> = base
        .glyphs
        .iter()
        .map(|glyph| (glyph.area.right, glyph.size))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    small.glyphs.sort_by(|a, b| a.area.left.total_cmp(&b.area.left));
    let mut attached_end = f32::NEG_INFINITY;
    let (attached, rest): (Vec<Glyph>, Vec<Glyph>) = small.glyphs.drain(..).partition(|glyph| {
        let left = glyph.area.left;
        let after = ends.partition_point(|(end, _)| *end < left - size * 0.25);
        let touched = ends.get(after).filter(|(end, _)| *end <= left + size * 0.15);
        let touches = touched.is_some_and(|(_, size)| glyph.size < size * SCRIPT_SIZE);
        let continues = (left - attached_end).abs() < glyph.size * 0.3;
        if touches || continues {
            attached_end = glyph.area.right;
        }
        touches || continues
    });
    small.glyphs = rest;
    base.glyphs.extend(attached);
}

fn spread_blanks(lines: &mut [Line], blanks: Vec<Glyph>) {
    for blank in blanks {
        let below = lines.partition_point(|line| line.baseline < blank.origin.1);
        let nearest = [below.checked_sub(1), Some(below)]
            .into_iter()
            .flatten()
            .filter_map(|index| Some((index, (lines.get(index)?.baseline - blank.origin.1).abs())))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let nearest = nearest.filter(|(_, distance)| *distance <= SAME_BASELINE * blank.size);
        if let Some(line) = nearest.and_then(|(index, _)| lines.get_mut(index)) {
            line.glyphs.push(blank);
        }
    }
}

fn row(mut line: Line) -> Option<Row> {
    line.glyphs
        .sort_by(|a, b| a.area.left.total_cmp(&b.area.left).then(a.order.cmp(&b.order)));
    let mut words: Vec<Word> = Vec::new();
    let mut blank: Option<Glyph> = None;
    let mut last: Option<Glyph> = None;
    for glyph in line.glyphs {
        if glyph.ch == ' ' {
            // A blank under a letter separates nothing.
            let is_covered =
                last.is_some_and(|last| glyph.area.centre().0 < last.area.right - last.size * 0.02);
            if !is_covered && blank.is_none() {
                blank = Some(glyph);
            }
            continue;
        }
        match (last, words.last_mut()) {
            (Some(before), Some(_)) if is_redrawn(&before, &glyph) => continue,
            (Some(before), Some(word)) if !ends_word(&before, blank.as_ref(), &glyph) => {
                word.text.push(glyph.ch);
                word.area = word.area.union(glyph.area);
                word.size = word.size.max(glyph.size);
            }
            _ => words.push(Word {
                text: glyph.ch.to_string(),
                area: glyph.area,
                size: glyph.size,
                bold: glyph.bold,
            }),
        }
        last = Some(glyph);
        blank = None;
    }
    let area = Area::around(words.iter().map(|word| word.area))?;
    let size = usual_size(&words);
    Some(Row {
        words,
        area,
        baseline: line.baseline,
        size,
    })
}

fn is_redrawn(before: &Glyph, glyph: &Glyph) -> bool {
    let at_once = before.order.abs_diff(glyph.order) == 1;
    let reach = glyph.size * if at_once { REDRAWN_AT_ONCE } else { REDRAWN };
    let (dx, dy) = (
        glyph.area.left - before.area.left,
        glyph.origin.1 - before.origin.1,
    );
    before.ch == glyph.ch && dx.abs() < reach && dy.abs() < reach
}

fn ends_word(before: &Glyph, blank: Option<&Glyph>, glyph: &Glyph) -> bool {
    let gap = glyph.area.left - before.area.right;
    let size = before.size.max(glyph.size);
    if gap > WORD_GAP * size {
        return true;
    }
    blank.is_some_and(|blank| {
        let drawn_between = before.order.checked_add(1) == Some(blank.order)
            && blank.order.checked_add(1) == Some(glyph.order);
        drawn_between || gap > BLANK_GAP * size
    })
}

fn usual_size(words: &[Word]) -> f32 {
    let mut sizes: Vec<(f32, usize)> = Vec::new();
    for word in words {
        let length = word.text.chars().count();
        match sizes.iter_mut().find(|(size, _)| (size - word.size).abs() < 0.3) {
            Some((_, count)) => *count += length,
            None => sizes.push((word.size, length)),
        }
    }
    sizes
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or(0.0, |(size, _)| size)
}
