//! The page of every stable code: what it means, why it happens and how to put it right, in three languages.
//!
//! The tables match on [`Code`] without a wildcard: a new code does not compile until it has its words.

mod en;
mod kk;
mod ru;

use docmill_model::failure::Code;

use crate::language::Language;

/// What is said of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// A few words; the same for every occurrence.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// What is said of `code` in `language`.
pub const fn words(code: Code, language: Language) -> Words {
    match language {
        Language::English => en::words(code),
        Language::Russian => ru::words(code),
        Language::Kazakh => kk::words(code),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_words_in_every_language() {
        for language in Language::ALL {
            let mut titles = BTreeSet::new();
            for code in Code::ALL {
                let words = words(*code, language);
                assert!(
                    titles.insert(words.title),
                    "{code} shares its title in {language:?}"
                );
                for text in [words.title, words.cause, words.fix] {
                    assert!(
                        text.trim().chars().count() >= 8,
                        "{code} in {language:?}: {text:?}"
                    );
                }
                assert!(
                    words.cause.ends_with('.') && words.fix.ends_with('.'),
                    "{code} in {language:?}"
                );
                let cyrillic = words.fix.chars().any(|c| ('а'..='я').contains(&c));
                assert_eq!(
                    cyrillic,
                    language != Language::English,
                    "{code} in {language:?}: {}",
                    words.fix
                );
            }
        }
    }
}
