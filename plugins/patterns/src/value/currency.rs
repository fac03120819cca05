//! Currencies beside amounts, by sign, word or code.

/// Codes that are taken as they stand, in capitals.
const CODES: [&str; 30] = [
    "KZT", "RUB", "USD", "EUR", "GBP", "CNY", "JPY", "CHF", "KGS", "UZS", "BYN", "UAH", "GEL", "AMD", "AZN",
    "TRY", "AED", "INR", "PLN", "CZK", "SEK", "NOK", "DKK", "KRW", "HKD", "SGD", "CAD", "AUD", "TJS", "MNT",
];

/// Signs and words in small letters; longer ones before their beginnings.
const WORDS: [(&str, &str); 34] = [
    ("₸", "KZT"),
    ("тенге", "KZT"),
    ("теңге", "KZT"),
    ("тнг", "KZT"),
    ("тг", "KZT"),
    ("kzt", "KZT"),
    ("₽", "RUB"),
    ("рублей", "RUB"),
    ("рубля", "RUB"),
    ("рубль", "RUB"),
    ("рублях", "RUB"),
    ("руб", "RUB"),
    ("р.", "RUB"),
    ("rub", "RUB"),
    ("rur", "RUB"),
    ("us$", "USD"),
    ("$", "USD"),
    ("долларов", "USD"),
    ("доллара", "USD"),
    ("доллар", "USD"),
    ("долл", "USD"),
    ("usd", "USD"),
    ("€", "EUR"),
    ("евро", "EUR"),
    ("euros", "EUR"),
    ("euro", "EUR"),
    ("eur", "EUR"),
    ("£", "GBP"),
    ("gbp", "GBP"),
    ("юаней", "CNY"),
    ("юань", "CNY"),
    ("сомов", "KGS"),
    ("сом", "KGS"),
    ("₴", "UAH"),
];

/// The currency that `text` begins with: its length in bytes and its code.
pub fn starts(text: &str) -> Option<(usize, &'static str)> {
    let word = text.chars().take(10).collect::<String>();
    // Small letters of these words are as long as their capitals.
    let small = word.to_lowercase();
    let found = |known: &str| {
        let rest = small.strip_prefix(known)?;
        let ends_in_letter = known.ends_with(char::is_alphabetic);
        (!(ends_in_letter && rest.starts_with(char::is_alphanumeric))).then_some(known.len())
    };
    let by_word = WORDS
        .iter()
        .find_map(|(known, code)| Some((found(known)?, *code)));
    by_word.or_else(|| {
        let code = CODES.iter().find(|code| word.starts_with(**code))?;
        (!word.get(3..)?.starts_with(char::is_alphanumeric)).then_some((3, *code))
    })
}

/// The currency that `text` ends with: where it begins and its code.
pub fn ends(text: &str) -> Option<(usize, &'static str)> {
    let from = text.char_indices().rev().nth(9).map_or(0, |(at, _)| at);
    text.get(from..)?.char_indices().find_map(|(at, char)| {
        let before = text.get(..from + at)?.chars().next_back();
        if char.is_alphabetic() && before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let rest = text.get(from + at..)?;
        let (length, code) = starts(rest)?;
        let tail = rest.get(length..)?;
        (tail.is_empty() || tail == ".").then_some((from + at, code))
    })
}
