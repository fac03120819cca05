//! Reads a text file: every group of lines becomes a paragraph, lines that begin with `#` become headings.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Leave headings out.
    skip_headings: bool,
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "skip_headings": { "type": "boolean", "default": false } }
}"#;

pub struct Plugin;

impl Parser for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Reads text files with headings.")
            .accepts(["text/plain"])
            .config_schema(CONFIG_SCHEMA)
    }

    fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
        let text = String::from_utf8(source.read_all()?)
            .map_err(|_| Error::invalid_input("not-utf-8", "The file is not UTF-8 text; convert it first."))?;
        let reading = ReadingBuilder::new();
        reading.add_page(&PageInfo::digital(), &blocks(&text, &config))?;
        Ok(reading)
    }
}

docmill_plugin::export_parser!(Plugin);

fn blocks(text: &str, config: &Config) -> Vec<Block> {
    let groups = text.split("\n\n").map(str::trim).filter(|group| !group.is_empty());
    groups
        .filter_map(|group| match group.strip_prefix('#') {
            Some(_) if config.skip_headings => None,
            Some(heading) => Some(Block::heading(1, heading.trim_start_matches('#').trim())),
            None => Some(Block::paragraph(group)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_paragraphs() -> Result<(), Error> {
        let source = Source::new("text/plain", Some("a.txt"), "# Title\n\none\ntwo\n\nthree\n");
        let reading = Plugin::parse(source, Config::default())?.into_reading();
        assert_eq!(reading.text(0)?, "Title\none\ntwo\nthree");
        assert_eq!(reading.blocks(0)?.first().map(|block| block.kind.clone()), Some(BlockKind::Heading(1)));
        Ok(())
    }

    #[test]
    fn bytes_that_are_no_text_are_a_typed_error() {
        let error = Plugin::parse(Source::new("text/plain", None, [0xFF]), Config::default()).err();
        assert_eq!(error.map(|error| error.code), Some("not-utf-8".to_owned()));
    }
}
