//! Word documents: the body in reading order, as Word would print it without its page breaks.
//!
//! The document is read as a stream; only a paragraph or a table row is held as a tree. Tracked deletions, hidden text
//! and unfilled placeholders are left out.

mod body;
mod inline;
mod notes;
mod numbering;
mod paragraph;
mod styles;
mod table;

use docmill_plugin::{BlockKind, Error, PageInfo};

use crate::package::{Package, damaged};
use crate::text::primary_language;
use crate::{Config, Parsed};
use body::Walker;

/// Reads the document as one page.
///
/// # Errors
/// `damaged`, `decompression-bomb`, `too-large`, `too-complex`.
pub fn read(package: &mut Package<'_>, config: &Config) -> Result<Parsed, Error> {
    let main = package.main().to_owned();
    let related = package.relationships(&main)?;
    let part = |kind: &str, usual: &str| {
        related
            .of_type(kind)
            .map_or_else(|| usual.to_owned(), |r| r.target.clone())
    };

    let styles = styles::read(package.part(&part("styles", "word/styles.xml"))?)?;
    let numbering = numbering::read(package.part(&part("numbering", "word/numbering.xml"))?)?;
    let mut walker = Walker::new(styles, numbering, &related, config.links);

    let document = package
        .part(&main)?
        .ok_or_else(|| damaged("its main part is missing"))?;
    let sections = walker.stream(document)?;
    let mut blocks = walker.take_blocks();

    if config.notes {
        for (kind, usual) in [
            ("footnotes", "word/footnotes.xml"),
            ("endnotes", "word/endnotes.xml"),
        ] {
            let wanted = walker.notes_of(kind);
            if wanted.is_empty() {
                continue;
            }
            if let Some(notes) = package.part(&part(kind, usual))? {
                blocks.extend(notes::read(&mut walker, notes, &wanted)?);
            }
        }
    }
    if config.headers {
        let headers = notes::margins(
            &mut walker,
            package,
            &related,
            &sections.headers,
            BlockKind::Header,
        )?;
        let footers = notes::margins(
            &mut walker,
            package,
            &related,
            &sections.footers,
            BlockKind::Footer,
        )?;
        blocks.splice(..0, headers);
        blocks.extend(footers);
    }

    let mut info = PageInfo::digital();
    if walker.skipped_foreign_parts() {
        info = info.warn("embedded-parts-skipped");
    }
    Ok(Parsed {
        language: walker.language().and_then(|tag| primary_language(&tag)),
        metadata: Vec::new(),
        pages: vec![(info, blocks)],
    })
}
