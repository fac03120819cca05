//! Amounts with their currency: `1 234,56 ₸`, `$1,234`, `25 000 (двадцать пять тысяч) тенге 50 тиын`, `5 млн руб.`

use super::{Scan, Spec, currency, number};
use docmill_plugin::Value;

/// An amount whose currency is not known at all.
const NO_CURRENCY: f32 = 0.97;
/// Words of an amount in brackets are not longer.
const BRACKET_BYTES: usize = 400;

pub fn scan(text: &str, spec: &Spec) -> Option<Scan> {
    let mut first = None;
    for found in number::numbers(text, spec) {
        let before = text.get(..found.start)?;
        let after = text.get(found.end..)?;
        if after.trim_start().starts_with('%') || before.trim_end().ends_with(['№', '#']) {
            continue;
        }
        let scan = amount(text, &found, spec);
        if scan.form == 1.0 && scan.end > found.end {
            return Some(scan);
        }
        let named = currency::ends(before.trim_end_matches(number::is_blank)).is_some();
        if named {
            return Some(scan);
        }
        // A number without a currency counts only if no other has one.
        first.get_or_insert(scan);
    }
    first
}

fn amount(text: &str, found: &number::Number, spec: &Spec) -> Scan {
    let mut end = found.end;
    let mut decimal = found.decimal.clone();
    if let Some((length, places)) = multiplier(text.get(end..).unwrap_or("")) {
        decimal = number::scaled(&decimal, places);
        end += length;
    }
    let mut start = found.start;
    let mut code = None;
    if let Some((length, known)) = following(text.get(end..).unwrap_or("")) {
        code = Some(known.to_owned());
        end += length;
        if let Some((length, hundredths)) =
            hundredths(text.get(end..).unwrap_or("")).filter(|_| !decimal.contains('.'))
        {
            decimal = format!("{decimal}.{hundredths}");
            end += length;
        }
    } else if let Some((at, known)) = preceding(text.get(..start).unwrap_or("")) {
        code = Some(known.to_owned());
        start = at;
    }
    let known = code.or_else(|| spec.currency.clone());
    let form = if known.is_some() { 1.0 } else { NO_CURRENCY };
    Scan {
        start,
        end,
        value: Value::money(decimal, known.as_deref()),
        form,
        verified: false,
    }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(number::is_blank).len()
}

/// A currency behind the amount, after blanks and perhaps the amount in words in brackets.
fn following(after: &str) -> Option<(usize, &'static str)> {
    let mut at = blanks(after);
    if let Some(inner) = after.get(at..)?.strip_prefix('(') {
        let close = inner
            .get(..inner.len().min(BRACKET_BYTES))
            .unwrap_or(inner)
            .find(')')?;
        at += close + 2;
        at += blanks(after.get(at..)?);
    }
    let (length, code) = currency::starts(after.get(at..)?)?;
    let dotted = usize::from(after.get(at + length..)?.starts_with('.'));
    Some((at + length + dotted, code))
}

fn preceding(before: &str) -> Option<(usize, &'static str)> {
    currency::ends(before.trim_end_matches(number::is_blank))
}

/// "50 тиын", "50 коп." behind the currency.
fn hundredths(after: &str) -> Option<(usize, &str)> {
    let at = blanks(after);
    let digits = after.get(at..at + 2)?;
    let word_at = at + 2 + blanks(after.get(at + 2..)?);
    let word: String = after
        .get(word_at..)?
        .chars()
        .take_while(|char| char.is_alphabetic())
        .collect();
    let small = word.to_lowercase();
    let known = ["тиын", "tiyn", "коп", "cent"]
        .iter()
        .any(|stem| small.starts_with(stem));
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && known).then(|| (word_at + word.len(), digits))
}

/// "тыс.", "млн": the bytes it takes and the places that it moves the point.
fn multiplier(after: &str) -> Option<(usize, usize)> {
    const WORDS: [(&str, usize); 11] = [
        ("тыс", 3),
        ("мың", 3),
        ("thousand", 3),
        ("млн", 6),
        ("миллион", 6),
        ("million", 6),
        ("mln", 6),
        ("млрд", 9),
        ("миллиард", 9),
        ("billion", 9),
        ("bn", 9),
    ];
    let at = blanks(after);
    let word: String = after
        .get(at..)?
        .chars()
        .take_while(|char| char.is_alphabetic())
        .collect();
    let small = word.to_lowercase();
    let (_, places) = WORDS.iter().find(|(stem, _)| {
        small
            .strip_prefix(stem)
            .is_some_and(|ending| ending.chars().count() <= 3)
    })?;
    let dotted = usize::from(after.get(at + word.len()..)?.starts_with('.'));
    Some((at + word.len() + dotted, *places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Kind, tests::spec};

    fn read<'a>(text: &'a str, spec: &Spec) -> Option<(String, Option<String>, &'a str)> {
        let scan = scan(text, spec)?;
        let Value::Money(money) = scan.value else {
            return None;
        };
        Some((money.amount, money.currency, text.get(scan.start..scan.end)?))
    }

    #[test]
    fn amounts_with_their_currencies() {
        for (text, amount, currency, raw) in [
            ("1 234,56 ₸", "1234.56", "KZT", "1 234,56 ₸"),
            (
                "1\u{A0}234,56\u{A0}тг.",
                "1234.56",
                "KZT",
                "1\u{A0}234,56\u{A0}тг.",
            ),
            ("1,234.56 KZT", "1234.56", "KZT", "1,234.56 KZT"),
            ("is $1,234 now", "1234", "USD", "$1,234"),
            ("EUR 99.90", "99.90", "EUR", "EUR 99.90"),
            ("100руб", "100", "RUB", "100руб"),
            (
                "25 000 (двадцать пять тысяч) тенге 50 тиын",
                "25000.50",
                "KZT",
                "25 000 (двадцать пять тысяч) тенге 50 тиын",
            ),
            ("7 KZT 05 tiyn", "7.05", "KZT", "7 KZT 05 tiyn"),
            ("5,2 млн руб.", "5200000", "RUB", "5,2 млн руб."),
            ("12 мың теңге", "12000", "KZT", "12 мың теңге"),
            ("3 шт на 450 USD", "450", "USD", "450 USD"),
            ("-5.00 €", "-5.00", "EUR", "-5.00 €"),
        ] {
            let expected = Some((amount.to_owned(), Some(currency.to_owned()), raw));
            assert_eq!(read(text, &spec(Kind::Money)), expected, "{text}");
        }
    }

    #[test]
    fn without_a_currency() {
        assert_eq!(
            read("12 % 3 150,00", &spec(Kind::Money)),
            Some(("3150.00".to_owned(), None, "3 150,00"))
        );
        let tenge = Spec {
            currency: Some("KZT".to_owned()),
            ..spec(Kind::Money)
        };
        assert_eq!(
            read("100", &tenge),
            Some(("100".to_owned(), Some("KZT".to_owned()), "100"))
        );
        assert_eq!(
            read("10 сомнений", &spec(Kind::Money)),
            Some(("10".to_owned(), None, "10")),
            "сом is a whole word"
        );
        assert_eq!(read("№ 5", &spec(Kind::Money)), None);
    }
}
