//! Presentations: a page for every slide, in the order in which they are shown.
//!
//! A slide is read shape by shape. What it does not say itself (where a placeholder is, whether its paragraphs have
//! bullets) comes from its layout and that layout's master. Charts and diagrams are parts of their own.

mod bullets;
mod chart;
mod design;
mod diagram;
mod geometry;
mod presentation;
mod shape;
mod slide;
mod table;
mod text;

use std::collections::HashSet;

use docmill_plugin::{Block, BlockKind, Error, PageInfo};

use crate::budget::Budget;
use crate::language::Languages;
use crate::package::{Package, Relationships, damaged};
use crate::text::primary_language;
use crate::{Config, Parsed};
use design::{Designs, Inherited};
use geometry::Frame;
use slide::{Part, PartKind, Piece, Surroundings};

/// The kind of a block of what the speaker notes.
const SPEAKER_NOTES: &str = "speaker-notes";

/// What is counted through all slides.
#[derive(Debug, Default)]
struct Shared {
    budget: Budget,
    languages: Languages,
    /// The presentation's title was found.
    has_title: bool,
    /// Names of the parts that were read. None belongs to two places, and a large one that does would otherwise be as many as
    /// somebody likes.
    parts: HashSet<String>,
}

impl Shared {
    /// Whether a part is read for the first time.
    fn is_new(&mut self, part: &str) -> bool {
        self.parts.insert(part.to_lowercase())
    }

    fn charge(&mut self, block: &Block) -> Result<(), Error> {
        let cells = block.table.iter().flat_map(|table| &table.cells);
        self.budget.add(0, cells.map(|cell| cell.text.len()).sum())?;
        self.budget.charge(block)
    }
}

/// Reads all slides.
///
/// # Errors
/// `damaged`, `decompression-bomb`, `too-large`, `too-complex`.
pub fn read(package: &mut Package<'_>, config: &Config) -> Result<Parsed, Error> {
    let main = package.main().to_owned();
    let related = package.relationships(&main)?;
    let presentation = presentation::read(
        package
            .part(&main)?
            .ok_or_else(|| damaged("its main part is missing"))?,
    )?;

    let mut designs = Designs::default();
    let mut shared = Shared::default();
    let mut pages = Vec::with_capacity(presentation.slides.len());
    for (number, id) in (presentation.first_number..).zip(&presentation.slides) {
        let target = related
            .by_id(id)
            .filter(|related| !related.external && related.kind == "slide")
            .ok_or_else(|| damaged("a slide of the presentation is missing"))?;
        if !shared.is_new(&target.target) {
            return Err(damaged("it lists a slide twice"));
        }
        shared.budget.add(1, 0)?;
        let (info, blocks) = page(
            package,
            &target.target,
            presentation.frame,
            config,
            &mut designs,
            &mut shared,
        )?;
        pages.push((info.labelled(number.to_string()), blocks));
    }
    let language = shared.languages.main(presentation.language.as_deref());
    Ok(Parsed {
        language: language.and_then(|tag| primary_language(&tag)),
        metadata: Vec::new(),
        pages,
    })
}

fn page(
    package: &mut Package<'_>,
    name: &str,
    frame: Option<Frame>,
    config: &Config,
    designs: &mut Designs,
    shared: &mut Shared,
) -> Result<(PageInfo, Vec<Block>), Error> {
    let related = package.relationships(name)?;
    let inherited = designs.of(package, &related)?;
    let around = Surroundings {
        frame,
        inherited: &inherited,
        related: &related,
        config,
    };
    let part = package
        .part(name)?
        .ok_or_else(|| damaged("a slide of the presentation is missing"))?;
    let slide = slide::read(part, &around, shared)?;

    let mut info = PageInfo::digital();
    if let Some((width, height)) = frame.map(|frame| frame.points()) {
        info = info.sized(width, height);
    }
    if slide.is_hidden {
        info = info.warn("hidden-slide");
    }
    if slide.has_text_beside {
        info = info.warn("text-beside-slide");
    }
    let mut blocks = slide.titles;
    for piece in slide.body {
        match piece {
            Piece::Block(block) => blocks.push(block),
            Piece::Part(part) => blocks.extend(own_part(package, &related, part, config, shared)?),
        }
    }
    blocks.extend(slide.margins);
    if config.notes {
        blocks.extend(notes(package, &related, config, shared)?);
    }
    Ok((info, blocks))
}

/// A chart or a diagram, in its place; if it has nothing to read, the words that stand for it.
fn own_part(
    package: &mut Package<'_>,
    slide: &Relationships,
    part: Part,
    config: &Config,
    shared: &mut Shared,
) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    shared.budget.add(1, 0)?;
    let target = slide.by_id(&part.relationship);
    if let Some(target) = target.filter(|target| !target.external && shared.is_new(&target.target)) {
        let related = package.relationships(&target.target)?;
        if let Some(xml) = package.part(&target.target)? {
            blocks = match part.kind {
                PartKind::Chart => chart::read(xml, config.locale, shared)?,
                PartKind::Diagram => diagram::read(xml, &related, config.links, shared)?,
            };
        }
    }
    if blocks.is_empty() {
        let figure = part.alternative.map(|text| Block::new(BlockKind::Figure, text));
        figure.iter().try_for_each(|figure| shared.charge(figure))?;
        blocks.extend(figure);
    }
    for block in &mut blocks {
        block.region = part.place.region();
    }
    Ok(blocks)
}

/// What the speaker notes: a paragraph each. Notes that are not there are none.
fn notes(
    package: &mut Package<'_>,
    slide: &Relationships,
    config: &Config,
    shared: &mut Shared,
) -> Result<Vec<Block>, Error> {
    let target = slide.of_type("notesSlide");
    let Some(target) = target.filter(|notes| shared.is_new(&notes.target)) else {
        return Ok(Vec::new());
    };
    let related = package.relationships(&target.target)?;
    let Some(part) = package.part(&target.target)? else {
        return Ok(Vec::new());
    };
    let around = Surroundings {
        frame: None,
        inherited: &Inherited::default(),
        related: &related,
        config,
    };
    let read = slide::read(part, &around, shared)?;
    let blocks = read.body.into_iter().filter_map(|piece| match piece {
        Piece::Block(block) if block.table.is_none() => Some(Block {
            kind: BlockKind::Other(SPEAKER_NOTES.to_owned()),
            ..block
        }),
        _ => None,
    });
    Ok(blocks.collect())
}
