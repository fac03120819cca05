//! `docmill/patterns`: typed fields by labels, regular expressions and table cells. README.md explains the configuration
//! and how confidence is computed.

mod choose;
mod config;
mod extract;
mod find;
mod fold;
mod page;
mod tables;
mod value;

use config::Config;
use docmill_plugin::prelude::*;

/// The plugin.
pub struct Patterns;

impl Extractor for Patterns {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/patterns",
            env!("CARGO_PKG_VERSION"),
            "Finds typed fields by labels, regular expressions and table cells, each with its place in the document.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    fn extract(inputs: Inputs, config: Config) -> Result<Vec<Field>, Error> {
        let readings = match &config.input {
            None => vec![inputs.require_main()?],
            Some(role) => inputs.readings(role),
        };
        extract::extract(&readings, config)
    }
}

docmill_plugin::export_extractor!(Patterns);

#[cfg(test)]
mod tests;
