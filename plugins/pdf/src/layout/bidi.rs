//! Lines of right-to-left scripts, which are drawn left to right as they look, into the order in which they are read.

use super::Word;

fn is_right_to_left(ch: char) -> bool {
    matches!(ch, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// Puts the words of a line (left to right as seen) into reading order and their letters too. Other lines stay.
pub fn to_reading_order(words: &mut [Word]) {
    let (mut right_to_left, mut others) = (0_usize, 0_usize);
    for ch in words
        .iter()
        .flat_map(|word| word.text.chars())
        .filter(|ch| ch.is_alphabetic())
    {
        if is_right_to_left(ch) {
            right_to_left += 1
        } else {
            others += 1
        }
    }
    if right_to_left == 0 {
        return;
    }
    for word in words
        .iter_mut()
        .filter(|word| word.text.chars().any(is_right_to_left))
    {
        word.text = reversed(&word.text);
    }
    if right_to_left >= others {
        words.reverse();
        reverse_runs(words, |word| !word.text.chars().any(is_right_to_left));
    } else {
        reverse_runs(words, |word| word.text.chars().any(is_right_to_left));
    }
}

/// The letters of a right-to-left word in reading order; numbers and Latin letters in it keep theirs.
fn reversed(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().rev().map(mirrored).collect();
    let keeps_order =
        |ch: &char| ch.is_alphanumeric() && !is_right_to_left(*ch) || matches!(ch, '.' | '/' | ':');
    for run in letters.chunk_by_mut(|a, b| keeps_order(a) && keeps_order(b)) {
        if run
            .iter()
            .any(|ch| ch.is_alphanumeric() && !is_right_to_left(*ch))
        {
            run.reverse();
        }
    }
    letters.into_iter().collect()
}

/// Turns every run of words of one kind around.
fn reverse_runs(words: &mut [Word], kind: impl Fn(&Word) -> bool) {
    for run in words.chunk_by_mut(|a, b| kind(a) && kind(b)) {
        if run.first().is_some_and(&kind) {
            run.reverse();
        }
    }
}

fn mirrored(ch: char) -> char {
    match ch {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '«' => '»',
        '»' => '«',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glyph::Area;

    fn ordered(seen: &[&str]) -> Vec<String> {
        let mut words: Vec<Word> = seen
            .iter()
            .map(|text| Word {
                text: (*text).to_owned(),
                area: Area::default(),
                size: 10.0,
                bold: false,
            })
            .collect();
        to_reading_order(&mut words);
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn hebrew_is_read_from_the_right_and_its_latin_from_the_left() {
        assert_eq!(
            ordered(&["םלוע", "Big", "Map", "םולש"]),
            ["שלום", "Big", "Map", "עולם"]
        );
    }

    #[test]
    fn a_number_in_an_arabic_word_keeps_its_digits() {
        assert_eq!(ordered(&["،2023", "رصم"]), ["مصر", "2023،"]);
    }

    #[test]
    fn cyrillic_stays() {
        assert_eq!(ordered(&["Счёт", "№", "12"]), ["Счёт", "№", "12"]);
    }
}
