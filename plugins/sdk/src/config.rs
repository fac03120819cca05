//! A step's configuration as a Rust type.

use crate::Error;
use serde::de::DeserializeOwned;

/// Reads a step's JSON configuration into a plugin's own type; no text at all means `{}`.
///
/// # Errors
/// `invalid-config` with code `config`, and serde's message with line and column.
pub fn parse_config<C: DeserializeOwned>(json: &str) -> Result<C, Error> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|error| {
        Error::invalid_config(
            "config",
            format!("The step's configuration does not fit: {error}."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::parse_config;
    use crate::ErrorKind;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Config {
        #[serde(default)]
        depth: u8,
    }

    #[test]
    fn no_text_is_an_empty_object() {
        assert_eq!(parse_config::<Config>(" ").ok(), Some(Config { depth: 0 }));
    }

    #[test]
    fn a_mismatch_is_a_configuration_error_with_its_place() {
        let error = parse_config::<Config>(r#"{"depth": 300}"#).err();
        assert!(error.is_some_and(|error| {
            error.kind == ErrorKind::InvalidConfig
                && error.code == "config"
                && error.message.contains("line 1 column 13")
        }));
    }
}
