//! Finding text on a page: case, runs of blanks and hyphenation at line ends do not matter; hits are ranges of the text
//! as it stands there.

use crate::reading::{Fragment, Page, Rect, TextRange};

/// A text prepared for searching, with the way back to its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    text: String,
    /// For each byte of `text`: start and end of the original character(s) that it stands for.
    origin: Vec<(u32, u32)>,
}

impl Folded {
    fn new(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut origin = Vec::with_capacity(original.len());
        let mut rest = original.char_indices().peekable();
        while let Some((start, c)) = rest.next() {
            let mut end = start + c.len_utf8();
            if c == '\u{ad}' || (c == '-' && matches!(rest.peek(), Some((_, '\n')))) {
                // Hyphenation: the hyphen and the line's end are not part of the word.
                if matches!(rest.peek(), Some((_, '\n'))) {
                    rest.next();
                }
                continue;
            }
            if c.is_whitespace() {
                while let Some((at, blank)) = rest.next_if(|(_, c)| c.is_whitespace()) {
                    end = at + blank.len_utf8();
                }
                push(&mut text, &mut origin, ' ', start, end);
                continue;
            }
            for lower in c.to_lowercase() {
                push(&mut text, &mut origin, lower, start, end);
            }
        }
        Self { text, origin }
    }
}

fn push(text: &mut String, origin: &mut Vec<(u32, u32)>, c: char, start: usize, end: usize) {
    text.push(c);
    let place = (
        u32::try_from(start).unwrap_or(u32::MAX),
        u32::try_from(end).unwrap_or(u32::MAX),
    );
    origin.extend(std::iter::repeat_n(place, c.len_utf8()));
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
        let wanted = Folded::new(needle.trim()).text;
        if wanted.is_empty() {
            return Vec::new();
        }
        let folded = self.folded.get_or_init(|| Folded::new(&self.text));
        let from = folded.origin.partition_point(|(begin, _)| *begin < start);
        let Some(tail) = folded.text.get(from..) else {
            return Vec::new();
        };
        tail.match_indices(&wanted)
            .filter_map(|(at, hit)| {
                let first = folded.origin.get(from + at)?;
                let last = folded.origin.get(from + at + hit.len() - 1)?;
                Some(TextRange {
                    start: first.0,
                    end: last.1,
                })
            })
            .take(limit)
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
        for block in self.blocks.iter().filter(|b| b.range.overlaps(range)) {
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
