//! Finds the value behind a label: `Order: 42` gives the field `order` with the value `42` and the place where it stands.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What stands before the value, with its colon.
    #[serde(default = "default_label")]
    label: String,
}

fn default_label() -> String {
    "Order:".to_owned()
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "label": { "type": "string", "minLength": 1, "default": "Order:" } }
}"#;

pub struct Plugin;

impl Extractor for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Finds the value behind a label.")
            .config_schema(CONFIG_SCHEMA)
            .field("order", "text", "What stands behind the label, to the end of its line.")
    }

    fn extract(inputs: Inputs, config: Config) -> Result<Vec<Field>, Error> {
        let reading = inputs.require_main()?;
        for page in 0..reading.page_count() {
            let text = reading.text(page)?;
            let Some((start, end)) = value_behind(&text, &config.label) else { continue };
            // The citation's quote is exactly the text of its span.
            let citation = Citation::of(&reading, Span::new(page, start as u32, end as u32))?;
            return Ok(vec![Field {
                raw: Some(citation.quote.clone()),
                confidence: Some(0.9),
                citations: vec![citation.clone()],
                ..Field::found("order", Value::Text(citation.quote))
            }]);
        }
        Ok(vec![Field::missing("order")])
    }
}

docmill_plugin::export_extractor!(Plugin);

/// The bytes of the rest of the line behind a label.
fn value_behind(text: &str, label: &str) -> Option<(usize, usize)> {
    let behind = text.find(label)? + label.len();
    let line = text.get(behind..)?.lines().next()?;
    let start = behind + line.len() - line.trim_start().len();
    let end = start + line.trim().len();
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(text: &str) -> Result<Vec<Field>, Error> {
        let config = Config { label: default_label() };
        Plugin::extract(Inputs::new().with_main(Reading::of_pages([text])), config)
    }

    #[test]
    fn a_value_with_its_place() -> Result<(), Error> {
        let fields = extract("Счёт\nOrder:  42-А \nend")?;
        let field = fields.first().ok_or_else(|| Error::failed("test", "no field"))?;
        assert_eq!(field.value, Some(Value::Text("42-А".to_owned())));
        assert_eq!(field.citations.first().map(|citation| citation.quote.as_str()), Some("42-А"));
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_a_field_without_a_value() -> Result<(), Error> {
        assert_eq!(extract("nothing")?, [Field::missing("order")]);
        assert!(Plugin::extract(Inputs::new(), Config { label: default_label() }).is_err(), "no document");
        Ok(())
    }
}
