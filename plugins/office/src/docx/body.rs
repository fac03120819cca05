//! Walks what holds paragraphs and tables: the body, cells, text boxes, notes.

use std::mem;

use docmill_plugin::{Block, Error};

use super::inline::is_placeholder;
use super::numbering::{Counters, Numbering};
use super::styles::Styles;
use super::table::TableBuilder;
use crate::budget::Budget;
use crate::language::Languages;
use crate::limits::{MAX_SECTIONS, MAX_TABLE_DEPTH};
use crate::package::Relationships;
use crate::xml::{Element, Token, Xml, branch, too_complex};

/// Elements that only wrap others: content controls, custom markup, tracked insertions.
fn is_transparent(name: &str) -> bool {
    matches!(
        name,
        "document" | "body" | "sdt" | "sdtContent" | "customXml" | "smartTag" | "ins" | "moveTo"
    )
}

/// Ids of the headers and footers that sections use, in order.
#[derive(Debug, Default)]
pub struct Sections {
    pub headers: Vec<String>,
    pub footers: Vec<String>,
}

impl Sections {
    fn add(&mut self, section: &Element) {
        for reference in section.elements() {
            let ids = match reference.name() {
                "headerReference" => &mut self.headers,
                "footerReference" => &mut self.footers,
                _ => continue,
            };
            if ids.len() >= MAX_SECTIONS {
                continue;
            }
            ids.extend(
                reference
                    .attr("id")
                    .filter(|id| !ids.iter().any(|known| known == id))
                    .map(str::to_owned),
            );
        }
    }
}

/// The state of a walk through a document.
pub struct Walker<'a> {
    pub styles: Styles,
    pub numbering: Numbering,
    pub counters: Counters,
    pub related: &'a Relationships,
    pub links: bool,
    pub languages: Languages,
    pub budget: Budget,
    /// Notes referred to so far, in order.
    pub note_references: Vec<(&'static str, String)>,
    /// Letters and digits so far, and how many of them are bold; the difference tells of a cell.
    pub letters: usize,
    pub bold_letters: usize,
    blocks: Vec<Block>,
    table_depth: usize,
    foreign: bool,
}

impl<'a> Walker<'a> {
    /// Before the first paragraph.
    pub fn new(styles: Styles, numbering: Numbering, related: &'a Relationships, links: bool) -> Self {
        Self {
            styles,
            numbering,
            counters: Counters::default(),
            related,
            links,
            languages: Languages::default(),
            budget: Budget::default(),
            note_references: Vec::new(),
            letters: 0,
            bold_letters: 0,
            blocks: Vec::new(),
            table_depth: 0,
            foreign: false,
        }
    }

    /// Walks the main part and collects its blocks.
    ///
    /// # Errors
    /// `damaged` and limits.
    pub fn stream(&mut self, mut xml: Xml<'_>) -> Result<Sections, Error> {
        let mut sections = Sections::default();
        let mut placeholder = false;
        let mut blocks = mem::take(&mut self.blocks);
        loop {
            let element = match xml.next()? {
                Token::Eof => break,
                Token::Start(tag) => match tag.name() {
                    "sdtContent" if placeholder => {
                        placeholder = false;
                        None
                    }
                    name if is_transparent(name) => continue,
                    "altChunk" => {
                        self.foreign = true;
                        None
                    }
                    "p" | "tbl" | "sectPr" | "sdtPr" | "AlternateContent" => Some(Element::of(&tag)),
                    _ => None,
                },
                _ => continue,
            };
            let Some(element) = element else {
                xml.skip()?;
                continue;
            };
            if element.name() == "tbl" {
                self.stream_table(&mut xml, &mut blocks)?;
                continue;
            }
            let element = xml.tree(element)?;
            match element.name() {
                "p" => {
                    if let Some(section) = element.child("pPr").and_then(|p| p.child("sectPr")) {
                        sections.add(section);
                    }
                    self.paragraph(&element, &mut blocks)?;
                }
                "sectPr" => sections.add(&element),
                "sdtPr" => placeholder = is_placeholder(Some(&element)),
                _ => {
                    if let Some(branch) = branch(&element) {
                        self.blocks_of(branch, &mut blocks)?;
                    }
                }
            }
        }
        self.blocks = blocks;
        Ok(sections)
    }

    /// A table of the body: row by row, because it may be as long as the document.
    fn stream_table(&mut self, xml: &mut Xml<'_>, out: &mut Vec<Block>) -> Result<(), Error> {
        let inside = xml.depth();
        let mut table = TableBuilder::default();
        self.table_depth += 1;
        while xml.depth() >= inside {
            let row = match xml.next()? {
                Token::Start(tag) if tag.name() == "tr" => Some(Element::of(&tag)),
                Token::Start(tag) if is_transparent(tag.name()) => continue,
                Token::Start(_) => None,
                Token::Eof => break,
                _ => continue,
            };
            match row {
                Some(row) => table.row(self, &xml.tree(row)?)?,
                None => xml.skip()?,
            }
        }
        self.table_depth -= 1;
        out.extend(table.finish());
        Ok(())
    }

    /// Adds the blocks in an element that is held as a tree.
    ///
    /// # Errors
    /// Limits.
    pub fn blocks_of(&mut self, container: &Element, out: &mut Vec<Block>) -> Result<(), Error> {
        for child in container.elements() {
            match child.name() {
                "p" => self.paragraph(child, out)?,
                "tbl" => self.table(child, out)?,
                "sdt" if is_placeholder(child.child("sdtPr")) => {}
                "AlternateContent" => {
                    if let Some(branch) = branch(child) {
                        self.blocks_of(branch, out)?;
                    }
                }
                "altChunk" => self.foreign = true,
                name if is_transparent(name) => self.blocks_of(child, out)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn table(&mut self, element: &Element, out: &mut Vec<Block>) -> Result<(), Error> {
        self.table_depth += 1;
        if self.table_depth > MAX_TABLE_DEPTH {
            return Err(too_complex("its tables are nested too deeply"));
        }
        let mut table = TableBuilder::default();
        self.rows_of(element, &mut table)?;
        self.table_depth -= 1;
        out.extend(table.finish());
        Ok(())
    }

    fn rows_of(&mut self, element: &Element, table: &mut TableBuilder) -> Result<(), Error> {
        for child in element.elements() {
            match child.name() {
                "tr" => table.row(self, child)?,
                name if is_transparent(name) => self.rows_of(child, table)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The body's blocks.
    pub fn take_blocks(&mut self) -> Vec<Block> {
        mem::take(&mut self.blocks)
    }

    /// Ids of the notes of a kind that were referred to, in order.
    pub fn notes_of(&self, kind: &str) -> Vec<String> {
        let of_kind = self.note_references.iter().filter(|(known, _)| *known == kind);
        of_kind.map(|(_, id)| id.clone()).collect()
    }

    /// Whether the document embeds others (HTML, RTF), which are not read.
    pub fn skipped_foreign_parts(&self) -> bool {
        self.foreign
    }

    /// The main language, if it is believable.
    pub fn language(&self) -> Option<String> {
        self.languages.main(self.styles.language.as_deref())
    }
}
