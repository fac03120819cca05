//! Blocks in pieces that fit: whole; else by lines or sentences; else by words; else by user-perceived characters. No piece
//! begins or ends within one of those.

use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// The pieces of a block's text as ranges of bytes, without the blanks between them. Each has at most `most` characters,
/// unless it is one user-perceived character that has more.
pub fn pieces(text: &str, by_lines: bool, most: usize) -> Vec<Range<usize>> {
    let whole = trimmed(text, 0..text.len());
    let mut pieces = Vec::new();
    if whole.is_empty() {
        return pieces;
    }
    if fits(text, &whole, most) {
        pieces.push(whole);
        return pieces;
    }
    let parts: Vec<Range<usize>> = if by_lines {
        ranges(text, text.split_inclusive('\n'))
    } else {
        ranges(text, text.split_sentence_bounds())
    };
    for part in parts {
        let part = trimmed(text, part);
        if fits(text, &part, most) {
            pieces.extend(Some(part).filter(|part| !part.is_empty()));
        } else {
            words(text, part, most, &mut pieces);
        }
    }
    pieces
}

/// A sentence that does not fit, by words.
fn words(text: &str, part: Range<usize>, most: usize, pieces: &mut Vec<Range<usize>>) {
    let Some(inside) = text.get(part.clone()) else {
        return;
    };
    let mut packed = Packed::new(text, part.start, most);
    let mut add = |range: Range<usize>| packed.add(part.start + range.start..part.start + range.end, pieces);
    for word in ranges(inside, inside.split_word_bounds()) {
        if fits(inside, &word, most) {
            add(word);
            continue;
        }
        let mut at = word.start;
        for grapheme in inside.get(word).unwrap_or_default().graphemes(true) {
            add(at..at + grapheme.len());
            at += grapheme.len();
        }
    }
    packed.end(pieces);
}

/// Neighbours, put together as long as they fit.
struct Packed<'a> {
    text: &'a str,
    range: Range<usize>,
    chars: usize,
    most: usize,
}

impl<'a> Packed<'a> {
    fn new(text: &'a str, start: usize, most: usize) -> Self {
        Self {
            text,
            range: start..start,
            chars: 0,
            most,
        }
    }

    fn add(&mut self, next: Range<usize>, pieces: &mut Vec<Range<usize>>) {
        let chars = chars(self.text, &next);
        if self.chars > 0 && self.chars + chars > self.most {
            self.end(pieces);
            self.range.start = next.start;
        }
        self.range.end = next.end;
        self.chars += chars;
    }

    fn end(&mut self, pieces: &mut Vec<Range<usize>>) {
        let piece = trimmed(self.text, self.range.clone());
        pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
        self.range.start = self.range.end;
        self.chars = 0;
    }
}

/// Parts that follow each other as ranges. Words and sentences can end within a user-perceived character (behind a sign that
/// belongs to what follows): such parts stay together.
fn ranges<'a>(text: &str, parts: impl Iterator<Item = &'a str>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut at) = (0, 0);
    for part in parts {
        at += part.len();
        let whole = GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0);
        if whole.unwrap_or(false) {
            ranges.push(start..at);
            start = at;
        }
    }
    if start < at {
        ranges.push(start..at);
    }
    ranges
}

pub fn chars(text: &str, range: &Range<usize>) -> usize {
    text.get(range.clone()).map_or(0, |part| part.chars().count())
}

fn fits(text: &str, range: &Range<usize>, most: usize) -> bool {
    // A character has at most four bytes.
    range.len() <= most || chars(text, range) <= most
}

/// Without blanks at both ends. A blank with a mark on it is no blank.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(range.clone()) else {
        return range.start..range.start;
    };
    let blank = |grapheme: &&str| grapheme.chars().all(char::is_whitespace);
    let lead: usize = part.graphemes(true).take_while(blank).map(str::len).sum();
    let tail: usize = part.graphemes(true).rev().take_while(blank).map(str::len).sum();
    let start = range.start + lead;
    start..(range.end.saturating_sub(tail)).max(start)
}
