//! Numbers as documents write them: blanks, commas, points and apostrophes group or part.

use super::{Kind, Scan, Spec};
use crate::config::DecimalSeparator;
use docmill_plugin::Value;

/// A number's place and its decimal form.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Bytes, with a sign or brackets.
    pub start: usize,
    pub end: usize,
    /// "-1234.50"
    pub decimal: String,
}

/// The first plain number.
pub fn scan(text: &str, spec: &Spec) -> Option<Scan> {
    let number = numbers(text, spec).next()?;
    Some(Scan::sure(
        number.start,
        number.end,
        Value::Decimal(number.decimal),
    ))
}

/// Every number of a text that is not part of a word, a date, a time or an identifier.
pub fn numbers<'a>(text: &'a str, spec: &'a Spec) -> impl Iterator<Item = Number> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text.get(from..)?.find(|char: char| char.is_ascii_digit())?;
            let (token, stop) = token(text, start);
            from = stop;
            let Some(decimal) = token.and_then(|end| interpret(text.get(start..end)?, spec)) else {
                continue;
            };
            return Some(signed(text, start, token?, decimal));
        }
    })
}

pub fn is_blank(char: char) -> bool {
    matches!(
        char,
        ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\u{2007}' | '\u{2006}' | '\u{2008}'
    )
}

/// From a digit: the end of a number's token, if it can be one, and where to look on.
fn token(text: &str, start: usize) -> (Option<usize>, usize) {
    let chars: Vec<(usize, char)> = text.get(start..).unwrap_or("").char_indices().take(80).collect();
    let char_at = |index: usize| chars.get(index).map(|(_, char)| *char);
    let is_digit = |index: usize| char_at(index).is_some_and(|char| char.is_ascii_digit());
    let mut index = 0;
    let mut group = 0;
    let mut parted = false;
    loop {
        while is_digit(index) {
            index += 1;
            group += 1;
        }
        match char_at(index) {
            Some(',' | '.' | '\'' | '’') if is_digit(index + 1) => {
                parted |= matches!(char_at(index), Some(',' | '.'));
                index += 1;
            }
            Some(blank) if is_blank(blank) && !parted && group <= 3 && three(&is_digit, index + 1) => {
                index += 1
            }
            _ => break,
        }
        group = 0;
    }
    let end = start
        + chars.get(index).map_or_else(
            || chars.last().map_or(0, |(at, c)| at + c.len_utf8()),
            |(at, _)| *at,
        );
    let before = text.get(..start).unwrap_or("");
    let glued_before = before.ends_with(|char: char| char.is_alphanumeric() || char == '_')
        || (before.ends_with(['/', '-', '.', ',', ':'])
            && before.chars().rev().nth(1).is_some_and(char::is_alphanumeric));
    let glued_after = matches!(char_at(index), Some('/' | '-' | ':' | '_'))
        && char_at(index + 1).is_some_and(char::is_alphanumeric);
    (
        if glued_before || glued_after {
            None
        } else {
            Some(end)
        },
        end,
    )
}

fn three(is_digit: &impl Fn(usize) -> bool, index: usize) -> bool {
    is_digit(index) && is_digit(index + 1) && is_digit(index + 2) && !is_digit(index + 3)
}

/// The token as a decimal; `None` if its marks make no number.
fn interpret(token: &str, spec: &Spec) -> Option<String> {
    let spaced = token.chars().any(is_blank);
    let bare: String = token
        .chars()
        .filter(|char| !is_blank(*char) && !matches!(char, '\'' | '’'))
        .collect();
    let commas = bare.matches(',').count();
    let points = bare.matches('.').count();
    let mark = match (commas, points) {
        (0, 0) => None,
        (1.., 1..) => {
            let last = bare.rfind([',', '.'])?;
            let mark = bare.get(last..=last)?.chars().next()?;
            let alone = if mark == ',' { commas } else { points } == 1;
            if !alone {
                return None;
            }
            Some(mark)
        }
        (2.., 0) | (0, 2..) => None,
        _ if groups_one(&bare, spaced, spec) => None,
        (1, 0) => Some(','),
        _ => Some('.'),
    };
    let (whole, fraction) = match mark {
        Some(mark) => bare
            .split_once(mark)
            .map(|(whole, fraction)| (whole, Some(fraction)))?,
        None => (bare.as_str(), None),
    };
    let mut groups = whole.split([',', '.']);
    let first = groups.next()?;
    let mut whole = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.len() > 3 {
            return None;
        }
        whole.push_str(group);
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let decimal = fraction.map_or_else(|| whole.to_owned(), |fraction| format!("{whole}.{fraction}"));
    (decimal.len() <= 50).then_some(decimal)
}

