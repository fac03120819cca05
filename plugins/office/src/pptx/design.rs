//! Layouts and masters: where a slide's placeholders are and how their paragraphs look, if the slide does not say.

use std::collections::HashMap;
use std::rc::Rc;

use docmill_plugin::Error;

use super::bullets::ListStyle;
use super::geometry::Transform;
use super::shape;
use crate::limits::{MAX_DESIGNS, MAX_PLACEHOLDERS};
use crate::package::{Package, Relationships};
use crate::xml::{Element, Token, Xml};

/// What a placeholder is for, as far as it is told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Title,
    /// The title of a slide that opens the presentation or a part of it.
    MainTitle,
    Body,
    Date,
    Footer,
    Header,
    SlideNumber,
    /// Of a page of notes: the slide itself.
    SlideImage,
}

/// A placeholder's entry.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub role: Role,
    /// Tells several of one layout apart.
    index: u32,
}

impl Key {
    /// From a `ph`.
    pub fn read(placeholder: &Element) -> Self {
        let role = match placeholder.attr("type").unwrap_or_default() {
            "title" => Role::Title,
            "ctrTitle" => Role::MainTitle,
            "dt" => Role::Date,
            "ftr" => Role::Footer,
            "hdr" => Role::Header,
            "sldNum" => Role::SlideNumber,
            "sldImg" => Role::SlideImage,
            _ => Role::Body,
        };
        Self {
            role,
            index: placeholder.attr("idx").and_then(|n| n.parse().ok()).unwrap_or(0),
        }
    }

    /// Whether another one can stand for it in a layout or master.
    fn is_like(self, other: Self) -> bool {
        let plain = |role| {
            if role == Role::MainTitle {
                Role::Title
            } else {
                role
            }
        };
        plain(self.role) == plain(other.role)
    }
}

#[derive(Debug)]
struct Placeholder {
    key: Key,
    transform: Option<Transform>,
    style: ListStyle,
}

/// A layout or a master.
#[derive(Debug, Default)]
pub struct Design {
    placeholders: Vec<Placeholder>,
    titles: ListStyle,
    bodies: ListStyle,
}

impl Design {
    fn read(mut xml: Xml<'_>) -> Result<Self, Error> {
        let mut design = Self::default();
        loop {
            let element = match xml.next()? {
                Token::Start(tag) => match tag.name() {
                    "sldLayout" | "sldMaster" | "cSld" | "spTree" | "txStyles" => continue,
                    "sp" | "titleStyle" | "bodyStyle" => Some(Element::of(&tag)),
                    _ => None,
                },
                Token::Eof => return Ok(design),
                _ => continue,
            };
            let Some(element) = element else {
                xml.skip()?;
                continue;
            };
            let element = xml.tree_without(element, &shape::LEFT_OUT)?;
            match element.name() {
                "titleStyle" => design.titles = ListStyle::read(&element),
                "bodyStyle" => design.bodies = ListStyle::read(&element),
                _ if design.placeholders.len() < MAX_PLACEHOLDERS => {
                    design
                        .placeholders
                        .extend(shape::placeholder(&element).map(|key| Placeholder {
                            key,
                            transform: shape::transform(&element),
                            style: shape::list_style(&element),
                        }));
                }
                _ => {}
            }
        }
    }

    /// The placeholder of the same number, else the first of its kind.
    fn find(&self, key: Key) -> Option<&Placeholder> {
        let like = || self.placeholders.iter().filter(|known| known.key.is_like(key));
        like()
            .find(|known| known.key.index == key.index)
            .or_else(|| like().next())
    }
}

/// What one slide inherits from.
#[derive(Debug, Clone, Default)]
pub struct Inherited {
    layout: Option<Rc<Design>>,
    master: Option<Rc<Design>>,
}

impl Inherited {
    fn placeholders(&self, key: Key) -> impl Iterator<Item = &Placeholder> {
        let both = [&self.layout, &self.master].into_iter().flatten();
        both.filter_map(move |design| design.find(key))
    }

    /// Where a placeholder is that does not say.
    pub fn transform(&self, key: Key) -> Option<Transform> {
        self.placeholders(key)
            .find_map(|placeholder| placeholder.transform)
    }

    /// How its paragraphs look, the nearest first.
    pub fn styles(&self, key: Key) -> Vec<&ListStyle> {
        let mut styles: Vec<_> = self
            .placeholders(key)
            .map(|placeholder| &placeholder.style)
            .collect();
        if let Some(master) = &self.master {
            match key.role {
                Role::Title | Role::MainTitle => styles.push(&master.titles),
                Role::Body => styles.push(&master.bodies),
                _ => {}
            }
        }
        styles
    }
}

/// All that were read; most slides share them.
#[derive(Debug, Default)]
pub struct Designs {
    by_layout: HashMap<String, Inherited>,
    masters: HashMap<String, Rc<Design>>,
}

impl Designs {
    /// Of a slide with these relationships. A layout or master that is not there is none.
    ///
    /// # Errors
    /// `damaged` and limits.
    pub fn of(&mut self, package: &mut Package<'_>, slide: &Relationships) -> Result<Inherited, Error> {
        let Some(name) = slide.of_type("slideLayout").map(|layout| &layout.target) else {
            return Ok(Inherited::default());
        };
        if let Some(known) = self.by_layout.get(name) {
            return Ok(known.clone());
        }
        if self.by_layout.len() + self.masters.len() >= MAX_DESIGNS {
            return Ok(Inherited::default());
        }
        let master = package.relationships(name)?;
        let master = master.of_type("slideMaster").map(|master| &master.target);
        let inherited = Inherited {
            layout: read(package, name)?,
            master: match master {
                Some(master) => self.master(package, master)?,
                None => None,
            },
        };
        self.by_layout.insert(name.clone(), inherited.clone());
        Ok(inherited)
    }

    fn master(&mut self, package: &mut Package<'_>, name: &str) -> Result<Option<Rc<Design>>, Error> {
        if let Some(known) = self.masters.get(name) {
            return Ok(Some(Rc::clone(known)));
        }
        let master = read(package, name)?;
        if let Some(master) = &master {
            self.masters.insert(name.to_owned(), Rc::clone(master));
        }
        Ok(master)
    }
}

fn read(package: &mut Package<'_>, name: &str) -> Result<Option<Rc<Design>>, Error> {
    let part = package.part(name)?;
    Ok(part.map(Design::read).transpose()?.map(Rc::new))
}
