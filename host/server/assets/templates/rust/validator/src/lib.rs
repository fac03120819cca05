//! Checks that fields were found and are sure enough.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Paths of fields that a document must have.
    fields: Vec<String>,
    /// 0 to 1; below it a person decides.
    #[serde(default)]
    min_confidence: f32,
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "required": ["fields"],
    "properties": {
        "fields": { "type": "array", "items": { "type": "string" } },
        "min_confidence": { "type": "number", "minimum": 0, "maximum": 1, "default": 0 }
    }
}"#;

pub struct Plugin;

impl Validator for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Checks that fields were found.")
            .config_schema(CONFIG_SCHEMA)
    }

    fn validate(inputs: Inputs, config: Config) -> Result<Vec<Check>, Error> {
        let found = inputs.fields();
        Ok(config.fields.iter().map(|path| check(path, &found, config.min_confidence)).collect())
    }
}

docmill_plugin::export_validator!(Plugin);

fn check(path: &str, found: &[Field], min_confidence: f32) -> Check {
    let field = found.iter().find(|field| field.path == path && field.value.is_some());
    let (outcome, reason) = match field {
        None => (Outcome::Fail, format!("The field {path} was not found.")),
        Some(field) if field.confidence.unwrap_or(1.0) < min_confidence => {
            (Outcome::Undecided, format!("The field {path} was found, but is unsure."))
        }
        Some(_) => (Outcome::Pass, format!("The field {path} was found.")),
    };
    Check {
        code: format!("has-{}", path.replace(|char: char| !char.is_ascii_lowercase() && !char.is_ascii_digit(), "-")),
        outcome,
        severity: Severity::Error,
        reason,
        fields: vec![path.to_owned()],
        citations: field.map(|field| field.citations.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_unsure_and_missing() -> Result<(), Error> {
        let fields = [
            Field { confidence: Some(0.9), ..Field::found("total", Value::Decimal("5".to_owned())) },
            Field { confidence: Some(0.2), ..Field::found("date", Value::Date("2026-01-31".to_owned())) },
            Field::missing("number"),
        ];
        let config = r#"{"fields": ["total", "date", "number"], "min_confidence": 0.5}"#;
        let config = serde_json::from_str(config).map_err(|error| Error::failed("test", error.to_string()))?;
        let checks = Plugin::validate(Inputs::new().with_fields(fields), config)?;
        let outcomes: Vec<_> = checks.iter().map(|check| (check.code.as_str(), check.outcome)).collect();
        let expected =
            [("has-total", Outcome::Pass), ("has-date", Outcome::Undecided), ("has-number", Outcome::Fail)];
        assert_eq!(outcomes, expected);
        Ok(())
    }
}