/// Whether the single comma or point of a number groups thousands.
fn groups_one(bare: &str, spaced: bool, spec: &Spec) -> bool {
    let Some((whole, fraction)) = bare.split_once([',', '.']) else {
        return false;
    };
    if spaced || fraction.len() != 3 || whole.len() > 3 || whole == "0" {
        return false;
    }
    let comma = bare.contains(',');
    match spec.decimal_separator {
        DecimalSeparator::Comma => !comma,
        DecimalSeparator::Point => comma,
        // Money has no thousandths; of other numbers the language tells.
        DecimalSeparator::Auto => spec.kind == Kind::Money || (comma && spec.comma_groups),
    }
}

fn signed(text: &str, start: usize, end: usize, decimal: String) -> Number {
    let before = text.get(..start).unwrap_or("");
    let minus = before
        .chars()
        .next_back()
        .filter(|char| matches!(char, '-' | '−' | '–'));
    let outside = minus.and_then(|minus| before.strip_suffix(minus)).unwrap_or("");
    if let Some(minus) =
        minus.filter(|_| outside.is_empty() || outside.ends_with([' ', '\u{A0}', '\t', ':', '(', '=']))
    {
        // A dash between blanks parts words: only one that touches the number is its sign.
        return Number {
            start: start - minus.len_utf8(),
            end,
            decimal: negative(decimal),
        };
    }
    if before.ends_with('(') && text.get(end..).is_some_and(|after| after.starts_with(')')) {
        return Number {
            start: start - 1,
            end: end + 1,
            decimal: negative(decimal),
        };
    }
    Number { start, end, decimal }
}

fn negative(decimal: String) -> String {
    if decimal.chars().all(|char| matches!(char, '0' | '.')) {
        decimal
    } else {
        format!("-{decimal}")
    }
}

/// `decimal` with its point `places` to the right: "1.5" by 3 is "1500".
pub fn scaled(decimal: &str, places: usize) -> String {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let padded = format!("{fraction:0<places$}");
    let (moved, rest) = padded.split_at_checked(places).unwrap_or((padded.as_str(), ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let joined = format!("{digits}{moved}");
    let joined = match joined.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if rest.is_empty() {
        format!("{sign}{joined}")
    } else {
        format!("{sign}{joined}.{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::tests::spec;

    fn read(text: &str, kind: Kind) -> Vec<String> {
        numbers(text, &spec(kind)).map(|number| number.decimal).collect()
    }

    #[test]
    fn groups_and_marks() {
        for (text, decimal) in [
            ("1 234,56", "1234.56"),
            ("1\u{A0}234\u{202F}567,8", "1234567.8"),
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1'234.50", "1234.50"),
            ("1,234,567", "1234567"),
            ("007", "7"),
            ("0,50", "0.50"),
            ("-12,5", "-12.5"),
            ("(1 234.00)", "-1234.00"),
            ("(1 шт)", "1"),
            ("Сумма:−5", "-5"),
            ("1 234,567", "1234.567"),
        ] {
            assert_eq!(read(text, Kind::Decimal), [decimal], "{text}");
        }
        assert_eq!(read("1,234", Kind::Money), ["1234"]);
        assert_eq!(read("1,234", Kind::Decimal), ["1.234"]);
        let english = Spec {
            comma_groups: true,
            ..spec(Kind::Decimal)
        };
        assert_eq!(
            numbers("1,234", &english)
                .map(|number| number.decimal)
                .collect::<Vec<_>>(),
            ["1234"]
        );
        let point = Spec {
            decimal_separator: DecimalSeparator::Point,
            ..spec(Kind::Money)
        };
        assert_eq!(
            numbers("1.234", &point)
                .map(|number| number.decimal)
                .collect::<Vec<_>>(),
            ["1.234"]
        );
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "12.03.2024",
            "10:30",
            "12/2024",
            "A12",
            "№12-34",
            "1.2.3.4",
            "1,23,456",
            "a_1",
            "12-03",
        ] {
            assert_eq!(read(text, Kind::Decimal), Vec::<String>::new(), "{text}");
        }
        assert_eq!(read("10  250 00", Kind::Decimal), ["10", "250", "0"]);
        assert_eq!(read(&"9".repeat(100), Kind::Decimal), Vec::<String>::new());
    }

    #[test]
    fn scaling_moves_the_point() {
        assert_eq!(scaled("1.5", 3), "1500");
        assert_eq!(scaled("-0.25", 6), "-250000");
        assert_eq!(scaled("1.23456", 3), "1234.56");
        assert_eq!(scaled("0", 3), "0");
    }
}
