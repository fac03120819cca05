//! Dates in figures and in Russian, Kazakh and English words.

use super::{DateOrder, Scan};
use docmill_plugin::Value;

/// A day and a month that can be exchanged.
const AMBIGUOUS: f32 = 0.8;
const SHORT_YEAR: f32 = 0.9;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    Number(&'a str),
    Word(&'a str),
    Mark(char),
}

type Placed<'a> = (usize, usize, Token<'a>);

/// The first date of a text.
pub fn scan(text: &str, order: Option<DateOrder>) -> Option<Scan> {
    let tokens = tokens(text);
    (0..tokens.len()).find_map(|at| {
        let glued = at
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .zip(tokens.get(at))
            .is_some_and(|((_, before_end, before), (start, ..))| {
                before_end == start
                    && matches!(
                        before,
                        Token::Mark('.' | '/' | '-') | Token::Number(_) | Token::Word(_)
                    )
            });
        let rest = tokens.get(at..)?;
        if glued {
            None
        } else {
            figures(rest, order).or_else(|| words(rest))
        }
    })
}

fn tokens(text: &str) -> Vec<Placed<'_>> {
    let class = |char: char| match char {
        _ if char.is_ascii_digit() => 0,
        _ if char.is_alphabetic() => 1,
        _ if char.is_whitespace() => 2,
        _ => 3,
    };
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        let mut end = start + char.len_utf8();
        while let Some((at, next)) = chars.next_if(|(_, next)| class(char) < 2 && class(*next) == class(char))
        {
            end = at + next.len_utf8();
        }
        let piece = text.get(start..end).unwrap_or("");
        match class(char) {
            0 => tokens.push((start, end, Token::Number(piece))),
            1 => tokens.push((start, end, Token::Word(piece))),
            2 => {}
            _ => tokens.push((start, end, Token::Mark(char))),
        }
    }
    tokens
}

