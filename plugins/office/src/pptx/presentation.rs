//! `presentation.xml`: the slides in order, and how large they are.

use docmill_plugin::Error;

use super::geometry::Frame;
use crate::limits::MAX_SLIDES;
use crate::xml::{Token, Xml};

/// What the presentation says.
#[derive(Debug)]
pub struct Presentation {
    /// Relationships of the slides, in the order in which they are shown.
    pub slides: Vec<String>,
    /// The number that the first slide prints.
    pub first_number: u32,
    /// The size of every slide; none if the file does not say, or nothing that can be.
    pub frame: Option<Frame>,
    /// Of text that is not marked.
    pub language: Option<String>,
}

/// Reads the part.
///
/// # Errors
/// `damaged`, `too-large` (slides).
pub fn read(mut xml: Xml<'_>) -> Result<Presentation, Error> {
    let mut presentation = Presentation {
        slides: Vec::new(),
        first_number: 1,
        frame: None,
        language: None,
    };
    loop {
        match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "presentation" => {
                    let first = tag.attr("firstSlideNum").and_then(|n| n.parse().ok());
                    presentation.first_number = first.unwrap_or(1);
                }
                "sldId" => {
                    if presentation.slides.len() >= MAX_SLIDES {
                        return Err(Error::exhausted(
                            "too-large",
                            format!("The presentation has more than {MAX_SLIDES} slides; split it."),
                        ));
                    }
                    // Its own number is an `id`, too, but without a prefix.
                    let relationship = tag.prefixed_attr("id").unwrap_or_default();
                    presentation.slides.push(relationship.into_owned());
                }
                "sldSz" => {
                    let side = |name| tag.attr(name).and_then(|n| n.parse().ok());
                    presentation.frame = side("cx").zip(side("cy")).and_then(|(x, y)| Frame::new(x, y));
                }
                "defRPr" if presentation.language.is_none() => {
                    presentation.language = tag.attr("lang").map(std::borrow::Cow::into_owned);
                }
                // Lists of sections and of shows by name repeat the slides.
                "extLst" | "custShowLst" => xml.skip()?,
                _ => {}
            },
            Token::Eof => return Ok(presentation),
            _ => {}
        }
    }
}
