//! Separate texts side by side, read one after the other: their lines do not stand level with each other, or each side
//! brings its own labels with their values, as a seller's and a buyer's particulars do.

use super::{GUTTER_MIN, Gutter, runs, sides};
use crate::glyph::Area;
use crate::layout::{Item, Row, blocks, join};

/// Each side has at least this many lines.
const LINES_MIN: usize = 2;

/// The share of the shorter side's lines that may stand level with a line of the other side. Two texts that know nothing
/// of each other meet now and then; a form's labels and values always do.
const LEVEL_SHARE_MAX: f32 = 0.65;

/// Cuts a region read line by line into regions, where stretches of it are texts side by side.
pub fn apart(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut regions: Vec<Vec<Item>> = vec![Vec::new()];
    let mut rest = items;
    while !rest.is_empty() {
        let (length, gap) = stretch(&rest);
        let after = rest.split_off(length.max(1));
        let stretch = std::mem::replace(&mut rest, after);
        match gap
            .map(|gap| sides(&stretch, gap))
            .filter(|(left, right)| are_apart(left, right))
        {
            Some((left, right)) => regions.extend([left, right, Vec::new()]),
            None => {
                if let Some(open) = regions.last_mut() {
                    open.extend(stretch);
                }
            }
        }
    }
    regions.retain(|region| !region.is_empty());
    regions
}

/// How many items from the first on leave one gap free between them, and that gap; it has text on both sides.
fn stretch(items: &[Item]) -> (usize, Option<Gutter>) {
    let Some(whole) = Area::around(items.iter().map(Item::area)) else {
        return (items.len(), None);
    };
    let mut free = vec![Gutter {
        left: whole.left,
        right: whole.right,
    }];
    let mut found = (1, None);
    for (index, item) in items.iter().enumerate() {
        let areas = match item {
            Item::Row(row) => runs(row),
            Item::Table(table) => vec![table.area],
        };
        for area in areas {
            free = free.into_iter().flat_map(|gap| without(gap, area)).collect();
        }
        let so_far = items.get(..=index).unwrap_or_default();
        let inner = free.iter().filter(|gap| has_both_sides(so_far, **gap)).copied();
        match inner.max_by(|a, b| (a.right - a.left).total_cmp(&(b.right - b.left))) {
            Some(gap) => found = (index + 1, Some(gap)),
            // Nothing on one side yet: the other text may start lower.
            None if free.iter().any(|gap| gap.right - gap.left > whole.width() * 0.2)
                && found.1.is_none() => {}
            None => break,
        }
    }
    found
}

/// The parts of a gap beside the area that are still wide enough.
fn without(gap: Gutter, area: Area) -> Vec<Gutter> {
    let parts = [
        Gutter {
            left: gap.left,
            right: gap.right.min(area.left),
        },
        Gutter {
            left: gap.left.max(area.right),
            right: gap.right,
        },
    ];
    if area.right <= gap.left || area.left >= gap.right {
        return vec![gap];
    }
    parts
        .into_iter()
        .filter(|part| part.right - part.left >= GUTTER_MIN)
        .collect()
}

fn has_both_sides(items: &[Item], gap: Gutter) -> bool {
    let middle = (gap.left + gap.right) / 2.0;
    items.iter().any(|item| item.area().left < middle) && items.iter().any(|item| item.area().right > middle)
}

fn are_apart(left: &[Item], right: &[Item]) -> bool {
    let (left, right) = (rows(left), rows(right));
    if left.len() < LINES_MIN || right.len() < LINES_MIN {
        return false;
    }
    if brings_labels(&left) && brings_labels(&right) {
        return true;
    }
    let (fewer, more) = if left.len() < right.len() {
        (&left, &right)
    } else {
        (&right, &left)
    };
    let level = fewer
        .iter()
        .filter(|row| more.iter().any(|other| is_level(row, other)))
        .count();
    // They must stand beside each other, not one above the other.
    let overlap = |row: &&&Row| {
        more.first()
            .zip(more.last())
            .is_some_and(|(first, last)| row.area.bottom > first.area.top && row.area.top < last.area.bottom)
    };
    let beside = fewer.iter().filter(overlap).count();
    level as f32 <= fewer.len() as f32 * LEVEL_SHARE_MAX && beside * 2 > fewer.len()
}

/// Most of the side's lines are a label with its value.
fn brings_labels(rows: &[&Row]) -> bool {
    let labelled = rows
        .iter()
        .filter(|row| blocks::is_key_value(&join::line(row)))
        .count();
    labelled >= LINES_MIN && labelled * 3 >= rows.len() * 2
}

fn rows(items: &[Item]) -> Vec<&Row> {
    items
        .iter()
        .filter_map(|item| {
            if let Item::Row(row) = item {
                Some(row)
            } else {
                None
            }
        })
        .collect()
}

/// Most of the lower line's height is shared.
fn is_level(a: &Row, b: &Row) -> bool {
    let shared = a.area.bottom.min(b.area.bottom) - a.area.top.max(b.area.top);
    shared > a.area.height().min(b.area.height()) * 0.6
}
