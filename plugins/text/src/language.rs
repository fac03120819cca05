//! The main language, where the letters leave no doubt among those that docmill's tenants write: Kazakh, Russian,
//! English. Anything else stays unsaid; a language detector as a step of its own knows more.

const SAMPLE_CHARS: usize = 100_000;

/// BCP 47.
pub fn of(text: &str) -> Option<&'static str> {
    let (mut cyrillic, mut latin, mut kazakh, mut russian, mut foreign) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    let mut dotted = 0_u32;
    for char in text.chars().take(SAMPLE_CHARS).flat_map(char::to_lowercase) {
        match char {
            'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' => kazakh += 1,
            'ы' | 'э' => russian += 1,
            'ї' | 'є' | 'ґ' | 'ў' | 'ј' | 'љ' | 'њ' | 'ћ' | 'ђ' | 'џ' | 'ѓ' | 'ќ' => foreign += 1,
            'і' => dotted += 1,
            'a'..='z' => latin += 1,
            '\u{400}'..='\u{52F}' => cyrillic += 1,
            letter if letter.is_alphabetic() => foreign += 1,
            _ => {}
        }
    }
    cyrillic += kazakh + russian + dotted;
    if kazakh == 0 {
        foreign += dotted;
    }
    if cyrillic > 4 * (latin + foreign) || (cyrillic > latin && foreign * 20 < cyrillic) {
        // Bulgarian has neither ы nor э, which no longer Russian text does without.
        return match (
            kazakh * 50 > cyrillic,
            russian * 200 > cyrillic || (cyrillic < 150 && foreign == 0),
        ) {
            (true, _) => Some("kk"),
            (false, true) => Some("ru"),
            _ => None,
        };
    }
    (latin > 4 * (cyrillic + foreign) && is_english(text)).then_some("en")
}

fn is_english(text: &str) -> bool {
    const COMMON: [&str; 14] = [
        "the", "of", "and", "to", "in", "is", "for", "on", "by", "with", "this", "that", "from", "are",
    ];
    let words = text
        .split(|char: char| !char.is_alphabetic())
        .filter(|word| !word.is_empty())
        .take(5_000);
    let (mut all, mut common) = (0, 0);
    for word in words {
        all += 1;
        common += usize::from(COMMON.iter().any(|known| known.eq_ignore_ascii_case(word)));
    }
    common * 12 > all
}
