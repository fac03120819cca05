//! `styles.xml`: which paragraphs are titles, headings, captions or numbered. Built-in styles keep their English name in
//! every language of Word (`heading 1` has the id `1`, `berschrift1`, `10` …); other programs write localized names.

use std::collections::HashMap;

use docmill_plugin::Error;

use crate::limits::MAX_STYLES;
use crate::xml::{Element, Token, Xml};

/// A chain of styles that are based on each other is followed so far; longer ones are circles.
const MAX_CHAIN: usize = 20;

/// What a style says about its paragraphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Title,
    /// From 1.
    Heading(u8),
    Caption,
    Code,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbering: Option<(Option<String>, Option<u8>)>,
    bold: Option<bool>,
    hidden: Option<bool>,
}

/// All styles by id.
#[derive(Debug, Default)]
pub struct Styles {
    by_id: HashMap<String, Style>,
    default_paragraph: Option<String>,
    /// Of the document's defaults.
    pub language: Option<String>,
}

/// Reads the part; without one nothing has a role.
///
/// # Errors
/// `damaged` and limits.
pub fn read(part: Option<Xml<'_>>) -> Result<Styles, Error> {
    let mut styles = Styles::default();
    let Some(mut xml) = part else { return Ok(styles) };
    loop {
        let element = match xml.next()? {
            Token::Start(tag) if matches!(tag.name(), "style" | "docDefaults") => Element::of(&tag),
            Token::Eof => return Ok(styles),
            _ => continue,
        };
        let element = xml.tree(element)?;
        if element.name() == "docDefaults" {
            let run = element.child("rPrDefault").and_then(|run| run.child("rPr"));
            styles.language = run.and_then(|run| run.val("lang")).map(str::to_owned);
        } else if let Some(id) = element
            .attr("styleId")
            .filter(|_| styles.by_id.len() < MAX_STYLES)
        {
            if element.attr("type") == Some("paragraph")
                && matches!(element.attr("default"), Some("1" | "true" | "on"))
            {
                styles.default_paragraph = Some(id.to_owned());
            }
            styles.by_id.insert(id.to_owned(), Style::of(&element));
        }
    }
}

impl Style {
    fn of(element: &Element) -> Self {
        let paragraph = element.child("pPr");
        let run = element.child("rPr");
        let numbering = paragraph.and_then(|p| p.child("numPr"));
        Self {
            name: element.val("name").unwrap_or_default().trim().to_lowercase(),
            based_on: element.val("basedOn").map(str::to_owned),
            outline: paragraph
                .and_then(|p| p.val("outlineLvl"))
                .and_then(|level| level.parse().ok()),
            numbering: numbering.map(|n| {
                (
                    n.val("numId").map(str::to_owned),
                    n.val("ilvl").and_then(|l| l.parse().ok()),
                )
            }),
            bold: run.and_then(|run| run.is_on("b")),
            hidden: run.and_then(|run| run.is_on("vanish")),
        }
    }

    fn role(&self) -> Option<Role> {
        let name = self.name.as_str();
        if let Some(level) = heading_level(name) {
            return Some(Role::Heading(level));
        }
        match name {
            "title" | "название" | "заглавие" | "заголовок" | "тақырып атауы" | "titel" | "titre" => {
                Some(Role::Title)
            }
            "caption" | "название объекта" | "подпись" | "beschriftung" | "légende" => {
                Some(Role::Caption)
            }
            "html preformatted" | "preformatted text" | "source code" | "macro text" | "macro" => {
                Some(Role::Code)
            }
            _ => None,
        }
    }
}

fn heading_level(name: &str) -> Option<u8> {
    const WORDS: [&str; 10] = [
        "heading",
        "заголовок",
        "тақырып",
        "überschrift",
        "titre",
        "título",
        "titolo",
        "nagłówek",
        "başlık",
        "標題",
    ];
    let rest = WORDS.iter().find_map(|word| name.strip_prefix(word))?;
    let level: u8 = rest.trim().parse().ok()?;
    (1..=9).contains(&level).then_some(level)
}

impl Styles {
    fn chain<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a Style)> {
        let first = id.and_then(|id| self.by_id.get_key_value(id));
        std::iter::successors(first, |(_, style)| {
            self.by_id.get_key_value(style.based_on.as_deref()?)
        })
        .take(MAX_CHAIN)
        .map(|(id, style)| (id.as_str(), style))
    }

    fn or_default<'a>(&'a self, id: Option<&'a str>) -> Option<&'a str> {
        id.or(self.default_paragraph.as_deref())
    }

    /// What paragraphs of this style are; the nearest style that says something decides.
    pub fn role(&self, id: Option<&str>) -> Option<Role> {
        self.chain(self.or_default(id)).find_map(|(_, style)| {
            // The outline level 9 (the tenth) means body text.
            style.role().or_else(|| {
                style
                    .outline
                    .filter(|level| *level < 9)
                    .map(|level| Role::Heading(level + 1))
            })
        })
    }

    /// The numbering of the style: the number's id, the level, and the style that names it.
    pub fn numbering<'a>(&'a self, id: Option<&'a str>) -> Option<(&'a str, Option<u8>, &'a str)> {
        let (named, number) = self.chain(self.or_default(id)).find_map(|(id, style)| {
            let (number, _) = style.numbering.as_ref()?;
            Some((id, number.as_deref()?))
        })?;
        let level = self
            .chain(self.or_default(id))
            .find_map(|(_, style)| style.numbering.as_ref()?.1);
        Some((number, level, named))
    }

    /// Whether runs of this style are bold.
    pub fn bold(&self, id: Option<&str>) -> Option<bool> {
        self.chain(id).find_map(|(_, style)| style.bold)
    }

    /// Whether runs of this style are hidden.
    pub fn hidden(&self, id: Option<&str>) -> bool {
        self.chain(id)
            .find_map(|(_, style)| style.hidden)
            .unwrap_or(false)
    }
}
