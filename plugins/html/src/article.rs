//! Which part of a page is read. Readability's rules find the article of a news page, and would throw away half of an
//! invoice; so they are asked only about pages that look like web pages and have running text, and their answer counts
//! only if it loses little.

use docmill_plugin::{Block, BlockKind, Error};
use dom_query::{Document, NodeRef};
use dom_smoothie::{Config as ReadabilityConfig, Readability, is_probably_readable};

use crate::blocks;
use crate::dom::{self, Content, content, text_of};
use crate::limits::MAX_ARTICLE_NODES;
use crate::loss;
use crate::visibility::{is_hidden, is_silent};
use crate::{Config, Mode};

/// A page whose links hold less of its text than this is a document of its own, not a page of a site.
const DOCUMENT_LINK_SHARE: f64 = 0.15;

/// A shorter article, in characters, is a teaser or a mistake.
const MIN_ARTICLE_CHARS: usize = 250;

/// The blocks, and `main` or `full`.
///
/// # Errors
/// Limits.
pub fn read(document: Document, config: &Config) -> Result<(Vec<Block>, &'static str), Error> {
    if config.mode == Mode::Main
        && let Some(blocks) = main(&document, config)?
    {
        return Ok((blocks, "main"));
    }
    Ok((blocks::read(&document, config.links), "full"))
}

fn main(document: &Document, config: &Config) -> Result<Option<Vec<Block>>, Error> {
    if document.tree.len() > MAX_ARTICLE_NODES
        || is_document(document)
        || !is_probably_readable(document, None, None)
    {
        return Ok(None);
    }
    let heading = first_heading(document);
    let readability = ReadabilityConfig {
        disable_json_ld: true,
        ..ReadabilityConfig::default()
    };
    let article = Readability::with_document(document.clone(), None, Some(readability))
        .and_then(|mut page| page.parse());
    let Ok(article) = article else { return Ok(None) };
    let article = dom::parse(&article.content)?;
    if loss::is_too_much(document, &article) {
        return Ok(None);
    }
    let mut found = blocks::read(&article, config.links);
    if found.iter().map(characters).sum::<usize>() < MIN_ARTICLE_CHARS {
        return Ok(None);
    }
    // The article's own heading counts as the page's title and is not part of the article; people cite by it.
    if let Some(heading) = heading
        && !found.iter().take(3).any(|block| block.text == heading)
    {
        found.insert(0, Block::new(BlockKind::Title, heading));
    }
    Ok(Some(found))
}

fn characters(block: &Block) -> usize {
    let cells = block.table.iter().flat_map(|table| &table.cells);
    block.text.chars().count() + cells.map(|cell| cell.text.chars().count()).sum::<usize>()
}

/// A letter, an invoice, a report: no navigation and few links.
fn is_document(document: &Document) -> bool {
    let Some(body) = document.tree.body() else {
        return true;
    };
    let (mut all, mut linked) = (0_usize, 0_usize);
    let mut open = vec![(body, false)];
    while let Some((node, in_link)) = open.pop() {
        match content(&node) {
            Content::Text(text) => {
                let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
                all += letters;
                linked += if in_link { letters } else { 0 };
            }
            Content::Element(name) if !is_silent(&name) && !is_hidden(&node) => {
                let role = node.attr("role");
                if matches!(&*name, "nav" | "aside")
                    || matches!(role.as_deref(), Some("navigation" | "complementary" | "banner"))
                {
                    return false;
                }
                let in_link = in_link || &*name == "a";
                open.extend(node.children_it(true).map(|child| (child, in_link)));
            }
            _ => {}
        }
    }
    (linked as f64) < all as f64 * DOCUMENT_LINK_SHARE
}

fn first_heading(document: &Document) -> Option<String> {
    let is_heading = |node: &NodeRef<'_>| node.has_name("h1") && !is_hidden(node);
    let heading = document.root().descendants_it().find(is_heading)?;
    let text = text_of(&heading);
    (!text.is_empty()).then_some(text)
}
