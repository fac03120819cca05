//! Makes a chunk of every paragraph, under the headings above it.

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// The step's configuration; `CONFIG_SCHEMA` describes it to people and to the host.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// In bytes; shorter paragraphs are left out.
    min_bytes: u32,
}

const CONFIG_SCHEMA: &str = r#"{
    "type": "object",
    "additionalProperties": false,
    "properties": { "min_bytes": { "type": "integer", "minimum": 0, "maximum": 1000000, "default": 0 } }
}"#;

pub struct Plugin;

impl Chunker for Plugin {
    type Config = Config;

    fn describe() -> Description {
        Description::new("{{namespace}}/{{name}}", env!("CARGO_PKG_VERSION"), "Makes a chunk of every paragraph.")
            .config_schema(CONFIG_SCHEMA)
    }

    fn split(reading: Reading, config: Config) -> Result<Vec<Chunk>, Error> {
        let mut headings: Vec<(u8, String)> = Vec::new();
        let mut chunks = Vec::new();
        for page in 0..reading.page_count() {
            for block in reading.blocks(page)? {
                if let BlockKind::Heading(level) = block.kind {
                    headings.retain(|(above, _)| *above < level);
                    headings.push((level, block.text));
                    continue;
                }
                // The host says where a block stands; an empty one has no place that could be cited.
                let range = block.range.filter(|range| range.end - range.start > config.min_bytes);
                let Some(range) = range else { continue };
                let above = headings.iter().map(|(_, text)| text.as_str());
                chunks.push(Chunk::of([Span { page, range }]).under(above));
            }
        }
        Ok(chunks)
    }
}

docmill_plugin::export_chunker!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_under_their_headings() -> Result<(), Error> {
        let builder = ReadingBuilder::new();
        let blocks = [Block::heading(1, "Цена"), Block::paragraph("Сто тенге."), Block::paragraph("")];
        builder.add_page(&PageInfo::digital(), &blocks)?;
        let reading = builder.into_reading();
        let chunks = Plugin::split(reading.clone(), Config::default())?;
        let chunk = chunks.first().ok_or_else(|| Error::failed("test", "no chunk"))?;
        assert_eq!((chunks.len(), chunk.headings.as_slice()), (1, ["Цена".to_owned()].as_slice()));
        assert_eq!(chunk.text(&reading)?, "Сто тенге.");
        assert_eq!(Plugin::split(reading, Config { min_bytes: 100 })?, []);
        Ok(())
    }
}
