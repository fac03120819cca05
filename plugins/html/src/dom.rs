//! The tree of a page, built by the HTML standard's rules, piece by piece under limits.

use docmill_plugin::Error;
use dom_query::{Document, NodeData, NodeRef};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{LocalName, ParseOpts, parse_document};

use crate::limits::{MAX_DEPTH, MAX_NODES, PIECE_BYTES};

/// Parses a page; there is no wrong HTML, only too much of it.
///
/// # Errors
/// `too-large` (nodes), `too-complex` (depth).
pub fn parse(html: &str) -> Result<Document, Error> {
    let mut parser = parse_document(Document::default(), options());
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES).max(1));
        rest = after;
        parser.process(StrTendril::from(piece));
        let document = &parser.tokenizer.sink.sink;
        // Complaints about the page interest nobody, and there may be one per byte.
        document.errors.borrow_mut().clear();
        if document.tree.len() > MAX_NODES {
            return Err(Error::exhausted(
                "too-large",
                format!("The page has more than {MAX_NODES} elements and texts; split it."),
            ));
        }
        if depth_at_end(document) > MAX_DEPTH {
            return Err(too_complex("its elements are nested too deeply"));
        }
    }
    Ok(parser.finish())
}

/// As without scripts: `noscript` is markup.
fn options() -> ParseOpts {
    let mut options = ParseOpts::default();
    options.tree_builder.scripting_enabled = false;
    options
}

/// The depth of what was parsed last.
fn depth_at_end(document: &Document) -> usize {
    let mut node = document.tree.root();
    let mut depth = 0;
    while let Some(last) = node.last_child() {
        node = last;
        depth += 1;
    }
    depth
}

/// A structure that no honest page has.
pub fn too_complex(what: &str) -> Error {
    Error::exhausted(
        "too-complex",
        format!("The page is too complex: {what}. Simplify it."),
    )
}

/// What a node is.
pub enum Content {
    Text(StrTendril),
    Element(LocalName),
    Other,
}

/// What a node is, for whoever walks the tree.
pub fn content(node: &NodeRef<'_>) -> Content {
    let content = node.query(|node| match &node.data {
        NodeData::Text { contents } => Content::Text(contents.clone()),
        NodeData::Element(element) => Content::Element(element.name.local.clone()),
        _ => Content::Other,
    });
    content.unwrap_or(Content::Other)
}

/// An attribute without blanks around it; none if it is empty.
pub fn attribute(node: &NodeRef<'_>, name: &str) -> Option<String> {
    let value = node.attr(name)?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// All text in a node on one line; scripts and styles have none.
pub fn text_of(node: &NodeRef<'_>) -> String {
    let mut out = String::new();
    for node in node.descendants_it() {
        if let Content::Text(text) = content(&node) {
            let inside = node
                .parent()
                .is_some_and(|parent| parent.has_name("script") || parent.has_name("style"));
            if !inside {
                out.push_str(&text);
            }
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
