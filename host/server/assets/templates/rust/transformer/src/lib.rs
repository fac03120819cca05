//! Writes what was found as a text file.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default = "default_title")]
    title: String,
}

fn default_title() -> String {
    "What was found".to_owned()
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "title": { "type": "string", "default": "What was found" } }
}"#;

pub struct Plugin;

impl Transformer for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Writes the fields of a run as a text file.")
            .config_schema(CONFIG_SCHEMA)
    }

    fn transform(inputs: Inputs, config: Config) -> Result<Output, Error> {
        Ok(Output::Artifact(Artifact {
            name: "fields.txt".to_owned(),
            media_type: "text/plain".to_owned(),
            content: summary(&config.title, &inputs.fields()).into_bytes(),
        }))
    }
}

docmill_plugin::export_transformer!(Plugin);

fn summary(title: &str, fields: &[Field]) -> String {
    let lines = fields.iter().map(|field| format!("{}: {}\n", field.path, field.raw.as_deref().unwrap_or("—")));
    format!("{title}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_field() -> Result<(), Error> {
        let total = Field { raw: Some("5,00".to_owned()), ..Field::found("total", Value::Decimal("5.00".to_owned())) };
        let inputs = Inputs::new().with_fields([total, Field::missing("date")]);
        let output = Plugin::transform(inputs, Config { title: default_title() })?;
        let Output::Artifact(artifact) = output else { return Err(Error::failed("test", "no artifact")) };
        assert_eq!(String::from_utf8_lossy(&artifact.content), "What was found\ntotal: 5,00\ndate: —\n");
        Ok(())
    }
}
