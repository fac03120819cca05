//! Values behind labels.

use super::{Candidate, NEXT_CELL, NEXT_LINE, RIGHT_BLOCK, SAME_LINE, UNDER_LABEL, Zone, in_zone};
use crate::page::{Page, bounds, cell_covering, row_cells};
use crate::value::{Kind, Spec};
use docmill_plugin::{Cell, Error, Reading, Rect, Span};

/// A repeated word is looked at this many times on one page.
const OCCURRENCES_MAX: usize = 10_000;
/// Cells to the right that are tried.
const CELLS_TRIED: usize = 3;
/// Between two columns of text.
const COLUMN_GAP: &str = "   ";

/// A label on a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Occurrence {
    pub start: usize,
    pub end: usize,
    /// Index into the labels that were looked for.
    pub label: usize,
}

/// Where `labels` (folded) stand on a page, in reading order, without those inside a longer one.
pub fn occurrences(page: &Page, labels: &[String]) -> Vec<Occurrence> {
    let mut found: Vec<Occurrence> = labels
        .iter()
        .enumerate()
        .flat_map(|(index, label)| {
            let hits = page.folded.find(label).take(OCCURRENCES_MAX);
            hits.map(move |(start, end)| Occurrence {
                start,
                end,
                label: index,
            })
        })
        .collect();
    // Longer ones first at one place.
    found.sort_by_key(|occurrence| (occurrence.start, std::cmp::Reverse(occurrence.end)));
    let mut reached = 0;
    found.retain(|occurrence| {
        let inside = occurrence.end <= reached;
        reached = reached.max(occurrence.end);
        !inside
    });
    found
}

/// The best value behind one label. `all` are the page's labels: a value does not lie behind another one.
///
/// # Errors
/// What the host answers.
pub fn behind(
    reading: &Reading,
    page: &Page,
    label: Occurrence,
    all: &[Occurrence],
    spec: &Spec,
) -> Result<Option<Candidate>, Error> {
    let mut zones = match page.cell_at(label.start) {
        Some(_) => cell_zones(page, label, all),
        None => line_zones(page, label),
    };
    for zone in &mut zones {
        zone.end = cut(page, *zone, label, all, spec);
    }
    zones.retain(|zone| zone.start < zone.end);
    let best = best(zones.iter().filter_map(|zone| in_zone(page, *zone, spec)));
    let rest_is_blank = is_blank(page.slice(label.end, page.line_end(label.end)));
    if best.is_some() || !rest_is_blank || page.cell_at(label.start).is_some() {
        return Ok(best);
    }
    if let Some(found) = right_of(reading, page, label)?.and_then(|zone| in_zone(page, zone, spec)) {
        return Ok(Some(found));
    }
    Ok(next_line(page, label, all).and_then(|zone| in_zone(page, zone, spec)))
}

pub fn best(candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    candidates.reduce(|best, next| {
        if next.confidence > best.confidence {
            next
        } else {
            best
        }
    })
}

/// The rest of the label's line.
fn line_zones(page: &Page, label: Occurrence) -> Vec<Zone> {
    let rest = (
        after_marks(page, label.end, page.line_end(label.end)),
        page.line_end(label.end),
    );
    let mut zones = vec![Zone::new(rest, SAME_LINE)];
    if is_unmarked(page.slice(label.end, rest.0)) && goes_on(page.slice(rest.0, rest.1)) {
        zones.iter_mut().for_each(|zone| zone.skipped = 1);
    }
    zones
}

/// No mark parts label and value: the label may go on ("Дата" in "Дата рождения").
fn is_unmarked(between: &str) -> bool {
    between.is_empty()
        || !between.contains([':', '-', '–', '—', '=', '№', '#', '\t', '.']) && !between.contains("  ")
}

/// "рождения: 1990", "address": the label was longer than what was looked for.
fn goes_on(text: &str) -> bool {
    let labelled = || {
        text.split_once(": ")
            .is_some_and(|(head, _)| head.chars().count() <= 40)
    };
    text.starts_with(char::is_lowercase) || (text.starts_with(char::is_alphabetic) && labelled())
}

/// The rest of the cell, the cells to its right, the cell below a header.
fn cell_zones(page: &Page, label: Occurrence, all: &[Occurrence]) -> Vec<Zone> {
    let Some((table, cell)) = page.cell_at(label.start) else {
        return Vec::new();
    };
    let Some((_, cell_end)) = bounds(cell.range) else {
        return Vec::new();
    };
    let rest = (after_marks(page, label.end, cell_end), cell_end);
    let fills = is_blank(page.slice(label.end, cell_end));
    let mut zones = Vec::new();
    let unmarked = is_unmarked(page.slice(label.end, rest.0));
    let longer = u32::from(!fills && unmarked && goes_on(page.slice(rest.0, rest.1)));
    if !fills {
        zones.push(Zone {
            skipped: longer,
            ..Zone::new(rest, SAME_LINE)
        });
    }
    let to_the_right = row_cells(table, cell.row)
        .iter()
        .filter(|other| other.column > cell.column);
    let below = cell_covering(table, cell.row + cell.row_span, cell.column).filter(|below| !below.header);
    // Labels one under the other: rows of labels and values, whatever the parser takes for headers.
    let heads_rows = below.is_some_and(|below| is_label(page, below, all));
    for (skipped, next) in to_the_right.take(CELLS_TRIED).enumerate() {
        let Some(range) = bounds(next.range) else { continue };
        if is_label(page, next, all) || (cell.header && next.header && !heads_rows) {
            break;
        }
        zones.push(Zone {
            skipped: skipped as u32 + longer,
            ..Zone::new(range, NEXT_CELL)
        });
    }
    if zones.is_empty() || (cell.header && !heads_rows) {
        zones.extend(
            below
                .and_then(|below| bounds(below.range))
                .map(|range| Zone::new(range, UNDER_LABEL)),
        );
    }
    zones
}

