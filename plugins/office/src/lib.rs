//! docmill/office: the text, structure and metadata of Word documents (DOCX, DOCM, DOTX), Excel workbooks (XLSX, XLSM,
//! XLTX) and PowerPoint presentations (PPTX, PPSX, POTX and their kin with macros).
//!
//! `package` opens the ZIP container under limits, `xml` reads its parts without entities or recursion, `docx`, `xlsx`
//! and `pptx` turn them into blocks. The XLSX reader is our own because a workbook is read cell by cell under a budget:
//! a general reader reserves what a hostile file announces.

mod budget;
mod digits;
mod docx;
mod language;
mod limits;
mod math;
mod package;
mod pptx;
mod properties;
mod signature;
mod source;
mod text;
mod xlsx;
mod xml;

use docmill_plugin::prelude::*;
use serde::Deserialize;

use package::{Package, PackageKind};
use source::SourceReader;

/// What one file became; `Office::parse` hands it to the host.
#[derive(Debug, Default)]
struct Parsed {
    language: Option<String>,
    /// Names in lower case with dashes.
    metadata: Vec<(String, String)>,
    pages: Vec<(PageInfo, Vec<Block>)>,
}

/// How numbers and locale-dependent dates of a workbook or a chart are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// `1 234.56` and `2026-11-21`: cannot be misread anywhere.
    #[default]
    Neutral,
    /// `1,234.56` and `11/21/2026`.
    En,
    /// `1 234,56` and `21.11.2026`.
    Ru,
    /// As `Ru`.
    Kk,
}

/// A step's configuration; `config.schema.json` explains it to people.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Of numbers and dates in a workbook or a chart.
    pub locale: Locale,
    /// Headers and footers of a Word document, footers and dates of slides.
    pub headers: bool,
    /// Foot- and endnotes of a Word document, speaker notes of slides.
    pub notes: bool,
    /// Puts a link's address behind its text.
    pub links: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            locale: Locale::Neutral,
            headers: true,
            notes: true,
            links: false,
        }
    }
}

/// The plugin.
pub struct Office;

impl Parser for Office {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/office",
            env!("CARGO_PKG_VERSION"),
            "Reads Word documents (DOCX), Excel workbooks (XLSX) and presentations (PPTX): text, headings, lists, tables, notes, metadata.",
        )
        .config_schema(include_str!("config.schema.json"))
        .accepts(package::MEDIA_TYPES)
    }

    fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
        let parsed = parse_source(&source, &config)?;
        let reading = ReadingBuilder::new();
        if let Some(language) = &parsed.language {
            reading.set_language(language)?;
        }
        for (name, value) in &parsed.metadata {
            reading.add_metadata(name, value)?;
        }
        for (info, blocks) in &parsed.pages {
            reading.add_page(info, blocks)?;
        }
        Ok(reading)
    }
}

fn parse_source(source: &Source, config: &Config) -> Result<Parsed, Error> {
    signature::check(source)?;
    let mut package = Package::open(SourceReader::new(source))?;
    let mut parsed = match package.kind()? {
        PackageKind::Document => docx::read(&mut package, config)?,
        PackageKind::Workbook => xlsx::read(&mut package, config)?,
        PackageKind::Presentation => pptx::read(&mut package, config)?,
    };
    parsed.metadata = properties::read(&mut package)?;
    Ok(parsed)
}

docmill_plugin::export_parser!(Office);
