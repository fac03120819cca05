//! Numbers that name something.

use super::{Check, Scan, checks};
use docmill_plugin::Value;

/// What is left of the form's certainty if the check digit does not hold: the value stands there, but is wrong or misread.
const BROKEN_CHECK: f32 = 0.4;

pub fn scan(text: &str, check: Option<Check>) -> Option<Scan> {
    match check {
        None => plain(text),
        Some(check) => {
            let candidates = || compact_runs(text, check);
            let holding = candidates().find(|(.., compact)| checks::holds(check, compact));
            let (start, end, compact) = holding.or_else(|| candidates().next())?;
            let verified = checks::holds(check, &compact);
            let form = if verified { 1.0 } else { BROKEN_CHECK };
            Some(Scan {
                start,
                end,
                value: Value::Text(compact),
                form,
                verified,
            })
        }
    }
}

/// Letters, digits and the marks that join them, with at least one digit; a date is none.
fn plain(text: &str) -> Option<Scan> {
    let joins = |char: char| char.is_alphanumeric() || matches!(char, '/' | '-' | '.' | '_' | '\\');
    let mut rest = 0;
    for run in text.split_inclusive(|char: char| !joins(char)) {
        let token = run.trim_end_matches(|char: char| !char.is_alphanumeric());
        let bare = token.trim_start_matches(|char: char| !char.is_alphanumeric());
        let start = rest + token.len() - bare.len();
        rest += run.len();
        let is_date = super::date::scan(bare, None).is_some_and(|date| date.end - date.start == bare.len());
        if bare.chars().any(|char| char.is_ascii_digit()) && !is_date {
            return Some(Scan::sure(
                start,
                start + bare.len(),
                Value::Text(bare.to_owned()),
            ));
        }
    }
    None
}

/// Runs of digits (for IBAN: letters and digits) parted by at most one blank, of a length that the check knows.
fn compact_runs(text: &str, check: Check) -> impl Iterator<Item = (usize, usize, String)> + '_ {
    let lengths: &'static [usize] = match check {
        Check::Iin | Check::Bin => &[12],
        Check::Inn => &[12, 10],
        Check::Iban => &[20, 22, 24, 16, 18, 21, 27, 28, 34],
    };
    text.char_indices().flat_map(move |(start, _)| {
        lengths
            .iter()
            .filter_map(move |length| run_from(text, start, *length, check))
    })
}

/// `length` characters from `start`, neither preceded nor followed by more of the same.
fn run_from(text: &str, start: usize, length: usize, check: Check) -> Option<(usize, usize, String)> {
    let before = text.get(..start)?.chars().next_back();
    let mut compact = String::new();
    let mut end = start;
    let mut blank = true;
    for (at, char) in text.get(start..)?.char_indices() {
        let fits = match check {
            Check::Iban => char.is_ascii_alphanumeric(),
            _ => char.is_ascii_digit(),
        };
        if compact.len() == length {
            if char.is_alphanumeric() {
                return None;
            }
            break;
        }
        if fits {
            compact.push(char.to_ascii_uppercase());
            end = start + at + 1;
            blank = false;
        } else if !blank && (char == ' ' || char == '\u{A0}') {
            blank = true;
        } else {
            return None;
        }
    }
    let digit_at = |index: usize| compact.as_bytes().get(index).is_some_and(u8::is_ascii_digit);
    let shaped = check != Check::Iban || (!digit_at(0) && !digit_at(1) && digit_at(2) && digit_at(3));
    let alone = !before.is_some_and(char::is_alphanumeric);
    (compact.len() == length && shaped && alone).then_some((start, end, compact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_identifiers() {
        let found = |text| scan(text, None).map(|scan| scan.value);
        let text = |value: &str| Some(Value::Text(value.to_owned()));
        assert_eq!(found(" № АБ-12/7. от"), text("АБ-12/7"));
        assert_eq!(
            found("12.03.2024 INV_5"),
            text("INV_5"),
            "a date is no identifier"
        );
        assert_eq!(found("без номера"), None);
    }

    #[test]
    fn checked_identifiers() {
        let found = |text, check| scan(text, Some(check)).map(|scan| (scan.value, scan.verified));
        let expect = |value: &str, verified| Some((Value::Text(value.to_owned()), verified));
        assert_eq!(
            found("БИН 980540000397", Check::Bin),
            expect("980540000397", true)
        );
        assert_eq!(found("980540000398", Check::Bin), expect("980540000398", false));
        assert_eq!(
            found("KZ86 125K ZT50 0410 0100", Check::Iban),
            expect("KZ86125KZT5004100100", true)
        );
        assert_eq!(
            found("12345678901234", Check::Iin),
            None,
            "part of a longer number"
        );
        assert_eq!(
            found("ИНН 7707083893 КПП 770401001", Check::Inn),
            expect("7707083893", true)
        );
    }
}
