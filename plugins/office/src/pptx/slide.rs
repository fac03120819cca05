//! Walks the shapes of a slide, or of a page of notes, in the order in which they lie on each other: it is the order in
//! which PowerPoint reads them aloud.

use docmill_plugin::{Block, BlockKind, Error};

use super::Shared;
use super::design::{Inherited, Key, Role};
use super::geometry::{Affine, Frame, Place, Transform};
use super::shape;
use super::table::{self, Position};
use super::text::{Context, Line, joined, lines};
use crate::Config;
use crate::package::Relationships;
use crate::xml::{Element, Token, Xml, branch};

/// The whole of a shape.
const WHOLE: [f64; 4] = [0.0, 0.0, 1.0, 1.0];

/// What stands on a slide.
#[derive(Debug)]
pub enum Piece {
    Block(Block),
    Part(Part),
}

/// A chart or a diagram, which is a part of its own.
#[derive(Debug)]
pub struct Part {
    pub kind: PartKind,
    pub relationship: String,
    pub place: Place,
    /// What it shows, in words.
    pub alternative: Option<String>,
}

/// What a part of its own holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Chart,
    Diagram,
}

/// A slide's content.
#[derive(Debug, Default)]
pub struct Slide {
    /// Left out when the slides are shown.
    pub is_hidden: bool,
    /// There is text beside the slide.
    pub has_text_beside: bool,
    pub titles: Vec<Block>,
    pub body: Vec<Piece>,
    /// Header, footer, date.
    pub margins: Vec<Block>,
}

/// What a slide is read with.
pub struct Surroundings<'a> {
    pub frame: Option<Frame>,
    pub inherited: &'a Inherited,
    pub related: &'a Relationships,
    pub config: &'a Config,
}

impl<'a> Surroundings<'a> {
    /// Of the text of a placeholder, or of one that is none.
    fn context(&self, key: Option<Key>) -> Context<'a> {
        Context {
            related: self.related,
            links: self.config.links,
            styles: key.map(|key| self.inherited.styles(key)).unwrap_or_default(),
        }
    }
}

/// Reads a slide's part, or one of notes.
///
/// # Errors
/// `damaged` and limits.
pub fn read(mut xml: Xml<'_>, around: &Surroundings<'_>, shared: &mut Shared) -> Result<Slide, Error> {
    let mut walker = Walker {
        around,
        shared,
        places: 0,
        slide: Slide::default(),
    };
    loop {
        let element = match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "sld" => {
                    walker.slide.is_hidden =
                        matches!(tag.attr("show").as_deref(), Some("0" | "false" | "off"));
                    continue;
                }
                "notes" | "cSld" | "spTree" => continue,
                name if shape::is_shape(name) => Some(Element::of(&tag)),
                _ => None,
            },
            Token::Eof => return Ok(walker.slide),
            _ => continue,
        };
        match element {
            Some(element) => {
                let element = xml.tree_without(element, &shape::LEFT_OUT)?;
                walker.shape(&element, &Affine::SLIDE)?;
            }
            None => xml.skip()?,
        }
    }
}

struct Walker<'a> {
    around: &'a Surroundings<'a>,
    shared: &'a mut Shared,
    /// Of all tables of the slide.
    places: u64,
    slide: Slide,
}

