//! The rules that a plugin's output must keep, and the settling of citations: a quote is the text at its range, or is
//! looked up and marked.

use crate::assemble::{clean, confidence, region};
use crate::failure::{Code, Failure};
use crate::reading::{Inputs, TextSpan};
use crate::value::{Check, Citation, Field, MatchClass, Value};

/// A rule of the contract that an output breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {explanation} (rule `{rule}`)")]
pub struct Broken {
    /// The rule's stable name.
    pub rule: &'static str,
    /// Where in the output.
    pub at: String,
    /// What the rule says.
    pub explanation: String,
}

impl Broken {
    /// A broken rule.
    pub fn new(rule: &'static str, at: &str, explanation: &str) -> Self {
        Self {
            rule,
            at: at.to_owned(),
            explanation: explanation.to_owned(),
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::new(Code::InvalidOutput, broken.to_string())
    }
}

/// Checks a field against the contract and settles its citations.
///
/// # Errors
/// When a rule is broken; the rule and the place are named.
pub fn settle_field(mut field: Field, inputs: &Inputs) -> Result<Field, Broken> {
    if !is_path(&field.path) {
        let shown: String = field.path.chars().take(60).collect();
        let rule = "words of letters, digits and `_`, joined by `.`, with `[n]` for the n-th of many";
        return Err(Broken::new(
            "field-path",
            &format!("field `{}`", clean(&shown)),
            rule,
        ));
    }
    let at = format!("field `{}`", field.path);
    field.value = field.value.map(|v| settle_value(v, &at)).transpose()?;
    field.raw = field.raw.map(|raw| clean(&raw));
    field.confidence = confidence(field.confidence, || at.clone())?;
    field.citations = settle_citations(field.citations, inputs, &at)?;
    Ok(field)
}

/// Checks a check against the contract and settles its citations.
///
/// # Errors
/// When a rule is broken; the rule and the place are named.
pub fn settle_check(mut check: Check, inputs: &Inputs) -> Result<Check, Broken> {
    let code_fits = (1..=80).contains(&check.code.len())
        && check
            .code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !code_fits {
        let shown: String = check.code.chars().take(60).collect();
        return Err(Broken::new(
            "check-code",
            &format!("check `{}`", clean(&shown)),
            "lower case, digits and dashes, at most 80",
        ));
    }
    let at = format!("check `{}`", check.code);
    check.reason = clean(&check.reason);
    if let Some(path) = check.fields.iter().find(|p| !is_path(p)) {
        let shown: String = path.chars().take(60).collect();
        return Err(Broken::new(
            "field-path",
            &at,
            &format!("`{}` is not a path", clean(&shown)),
        ));
    }
    check.citations = settle_citations(check.citations, inputs, &at)?;
    Ok(check)
}

fn settle_value(value: Value, at: &str) -> Result<Value, Broken> {
    match value {
        Value::Text(text) => Ok(Value::Text(clean(&text))),
        Value::Decimal(digits) if !is_decimal(&digits) => Err(Broken::new("decimal", at, DECIMAL)),
        Value::Money(money) if !is_decimal(&money.amount) => Err(Broken::new("decimal", at, DECIMAL)),
        Value::Money(money) if money.currency.as_ref().is_some_and(|c| !is_currency(c)) => {
            Err(Broken::new("currency", at, "three capital letters (ISO 4217)"))
        }
        Value::Date(date) if !is_date(&date) => {
            Err(Broken::new("date", at, "a calendar date such as 2026-11-21"))
        }
        Value::DateTime(time) if !is_date_time(&time) => Err(Broken::new(
            "date-time",
            at,
            "RFC 3339, such as 2026-11-21T10:00:00+05:00; the offset may be missing",
        )),
        Value::Json(json) => Ok(Value::Json(clean_json(json))),
        fine => Ok(fine),
    }
}

const DECIMAL: &str = "digits with an optional sign and point, no exponent, no grouping: -1234.50";

fn settle_citations(citations: Vec<Citation>, inputs: &Inputs, at: &str) -> Result<Vec<Citation>, Broken> {
    citations
        .into_iter()
        .enumerate()
        .map(|(index, citation)| settle(citation, inputs, &format!("{at}, citation {index}")))
        .collect()
}

/// Fills in what a citation leaves out: with a range, the quote must be exactly the text there; with a quote alone, it is
/// looked for. Regions come from the range if none are given.
///
/// # Errors
/// When the reading or the page is not there, the range is wrong or the quote is not the text at the range.
pub fn settle(mut citation: Citation, inputs: &Inputs, at: &str) -> Result<Citation, Broken> {
    let Some(reading) = inputs.reading(citation.reading.as_deref()) else {
        return Err(Broken::new(
            "citation-reading",
            at,
            "there is no such reading among the inputs",
        ));
    };
    let Some(page) = reading.page(citation.page) else {
        let explanation = format!("there is no page {}; pages count from 0", citation.page);
        return Err(Broken::new("citation-page", at, &explanation));
    };
    citation.quote = clean(&citation.quote);
    if let Some(range) = citation.range {
        let Some(text) = reading.slice(TextSpan {
            page: citation.page,
            range,
        }) else {
            return Err(Broken::new(
                "citation-range",
                at,
                "the range is outside the page's text or cuts a character",
            ));
        };
        if text != citation.quote {
            return Err(Broken::new(
                "citation-quote",
                at,
                "the quote is not exactly the text at the range",
            ));
        }
        citation.class = MatchClass::Exact;
    } else if citation.quote.trim().is_empty() {
        citation.class = MatchClass::Unlocated;
    } else if let Some(range) = page.find(&citation.quote, 0, 1).first().copied() {
        let text = range.of(&page.text).unwrap_or_default();
        citation.class = if text == citation.quote {
            MatchClass::Exact
        } else {
            MatchClass::Normalized
        };
        citation.quote = text.to_owned();
        citation.range = Some(range);
    } else {
        citation.class = MatchClass::Unmatched;
    }
    citation.regions = match citation.range {
        Some(range) if citation.regions.is_empty() => page.regions(range),
        _ => citation
            .regions
            .into_iter()
            .map(|r| region(r, || at.to_owned()))
            .collect::<Result<_, _>>()?,
    };
    Ok(citation)
}

/// JSON without U+0000 in strings and names.
pub fn clean_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as J;
    match value {
        J::String(text) if text.contains('\0') => J::String(clean(&text)),
        J::Array(items) => J::Array(items.into_iter().map(clean_json).collect()),
        J::Object(members) => J::Object(
            members
                .into_iter()
                .map(|(name, value)| (clean(&name), clean_json(value)))
                .collect(),
        ),
        other => other,
    }
}

