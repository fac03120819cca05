//! `docmill/template`: letters, pages and data from what a run found. README.md explains the configuration.

mod config;
mod filters;
mod render;

use config::Config;
use docmill_plugin::prelude::*;

/// The plugin.
pub struct Template;

impl Transformer for Template {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/template",
            env!("CARGO_PKG_VERSION"),
            "Writes a letter, a page or data from fields, checks and records by a minijinja template.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    fn transform(inputs: Inputs, config: Config) -> Result<Output, Error> {
        render::transform(&inputs, &config)
    }
}

docmill_plugin::export_transformer!(Template);

#[cfg(test)]
mod tests;
