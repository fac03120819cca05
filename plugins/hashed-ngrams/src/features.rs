//! What is counted in a text: words, words that follow each other, and parts of words.

use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

use crate::Config;

/// Stand for the beginning and the end of a word: in texts they are no letters.
const BEGIN: char = '<';
const END: char = '>';

/// The hashes of all features of a text, with repetitions.
pub fn of(text: &str, config: &Config) -> Vec<u64> {
    let words = words(text);
    let mut hashes = Vec::new();
    for size in 1..=config.words {
        hashes.extend(
            words
                .windows(size)
                .map(|run| hash(b'w', run.iter().flat_map(|word| word.chars().chain([' '])))),
        );
    }
    if config.max_chars > 0 {
        for word in &words {
            let marked: Vec<char> = [BEGIN].into_iter().chain(word.chars()).chain([END]).collect();
            for size in config.min_chars..=config.max_chars {
                hashes.extend(marked.windows(size).map(|part| hash(b'c', part.iter().copied())));
            }
        }
    }
    hashes
}

/// Runs of letters and digits in lower case; ё is е, as most people write it.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !is_mark(c));
    let folded = words.map(|word| {
        let lower = word.chars().flat_map(char::to_lowercase);
        lower.map(|c| if c == 'ё' { 'е' } else { c }).collect::<String>()
    });
    folded.filter(|word| !word.is_empty()).collect()
}

/// A mark that belongs to the letter before it.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Without a key that anybody keeps: the same on every machine, for ever.
fn hash(kind: u8, chars: impl Iterator<Item = char>) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, u64::from(kind));
    let mut bytes = [0; 4];
    for c in chars {
        hasher.write(c.encode_utf8(&mut bytes).as_bytes());
    }
    hasher.finish()
}
