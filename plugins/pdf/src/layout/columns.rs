//! Columns of running text: which parts of a page are read one after the other, and not line by line across the page.
//!
//! Forms and tables without lines have gaps too, and must be read line by line, so a gap divides a page only where the
//! text on both of its sides runs like prose (lines that fill their column with words), or where the lines on its sides
//! do not stand level: two addresses, a logo's text beside a letter's head.

mod stacks;

use super::{Item, Row, Word};
use crate::glyph::Area;

/// Columns within columns, at most.
const DEPTH_MAX: usize = 3;

/// A gap between columns is at least this wide, in points.
const GUTTER_MIN: f32 = 6.0;

/// Columns have at least this many lines.
const LINES_MIN: usize = 4;

/// The items in regions that are read one after the other, each from its top.
pub fn regions(mut items: Vec<Item>) -> Vec<Vec<Item>> {
    items.sort_by(|a, b| a.area().top.total_cmp(&b.area().top));
    let mut regions = Vec::new();
    divide(items, DEPTH_MAX, &mut regions);
    regions
}

fn divide(items: Vec<Item>, depth: usize, regions: &mut Vec<Vec<Item>>) {
    let gutter = if depth == 0 { None } else { best_gutter(&items) };
    let Some(gutter) = gutter else {
        regions.extend(stacks::apart(items));
        return;
    };
    for band in bands(items, gutter) {
        match band {
            Band::Across(items) => regions.extend(stacks::apart(items)),
            Band::Columns(left, right) => {
                divide(left, depth - 1, regions);
                divide(right, depth - 1, regions);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Gutter {
    left: f32,
    right: f32,
}

enum Band {
    Across(Vec<Item>),
    Columns(Vec<Item>, Vec<Item>),
}

/// The gap for which most lines stand in columns, if those are a good part of all lines.
fn best_gutter(items: &[Item]) -> Option<Gutter> {
    let rows = items.iter().filter(|item| matches!(item, Item::Row(_))).count();
    if rows < LINES_MIN {
        return None;
    }
    gutters(items)
        .into_iter()
        .map(|gutter| (gutter, columned_rows(items, gutter)))
        .filter(|(_, columned)| columned * 3 >= rows)
        .max_by_key(|(_, columned)| *columned)
        .map(|(gutter, _)| gutter)
}

/// Vertical strips that the fewest lines cross.
fn gutters(items: &[Item]) -> Vec<Gutter> {
    let Some(whole) = Area::around(items.iter().map(Item::area)) else {
        return Vec::new();
    };
    let width = whole.width().min(20_000.0);
    let mut crossed = vec![0_u32; width.max(0.0) as usize + 1];
    let mut cover = |left: f32, right: f32| {
        let from = (left - whole.left).max(0.0) as usize;
        let to = ((right - whole.left).max(0.0) as usize).min(crossed.len().saturating_sub(1));
        for count in crossed.get_mut(from..=to).unwrap_or_default() {
            *count += 1;
        }
    };
    for item in items {
        match item {
            Item::Row(row) => {
                for run in runs(row) {
                    cover(run.left, run.right);
                }
            }
            Item::Table(table) => cover(table.area.left, table.area.right),
        }
    }
    let inner = (width * 0.15) as usize..(width * 0.85) as usize;
    let Some(fewest) = crossed
        .get(inner.clone())
        .and_then(|counts| counts.iter().min().copied())
    else {
        return Vec::new();
    };
    let allowed = fewest + (items.len() as u32 / 30).max(1);
    let mut gutters = Vec::new();
    let mut start = None;
    for (x, count) in crossed.iter().enumerate().chain([(crossed.len(), &u32::MAX)]) {
        if *count <= allowed {
            start.get_or_insert(x);
        } else if let Some(from) = start.take() {
            let is_inner = from > 0 && inner.contains(&((from + x) / 2));
            if is_inner && (x - from) as f32 >= GUTTER_MIN {
                gutters.push(Gutter {
                    left: whole.left + from as f32,
                    right: whole.left + x as f32,
                });
            }
        }
    }
    gutters
}

/// Stretches of a row without a gap that a justified blank could not explain.
fn runs(row: &Row) -> Vec<Area> {
    let mut runs: Vec<Area> = Vec::new();
    for word in &row.words {
        match runs.last_mut() {
            Some(run) if word.area.left - run.right < row.size * 0.55 => *run = run.union(word.area),
            _ => runs.push(word.area),
        }
    }
    runs
}

fn crosses(item: &Item, gutter: Gutter) -> bool {
    let middle = (gutter.left + gutter.right) / 2.0;
    let half = ((gutter.right - gutter.left) / 2.0 - 1.0).clamp(0.5, 3.0);
    let covers = |area: Area| area.left < middle + half && area.right > middle - half;
    match item {
        Item::Row(row) => runs(row).into_iter().any(covers),
        Item::Table(table) => covers(table.area),
    }
}

fn columned_rows(items: &[Item], gutter: Gutter) -> usize {
    let bands = bands(items.to_vec(), gutter);
    let columned = bands.iter().map(|band| match band {
        Band::Across(_) => 0,
        Band::Columns(left, right) => left.len().max(right.len()),
    });
    columned.sum()
}

/// The page cut at the lines that cross the gap; what lies between becomes columns where it reads like columns.
fn bands(items: Vec<Item>, gutter: Gutter) -> Vec<Band> {
    let mut bands = Vec::new();
    let mut across: Vec<Item> = Vec::new();
    let mut beside: Vec<Item> = Vec::new();
    for item in items {
        if crosses(&item, gutter) {
            close(&mut beside, &mut across, &mut bands, gutter);
            across.push(item);
        } else {
            beside.push(item);
        }
    }
    close(&mut beside, &mut across, &mut bands, gutter);
    if !across.is_empty() {
        bands.push(Band::Across(across));
    }
    bands
}

fn close(beside: &mut Vec<Item>, across: &mut Vec<Item>, bands: &mut Vec<Band>, gutter: Gutter) {
    let items = std::mem::take(beside);
    if items.is_empty() {
        return;
    }
    let (left, right) = sides(&items, gutter);
    if reads_like_prose(&left) && reads_like_prose(&right) {
        if !across.is_empty() {
            bands.push(Band::Across(std::mem::take(across)));
        }
        bands.push(Band::Columns(left, right));
    } else {
        across.extend(items);
    }
}

fn sides(items: &[Item], gutter: Gutter) -> (Vec<Item>, Vec<Item>) {
    let middle = (gutter.left + gutter.right) / 2.0;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Table(table) => {
                if table.area.centre().0 < middle {
                    &mut left
                } else {
                    &mut right
                }
                .push(item.clone());
            }
            Item::Row(row) => {
                let (before, after): (Vec<Word>, Vec<Word>) = row
                    .words
                    .iter()
                    .cloned()
                    .partition(|word| word.area.centre().0 < middle);
                left.extend(part_of(row, before));
                right.extend(part_of(row, after));
            }
        }
    }
    (left, right)
}

fn part_of(row: &Row, words: Vec<Word>) -> Option<Item> {
    let area = Area::around(words.iter().map(|word| word.area))?;
    Some(Item::Row(Row { words, area, ..*row }))
}

fn reads_like_prose(items: &[Item]) -> bool {
    let rows: Vec<&Row> = items
        .iter()
        .filter_map(|item| {
            if let Item::Row(row) = item {
                Some(row)
            } else {
                None
            }
        })
        .collect();
    let Some(whole) = Area::around(rows.iter().map(|row| row.area)) else {
        return false;
    };
    if rows.len() < LINES_MIN {
        return false;
    }
    let words: usize = rows.iter().map(|row| row.words.len()).sum();
    let full = rows
        .iter()
        .filter(|row| row.area.width() >= whole.width() * 0.6)
        .count();
    let labels = rows
        .iter()
        .filter(|row| row.words.last().is_some_and(|word| word.text.ends_with(':')))
        .count();
    let (mut letters, mut digits) = (0, 0);
    for ch in rows
        .iter()
        .flat_map(|row| &row.words)
        .flat_map(|word| word.text.chars())
    {
        letters += usize::from(ch.is_alphabetic());
        digits += usize::from(ch.is_numeric());
    }
    words * 2 >= rows.len() * 5 && full * 2 >= rows.len() && labels * 3 < rows.len() && digits * 3 <= letters
}
