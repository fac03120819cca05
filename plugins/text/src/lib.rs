//! `docmill/text`: reads plain text, Markdown, CSV and TSV in any encoding that such files come in.

mod columns;
mod cyrillic;
mod delimited;
mod encoding;
mod language;
mod markdown;
mod plain;

use docmill_plugin::prelude::*;

/// See `config.schema.json` and `README.md`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub encoding: Option<String>,
    pub format: Format,
    pub delimiter: Option<char>,
    pub header: Option<bool>,
    pub tables: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            encoding: None,
            format: Format::Auto,
            delimiter: None,
            header: None,
            tables: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Auto,
    Plain,
    Markdown,
    Delimited,
}

/// The plugin.
pub struct Text;

impl Parser for Text {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/text",
            env!("CARGO_PKG_VERSION"),
            "Reads plain text, Markdown, CSV and TSV in any encoding, with headings, lists, tables and labelled lines.",
        )
        .accepts(["text/plain", "text/markdown", "text/csv", "text/tab-separated-values"])
        .config_schema(include_str!("config.schema.json"))
    }

    fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
        let bytes = source.read_all()?;
        let decoded = encoding::decode(&bytes, config.encoding.as_deref(), &source.media_type())?;
        if decoded.text.trim().is_empty() {
            return Err(Error::invalid_input(
                "empty",
                "The file holds no text; send one that does.",
            ));
        }
        let reading = ReadingBuilder::new();
        reading.add_metadata("encoding", decoded.encoding)?;
        if let Some(language) = language::of(&decoded.text) {
            reading.set_language(language)?;
        }
        match format(&source, config.format) {
            Format::Delimited => delimited::read(&decoded.text, &source.essence(), &config, &reading)?,
            Format::Markdown => markdown::read(&decoded.text, &reading)?,
            Format::Auto | Format::Plain => plain::read(&decoded.text, config.tables, &reading)?,
        }
        Ok(reading)
    }
}

/// The media type decides; `text/plain` is what senders say who do not know, so there the name may say more.
fn format(source: &Source, wanted: Format) -> Format {
    if wanted != Format::Auto {
        return wanted;
    }
    match source.essence().as_str() {
        "text/markdown" | "text/x-markdown" => Format::Markdown,
        "text/csv" | "text/tab-separated-values" => Format::Delimited,
        _ => {
            let name = source.name().unwrap_or_default().to_lowercase();
            match name.rsplit_once('.') {
                Some((_, "md" | "markdown")) => Format::Markdown,
                Some((_, "csv" | "tsv")) => Format::Delimited,
                _ => Format::Plain,
            }
        }
    }
}

docmill_plugin::export_parser!(Text);

#[cfg(test)]
mod tests;
