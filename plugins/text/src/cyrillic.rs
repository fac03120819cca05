//! Which of the single-byte Cyrillic encodings a text is in. General detectors are weak here: they confuse
//! cp866 and KOI8-R with others on short texts. Every candidate is decoded and the letters are counted.

use encoding_rs::{Encoding, IBM866, ISO_8859_5, KOI8_U, WINDOWS_1251, X_MAC_CYRILLIC};

pub const KZ_1048: &str = "KZ-1048";

/// A Cyrillic encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guess {
    Known(&'static Encoding),
    /// Kazakhstan's national standard: windows-1251 with Kazakh letters, which WHATWG does not list.
    Kz1048,
}

impl Guess {
    pub fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Known(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::Kz1048 => decode_kz1048(bytes),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Known(encoding) => encoding.name(),
            Self::Kz1048 => KZ_1048,
        }
    }
}

/// Below this mean a text is not Russian or Kazakh in that encoding. Real texts lie above 4, the wrong candidates and
/// other languages below 2.
const LEAST_SCORE: f32 = 3.0;

/// The Cyrillic encoding that makes the best Russian or Kazakh of `sample`; `None` if none makes any.
pub fn guess(sample: &[u8]) -> Option<Guess> {
    // KOI8-U is KOI8-R but for four Ukrainian letters.
    let known = [WINDOWS_1251, IBM866, KOI8_U, ISO_8859_5, X_MAC_CYRILLIC].map(Guess::Known);
    let scored = known
        .into_iter()
        .chain([Guess::Kz1048])
        .map(|guess| (score(&guess.decode(sample)), guess));
    // Of equals the first, which is the more common one.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (best.0 >= LEAST_SCORE).then_some(best.1)
}

/// The mean weight of the characters outside ASCII: common letters count much, rare ones little; symbols, and capitals
/// behind small letters, count against.
fn score(text: &str) -> f32 {
    let mut sum = 0.0;
    let mut count = 0_u32;
    let mut before = ' ';
    for char in text.chars() {
        if !char.is_ascii() {
            count += 1;
            sum += weight(char);
            let odd_capital = char.is_uppercase() && before.is_lowercase();
            let mixed = before.is_ascii_alphabetic() && char.is_alphabetic();
            if odd_capital || mixed {
                sum -= 8.0;
            }
        }
        before = char;
    }
    if count == 0 {
        f32::NEG_INFINITY
    } else {
        sum / count as f32
    }
}

/// Roughly the share of a letter in Russian, in percent; a small constant for Kazakh letters; less than nothing for
/// what hardly occurs in documents.
fn weight(char: char) -> f32 {
    let small = char.to_lowercase().next().unwrap_or(char);
    match small {
        'о' => 11.0,
        'е' | 'а' | 'и' => 8.0,
        'н' | 'т' | 'с' => 6.0,
        'р' | 'в' | 'л' => 5.0,
        'к' | 'м' | 'д' | 'п' | 'у' => 3.5,
        'я' | 'ы' | 'ь' | 'г' | 'з' | 'б' | 'ч' | 'й' => 2.5,
        'х' | 'ж' | 'ш' | 'ю' | 'ц' => 1.5,
        'щ' | 'э' | 'ф' | 'ъ' | 'ё' => 1.0,
        'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' => 2.5,
        'ї' | 'є' | 'ґ' => 1.0,
        '№' | '«' | '»' | '—' | '–' | '…' | '“' | '”' | '„' | '°' | '§' | '\u{A0}' => 1.0,
        '─' | '│' | '═' | '║' => 0.5,
        _ => -6.0,
    }
}

/// Differences from windows-1251.
const KZ_1048_BYTES: [(u8, char); 16] = [
    (0x8D, 'Қ'),
    (0x8E, 'Һ'),
    (0x9D, 'қ'),
    (0x9E, 'һ'),
    (0xA1, 'Ұ'),
    (0xA2, 'ұ'),
    (0xA3, 'Ә'),
    (0xA5, 'Ө'),
    (0xAA, 'Ғ'),
    (0xAF, 'Ү'),
    (0xB4, 'ө'),
    (0xBA, 'ғ'),
    (0xBC, 'ә'),
    (0xBD, 'Ң'),
    (0xBE, 'ң'),
    (0xBF, 'ү'),
];

pub fn decode_kz1048(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for piece in bytes.chunk_by(|a, b| is_kazakh(*a) == is_kazakh(*b)) {
        if piece.first().copied().is_some_and(is_kazakh) {
            text.extend(piece.iter().filter_map(|byte| {
                KZ_1048_BYTES
                    .iter()
                    .find(|(known, _)| known == byte)
                    .map(|(_, char)| *char)
            }));
        } else {
            text.push_str(&WINDOWS_1251.decode_without_bom_handling(piece).0);
        }
    }
    text
}

fn is_kazakh(byte: u8) -> bool {
    KZ_1048_BYTES.iter().any(|(known, _)| *known == byte)
}
