//! Finding text on a page: case, runs of blanks and hyphenation at line ends do not matter; hits are ranges of the text
//! as it stands there.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::reading::{Fragment, Page, Rect, TextRange};

/// What some characters of a text become when it is folded.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Hyphenation: the hyphen and the line's end are not part of the word.
    Nothing,
    /// A run of blanks.
    Blank,
    /// A character in lower case, which may be several.
    Letter(char),
}

impl Form {
    fn len(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Blank => 1,
            Self::Letter(c) if c.is_ascii() => 1,
            Self::Letter(c) => c.to_lowercase().map(char::len_utf8).sum(),
        }
    }

    fn push_to(self, text: &mut String) {
        match self {
            Self::Nothing => {}
            Self::Blank => text.push(' '),
            Self::Letter(c) if c.is_ascii() => text.push(c.to_ascii_lowercase()),
            Self::Letter(c) => text.extend(c.to_lowercase()),
        }
    }
}

/// Characters that are folded together.
#[derive(Debug, Clone, Copy)]
struct Unit {
    start: usize,
    end: usize,
    form: Form,
}

/// The units of a text from one of them on.
struct Units<'a> {
    base: usize,
    rest: Peekable<CharIndices<'a>>,
}

impl<'a> Units<'a> {
    fn from(text: &'a str, base: usize) -> Self {
        let rest = text.get(base..).unwrap_or_default();
        Self {
            base,
            rest: rest.char_indices().peekable(),
        }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let (start, c) = self.rest.next()?;
        let mut end = start + c.len_utf8();
        let form = if c == '\u{ad}' || (c == '-' && matches!(self.rest.peek(), Some((_, '\n')))) {
            if self.rest.next_if(|(_, c)| *c == '\n').is_some() {
                end += 1;
            }
            Form::Nothing
        } else if c.is_whitespace() {
            while let Some((at, blank)) = self.rest.next_if(|(_, c)| c.is_whitespace()) {
                end = at + blank.len_utf8();
            }
            Form::Blank
        } else {
            Form::Letter(c)
        };
        Some(Unit {
            start: self.base + start,
            end: self.base + end,
            form,
        })
    }
}

/// A text prepared for searching, with the way back to its bytes: marks, from which the text is folded again as far as
/// needed. At most one and a half times as long as the text, whatever stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    text: String,
    marks: Vec<Mark>,
}

/// A unit begins here, in both texts.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    folded: usize,
    original: usize,
}

/// Bytes between marks, in the text that advances faster. A hit costs as much to find its way back; a mark takes 16 bytes.
const STRIDE: usize = 512;

impl Folded {
    fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut marks = Vec::new();
        let mut last = Mark::default();
        for unit in Units::from(original, 0) {
            if text.len() - last.folded >= STRIDE || unit.start - last.original >= STRIDE {
                last = Mark {
                    folded: text.len(),
                    original: unit.start,
                };
                marks.push(last);
            }
            unit.form.push_to(&mut text);
        }
        text.shrink_to_fit();
        marks.shrink_to_fit();
        Self { text, marks }
    }

    /// The last mark for which `before` holds; the beginning has always one.
    fn mark(&self, before: impl Fn(&Mark) -> bool) -> Mark {
        let after = self.marks.partition_point(before);
        after
            .checked_sub(1)
            .and_then(|at| self.marks.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// The first byte that stands for something at or after `start` of the original.
    fn at_original(&self, original: &str, start: usize) -> usize {
        let mark = self.mark(|m| m.original <= start);
        let before = Units::from(original, mark.original).take_while(|unit| unit.start < start);
        mark.folded + before.map(|unit| unit.form.len()).sum::<usize>()
    }
}

/// Finds the way back from bytes of the folded text, which come in order.
struct Back<'a> {
    folded: &'a Folded,
    original: &'a str,
    units: Units<'a>,
    /// The unit that was looked at last, and where it ends in the folded text.
    unit: Option<Unit>,
    end: usize,
}

impl<'a> Back<'a> {
    fn new(folded: &'a Folded, original: &'a str) -> Self {
        Self {
            folded,
            original,
            units: Units::from(original, 0),
            unit: None,
            end: 0,
        }
    }

    /// The unit in which byte `at` of the folded text lies.
    fn unit(&mut self, at: usize) -> Option<Unit> {
        let mark = self.folded.mark(|m| m.folded <= at);
        if mark.folded > self.end {
            self.units = Units::from(self.original, mark.original);
            self.end = mark.folded;
        }
        while self.end <= at {
            let unit = self.units.next()?;
            self.end += unit.form.len();
            self.unit = Some(unit);
        }
        self.unit
    }
}

