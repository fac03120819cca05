//! `docmill/chunks`: cuts a reading into chunks by headings and size. README.md explains the rules.

mod config;
mod pack;
mod pieces;

use config::Config;
use docmill_plugin::prelude::*;
use pack::Packer;

/// The plugin.
pub struct Chunks;

impl Chunker for Chunks {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/chunks",
            env!("CARGO_PKG_VERSION"),
            "Cuts readings into chunks by headings and size, with exact places.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    fn split(reading: Reading, config: Config) -> Result<Vec<Chunk>, Error> {
        config.check()?;
        let mut packer = Packer::new(&config);
        for page in 0..reading.page_count() {
            let text = reading.text(page)?;
            for block in reading.blocks(page)? {
                packer.block(page, &text, &block)?;
            }
        }
        packer.finish()
    }
}

docmill_plugin::export_chunker!(Chunks);

#[cfg(test)]
mod tests;
