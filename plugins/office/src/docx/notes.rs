//! Footnotes, endnotes, headers and footers: parts of their own.

use std::collections::{HashMap, HashSet};

use docmill_plugin::{Block, BlockKind, Error};

use super::body::Walker;
use super::table::flatten;
use crate::package::{Package, Relationships};
use crate::xml::{Element, Token, Xml};

/// The notes that the body refers to, in its order.
///
/// # Errors
/// `damaged` and limits.
pub fn read(walker: &mut Walker<'_>, mut xml: Xml<'_>, wanted: &[String]) -> Result<Vec<Block>, Error> {
    let known: HashSet<&String> = wanted.iter().collect();
    let mut by_id = HashMap::new();
    loop {
        let note = match xml.next()? {
            Token::Start(tag) if matches!(tag.name(), "footnote" | "endnote") => Element::of(&tag),
            Token::Eof => break,
            _ => continue,
        };
        let id = note.attr("id").unwrap_or_default().to_owned();
        let note = xml.tree(note)?;
        let separates = !matches!(note.attr("type"), None | Some("normal"));
        if separates || !known.contains(&id) || by_id.contains_key(&id) {
            continue;
        }
        let mut blocks = Vec::new();
        walker.blocks_of(&note, &mut blocks)?;
        by_id.insert(id, flatten(&blocks));
    }
    let notes = wanted
        .iter()
        .filter_map(|id| by_id.remove(id))
        .filter(|text| !text.is_empty());
    Ok(notes.map(|text| Block::new(BlockKind::Footnote, text)).collect())
}

/// Headers or footers by their ids, equal ones once.
///
/// # Errors
/// `damaged` and limits.
pub fn margins(
    walker: &mut Walker<'_>,
    package: &mut Package<'_>,
    related: &Relationships,
    ids: &[String],
    kind: BlockKind,
) -> Result<Vec<Block>, Error> {
    let mut margins: Vec<Block> = Vec::new();
    for id in ids {
        let Some(part) = related.by_id(id).filter(|part| !part.external) else {
            continue;
        };
        let Some(mut xml) = package.part(&part.target)? else {
            continue;
        };
        let root = loop {
            match xml.next()? {
                Token::Start(tag) => break Some(Element::of(&tag)),
                Token::Eof => break None,
                _ => {}
            }
        };
        let Some(root) = root else { continue };
        let root = xml.tree(root)?;
        let mut blocks = Vec::new();
        walker.blocks_of(&root, &mut blocks)?;
        let text = flatten(&blocks);
        // A page number alone says nothing, all the less in a reading of one page.
        if text.contains(char::is_alphabetic) && !margins.iter().any(|known| known.text == text) {
            margins.push(Block::new(kind.clone(), text));
        }
    }
    Ok(margins)
}