/// Words of letters, digits and `_`, joined by `.`, each with any number of `[n]` behind it; at most 200 bytes.
pub fn is_path(path: &str) -> bool {
    path.len() <= 200
        && path.split('.').all(|segment| {
            let word = segment.find('[').map_or(segment, |at| segment.split_at(at).0);
            let indexes = segment.strip_prefix(word).unwrap_or_default();
            !word.is_empty()
                && word.chars().all(|c| c.is_alphanumeric() || c == '_')
                && !word.starts_with(|c: char| c.is_ascii_digit())
                && (indexes.is_empty()
                    || indexes
                        .strip_prefix('[')
                        .and_then(|i| i.strip_suffix(']'))
                        .is_some_and(|inner| {
                            inner
                                .split("][")
                                .all(|n| (1..=6).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
                        }))
        })
}

/// Decimal digits with an optional sign and point.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    text.len() <= 60
        && [whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// `YYYY-MM-DD`, a day that exists in the Gregorian calendar.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return false;
    }
    let number = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let two = |part: Option<&str>, most: u32| {
        part.is_some_and(|p| {
            p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u32>().is_ok_and(|n| n <= most)
        })
    };
    let mut parts = seconds.split(':');
    let clock_fits =
        two(parts.next(), 23) && two(parts.next(), 59) && two(parts.next(), 60) && parts.next().is_none();
    let offset_fits = matches!(offset, "" | "Z")
        || offset
            .strip_prefix(['+', '-'])
            .and_then(|o| o.split_once(':'))
            .is_some_and(|(h, m)| two(Some(h), 23) && two(Some(m), 59));
    is_date(date)
        && clock_fits
        && offset_fits
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::reading::{Page, PageInfo, Reading, TextOrigin, TextRange};

    fn inputs(text: &str) -> Inputs {
        let info = PageInfo {
            label: None,
            size: None,
            origin: TextOrigin::Digital,
            warnings: vec![],
        };
        let reading = Reading {
            key: "main".into(),
            source_media_type: "text/plain".into(),
            language: None,
            metadata: vec![],
            pages: vec![Page::new(info, text.into(), vec![])],
            images: vec![],
            attachments: vec![],
        };
        Inputs {
            main: Some(Arc::new(reading)),
            ..Inputs::default()
        }
    }

    fn citation(range: Option<(u32, u32)>, quote: &str) -> Citation {
        let range = range.map(|(start, end)| TextRange { start, end });
        Citation {
            reading: None,
            page: 0,
            range,
            quote: quote.into(),
            regions: vec![],
            class: MatchClass::Unlocated,
        }
    }

    #[test]
    fn a_quote_is_the_text_at_its_range_or_is_looked_up_and_marked() {
        let inputs = inputs("Итого:  100,00 тг");
        let class = |c| settle(c, &inputs, "here").map(|c| (c.class, c.quote));
        assert_eq!(
            class(citation(Some((0, 10)), "Итого")),
            Ok((MatchClass::Exact, "Итого".into()))
        );
        assert_eq!(
            class(citation(None, "итого: 100,00")),
            Ok((MatchClass::Normalized, "Итого:  100,00".into()))
        );
        assert_eq!(
            class(citation(None, "200")),
            Ok((MatchClass::Unmatched, "200".into()))
        );
        for (bad, rule) in [
            (citation(Some((0, 10)), "итого"), "citation-quote"),
            (citation(Some((0, 9)), "Ито"), "citation-range"),
            (citation(Some((0, 999)), ""), "citation-range"),
            (
                Citation {
                    page: 1,
                    ..citation(None, "x")
                },
                "citation-page",
            ),
            (
                Citation {
                    reading: Some("other".into()),
                    ..citation(None, "x")
                },
                "citation-reading",
            ),
        ] {
            assert_eq!(settle(bad, &inputs, "here").map_err(|b| b.rule), Err(rule));
        }
    }

    #[test]
    fn a_check_s_broken_path_is_shown_by_its_beginning() {
        let check = Check {
            code: "c".into(),
            outcome: crate::value::Outcome::Pass,
            severity: crate::value::Severity::Info,
            reason: String::new(),
            fields: vec!["!".repeat(1_000_000)],
            origin: None,
            citations: vec![],
        };
        let broken = settle_check(check, &Inputs::default());
        assert!(broken.is_err_and(|b| b.rule == "field-path" && b.to_string().len() < 200));
    }

    #[test]
    fn forms_of_values() {
        for good in ["total", "seller.tax_id", "lines[3].amount", "a[0][12]", "сумма"] {
            assert!(is_path(good), "{good}");
        }
        for bad in [
            "", ".", "a.", "a[]", "a[x]", "a[1", "a b", "[1]", "a[1]b", "1a", "a-b", "a][",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(["0", "-1234.50", "10"].into_iter().all(is_decimal));
        assert!(
            !["", "-", "1.", ".5", "1e5", "1,5", "+1", "--1", "NaN"]
                .into_iter()
                .any(is_decimal)
        );
        assert!(
            ["2026-11-21", "2024-02-29", "2000-02-29"]
                .into_iter()
                .all(is_date)
        );
        assert!(
            ![
                "2023-02-29",
                "1900-02-29",
                "2024-13-01",
                "2024-1-1",
                "2024-00-10",
                "202a-01-01",
                "２024-01"
            ]
            .into_iter()
            .any(is_date)
        );
        assert!(
            [
                "2026-11-21T10:00:00+05:00",
                "2026-11-21T10:00:00",
                "2026-11-21T10:00:00.5Z"
            ]
            .into_iter()
            .all(is_date_time)
        );
        assert!(
            ![
                "2026-11-21",
                "2026-11-21T25:00:00",
                "2026-11-21T10:00",
                "2026-11-21T10:00:00+5",
                "2026-11-21T10:00:00Z05:00"
            ]
            .into_iter()
            .any(is_date_time)
        );
    }
}
