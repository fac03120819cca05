//! docmill/html: the text, structure and metadata of HTML and XHTML pages.
//!
//! `decode` turns bytes into text, `dom` builds the tree under limits, `article` finds the main content, `blocks` walks it.

mod article;
mod blocks;
mod decode;
mod dom;
mod limits;
mod loss;
mod metadata;
mod prescan;
mod signature;
mod visibility;

use docmill_plugin::prelude::*;
use serde::Deserialize;

/// How much of a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The article without menus, advertisements and comments, if there is one; the whole page otherwise.
    #[default]
    Main,
    /// The whole page.
    Full,
}

/// A step's configuration; `config.schema.json` explains it to people.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much of the page is read.
    pub mode: Mode,
    /// Puts a link's address behind its text.
    pub links: bool,
}

/// The plugin.
pub struct Html;

impl Parser for Html {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/html",
            env!("CARGO_PKG_VERSION"),
            "Reads HTML pages: the main content or the whole page, with headings, lists, tables and metadata.",
        )
        .config_schema(include_str!("config.schema.json"))
        .accepts(["text/html", "application/xhtml+xml"])
    }

    fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
        signature::check(&source)?;
        let text = decode::decode(source.read_all()?, &source.media_type());
        signature::check_text(&text)?;
        prescan::check(&text)?;
        let document = dom::parse(&text)?;
        drop(text);

        let metadata = metadata::read(&document);
        let (blocks, extent) = article::read(document, &config)?;

        let reading = ReadingBuilder::new();
        if let Some(language) = &metadata.language {
            reading.set_language(language)?;
        }
        for (name, value) in &metadata.values {
            reading.add_metadata(name, value)?;
        }
        reading.add_metadata("extent", extent)?;
        reading.add_page(&PageInfo::digital(), &blocks)?;
        Ok(reading)
    }
}

docmill_plugin::export_parser!(Html);
