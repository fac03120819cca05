//! Fields, citations, checks and artifacts: what plugins find, and the rules that they must keep.

use serde::{Deserialize, Serialize};

use crate::reading::{Rect, TextRange};

/// An amount with its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Decimal digits with an optional sign and point: "-1234.50".
    pub amount: String,
    /// ISO 4217, if it is known.
    pub currency: Option<String>,
}

/// A typed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Value {
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// Every number, whole ones too, as decimal digits.
    Decimal(String),
    /// An amount.
    Money(Money),
    /// `2026-11-21`
    Date(String),
    /// `2026-11-21T10:00:00+05:00`; without an offset if the document does not say.
    DateTime(String),
    /// Lists and nested values.
    Json(serde_json::Value),
}

impl Value {
    /// The value as plain JSON, as expressions and templates see it: money as its amount and currency, numbers as text.
    pub fn plain(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Date(text) | Self::DateTime(text) => {
                text.as_str().into()
            }
            Self::Boolean(value) => (*value).into(),
            Self::Money(money) => serde_json::json!({ "amount": money.amount, "currency": money.currency }),
            Self::Json(value) => value.clone(),
        }
    }
}

/// How a citation's quote stands to the text at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchClass {
    /// The quote is the text at the range, byte by byte.
    Exact,
    /// It was found but for case, blanks or hyphenation; the quote was replaced by the text there.
    Normalized,
    /// It was looked for and is not there.
    Unmatched,
    /// It has regions and no text: a barcode, a stamp.
    Unlocated,
}

/// Where a value was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// The reading's key within the run; none: the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
    /// From 0.
    pub page: u32,
    /// Where on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<TextRange>,
    /// The text there.
    pub quote: String,
    /// One per line.
    #[serde(default)]
    pub regions: Vec<Rect>,
    /// How quote and place fit.
    #[serde(rename = "match")]
    pub class: MatchClass,
}

/// Who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A plugin, in a step.
    Plugin {
        /// The step's id in the definition.
        step: String,
        /// `namespace/name@version`
        plugin: String,
    },
    /// A person.
    Person {
        /// The principal.
        principal: String,
    },
}

/// One extracted value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// `seller.tax_id`, `lines[3].amount`
    pub path: String,
    /// None: looked for and not there.
    #[serde(flatten)]
    pub value: Option<Value>,
    /// As it stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// 0 to 1; none: nobody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Who found it; the host fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where it was read.
    #[serde(default)]
    pub citations: Vec<Citation>,
}

/// The outcome of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Holds.
    Pass,
    /// Does not hold.
    Fail,
    /// Something that the rule needs is missing or unsure: a person decides.
    Undecided,
}

/// How much a check counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Counts for the verdict.
    Error,
}

/// The outcome of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Stable: `total-is-sum-of-lines`.
    pub code: String,
    /// What came out.
    pub outcome: Outcome,
    /// How much it counts.
    pub severity: Severity,
    /// For a person.
    pub reason: String,
    /// Paths of the fields that it looked at.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Who says so; the host fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it looked at.
    #[serde(default)]
    pub citations: Vec<Citation>,
}

/// The judgement over a run's checks; apart from the run's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No check of severity error failed or is undecided.
    Pass,
    /// A check of severity error failed.
    Fail,
    /// None failed, but one is undecided.
    Undecided,
}

impl Verdict {
    /// The verdict over `checks`; none if there are none, because nobody judged.
    pub fn over(checks: &[Check]) -> Option<Self> {
        let has = |outcome| {
            checks
                .iter()
                .any(|c| c.severity == Severity::Error && c.outcome == outcome)
        };
        match (checks.is_empty(), has(Outcome::Fail), has(Outcome::Undecided)) {
            (true, ..) => None,
            (_, true, _) => Some(Self::Fail),
            (_, _, true) => Some(Self::Undecided),
            _ => Some(Self::Pass),
        }
    }

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undecided => "undecided",
        }
    }
}

/// A file that a run produces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// A file name without directories.
    pub name: String,
    /// RFC 6838.
    pub media_type: String,
    /// The file's bytes.
    pub content: bytes::Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, severity: Severity) -> Check {
        Check {
            code: "c".into(),
            outcome,
            severity,
            reason: "r".into(),
            fields: vec![],
            origin: None,
            citations: vec![],
        }
    }

    #[test]
    fn the_verdict_has_three_values() {
        use {Outcome as O, Severity as S};
        assert_eq!(Verdict::over(&[]), None);
        assert_eq!(Verdict::over(&[check(O::Fail, S::Warning)]), Some(Verdict::Pass));
        assert_eq!(
            Verdict::over(&[check(O::Undecided, S::Error)]),
            Some(Verdict::Undecided)
        );
        let both = [check(O::Undecided, S::Error), check(O::Fail, S::Error)];
        assert_eq!(Verdict::over(&both), Some(Verdict::Fail));
    }

    #[test]
    fn a_field_without_a_value_keeps_its_path_alone() -> Result<(), serde_json::Error> {
        let field: Field = serde_json::from_str(r#"{"path":"total"}"#)?;
        assert_eq!(field.value, None);
        let field: Field = serde_json::from_str(
            r#"{"path":"t","type":"money","value":{"amount":"1.00","currency":"KZT"}}"#,
        )?;
        assert!(matches!(&field.value, Some(Value::Money(m)) if m.amount == "1.00"));
        assert_eq!(
            serde_json::from_str::<Field>(&serde_json::to_string(&field)?)?,
            field
        );
        Ok(())
    }
}