/// `12.03.2024`, `12/03/24`, `2024-03-12`.
fn figures(tokens: &[Placed<'_>], order: Option<DateOrder>) -> Option<Scan> {
    let [
        (start, end_a, Token::Number(a)),
        (start_m, end_m, Token::Mark(mark @ ('.' | '/' | '-'))),
        (start_b, end_b, Token::Number(b)),
        (start_n, end_n, Token::Mark(again)),
        (start_c, end, Token::Number(c)),
        rest @ ..,
    ] = tokens
    else {
        return None;
    };
    let touching = end_a == start_m && end_m == start_b && end_b == start_n && end_n == start_c;
    let goes_on = matches!(rest, [(next, next_end, Token::Mark('.' | '/' | '-')), (digit, _, Token::Number(_)), ..]
        if next == end && next_end == digit);
    if mark != again || !touching || goes_on || b.len() > 2 {
        return None;
    }
    let (value, form) = match (a.len(), c.len()) {
        (4, 1..=2) => (date(year(a)?, number(b)?, number(c)?)?, 1.0),
        (1..=2, 2 | 4) => {
            let (first, second, year_value) = (number(a)?, number(b)?, year(c)?);
            let american = *mark == '/' && order == Some(DateOrder::Mdy);
            let both = *mark == '/' && first <= 12 && second <= 12 && first != second && order.is_none();
            let (day, month) = if american {
                (second, first)
            } else {
                (first, second)
            };
            let value = date(year_value, month, day).or_else(|| {
                if *mark == '/' {
                    date(year_value, day, month)
                } else {
                    None
                }
            });
            (
                value?,
                if both { AMBIGUOUS } else { 1.0 } * if c.len() == 2 { SHORT_YEAR } else { 1.0 },
            )
        }
        _ => return None,
    };
    Some(Scan {
        start: *start,
        end: *end,
        value,
        form,
        verified: false,
    })
}

/// `«12» марта 2024 г.`, `March 12, 2024`, `2024 жылғы 12 наурыз`.
fn words(tokens: &[Placed<'_>]) -> Option<Scan> {
    let significant: Vec<&Placed<'_>> = tokens
        .iter()
        .take(14)
        .filter(|(.., token)| !is_filler(*token))
        .take(5)
        .collect();
    let begin = tokens
        .first()
        .filter(|(.., token)| !matches!(token, Token::Mark(mark) if !is_quote(*mark)))?;
    let mut kept = significant.iter().map(|(_, end, token)| (*token, *end));
    let (first, second, third) = (kept.next()?, kept.next()?, kept.next()?);
    let (value, end) = match (first.0, second.0, third.0) {
        (Token::Number(day), Token::Word(name), Token::Number(years))
            if day.len() <= 2 && years.len() == 4 =>
        {
            (date(year(years)?, month(name)?, number(day)?)?, third.1)
        }
        (Token::Word(name), Token::Number(day), Token::Number(years))
            if day.len() <= 2 && years.len() == 4 =>
        {
            (date(year(years)?, month(name)?, number(day)?)?, third.1)
        }
        (Token::Number(years), Token::Number(day), Token::Word(name))
            if day.len() <= 2 && years.len() == 4 =>
        {
            (date(year(years)?, month(name)?, number(day)?)?, third.1)
        }
        _ => return None,
    };
    // A quote in front belongs to the day that it encloses.
    let starts_right = match begin.2 {
        Token::Number(_) => true,
        Token::Word(name) => month(name).is_some(),
        Token::Mark(_) => matches!(tokens, [
            (_, open, _),
            (from, to, Token::Number(_)),
            (close, _, Token::Mark(mark)),
            ..,
        ] if open == from && to == close && is_quote(*mark)),
    };
    starts_right.then(|| Scan::sure(begin.0, end, value))
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '«' | '»' | '“' | '”' | '„' | '\'' | '‘' | '’')
}

fn is_filler(token: Token<'_>) -> bool {
    match token {
        Token::Mark(mark) => is_quote(mark) || matches!(mark, ',' | '.' | '-' | '_'),
        Token::Word(word) => {
            let word = word.to_lowercase();
            let fillers = [
                "of",
                "th",
                "st",
                "nd",
                "rd",
                "го",
                "г",
                "год",
                "года",
                "ж",
                "жыл",
                "жылғы",
                "жылдың",
                "жылы",
                "числа",
                "the",
                "day",
                "күні",
            ];
            fillers.contains(&word.as_str())
        }
        Token::Number(_) => false,
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

/// Two digits are years from 1970 to 2069.
fn year(digits: &str) -> Option<u32> {
    let year = number(digits)?;
    match digits.len() {
        2 => Some(if year < 70 { 2000 + year } else { 1900 + year }),
        4 => Some(year).filter(|year| (1800..2200).contains(year)),
        _ => None,
    }
}

fn month(word: &str) -> Option<u32> {
    const STEMS: [[&str; 3]; 12] = [
        ["январ", "қаңтар", "january"],
        ["феврал", "ақпан", "february"],
        ["март", "наурыз", "march"],
        ["апрел", "сәуір", "april"],
        ["мая", "мамыр", "may"],
        ["июн", "маусым", "june"],
        ["июл", "шілде", "july"],
        ["август", "тамыз", "august"],
        ["сентябр", "қыркүйек", "september"],
        ["октябр", "қазан", "october"],
        ["ноябр", "қараша", "november"],
        ["декабр", "желтоқсан", "december"],
    ];
    const SHORT: [[&str; 3]; 12] = [
        ["янв", "қаң", "jan"],
        ["фев", "ақп", "feb"],
        ["мар", "нау", "mar"],
        ["апр", "сәу", "apr"],
        ["май", "мам", "may"],
        ["июн", "мау", "jun"],
        ["июл", "шіл", "jul"],
        ["авг", "там", "aug"],
        ["сен", "қыр", "sep"],
        ["окт", "қаз", "oct"],
        ["ноя", "қар", "nov"],
        ["дек", "жел", "dec"],
    ];
    let word = word.to_lowercase();
    let by_stem = STEMS.iter().position(|stems| {
        stems.iter().any(|stem| {
            word.strip_prefix(stem).is_some_and(|ending| {
                // Cases add up to five letters in Kazakh; English has none.
                ending.chars().count() <= if stem.is_ascii() { 0 } else { 5 }
            })
        })
    });
    let index = by_stem.or_else(|| match word.as_str() {
        "сент" | "sept" => Some(8),
        "нояб" => Some(10),
        "мае" | "маю" => Some(4),
        short => SHORT.iter().position(|names| names.contains(&short)),
    })?;
    u32::try_from(index + 1).ok()
}

/// A day that exists.
fn date(year: u32, month: u32, day: u32) -> Option<Value> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    (1..=days)
        .contains(&day)
        .then(|| Value::Date(format!("{year:04}-{month:02}-{day:02}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, &str)> {
        let scan = scan(text, None)?;
        let Value::Date(date) = scan.value else {
            return None;
        };
        Some((date, text.get(scan.start..scan.end)?))
    }

    #[test]
    fn every_form_of_one_day() {
        for (text, raw) in [
            ("от 12.03.2024 г.", "12.03.2024"),
            ("2024-03-12T10:00", "2024-03-12"),
            ("2024.03.12", "2024.03.12"),
            ("12-03-2024", "12-03-2024"),
            ("12.03.24", "12.03.24"),
            ("«12» марта 2024 г.", "«12» марта 2024"),
            ("12 марта 2024 года", "12 марта 2024"),
            ("12 МАР. 2024", "12 МАР. 2024"),
            ("12 марттан 2024", "12 марттан 2024"),
            ("2024 жылғы 12 наурыз", "2024 жылғы 12 наурыз"),
            ("2024 ж. «12» наурызда", "2024 ж. «12» наурызда"),
            ("12 наурыз 2024 ж.", "12 наурыз 2024"),
            ("on March 12, 2024", "March 12, 2024"),
            ("the 12th of March, 2024", "12th of March, 2024"),
            ("12-Mar-2024", "12-Mar-2024"),
            ("№ 45 от 12 марта 2024 г.", "12 марта 2024"),
            ("«Договор» 12 марта 2024 г.", "12 марта 2024"),
        ] {
            assert_eq!(read(text), Some(("2024-03-12".to_owned(), raw)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "31.02.2024",
            "1.2.3.4",
            "192.168.10.12",
            "12.03",
            "март",
            "12 марта",
            "5 столов 2024",
            "99.99.2024",
            "1/2/3",
            "2024",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn order_of_day_and_month() {
        let with = |text, order| scan(text, order).map(|scan| (scan.value, scan.form));
        let day = |text: &str, form| Some((Value::Date(text.to_owned()), form));
        assert_eq!(with("03/04/2024", None), day("2024-04-03", AMBIGUOUS));
        assert_eq!(with("03/04/2024", Some(DateOrder::Dmy)), day("2024-04-03", 1.0));
        assert_eq!(with("03/04/2024", Some(DateOrder::Mdy)), day("2024-03-04", 1.0));
        assert_eq!(with("03/14/2024", None), day("2024-03-14", 1.0));
        assert_eq!(
            with("03.04.2024", Some(DateOrder::Mdy)),
            day("2024-04-03", 1.0),
            "points are never American"
        );
    }
}
