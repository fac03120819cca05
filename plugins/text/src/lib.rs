use docmill_plugin::prelude::*;

struct Lines;
#[derive(serde::Deserialize)]
struct Config {}

impl Parser for Lines {
    type Config = Config;
    fn describe() -> Description {
        Description::new("docmill/text", env!("CARGO_PKG_VERSION"), "x").accepts(["text/plain"])
    }
    fn parse(source: Source, _: Config) -> Result<ReadingBuilder, Error> {
        let text =
            String::from_utf8(source.read_all()?).map_err(|_| Error::invalid_input("not-utf-8", "x"))?;
        let reading = ReadingBuilder::new();
        let blocks: Vec<Block> = text.lines().map(Block::paragraph).collect();
        reading.add_page(&PageInfo::digital(), &blocks)?;
        Ok(reading)
    }
}
docmill_plugin::export_parser!(Lines);
