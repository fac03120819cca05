//! Comparing what came out with what should, value by value, within stated tolerances. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value as Json};
use unicode_normalization::UnicodeNormalization as _;

/// Longest value that a difference shows, in characters.
const MAX_SHOWN: usize = 80;
/// Longest text that is taken for a number.
const MAX_DIGITS: usize = 40;

/// How far a value may be from what it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// Numbers, and texts that are numbers, may differ by so much.
    pub absolute: f64,
    /// Or by so much of the greater of the two.
    pub relative: f64,
    /// What of texts does not count.
    pub text: Text,
}

/// What of texts does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// Every character counts.
    #[default]
    Exact,
    /// How wide blanks are, and whether they are breaks of lines; blanks at both ends.
    Spaces,
    /// That, case, and the ways Unicode has to write the same (NFKC).
    Fold,
}

impl Tolerance {
    pub(super) fn is_sound(&self) -> bool {
        [self.absolute, self.relative]
            .into_iter()
            .all(|number| number.is_finite() && number >= 0.0)
    }

    fn numbers(&self) -> bool {
        self.absolute > 0.0 || self.relative > 0.0
    }
}

/// Where what came out is not what should have, for a person; none: nowhere. Objects may have members that are not expected;
/// `null` is expected of what is not there.
pub fn first_difference(
    expected: &Json,
    found: &Json,
    tolerance: Tolerance,
    of_paths: &BTreeMap<String, Tolerance>,
) -> Option<String> {
    let within = Within { tolerance, of_paths };
    within.look(expected, found, "")
}

struct Within<'a> {
    tolerance: Tolerance,
    of_paths: &'a BTreeMap<String, Tolerance>,
}

impl Within<'_> {
    fn look(&self, expected: &Json, found: &Json, at: &str) -> Option<String> {
        match (expected, found) {
            (Json::Object(expected), Json::Object(found)) => expected.iter().find_map(|(name, expected)| {
                let at = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                self.look(expected, found.get(name).unwrap_or(&Json::Null), &at)
            }),
            (Json::Array(expected), Json::Array(found)) => {
                let each = expected.iter().zip(found).enumerate();
                let mut each =
                    each.map(|(n, (expected, found))| self.look(expected, found, &format!("{at}[{n}]")));
                each.find_map(|difference| difference).or_else(|| {
                    (expected.len() != found.len())
                        .then(|| format!("{at}: has {} items instead of {}", found.len(), expected.len()))
                })
            }
            _ if self.is_near(expected, found, at) => None,
            _ => Some(format!(
                "{at}: is {} instead of {}",
                shown(found),
                shown(expected)
            )),
        }
    }

    fn is_near(&self, expected: &Json, found: &Json, at: &str) -> bool {
        let tolerance = self.of_paths.get(at).copied().unwrap_or(self.tolerance);
        if expected == found {
            return true;
        }
        if tolerance.numbers()
            && let (Some(expected), Some(found)) = (number(expected), number(found))
        {
            let far = (expected - found).abs();
            let greater = expected.abs().max(found.abs());
            // A millionth of a millionth for what adding up decimal fractions in binary ones makes of them.
            let slack = greater * 1e-12;
            return far <= tolerance.absolute + slack || far <= tolerance.relative * greater + slack;
        }
        match (expected, found) {
            (Json::Number(expected), Json::Number(found)) => is_same(expected, found),
            (Json::String(expected), Json::String(found)) => {
                fold(expected, tolerance.text) == fold(found, tolerance.text)
            }
            _ => false,
        }
    }
}

/// 1 and 1.0 are the same.
fn is_same(expected: &Number, found: &Number) -> bool {
    expected == found || (expected.is_f64() || found.is_f64()) && expected.as_f64() == found.as_f64()
}

/// A number, or a text that is one.
fn number(json: &Json) -> Option<f64> {
    let number = match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text)
            if text.len() <= MAX_DIGITS && text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) =>
        {
            text.parse().ok()
        }
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

fn fold(text: &str, how: Text) -> String {
    let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match how {
        Text::Exact => text.to_owned(),
        Text::Spaces => spaces(text),
        Text::Fold => spaces(&text.nfkc().collect::<String>().to_lowercase()),
    }
}

