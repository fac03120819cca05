//! Counts through the document.

use std::collections::{HashMap, HashSet};

use super::{LEVELS, Level, Numbering};
use crate::digits;

/// Where each list stands.
#[derive(Debug, Default)]
pub struct Counters {
    by_design: HashMap<String, [Option<u32>; LEVELS]>,
    /// Uses of lists whose own start has been applied.
    started: HashSet<(String, u8)>,
}

/// A numbered paragraph's place in its list.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub depth: u8,
    /// As printed, without the blank behind it; none for bullets.
    pub label: Option<String>,
}

impl Counters {
    /// Counts the next paragraph of a list; none if there is no such list or level.
    pub fn next(&mut self, numbering: &Numbering, number_id: &str, depth: u8) -> Option<Place> {
        let number = numbering.numbers.get(number_id)?;
        let (design_id, design) = numbering.design(number)?;
        let depth = depth.min(LEVELS as u8 - 1);
        let level_at = |at: u8| number.levels.get(&at).or_else(|| design.levels.get(&at));
        let level = level_at(depth)?;

        if !self.by_design.contains_key(design_id) {
            self.by_design.insert(design_id.to_owned(), [None; LEVELS]);
        }
        let counts = self.by_design.get_mut(design_id)?;
        let start = number.starts.get(&depth).copied();
        let restart = start.is_some() && self.started.insert((number_id.to_owned(), depth));
        let count = counts.get_mut(usize::from(depth))?;
        *count = Some(match *count {
            Some(count) if !restart => count.saturating_add(1),
            _ => start.unwrap_or(level.start),
        });
        for (deeper, count) in (0_u8..).zip(counts.iter_mut()).skip(usize::from(depth) + 1) {
            let restarts = level_at(deeper)
                .and_then(|level| level.restart_after)
                .is_none_or(|after| after > depth);
            if restarts {
                *count = None;
            }
        }
        // A level that was skipped prints its first number, and counts on from there.
        for (shallower, count) in (0_u8..).zip(counts.iter_mut()).take(usize::from(depth)) {
            count.get_or_insert_with(|| level_at(shallower).map_or(1, |level| level.start));
        }
        let counts = *counts;
        let label = (level.format != "bullet")
            .then(|| label(level, &counts, level_at))
            .flatten();
        Some(Place { depth, label })
    }
}

fn label<'a>(
    level: &Level,
    counts: &[Option<u32>; LEVELS],
    level_at: impl Fn(u8) -> Option<&'a Level>,
) -> Option<String> {
    let mut out = String::new();
    let mut chars = level.text.chars().peekable();
    while let Some(c) = chars.next() {
        let index = chars
            .peek()
            .filter(|_| c == '%')
            .and_then(|digit| digit.to_digit(10))
            .filter(|digit| *digit > 0);
        let Some(index) = index.and_then(|index| u8::try_from(index - 1).ok()) else {
            out.push(c);
            continue;
        };
        chars.next();
        let count = counts.get(usize::from(index)).copied().flatten().unwrap_or(0);
        let format = level_at(index).map_or("decimal", |level| level.format.as_str());
        out.push_str(&digits::write(
            count,
            if level.legal { "decimal" } else { format },
        ));
    }
    let label = out.trim();
    (!label.is_empty()).then(|| label.to_owned())
}
