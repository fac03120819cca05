//! When two values, or two pieces of text, are the same.

use serde_json::Value;

/// True if `found` is `expected`. Numbers are compared by what they count (`1.50` is `1.5`), texts without regard to
/// runs of blanks; an expected amount without a currency accepts any.
pub fn same(kind: &str, found: &Value, expected: &Value) -> bool {
    match kind {
        "decimal" => match (found.as_str(), expected.as_str()) {
            (Some(found), Some(expected)) => same_number(found, expected),
            _ => false,
        },
        "money" => {
            let amounts = (
                found.get("amount").and_then(Value::as_str),
                expected.get("amount").and_then(Value::as_str),
            );
            let currency = expected.get("currency").filter(|currency| !currency.is_null());
            matches!(amounts, (Some(found), Some(expected)) if same_number(found, expected))
                && currency.is_none_or(|currency| found.get("currency") == Some(currency))
        }
        "text" => match (found.as_str(), expected.as_str()) {
            (Some(found), Some(expected)) => folded(found) == folded(expected),
            _ => false,
        },
        _ => found == expected,
    }
}

fn same_number(left: &str, right: &str) -> bool {
    match (canonical(left), canonical(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Sign, whole digits without leading zeros, fraction without trailing zeros; none if it is not a decimal number.
fn canonical(number: &str) -> Option<(bool, &str, &str)> {
    let (negative, digits) = number
        .strip_prefix('-')
        .map_or((false, number), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    Some((
        negative && !(whole.is_empty() && fraction.is_empty()),
        whole,
        fraction,
    ))
}

/// With every run of blanks (no-break and thin ones too) as one space, none at the ends.
pub fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True if `text` contains `part`, but for runs of blanks and for words broken by a hyphen at the end of a line.
pub fn contains(text: &str, part: &str) -> bool {
    let part = folded(part);
    folded(text).contains(&part) || folded(&joined(text)).contains(&part)
}

/// The text with words joined that a hyphen and a line's end break.
fn joined(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = line.trim_end();
        let breaks = line
            .strip_suffix('-')
            .filter(|head| head.ends_with(char::is_alphabetic));
        match breaks {
            Some(head) => out += head,
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}
