//! What only the whole document shows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Draft, Item, Row};

/// Type this much larger than the body's is a heading's…
const HEADING_GROWTH: f32 = 1.15;

/// …unless more than this share of the text is set in it, where there is enough text to tell.
const HEADING_SHARE_MAX: f32 = 0.2;
const TELLING_LENGTH: usize = 500;

/// Words that are kept to judge hyphens.
const VOCABULARY_MAX: usize = 200_000;

/// Sizes and words of a document.
#[derive(Debug, Default)]
pub struct Stats {
    /// The size in which most is set.
    pub body_size: f32,
    /// Sizes above the body's, the largest first.
    heading_sizes: Vec<f32>,
    vocabulary: HashSet<u64>,
}

impl Stats {
    pub fn of(drafts: &[Draft]) -> Self {
        let mut stats = Self::default();
        let mut sizes: Vec<(i32, usize)> = Vec::new();
        for row in drafts.iter().flat_map(rows) {
            let key = (row.size * 2.0).round() as i32;
            let has_room = sizes.len() < 256;
            let length: usize = row.words.iter().map(|word| word.text.len()).sum();
            match sizes.iter_mut().find(|(size, _)| *size == key) {
                Some((_, count)) => *count += length,
                None if has_room => sizes.push((key, length)),
                None => {}
            }
            for word in row.words.iter().rev().skip(1) {
                if stats.vocabulary.len() < VOCABULARY_MAX {
                    stats.vocabulary.insert(hash(&word.text));
                }
            }
        }
        let body = sizes
            .iter()
            .max_by_key(|(_, count)| *count)
            .map_or(0, |(size, _)| *size);
        stats.body_size = body as f32 / 2.0;
        let all: usize = sizes.iter().map(|(_, count)| *count).sum();
        let mut larger: Vec<f32> = sizes
            .iter()
            .filter(|(_, count)| all < TELLING_LENGTH || (*count as f32) < all as f32 * HEADING_SHARE_MAX)
            .map(|(size, _)| *size as f32 / 2.0)
            .filter(|size| *size > stats.body_size * HEADING_GROWTH)
            .collect();
        larger.sort_by(|a, b| b.total_cmp(a));
        // Sizes that differ by less than a tenth are one level.
        larger.dedup_by(|smaller, larger| *smaller > *larger * 0.9);
        stats.heading_sizes = larger;
        stats
    }

    /// The heading level of a size, 1 the highest; none for the body's size and below.
    pub fn level(&self, size: f32) -> Option<u8> {
        let is_heading = self
            .heading_sizes
            .iter()
            .any(|larger| size <= *larger * 1.1 && size > *larger * 0.9);
        if size <= self.body_size * HEADING_GROWTH || !is_heading {
            return None;
        }
        let above = self
            .heading_sizes
            .iter()
            .filter(|larger| **larger * 0.9 >= size)
            .count();
        Some((above + 1).min(6) as u8)
    }

    /// The level of headings that only their boldness marks.
    pub fn bold_level(&self) -> u8 {
        (self.heading_sizes.len() + 1).min(6) as u8
    }

    /// Whether the word stands somewhere within a line, case and punctuation around it aside.
    pub fn knows(&self, word: &str) -> bool {
        self.vocabulary.contains(&hash(word))
    }
}

fn rows(draft: &Draft) -> impl Iterator<Item = &Row> {
    draft
        .parts
        .iter()
        .flat_map(|part| &part.items)
        .filter_map(|item| match item {
            Item::Row(row) => Some(row),
            Item::Table(_) => None,
        })
}

fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for ch in word
        .trim_matches(|ch: char| !ch.is_alphanumeric())
        .chars()
        .flat_map(char::to_lowercase)
    {
        ch.hash(&mut hasher);
    }
    hasher.finish()
}