/// A needle, folded; none: there is nothing to look for, or more than `most` bytes, which cannot be anywhere.
fn wanted(needle: &str, most: usize) -> Option<String> {
    let mut text = String::new();
    for unit in Units::from(needle.trim(), 0) {
        unit.form.push_to(&mut text);
        if text.len() > most {
            return None;
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Why a span cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// The offset lies outside the text.
    #[error("the offset lies outside the page's text")]
    Outside,
    /// The offset lies inside a character.
    #[error("the offset lies inside a character")]
    InsideCharacter,
    /// The end lies before the start.
    #[error("the end lies before the start")]
    Reversed,
}

/// What an offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUnit {
    /// Bytes.
    Utf8,
    /// Code units of UTF-16.
    Utf16,
    /// Code points.
    CodePoint,
}

impl Page {
    /// At most `limit` places of `needle` that begin at or after byte `start`, not overlapping. A needle without anything
    /// but blanks is nowhere.
    pub fn find(&self, needle: &str, start: u32, limit: usize) -> Vec<TextRange> {
        let folded = self.folded.get_or_init(|| Folded::new(&self.text));
        let Some(wanted) = wanted(needle, folded.text.len()) else {
            return Vec::new();
        };
        let from = folded.at_original(&self.text, start as usize);
        let Some(tail) = folded.text.get(from..) else {
            return Vec::new();
        };
        let mut back = Back::new(folded, &self.text);
        let narrow = |n: usize| u32::try_from(n).ok();
        tail.match_indices(&wanted)
            .take(limit)
            .filter_map(|(at, hit)| {
                let first = back.unit(from + at)?;
                let last = back.unit(from + at + hit.len() - 1)?;
                Some(TextRange {
                    start: narrow(first.start)?,
                    end: narrow(last.end)?,
                })
            })
            .collect()
    }

    /// A range from offsets that count `unit`s.
    ///
    /// # Errors
    /// When an offset lies outside the text or inside a character, or the end before the start.
    pub fn range(&self, start: u32, end: u32, unit: TextUnit) -> Result<TextRange, SpanError> {
        if end < start {
            return Err(SpanError::Reversed);
        }
        let first = byte_offset(&self.text, 0, 0, start, unit)?;
        let last = byte_offset(&self.text, first, start, end, unit)?;
        let narrow = |n: usize| u32::try_from(n).map_err(|_| SpanError::Outside);
        Ok(TextRange {
            start: narrow(first)?,
            end: narrow(last)?,
        })
    }

    /// Where a range is on the page: one rectangle per line; empty if the parser did not know.
    pub fn regions(&self, range: TextRange) -> Vec<Rect> {
        let mut lines: Vec<Rect> = Vec::new();
        // In the text's order, so that a page of thousands of blocks is not gone through for each range.
        let first = self.blocks.partition_point(|b| b.range.end <= range.start);
        let near = self.blocks.iter().skip(first);
        let near = near.take_while(|b| b.range.start < range.end);
        for block in near.filter(|b| b.range.overlaps(range)) {
            let cells = block.table.iter().flat_map(|t| &t.cells);
            let places: Vec<Rect> = if block.fragments.is_empty() {
                cells
                    .filter(|c| c.range.overlaps(range))
                    .filter_map(|c| c.region)
                    .collect()
            } else {
                fragments_in(&block.fragments, range).map(|f| f.region).collect()
            };
            if places.is_empty() {
                lines.extend(block.region);
            }
            for place in places {
                match lines.last_mut() {
                    Some(line) if same_line(*line, place) => *line = line.union(place),
                    _ => lines.push(place),
                }
            }
        }
        lines
    }

    /// The words or lines that lie in a range.
    pub fn fragments(&self, range: TextRange) -> impl Iterator<Item = &Fragment> {
        self.blocks
            .iter()
            .filter(move |b| b.range.overlaps(range))
            .flat_map(move |b| fragments_in(&b.fragments, range))
    }
}

fn fragments_in(fragments: &[Fragment], range: TextRange) -> impl Iterator<Item = &Fragment> {
    let first = fragments.partition_point(|f| f.range.end <= range.start);
    fragments
        .get(first..)
        .unwrap_or_default()
        .iter()
        .take_while(move |f| f.range.start < range.end)
}

/// Two places are on one line when they share more than half of the lower one's height.
fn same_line(a: Rect, b: Rect) -> bool {
    let shared = a.bottom.min(b.bottom) - a.top.max(b.top);
    shared > 0.5 * (a.bottom - a.top).min(b.bottom - b.top)
}

/// The byte offset of `wanted` units, counting on from byte `from`, which is `counted` units.
fn byte_offset(
    text: &str,
    from: usize,
    counted: u32,
    wanted: u32,
    unit: TextUnit,
) -> Result<usize, SpanError> {
    if unit == TextUnit::Utf8 {
        let at = usize::try_from(wanted).map_err(|_| SpanError::Outside)?;
        return match (at <= text.len(), text.is_char_boundary(at)) {
            (true, true) => Ok(at),
            (true, false) => Err(SpanError::InsideCharacter),
            (false, _) => Err(SpanError::Outside),
        };
    }
    let mut count = counted;
    for (at, c) in text.get(from..).unwrap_or_default().char_indices() {
        if count == wanted {
            return Ok(from + at);
        }
        if count > wanted {
            return Err(SpanError::InsideCharacter);
        }
        count += if unit == TextUnit::Utf16 && c.len_utf16() == 2 {
            2
        } else {
            1
        };
    }
    match count.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(text.len()),
        std::cmp::Ordering::Greater => Err(SpanError::InsideCharacter),
        std::cmp::Ordering::Less => Err(SpanError::Outside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{PageInfo, TextOrigin};

    fn page(text: &str) -> Page {
        let info = PageInfo {
            label: None,
            size: None,
            origin: TextOrigin::Digital,
            warnings: vec![],
        };
        Page::new(info, text.to_owned(), vec![])
    }

    #[test]
    fn finds_across_case_blanks_and_hyphenation() {
        let page = page("Счёт  на\u{a0}ОПЛАТУ: доку-\nмент № 5, документ");
        let texts = |needle: &str| -> Vec<&str> {
            page.find(needle, 0, 10)
                .into_iter()
                .filter_map(|r| r.of(&page.text))
                .collect()
        };
        assert_eq!(texts("счёт на оплату"), ["Счёт  на\u{a0}ОПЛАТУ"]);
        assert_eq!(texts("ДОКУМЕНТ"), ["доку-\nмент", "документ"]);
        assert!(texts(" \n").is_empty());
        assert_eq!(page.find("документ", 40, 10).len(), 1);
        assert_eq!(page.find("о", 0, 2).len(), 2);
    }

    #[test]
    fn a_letter_that_grows_in_lower_case_keeps_its_bytes() {
        // U+0130 becomes two characters in lower case.
        let page = page("xİy İ");
        let hit = page.find("y", 0, 1);
        assert_eq!(hit.first().and_then(|r| r.of(&page.text)), Some("y"));
    }

    /// Every hit, found the slow way: each byte of the folded text knows where it comes from.
    fn slowly(text: &str, needle: &str, start: u32) -> Vec<(usize, usize)> {
        let mut folded = String::new();
        let mut origin = Vec::new();
        for unit in Units::from(text, 0) {
            unit.form.push_to(&mut folded);
            origin.resize(folded.len(), (unit.start, unit.end));
        }
        let from = origin.partition_point(|(begin, _)| *begin < start as usize);
        let needle: String = Folded::new(needle.trim()).text;
        let hits = folded[from..].match_indices(&needle);
        hits.map(|(at, hit)| (origin[from + at].0, origin[from + at + hit.len() - 1].1))
            .collect()
    }

    #[test]
    fn the_way_back_is_right_across_marks() {
        let pieces = [
            "аб ", "İx", "-\n", "\u{ad}", "Ab", "  \n ", "\u{ad}\n", "Ⱥ", "b-b", "ẞ",
        ];
        let mut state = 3_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for round in 0..20 {
            let text: String = (0..2_000).map(|_| pieces[random(10) as usize]).collect();
            // Long stretches that stand for nothing or for one blank.
            let text = format!(
                "{text}{}{text}{}{text}",
                "\u{ad}".repeat(3_000),
                " ".repeat(3_000)
            );
            let page = page(&text);
            for needle in ["a", "б а", "bb", "i̇x", "x", "ⱥ", "b", "ß b-b"] {
                for start in [0, random(5_000), 9_000 + round] {
                    let hits = page.find(needle, start, 100_000);
                    let found: Vec<_> = hits.iter().map(|r| (r.start as usize, r.end as usize)).collect();
                    assert_eq!(found, slowly(&text, needle, start), "{needle:?} from {start}");
                }
            }
        }
    }

    #[test]
    fn a_text_prepared_for_searching_is_at_most_half_again_as_long() {
        let texts = ["a  ", "a\u{ad}", "İ", "Ⱥ", "-\n", "слово ", "x", " \n"];
        for text in texts.map(|piece| piece.repeat(20_000)) {
            let folded = Folded::new(&text);
            let bytes = folded.text.capacity() + folded.marks.capacity() * size_of::<Mark>();
            assert!(bytes <= text.len() * 156 / 100, "{}: {bytes}", text.len());
        }
        // Nor is a needle prepared that cannot be there.
        assert_eq!(wanted(&"n".repeat(1_000), 999), None);
    }

    #[test]
    fn converts_units_and_refuses_halves() {
        let page = page("a😀я");
        assert_eq!(
            page.range(0, 4, TextUnit::Utf16),
            Ok(TextRange { start: 0, end: 7 })
        );
        assert_eq!(
            page.range(1, 3, TextUnit::CodePoint),
            Ok(TextRange { start: 1, end: 7 })
        );
        assert_eq!(page.range(2, 3, TextUnit::Utf16), Err(SpanError::InsideCharacter));
        assert_eq!(page.range(2, 5, TextUnit::Utf8), Err(SpanError::InsideCharacter));
        assert_eq!(page.range(0, 9, TextUnit::CodePoint), Err(SpanError::Outside));
        assert_eq!(page.range(3, 1, TextUnit::Utf8), Err(SpanError::Reversed));
        assert_eq!(
            page.range(7, 7, TextUnit::Utf8),
            Ok(TextRange { start: 7, end: 7 })
        );
    }
}