impl Walker<'_> {
    /// `group`: where the group that it is in lies.
    fn shape(&mut self, element: &Element, group: &Affine) -> Result<(), Error> {
        if shape::is_hidden(element) {
            return Ok(());
        }
        match element.name() {
            "sp" => self.text_shape(element, group),
            "graphicFrame" => self.frame(element, group),
            "pic" | "cxnSp" => self.figure(element, group),
            "grpSp" => {
                let xfrm = element.child("grpSpPr").and_then(|p| p.child("xfrm"));
                let inside = xfrm.map_or(*group, |xfrm| group.group(xfrm));
                let before = self.found();
                for child in element.elements().filter(|child| shape::is_shape(child.name())) {
                    self.shape(child, &inside)?;
                }
                // Its own words stand for a drawing; beside what it says itself they would be a repetition.
                if self.found() == before {
                    self.figure(element, group)?;
                }
                Ok(())
            }
            "AlternateContent" => {
                let shapes = branch(element).into_iter().flat_map(Element::elements);
                for child in shapes.filter(|child| shape::is_shape(child.name())) {
                    self.shape(child, group)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn found(&self) -> usize {
        self.slide.titles.len() + self.slide.body.len() + self.slide.margins.len()
    }

    fn text_shape(&mut self, element: &Element, group: &Affine) -> Result<(), Error> {
        let key = shape::placeholder(element);
        let role = key.map_or(Role::Body, |key| key.role);
        let is_margin = matches!(role, Role::Date | Role::Footer | Role::Header);
        if matches!(role, Role::SlideNumber | Role::SlideImage) || (is_margin && !self.around.config.headers)
        {
            return Ok(());
        }
        let context = self.around.context(key);
        let body = element.child("txBody");
        let lines = body.map(|body| lines(body, &context, &mut self.shared.languages));
        let lines = lines.unwrap_or_default();
        if lines.is_empty() {
            return self.figure(element, group);
        }
        let inherited = || self.around.inherited.transform(key?);
        let place = self.place(shape::transform(element).or_else(inherited), group);
        match role {
            Role::Title | Role::MainTitle => {
                let text = joined(lines);
                // Only the first one can be the presentation's.
                let kind = if role == Role::MainTitle && !self.shared.has_title {
                    self.shared.has_title = true;
                    BlockKind::Title
                } else {
                    BlockKind::Heading(1)
                };
                let block = self.placed(Block::new(kind, text), place)?;
                self.slide.titles.push(block);
            }
            Role::Date | Role::Footer | Role::Header => {
                let text = joined(lines);
                if text.contains(char::is_alphanumeric) {
                    let kind = if role == Role::Header {
                        BlockKind::Header
                    } else {
                        BlockKind::Footer
                    };
                    let block = self.placed(Block::new(kind, text), place)?;
                    self.slide.margins.push(block);
                }
            }
            _ => self.lines(lines, place)?,
        }
        Ok(())
    }

    fn lines(&mut self, lines: Vec<Line>, place: Place) -> Result<(), Error> {
        for line in lines {
            let kind = match line.depth {
                Some(depth) => BlockKind::ListItem(depth),
                None if line.formula => BlockKind::Formula,
                None => BlockKind::Paragraph,
            };
            let block = self.placed(Block::new(kind, line.text), place)?;
            self.slide.body.push(Piece::Block(block));
        }
        Ok(())
    }

    /// A table, a chart, a diagram, or something embedded of which only the words are read that stand for it.
    fn frame(&mut self, element: &Element, group: &Affine) -> Result<(), Error> {
        let transform = self.transform(element);
        let place = self.place(transform, group);
        let data = element
            .child("graphic")
            .and_then(|graphic| graphic.child("graphicData"));
        for content in data.into_iter().flat_map(Element::elements) {
            let (kind, id) = match content.name() {
                "tbl" => return self.table(content, transform, group),
                "chart" => (PartKind::Chart, content.attr("id")),
                "relIds" => (PartKind::Diagram, content.attr("dm")),
                _ => continue,
            };
            if let Some(id) = id {
                self.slide.body.push(Piece::Part(Part {
                    kind,
                    relationship: id.to_owned(),
                    place,
                    alternative: shape::alternative(element),
                }));
                return Ok(());
            }
        }
        self.figure(element, group)
    }

    fn table(
        &mut self,
        element: &Element,
        transform: Option<Transform>,
        group: &Affine,
    ) -> Result<(), Error> {
        let place = self.place(transform, group);
        let context = self.around.context(None);
        let languages = &mut self.shared.languages;
        // A table of one cell is only a frame and gives its content.
        let mut rows = element.elements().filter(|child| child.name() == "tr");
        if let (Some(row), None) = (rows.next(), rows.next()) {
            let mut cells = row.elements().filter(|child| child.name() == "tc");
            if let (Some(cell), None) = (cells.next(), cells.next()) {
                let body = cell.child("txBody");
                let lines = body.map(|body| lines(body, &context, languages));
                return self.lines(lines.unwrap_or_default(), place);
            }
        }
        let position = Position {
            frame: self.around.frame.as_ref(),
            around: group,
            transform,
        };
        if let Some(block) = table::read(element, &position, &context, languages, &mut self.places)? {
            let block = self.placed(block, place)?;
            self.slide.body.push(Piece::Block(block));
        }
        Ok(())
    }

    /// What stands for a picture or a drawing, in words.
    fn figure(&mut self, element: &Element, group: &Affine) -> Result<(), Error> {
        let Some(text) = shape::alternative(element) else {
            return Ok(());
        };
        let place = self.place(self.transform(element), group);
        let block = self.placed(Block::new(BlockKind::Figure, text), place)?;
        self.slide.body.push(Piece::Block(block));
        Ok(())
    }

    fn transform(&self, element: &Element) -> Option<Transform> {
        let inherited = || self.around.inherited.transform(shape::placeholder(element)?);
        shape::transform(element).or_else(inherited)
    }

    fn place(&self, transform: Option<Transform>, group: &Affine) -> Place {
        match self.around.frame.zip(transform) {
            Some((frame, transform)) => frame.place(group, &transform, WHOLE),
            None => Place::Unknown,
        }
    }

    /// Charges a block, and puts it in its place.
    fn placed(&mut self, mut block: Block, place: Place) -> Result<Block, Error> {
        self.shared.charge(&block)?;
        self.slide.has_text_beside |= place == Place::Off;
        block.region = place.region();
        Ok(block)
    }
}
