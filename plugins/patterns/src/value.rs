//! Typed values in a piece of text.

pub mod boolean;
pub mod checks;
pub mod currency;
pub mod date;
pub mod identifier;
pub mod money;
pub mod number;
pub mod text;

use crate::config::DecimalSeparator;
use docmill_plugin::Value;
use regex::Regex;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Text,
    Date,
    Money,
    Decimal,
    Boolean,
    Identifier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    Iin,
    Bin,
    Inn,
    Iban,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    Dmy,
    Mdy,
}

/// What a value must look like.
#[derive(Debug, Clone)]
pub struct Spec {
    pub kind: Kind,
    pub check: Option<Check>,
    pub pattern: Option<Regex>,
    pub currency: Option<String>,
    /// `None`: not configured, so a date that reads both ways is doubtful.
    pub date_order: Option<DateOrder>,
    pub decimal_separator: DecimalSeparator,
    /// Whether a comma before three digits groups thousands also in plain numbers, as in English.
    pub comma_groups: bool,
    /// In characters.
    pub max_length: usize,
}

/// A value in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Bytes.
    pub start: usize,
    pub end: usize,
    pub value: Value,
    /// How sure the form is, 0 to 1; see README.
    pub form: f32,
    /// A check digit holds.
    pub verified: bool,
}

impl Scan {
    pub fn sure(start: usize, end: usize, value: Value) -> Self {
        Self {
            start,
            end,
            value,
            form: 1.0,
            verified: false,
        }
    }

    fn shifted(mut self, by: usize) -> Self {
        self.start += by;
        self.end += by;
        self
    }
}

/// The first value of the wanted kind in `text`. Text is the whole of it, trimmed.
pub fn scan(text: &str, spec: &Spec) -> Option<Scan> {
    let Some(pattern) = &spec.pattern else {
        return scan_plain(text, spec);
    };
    pattern.captures_iter(text).find_map(|captures| {
        let found = captured(&captures)?;
        Some(scan_plain(found.as_str(), spec)?.shifted(found.start()))
    })
}

/// The group named `value`, else the first group, else the whole match.
pub fn captured<'t>(captures: &regex::Captures<'t>) -> Option<regex::Match<'t>> {
    captures
        .name("value")
        .or_else(|| captures.get(1))
        .or_else(|| captures.get(0))
}

fn scan_plain(text: &str, spec: &Spec) -> Option<Scan> {
    match spec.kind {
        Kind::Text => text::scan(text, spec.max_length),
        Kind::Date => date::scan(text, spec.date_order),
        Kind::Money => money::scan(text, spec),
        Kind::Decimal => number::scan(text, spec),
        Kind::Boolean => boolean::scan(text),
        Kind::Identifier => identifier::scan(text, spec.check),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn spec(kind: Kind) -> Spec {
        Spec {
            kind,
            check: None,
            pattern: None,
            currency: None,
            date_order: None,
            decimal_separator: DecimalSeparator::Auto,
            comma_groups: false,
            max_length: 200,
        }
    }

    #[test]
    fn a_pattern_narrows() {
        let pattern = Regex::new(r"серия\s+(?<value>\w+)").ok();
        let spec = Spec {
            pattern,
            ..spec(Kind::Text)
        };
        let found = scan("Паспорт серия АБ номер 5", &spec).map(|scan| scan.value);
        assert_eq!(found, Some(Value::Text("АБ".to_owned())));
        assert_eq!(scan("Паспорт", &spec), None);
    }

    /// Whatever stands in a document: places lie on characters and are not empty.
    #[test]
    fn no_text_breaks_a_scanner() {
        let pieces = [
            "1",
            " ",
            "\u{A0}",
            "₸",
            "(",
            ")",
            "тг",
            "12.03.2024",
            "«",
            "марта",
            "é",
            "😀",
            "-",
            ",",
            "%",
            "KZ86",
            "İ",
            ".",
            "млн",
        ];
        let mut seed = 7_u32;
        for _ in 0..4000 {
            let text: String = (0..8)
                .filter_map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    pieces.get((seed >> 16) as usize % pieces.len())
                })
                .copied()
                .collect();
            for kind in [
                Kind::Text,
                Kind::Date,
                Kind::Money,
                Kind::Decimal,
                Kind::Boolean,
                Kind::Identifier,
            ] {
                if let Some(found) = scan(&text, &spec(kind)) {
                    assert!(
                        text.get(found.start..found.end)
                            .is_some_and(|raw| !raw.is_empty()),
                        "{kind:?} {text:?} {found:?}"
                    );
                }
            }
            for check in [Check::Iin, Check::Iban, Check::Inn] {
                scan(
                    &text,
                    &Spec {
                        check: Some(check),
                        ..spec(Kind::Identifier)
                    },
                );
            }
        }
    }
}
