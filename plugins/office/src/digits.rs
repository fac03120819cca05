//! Numbers as lists print them.

/// A number in one of Word's formats; unknown ones are decimal.
pub fn write(number: u32, format: &str) -> String {
    match format {
        "none" | "bullet" => String::new(),
        "decimalZero" => format!("{number:02}"),
        "upperRoman" => roman(number),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperLetter" => letters(number, LATIN).to_uppercase(),
        "lowerLetter" => letters(number, LATIN),
        "russianUpper" => letters(number, RUSSIAN).to_uppercase(),
        "russianLower" => letters(number, RUSSIAN),
        "decimalEnclosedParen" => format!("({number})"),
        "numberInDash" => format!("- {number} -"),
        "ordinal" => format!("{number}{}", ordinal(number)),
        _ => number.to_string(),
    }
}

const LATIN: &str = "abcdefghijklmnopqrstuvwxyz";
const RUSSIAN: &str = "абвгдежзиклмнопрстуфхцчшщэюя";

/// a … z, aa … zz, aaa …: the letter is repeated, as Word does.
fn letters(number: u32, alphabet: &str) -> String {
    let Some(index) = number.checked_sub(1) else {
        return String::new();
    };
    let size = u32::try_from(alphabet.chars().count()).unwrap_or(1);
    let letter = alphabet.chars().nth((index % size) as usize).unwrap_or('?');
    let times = (index / size + 1).min(30);
    std::iter::repeat_n(letter, times as usize).collect()
}

fn roman(number: u32) -> String {
    const STEPS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..=32_767).contains(&number) {
        return number.to_string();
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, digits) in STEPS {
        while rest >= value {
            out.push_str(digits);
            rest -= value;
        }
    }
    out
}

fn ordinal(number: u32) -> &'static str {
    match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn numbers_print_as_word_prints_them() {
        for (number, format, expected) in [
            (4, "decimal", "4"),
            (4, "decimalZero", "04"),
            (1994, "upperRoman", "MCMXCIV"),
            (9, "lowerRoman", "ix"),
            (28, "lowerLetter", "bb"),
            (3, "russianLower", "в"),
            (10, "russianUpper", "К"),
            (22, "ordinal", "22nd"),
            (0, "lowerLetter", ""),
            (u32::MAX, "upperRoman", "4294967295"),
        ] {
            assert_eq!(write(number, format), expected, "{number} {format}");
        }
    }
}