/// A cell that is a label and nothing else.
fn is_label(page: &Page, cell: &Cell, all: &[Occurrence]) -> bool {
    let Some((start, end)) = bounds(cell.range) else {
        return false;
    };
    within(all, start, end).iter().any(|label| {
        let begins = is_blank(page.slice(start, label.start.min(end)));
        begins && label.end <= end && is_blank(page.slice(label.end, end))
    })
}

/// The labels that begin in a piece of the page.
fn within(all: &[Occurrence], start: usize, end: usize) -> &[Occurrence] {
    let from = all.partition_point(|other| other.start < start);
    let to = all.partition_point(|other| other.start < end);
    all.get(from..to).unwrap_or_default()
}

/// Where the next label or the next column of text begins inside a zone.
fn cut(page: &Page, zone: Zone, label: Occurrence, all: &[Occurrence], spec: &Spec) -> usize {
    let mut end = zone.end;
    let inside =
        |other: &&Occurrence| other.start > label.start && (zone.start..zone.end).contains(&other.start);
    let marked = |other: &&Occurrence| {
        page.slice(other.end, zone.end)
            .trim_start_matches([' ', '\u{A0}'])
            .starts_with(':')
    };
    if let Some(other) = within(all, zone.start, zone.end)
        .iter()
        .filter(inside)
        .find(marked)
    {
        end = other.start;
    }
    if spec.kind == Kind::Text && spec.pattern.is_none() && page.cell_at(zone.start).is_none() {
        let text = page.slice(zone.start, end);
        let column = [text.find('\t'), text.find(COLUMN_GAP)]
            .into_iter()
            .flatten()
            .min();
        end = column.map_or(end, |at| zone.start + at);
    }
    end
}

/// Behind blanks, leaders and the marks that part a label from its value.
fn after_marks(page: &Page, from: usize, to: usize) -> usize {
    let text = page.slice(from, to);
    let is_mark = |char: char| {
        char.is_whitespace() || matches!(char, ':' | '.' | '=' | '_' | '|' | '…' | '–' | '—' | '№' | '#')
    };
    let mut rest = text.trim_start_matches(is_mark);
    // A single dash parts; one that touches a number is its sign.
    if let Some(behind) = rest.strip_prefix('-')
        && behind.starts_with(char::is_whitespace)
    {
        rest = behind.trim_start_matches(is_mark);
    }
    to - rest.len()
}

fn is_blank(text: &str) -> bool {
    !text.chars().any(char::is_alphanumeric) && !text.contains(['☐', '☑', '☒', '✓', '✔', '+'])
}

/// The line on the right of the label, in another block.
fn right_of(reading: &Reading, page: &Page, label: Occurrence) -> Result<Option<Zone>, Error> {
    const SLACK: f32 = 0.01;
    /// A value's line may be set larger than its label, by so much.
    const LINES_MAX: f32 = 4.0;
    let regions = |start: usize, end: usize| -> Result<Option<Rect>, Error> {
        Ok(reading
            .regions(Span::new(page.number, start as u32, end as u32))?
            .into_iter()
            .next())
    };
    let Some(own) = regions(label.start, label.end)? else {
        return Ok(None);
    };
    let beside = |rect: &Rect| {
        let overlap = rect.bottom.min(own.bottom) - rect.top.max(own.top);
        let height = (rect.bottom - rect.top).min(own.bottom - own.top);
        // A watermark across the page stands beside everything and belongs to nothing.
        let is_line = rect.bottom - rect.top <= LINES_MAX * (own.bottom - own.top);
        overlap * 2.0 >= height && rect.left >= own.right - SLACK && is_line
    };
    let mut nearest: Option<(f32, Zone)> = None;
    for block in &page.blocks {
        let (Some((start, end)), Some(region)) = (bounds(block.range), block.region) else {
            continue;
        };
        let touches = region.top < own.bottom && region.bottom > own.top && region.right > own.right;
        if !touches || (start <= label.start && label.start < end) {
            continue;
        }
        let mut from = start;
        for line in page.slice(start, end).split('\n') {
            let to = from + line.len();
            if let Some(rect) = regions(from, to)?.filter(|rect| !line.trim().is_empty() && beside(rect))
                && nearest.is_none_or(|(left, _)| rect.left < left)
            {
                nearest = Some((rect.left, Zone::new((from, to), RIGHT_BLOCK)));
            }
            from = to + 1;
        }
    }
    Ok(nearest.map(|(_, zone)| zone))
}

/// The next line, if it is not labelled itself.
fn next_line(page: &Page, label: Occurrence, all: &[Occurrence]) -> Option<Zone> {
    let line = page.next_line(page.line_end(label.end))?;
    let labelled = within(all, line.0, line.0 + 1)
        .iter()
        .any(|other| other.start == line.0);
    (!labelled).then(|| Zone::new(line, NEXT_LINE))
}
