//! What a pipeline step may set.

use serde::Deserialize;

/// The step's configuration; every member has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Pages after this many are left out, and the metadata says so.
    pub max_pages: u32,
    /// Looks for tables. Without them their text is read line by line, which is about a third faster.
    pub tables: bool,
    /// Adds what was typed into form fields (AcroForm) where the field stands on the page.
    pub form_fields: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_pages: 2_000,
            tables: true,
            form_fields: true,
        }
    }
}

impl Config {
    /// JSON Schema (2020-12) of this configuration.
    pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "max_pages": {
      "type": "integer", "minimum": 1, "maximum": 100000, "default": 2000,
      "description": "Pages after this many are left out; the metadata 'pages-in-file' then tells how many there are."
    },
    "tables": {
      "type": "boolean", "default": true,
      "description": "Look for tables. Without them their text is read line by line, which is faster."
    },
    "form_fields": {
      "type": "boolean", "default": true,
      "description": "Add what was typed into form fields where the field stands on the page."
    }
  }
}"#;
}
