//! From the tree to blocks: what a browser would put on lines of its own becomes a block of its own.

mod form;
mod list;
mod table;
mod text;

use std::collections::HashSet;

use docmill_plugin::{Block, BlockKind};
use dom_query::{Document, NodeId, NodeRef};

use crate::dom::{Content, attribute, content};
use crate::visibility::{is_beside, is_hidden, is_silent};
use list::List;
use text::Line;

/// The blocks of a page's body.
pub fn read(document: &Document, links: bool) -> Vec<Block> {
    let walker = Walker {
        links,
        ..Walker::default()
    };
    walker.of(document)
}

/// The blocks of a page's body without links and what stands beside a main content. What holds the page's heading
/// stands beside nothing, whatever it is called.
pub fn own(document: &Document) -> Vec<Block> {
    let heading = document.root().descendants_it().find(|node| node.has_name("h1"));
    let spine = heading.map(|heading| heading.ancestors_it(None).map(|node| node.id).collect());
    let walker = Walker {
        own: Some(spine.unwrap_or_default()),
        ..Walker::default()
    };
    walker.of(document)
}

#[derive(Default)]
struct Walker {
    blocks: Vec<Block>,
    line: Line,
    /// What the line becomes; a paragraph if nothing is said.
    kind: Option<BlockKind>,
    /// Open lists, the innermost last.
    lists: Vec<List>,
    /// An item's number, for its first line.
    label: Option<String>,
    /// The term of a description list that waits for its description.
    term: Option<String>,
    links: bool,
    /// Leaves out links and what is beside the main content; elements that hold it in any case.
    own: Option<HashSet<NodeId>>,
}

/// Elements that stand on lines of their own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "fieldset"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "main"
            | "menu"
            | "nav"
            | "optgroup"
            | "p"
            | "search"
            | "section"
            | "summary"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "xmp"
            | "listing"
    )
}

fn heading_level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

impl Walker {
    fn of(mut self, document: &Document) -> Vec<Block> {
        let root = document.tree.body().unwrap_or_else(|| document.root());
        self.children(&root);
        self.flush();
        self.blocks
    }

    fn children(&mut self, node: &NodeRef<'_>) {
        for child in node.children_it(false) {
            self.node(&child);
        }
    }

    fn node(&mut self, node: &NodeRef<'_>) {
        let name = match content(node) {
            Content::Text(text) => return self.line.push(&text),
            Content::Element(name) => name,
            Content::Other => return,
        };
        if is_silent(&name) || is_hidden(node) || self.skips(&name, node) {
            return;
        }
        if let Some(level) = heading_level(&name) {
            return self.of_kind(node, BlockKind::Heading(level));
        }
        match &*name {
            "br" => self.line.line_break(),
            "wbr" => {}
            "pre" => self.preformatted(node),
            "figcaption" | "caption" => self.of_kind(node, BlockKind::Caption),
            "ul" | "ol" => self.list(node, &name),
            "li" => self.item(node),
            "dl" => self.descriptions(node),
            "dt" => self.term(node),
            "dd" => self.description(node),
            "table" => self.table(node),
            "a" => self.link(node),
            "input" | "textarea" | "select" => form::write(node, &name, &mut self.line),
            "q" => {
                self.line.push("“");
                self.children(node);
                self.line.push("”");
            }
            name if is_block(name) => {
                self.flush();
                self.children(node);
                self.flush();
            }
            _ => self.children(node),
        }
    }

    fn skips(&self, name: &str, node: &NodeRef<'_>) -> bool {
        let skips =
            |spine: &HashSet<NodeId>| name == "a" || (is_beside(name, node) && !spine.contains(&node.id));
        self.own.as_ref().is_some_and(skips)
    }

    fn of_kind(&mut self, node: &NodeRef<'_>, kind: BlockKind) {
        self.flush();
        let outer = self.kind.replace(kind);
        self.children(node);
        self.flush();
        self.kind = outer;
    }

    fn preformatted(&mut self, node: &NodeRef<'_>) {
        self.flush();
        self.line.verbatim(true);
        self.children(node);
        let text = self.line.take_verbatim();
        self.line.verbatim(false);
        if !text.trim().is_empty() {
            self.blocks.push(Block::code(text));
        }
    }

    fn link(&mut self, node: &NodeRef<'_>) {
        self.children(node);
        let address = attribute(node, "href").filter(|address| self.links && address.contains("://"));
        if let Some(address) = address.filter(|address| !self.line.ends_with(address)) {
            self.line.push(&format!(" <{address}>"));
        }
    }

    /// Ends the line; what it holds becomes a block.
    fn flush(&mut self) {
        let text = self.line.take();
        if text.is_empty() {
            return;
        }
        let label = self.label.take();
        let text = match &label {
            Some(label) if !label.is_empty() => format!("{label} {text}"),
            _ => text,
        };
        let kind = match (&self.kind, label) {
            (Some(kind), _) => kind.clone(),
            (None, Some(_)) => BlockKind::ListItem(self.depth()),
            (None, None) => BlockKind::Paragraph,
        };
        self.blocks.push(Block::new(kind, text));
    }

    /// Of the innermost open list, from 0.
    fn depth(&self) -> u8 {
        u8::try_from(self.lists.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

/// Blocks as the text of a cell: one per line, nested tables row by row with tabs.
fn flatten(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        let Some(table) = &block.table else {
            out.push_str(&block.text);
            continue;
        };
        let mut row = None;
        for cell in &table.cells {
            if let Some(row) = row {
                out.push(if row == cell.row { '\t' } else { '\n' });
            }
            row = Some(cell.row);
            out.push_str(&cell.text);
        }
    }
    out
}
