//! What a pipeline step may set. `config.schema.json` explains it to people.

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
