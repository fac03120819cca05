//! XML as Office writes it: one event at a time, local names, no document type (so no entities of one's own), bounded
//! depth; small pieces as trees.
//!
//! Prefixes are dropped: the names of the vocabularies that meet in one place do not clash, and the strict and the
//! transitional schema differ only in their namespaces.

mod tree;

use std::borrow::Cow;
use std::io::BufRead;
use std::rc::Rc;

use docmill_plugin::Error;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

pub use tree::{Element, branch};

use crate::limits::MAX_XML_DEPTH;
use crate::package::{Meter, damaged, io_error};

/// A part that is being read.
pub struct Xml<'a> {
    reader: Reader<Box<dyn BufRead + 'a>>,
    buffer: Vec<u8>,
    meter: Rc<Meter>,
    depth: usize,
}

/// What comes next.
pub enum Token<'b> {
    Start(Tag<'b>),
    End,
    Text(Cow<'b, str>),
    Other,
    Eof,
}

/// A start tag.
pub struct Tag<'b>(BytesStart<'b>);

impl<'b> Tag<'b> {
    /// Without its prefix.
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// An attribute by its name without the prefix.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(name, false)
    }

    /// The same among those with a prefix: a slide has an `id` of its own beside that of its relationship.
    pub fn prefixed_attr(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(name, true)
    }

    fn find(&self, name: &str, prefixed: bool) -> Option<Cow<'_, str>> {
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).flatten().find(|attr| {
            attr.key.local_name().into_inner() == name && (!prefixed || attr.key.prefix().is_some())
        })?;
        Some(
            found
                .normalized_value(XmlVersion::Implicit1_0)
                .unwrap_or(found.value),
        )
    }

    fn attrs(&self) -> Vec<(Box<str>, Box<str>)> {
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false).flatten();
        attributes
            .map(|attr| {
                let value = attr
                    .normalized_value(XmlVersion::Implicit1_0)
                    .unwrap_or_else(|_| attr.value.clone());
                (attr.key.local_name().into_inner().into(), value.into())
            })
            .collect()
    }
}

impl<'a> Xml<'a> {
    /// From the part's first byte.
    pub fn new(reader: Box<dyn BufRead + 'a>, meter: Rc<Meter>) -> Self {
        let mut reader = Reader::from_reader(reader);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            meter,
            depth: 0,
        }
    }

    /// What comes next; comments and the like are `Other`.
    ///
    /// # Errors
    /// `damaged`, `decompression-bomb`, `too-large`, `too-complex` (depth).
    pub fn next(&mut self) -> Result<Token<'_>, Error> {
        self.buffer.clear();
        self.meter.event();
        Ok(
            match self
                .reader
                .read_event_into(&mut self.buffer)
                .map_err(|error| xml_error(&error))?
            {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > MAX_XML_DEPTH {
                        return Err(too_complex("its XML is nested too deeply"));
                    }
                    Token::Start(Tag(start))
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::End
                }
                Event::Text(text) => Token::Text(text.xml10_content()),
                Event::CData(text) => Token::Text(text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| xml_error(&error))?;
                    match character {
                        Some(character) => Token::Text(Cow::Owned(character.to_string())),
                        None => Token::Text(Cow::Borrowed(
                            resolve_xml_entity(&reference)
                                .ok_or_else(|| damaged("its XML uses an unknown entity"))?,
                        )),
                    }
                }
                Event::DocType(_) => {
                    return Err(damaged(
                        "its XML declares a document type, which Office never writes and which could name other files",
                    ));
                }
                Event::Eof if self.depth > 0 => return Err(damaged("one of its parts breaks off")),
                Event::Eof => Token::Eof,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Token::Other,
            },
        )
    }

    /// Passes over the rest of the element whose start was just read.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn skip(&mut self) -> Result<(), Error> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.next()?, Token::Eof) {
                break;
            }
        }
        Ok(())
    }

    /// The text of the element whose start was just read, its children's included.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn text(&mut self) -> Result<String, Error> {
        let outside = self.depth.saturating_sub(1);
        let mut all = String::new();
        while self.depth > outside {
            match self.next()? {
                Token::Text(text) => all.push_str(&text),
                Token::Eof => break,
                _ => {}
            }
        }
        Ok(all)
    }

    /// How deep the reader is: an element's end brings it back to what it was before its start.
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// A structure that no honest document has.
pub fn too_complex(what: &str) -> Error {
    Error::exhausted(
        "too-complex",
        format!("The document is too complex: {what}. Simplify or split it."),
    )
}

fn xml_error(error: &quick_xml::Error) -> Error {
    match error {
        quick_xml::Error::Io(error) => io_error(error),
        _ => damaged("one of its parts is not well-formed XML"),
    }
}
