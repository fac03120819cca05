//! What the main content lacks of its page. Readability weighs paragraphs, so tables, sums and labelled values that
//! stand beside running text are lost on it; a page that would lose them is read whole.

use std::collections::{HashMap, HashSet};

use docmill_plugin::Block;
use dom_query::Document;

use crate::blocks;

/// The main content keeps at least this share of the words that are the page's own, or it is not the main content.
const LEAST_SHARE: f64 = 0.4;

/// Facts that may be missing: articles have a date, a reading time, a number of comments beside them.
const MAX_LOST_FACTS: usize = 2;

/// A longer line is a sentence, a longer cell is prose.
const MAX_FACT_CHARS: usize = 60;

/// Words of a label.
const MAX_LABEL_WORDS: usize = 6;

/// Whether `main`, cut out of `page`, leaves out what readers of the page came for.
pub fn is_too_much(page: &Document, main: &Document) -> bool {
    let (page, main) = (Content::of(page), Content::of(main));
    let lost = page.facts.difference(&main.lines).count();
    let (all, found) = (count(&page.words), count(&main.words));
    // A page whose text seems less than its part's has it in something that is called a sidebar: nobody can tell.
    let kept = page
        .words
        .iter()
        .map(|(word, count)| *count.min(main.words.get(word).unwrap_or(&0)));
    let scant = all >= found && (kept.sum::<usize>() as f64) < all as f64 * LEAST_SHARE;
    lost > MAX_LOST_FACTS || scant
}

fn count(words: &HashMap<String, usize>) -> usize {
    words.values().sum()
}

/// The text of a page without links and without what is known to stand beside the main content.
#[derive(Default)]
struct Content {
    words: HashMap<String, usize>,
    /// Letters and digits of every line and cell, and of the value in a labelled line.
    lines: HashSet<String>,
    /// Those of `lines` that are data: numbers in tables, labelled numbers, prices.
    facts: HashSet<String>,
}

impl Content {
    fn of(document: &Document) -> Self {
        let mut content = Self::default();
        for block in blocks::own(document) {
            content.add(&block);
        }
        content
    }

    fn add(&mut self, block: &Block) {
        let cells = block.table.iter().flat_map(|table| &table.cells);
        for cell in cells {
            self.line(&cell.text, true);
        }
        for line in block.text.lines() {
            let value = labelled(line);
            self.line(line, is_price(line));
            if let Some(value) = value {
                self.line(value, true);
            }
        }
    }

    fn line(&mut self, text: &str, data: bool) {
        for word in text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
        {
            *self.words.entry(word.to_lowercase()).or_default() += 1;
        }
        let key: String = text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        if data && text.chars().count() <= MAX_FACT_CHARS && key.contains(|c: char| c.is_ascii_digit()) {
            self.facts.insert(key.clone());
        }
        self.lines.insert(key);
    }
}

/// The value of "Label: value".
fn labelled(line: &str) -> Option<&str> {
    let (label, value) = line.split_once(':')?;
    let apart = value.starts_with(char::is_whitespace);
    (apart && label.split_whitespace().count() <= MAX_LABEL_WORDS).then(|| value.trim())
}

/// "15 000,00 ₸", "Total $5".
fn is_price(line: &str) -> bool {
    const CODES: [&str; 5] = ["KZT", "RUB", "USD", "EUR", "GBP"];
    line.contains(['₸', '₽', '$', '€', '£', '¥']) || line.split_whitespace().any(|word| CODES.contains(&word))
}