fn shown(json: &Json) -> String {
    let text = json.to_string();
    let mut short: String = text.chars().take(MAX_SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(expected: Json, found: Json, tolerance: Json) -> Option<String> {
        let tolerance: Tolerance = serde_json::from_value(tolerance).unwrap();
        first_difference(&expected, &found, tolerance, &BTreeMap::new())
    }

    #[test]
    fn what_is_expected_is_there_and_more_may_be() {
        let found = json!({"fields": {"total": "12.50", "date": "2026-11-21"}, "pages": ["a", "b"]});
        for expected in [
            json!({"fields": {"total": "12.50"}}),
            json!({"pages": ["a", "b"], "fields": {"nothing": null}}),
            json!({}),
        ] {
            assert_eq!(difference(expected, found.clone(), json!({})), None);
        }
        for (expected, said) in [
            (
                json!({"fields": {"total": "12.51"}}),
                "fields.total: is \"12.50\" instead of \"12.51\"",
            ),
            (json!({"fields": {"total": 12.5}}), "fields.total"),
            (json!({"fields": {"date": null}}), "fields.date"),
            (json!({"pages": ["a"]}), "pages: has 2 items instead of 1"),
            (json!({"pages": ["a", "c"]}), "pages[1]"),
            (json!({"checks": {"sum": "pass"}}), "checks"),
            (json!({"fields": ["total"]}), "fields"),
        ] {
            let found = difference(expected, found.clone(), json!({})).unwrap();
            assert!(found.starts_with(said), "{found}");
        }
    }

    #[test]
    fn numbers_may_be_near() {
        let near =
            |expected: Json, found: Json, tolerance: Json| difference(expected, found, tolerance).is_none();
        assert!(near(json!(1), json!(1.0), json!({})));
        assert!(near(json!("12.50"), json!("12.51"), json!({"absolute": 0.01})));
        assert!(near(json!(0.3), json!("0.30"), json!({"absolute": 0.001})));
        assert!(!near(json!("12.50"), json!("12.52"), json!({"absolute": 0.01})));
        assert!(near(json!(1000), json!(1009), json!({"relative": 0.01})));
        assert!(!near(json!(1000), json!(1011), json!({"relative": 0.01})));
        assert!(!near(json!(0), json!(0.001), json!({"relative": 0.5})));
        // Not numbers, whatever they look like.
        assert!(!near(json!("nan"), json!("nan "), json!({"absolute": 1})));
        assert!(!near(json!("infinity"), json!("1"), json!({"absolute": 1e300})));
        assert!(!near(json!(true), json!(1), json!({"absolute": 5})));
        // Large whole numbers are not rounded together.
        assert!(!near(
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
            json!({})
        ));
    }

    #[test]
    fn texts_may_be_written_otherwise() {
        let near = |how: &str, expected: &str, found: &str| {
            difference(json!(expected), json!(found), json!({ "text": how })).is_none()
        };
        assert!(!near("exact", "a b", "a  b") && near("exact", "a b", "a b"));
        assert!(
            near("spaces", "a b", " a\n\tb ")
                && !near("spaces", "a b", "A b")
                && !near("spaces", "ab", "a b")
        );
        assert!(near("fold", "ИТОГО №1", "итого\u{a0}No1"));
        assert!(!near("fold", "a", "b"));
    }

    #[test]
    fn one_value_may_have_a_tolerance_of_its_own() {
        let own = BTreeMap::from([(
            "fields.total".to_owned(),
            Tolerance {
                absolute: 1.0,
                ..Tolerance::default()
            },
        )]);
        let expected = json!({"fields": {"total": 10, "net": 8}});
        let look = |found: Json| first_difference(&expected, &found, Tolerance::default(), &own);
        assert_eq!(look(json!({"fields": {"total": 11, "net": 8}})), None);
        assert!(
            look(json!({"fields": {"total": 11, "net": 9}}))
                .unwrap()
                .starts_with("fields.net")
        );
    }

    #[test]
    fn a_difference_is_short() {
        let found = difference(
            json!({"a": "x".repeat(10_000)}),
            json!({"a": "ы".repeat(10_000)}),
            json!({}),
        );
        assert!(found.unwrap().chars().count() < 300);
    }
}
