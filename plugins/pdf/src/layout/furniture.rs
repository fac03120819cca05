//! Running headers and footers: lines at the pages' edges that repeat from page to page, and page numbers.

use std::collections::HashMap;

use super::{Draft, Item, Row};

/// The share of a page's height at its top and bottom where furniture stands.
const EDGE: f32 = 0.12;

/// How far a repeated line may wander, in points.
const WANDERING: f32 = 4.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Edge {
    Top,
    Bottom,
}

/// A line's text without its numbers, and about where it stands.
type Key = (Edge, String, i32);

pub fn part(drafts: &mut [Draft]) {
    let pages = drafts.len();
    if pages < 2 {
        return;
    }
    let mut seen: HashMap<Key, usize> = HashMap::new();
    for draft in drafts.iter() {
        let mut keys: Vec<Key> = edge_rows(draft).flat_map(|(edge, row)| keys(edge, row)).collect();
        keys.sort_by(|a, b| (&a.1, a.2).cmp(&(&b.1, b.2)));
        keys.dedup();
        for key in keys {
            *seen.entry(key).or_default() += 1;
        }
    }
    let needed = if pages == 2 {
        2
    } else {
        (pages / 4).clamp(3, 20).min(pages)
    };
    let repeats = |edge, row: &Row| {
        keys(edge, row)
            .iter()
            .any(|key| seen.get(key).is_some_and(|count| *count >= needed))
    };
    for draft in drafts.iter_mut() {
        let Some(part) = draft.parts.first_mut() else {
            continue;
        };
        let height = part.frame.size().1;
        let (mut kept, mut headers, mut footers) = (Vec::new(), Vec::new(), Vec::new());
        for item in part.items.drain(..) {
            match item {
                Item::Row(row) => match edge(&row, height).filter(|edge| repeats(*edge, &row)) {
                    Some(Edge::Top) => headers.push(row),
                    Some(Edge::Bottom) => footers.push(row),
                    None => kept.push(Item::Row(row)),
                },
                table => kept.push(table),
            }
        }
        part.items = kept;
        part.headers = headers;
        part.footers = footers;
    }
}

fn edge_rows(draft: &Draft) -> impl Iterator<Item = (Edge, &Row)> {
    let part = draft.parts.first();
    let height = part.map_or(0.0, |part| part.frame.size().1);
    let items = part.map_or([].as_slice(), |part| part.items.as_slice());
    items.iter().filter_map(move |item| match item {
        Item::Row(row) => Some((edge(row, height)?, row)),
        Item::Table(_) => None,
    })
}

fn edge(row: &Row, height: f32) -> Option<Edge> {
    if row.area.bottom < height * EDGE {
        Some(Edge::Top)
    } else if row.area.top > height * (1.0 - EDGE) {
        Some(Edge::Bottom)
    } else {
        None
    }
}

/// A line that wanders over the border of two places counts for both.
fn keys(edge: Edge, row: &Row) -> [Key; 2] {
    let mut text = String::new();
    for word in &row.words {
        text.extend(
            word.text
                .chars()
                .map(|ch| if ch.is_numeric() { '0' } else { ch })
                .filter(|ch| !ch.is_whitespace()),
        );
    }
    let mut unnumbered = String::new();
    for ch in text.to_lowercase().chars() {
        if !(ch == '0' && unnumbered.ends_with('0')) {
            unnumbered.push(ch);
        }
    }
    let place = (row.baseline / WANDERING).round() as i32;
    let neighbour = if row.baseline / WANDERING > place as f32 {
        place + 1
    } else {
        place - 1
    };
    [(edge, unnumbered.clone(), place), (edge, unnumbered, neighbour)]
}
