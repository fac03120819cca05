//! Look-ups: named values by which runs are found again. Stored as normalised tokens, so that the order of names, case
//! and the letters ё/е do not matter.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

/// Look-ups that a pipeline may declare.
pub const MAX_LOOKUPS: usize = 8;
/// Longest value, in characters; the rest is cut.
pub const MAX_VALUE_CHARS: usize = 400;

/// The distinct tokens of `value`: NFKC, lower case, ё as е, split at everything that is neither letter nor digit,
/// sorted.
pub fn tokens(value: &str) -> Vec<String> {
    let folded: String = value
        .chars()
        .take(MAX_VALUE_CHARS)
        .nfkc()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ё' { 'е' } else { c })
        .collect();
    let set: BTreeSet<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|t| !t.is_empty())
        .collect();
    set.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_case_and_yo_do_not_matter() {
        assert_eq!(tokens("Семёнов Пётр Ильич"), tokens("ПЕТР  семенов, Ильич"));
        // Decomposed and composed forms are the same.
        assert_eq!(tokens("Ёлкин"), tokens("Е\u{308}лкин"));
        assert_eq!(tokens("Қанат Әлия"), ["қанат", "әлия"]);
        assert!(tokens(" -, ").is_empty());
    }
}
