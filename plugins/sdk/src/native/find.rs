//! Search that forgives what layout does to text: case, runs of blanks, hyphens at line ends.

use crate::Span;

/// The next places of `needle` in `text` after `start` (bytes), at most `limit`, as spans of `page`.
pub(super) fn find(text: &str, needle: &str, page: u32, start: u32, limit: u32) -> Vec<Span> {
    let needle: Vec<char> = fold(needle.trim()).into_iter().map(|(char, ..)| char).collect();
    let folded = fold(text);
    if needle.is_empty() {
        return Vec::new();
    }
    let mut spans = Vec::new();
    let mut index = folded.partition_point(|(_, from, _)| *from < start as usize);
    while let Some(window) = folded.get(index..index + needle.len()) {
        if spans.len() >= limit as usize {
            break;
        }
        if window.iter().map(|(char, ..)| char).eq(&needle) {
            let from = window.first().map_or(0, |(_, from, _)| *from);
            let to = window.last().map_or(0, |(.., to)| *to);
            spans.push(Span::new(page, from as u32, to as u32));
            index += needle.len();
        } else {
            index += 1;
        }
    }
    spans
}

/// Characters in lower case, blanks as one space, a hyphen before a newline dropped with it; each with the bytes it
/// came from.
fn fold(text: &str) -> Vec<(char, usize, usize)> {
    let mut folded: Vec<(char, usize, usize)> = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((from, char)) = chars.next() {
        let to = from + char.len_utf8();
        if char == '-' && chars.peek().is_some_and(|(_, next)| *next == '\n') {
            chars.next();
        } else if char.is_whitespace() {
            match folded.last_mut() {
                Some((' ', _, end)) => *end = to,
                _ => folded.push((' ', from, to)),
            }
        } else {
            folded.extend(char.to_lowercase().map(|lower| (lower, from, to)));
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn case_blanks_and_hyphens_do_not_matter() {
        let text = "Общая  СУММА дого-\nвора: 5";
        let spans = find(text, "общая сумма договора", 0, 0, 9);
        let found: Vec<_> = spans
            .iter()
            .filter_map(|span| text.get(span.range.start as usize..span.range.end as usize))
            .collect();
        assert_eq!(found, ["Общая  СУММА дого-\nвора"]);
    }

    #[test]
    fn start_and_limit_hold() {
        assert_eq!(
            find("a a a a", "a", 0, 1, 2)
                .iter()
                .map(|s| s.range.start)
                .collect::<Vec<_>>(),
            [2, 4]
        );
    }
}
