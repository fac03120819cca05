//! What a plugin says about itself.

/// Returned by `describe`; the host asks once, when the plugin is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// `namespace/name`, under which the plugin is published.
    pub name: String,
    /// Semver; `env!("CARGO_PKG_VERSION")` keeps it equal to Cargo.toml.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of the configuration.
    pub config_schema: String,
    /// Media types that a parser takes; `text/*` is allowed.
    pub accepts: Vec<String>,
    /// Fields that an extractor always looks for; empty if they depend on the configuration.
    pub fields: Vec<FieldSpec>,
}

/// A field that an extractor may produce.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSpec {
    pub name: String,
    /// A case of the contract's `value`: `text`, `money`, `date`, …
    pub kind: String,
    pub description: String,
}

impl Description {
    /// A plugin without configuration; add a schema, media types or fields by the methods below.
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The JSON Schema of the configuration; `include_str!("config.schema.json")` reads well here. The host checks
    /// every step's configuration against it when a pipeline is saved, and fills in its defaults.
    pub fn config_schema(mut self, json_schema: &str) -> Self {
        json_schema.clone_into(&mut self.config_schema);
        self
    }

    /// The media types that a parser takes.
    pub fn accepts<'a>(mut self, media_types: impl IntoIterator<Item = &'a str>) -> Self {
        self.accepts = media_types.into_iter().map(str::to_owned).collect();
        self
    }

    /// Announces a field, so that expressions on it can be checked before a run.
    pub fn field(mut self, name: &str, kind: &str, description: &str) -> Self {
        self.fields.push(FieldSpec {
            name: name.to_owned(),
            kind: kind.to_owned(),
            description: description.to_owned(),
        });
        self
    }
}
