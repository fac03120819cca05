//! A page's text with the places that were cited.

use docmill_model::reading::TextRange;
use maud::{Markup, html};

/// A cited place.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Where on the page.
    pub range: TextRange,
    /// The place's own name on this web page.
    pub id: String,
    /// Where what cites it stands, on this web page.
    pub back: String,
    /// How that is called.
    pub name: String,
    /// A short sign for it.
    pub sign: String,
}

/// The text with its marks. Places may overlap: each begins where it begins, and after its end stands the way back.
pub fn marked(text: &str, marks: &[Mark]) -> Markup {
    let place = |at: u32| usize::try_from(at).ok().filter(|at| text.is_char_boundary(*at));
    let mut bounds: Vec<usize> = vec![0, text.len()];
    let marks: Vec<(usize, usize, &Mark)> = marks
        .iter()
        .filter_map(|mark| {
            let (start, end) = (place(mark.range.start)?, place(mark.range.end)?);
            (start < end).then_some((start, end, mark))
        })
        .collect();
    for (start, end, _) in &marks {
        bounds.extend([*start, *end]);
    }
    bounds.sort_unstable();
    bounds.dedup();
    let pieces: Vec<(usize, usize)> = bounds
        .windows(2)
        .filter_map(|w| Some((*w.first()?, *w.get(1)?)))
        .collect();
    html! {
        @for (from, to) in pieces {
            @let piece = text.get(from..to).unwrap_or_default();
            @let begins = || marks.iter().filter(move |(start, _, _)| *start == from);
            @let covered = marks.iter().any(|(start, end, _)| *start <= from && *end >= to);
            @for (_, _, mark) in begins().skip(1) { span.cited id=(mark.id) {} }
            @if covered { mark id=[begins().next().map(|(_, _, mark)| &mark.id)] { (piece) } } @else { (piece) }
            @for (_, _, mark) in marks.iter().filter(|(_, end, _)| *end == to) {
                a.back href=(format!("#{}", mark.back)) aria-label=(format!("back to {}", mark.name)) title=(mark.name) { (mark.sign) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(start: u32, end: u32, id: &str) -> Mark {
        Mark {
            range: TextRange { start, end },
            id: id.to_owned(),
            back: format!("f-{id}"),
            name: format!("<{id}>"),
            sign: id.to_owned(),
        }
    }

    /// Without tags.
    fn text_of(html: &str) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in html.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        text
    }

    #[test]
    fn overlapping_places_all_have_their_names_and_the_text_stays() {
        let shown = marked(
            "Total: 12 & 13",
            &[mark(0, 9, "a"), mark(7, 14, "b"), mark(7, 9, "c")],
        )
        .into_string();
        for id in ["a", "b", "c"] {
            assert_eq!(shown.matches(&format!("id=\"{id}\"")).count(), 1, "{shown}");
            assert!(shown.contains(&format!("href=\"#f-{id}\"")), "{shown}");
        }
        assert_eq!(text_of(&shown), "Total: 12ac &amp; 13b");
        assert!(!shown.contains("<a>") && shown.contains("&lt;a&gt;"));
    }

    #[test]
    fn places_that_cannot_be_are_left_out() {
        let shown = marked(
            "счёт",
            &[
                mark(1, 3, "odd"),
                mark(0, 99, "far"),
                mark(4, 4, "empty"),
                mark(8, 2, "back"),
            ],
        );
        assert_eq!(shown.into_string(), "счёт");
        assert_eq!(marked("", &[]).into_string(), "");
    }
}
