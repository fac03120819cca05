//! Small pieces of XML as trees: a paragraph, a row, a style.

use docmill_plugin::Error;

use super::{Tag, Token, Xml, too_complex};
use crate::limits::{MAX_TREE_BYTES, MAX_TREE_NODES};

/// An element with what is in it.
#[derive(Debug, Default)]
pub struct Element {
    name: Box<str>,
    attrs: Vec<(Box<str>, Box<str>)>,
    pub children: Vec<Node>,
}

/// What an element holds.
#[derive(Debug)]
pub enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// From its start tag, still without children.
    pub fn of(tag: &Tag<'_>) -> Self {
        Self {
            name: tag.name().into(),
            attrs: tag.attrs(),
            children: Vec::new(),
        }
    }

    /// Without its prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An attribute by its name without the prefix.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| &**value)
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of a name in it.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name() == name)
    }

    /// The `val` of the first element of a name in it.
    pub fn val(&self, name: &str) -> Option<&str> {
        self.child(name)?.attr("val")
    }

    /// Whether a property that is on or off is on: there, and not said to be off.
    pub fn is_on(&self, name: &str) -> Option<bool> {
        let value = self.child(name)?.attr("val").unwrap_or("1");
        Some(!matches!(value, "0" | "false" | "off"))
    }

    /// The texts directly in it.
    pub fn own_text(&self) -> impl Iterator<Item = &str> {
        self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        })
    }

    fn bytes(&self) -> usize {
        64 + self.name.len()
            + self
                .attrs
                .iter()
                .map(|(key, value)| 32 + key.len() + value.len())
                .sum::<usize>()
    }
}

/// The branch of a compatibility switch that is read: the newer one, unless it says nothing. Reading both would give the
/// text twice.
pub fn branch(alternatives: &Element) -> Option<&Element> {
    let choice = alternatives.child("Choice");
    choice
        .filter(|choice| has_text(choice))
        .or_else(|| alternatives.child("Fallback"))
        .or(choice)
}

fn has_text(element: &Element) -> bool {
    element.name() == "t" || element.elements().any(has_text)
}

impl Xml<'_> {
    /// The tree under `root`, whose start tag was just read.
    ///
    /// # Errors
    /// As [`next`](Self::next), and `too-complex` for a tree that is too large.
    pub fn tree(&mut self, root: Element) -> Result<Element, Error> {
        self.tree_without(root, &[])
    }

    /// The same without what is in elements of these names, which stay as empty ones: outlines of shapes and the like,
    /// which are most of a drawing and no text.
    ///
    /// # Errors
    /// As [`tree`](Self::tree).
    pub fn tree_without(&mut self, root: Element, left_out: &[&str]) -> Result<Element, Error> {
        let mut open = vec![root];
        let (mut nodes, mut bytes) = (0_usize, 0_usize);
        loop {
            match self.next()? {
                Token::Start(tag) => {
                    let element = Element::of(&tag);
                    bytes += element.bytes();
                    if left_out.contains(&element.name()) {
                        self.skip()?;
                        if let Some(parent) = open.last_mut() {
                            parent.children.push(Node::Element(element));
                        }
                    } else {
                        open.push(element);
                    }
                }
                Token::Text(text) => {
                    bytes += text.len();
                    if let Some(parent) = open.last_mut() {
                        match parent.children.last_mut() {
                            Some(Node::Text(before)) => before.push_str(&text),
                            _ => parent.children.push(Node::Text(text.into_owned())),
                        }
                    }
                }
                Token::End | Token::Eof => {
                    let Some(done) = open.pop() else {
                        return Ok(Element::default());
                    };
                    match open.last_mut() {
                        Some(parent) => parent.children.push(Node::Element(done)),
                        None => return Ok(done),
                    }
                }
                Token::Other => {}
            }
            nodes += 1;
            if nodes > MAX_TREE_NODES || bytes > MAX_TREE_BYTES {
                return Err(too_complex(
                    "a single paragraph, table row or shape has too many parts",
                ));
            }
        }
    }
}
