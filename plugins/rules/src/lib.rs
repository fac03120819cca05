//! `docmill/rules`: checks written as CEL expressions over the fields of a run. README.md explains the configuration.

mod check;
mod config;
mod expression;
mod functions;
mod message;
mod node;
mod number;

use config::Config;
use docmill_plugin::prelude::*;

/// The plugin.
pub struct Rules;

impl Validator for Rules {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/rules",
            env!("CARGO_PKG_VERSION"),
            "Judges fields by rules written in CEL, with exact numbers and readable reasons.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    fn validate(inputs: Inputs, config: Config) -> Result<Vec<Check>, Error> {
        check::validate(&inputs, config)
    }
}

docmill_plugin::export_validator!(Rules);

#[cfg(test)]
mod tests;
