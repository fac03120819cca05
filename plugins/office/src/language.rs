//! Which language most of the text is marked as.

use std::collections::HashMap;

/// Characters by language tag.
#[derive(Debug, Default)]
pub struct Languages {
    marked: HashMap<String, usize>,
    cyrillic: usize,
    latin: usize,
}

impl Languages {
    /// Counts a run's letters.
    pub fn add(&mut self, tag: Option<&str>, text: &str) {
        let (mut cyrillic, mut latin) = (0, 0);
        for c in text.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | 'À'..='ɏ' => latin += 1,
                '\u{400}'..='\u{52f}' => cyrillic += 1,
                _ => {}
            }
        }
        self.cyrillic += cyrillic;
        self.latin += latin;
        if self.marked.len() < 100 || tag.is_some_and(|tag| self.marked.contains_key(tag)) {
            *self.marked.entry(tag.unwrap_or_default().to_owned()).or_default() += cyrillic + latin;
        }
    }

    /// The language of most letters, unless its script is not the text's: authors rarely mark the language, and Word
    /// marks what it was installed in.
    pub fn main(&self, default: Option<&str>) -> Option<String> {
        let most = self
            .marked
            .iter()
            .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))?;
        let tag = if most.0.is_empty() { default? } else { most.0 };
        let primary = tag.split('-').next().unwrap_or_default();
        let marked_cyrillic = matches!(
            primary,
            "ru" | "kk" | "uk" | "be" | "bg" | "ky" | "tg" | "mn" | "mk" | "tt" | "ba"
        );
        let plausible = if marked_cyrillic || primary == "sr" {
            self.cyrillic >= self.latin
        } else {
            self.latin >= self.cyrillic
        };
        plausible.then(|| tag.to_owned())
    }
}
