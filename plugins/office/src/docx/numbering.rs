//! `numbering.xml`: the label that Word prints before a numbered paragraph ("2.1.", "б)"). Labels are part of the text
//! because people cite by them; bullets are not.

mod counter;

use std::collections::HashMap;

use docmill_plugin::Error;

use crate::limits::MAX_STYLES;
use crate::xml::{Element, Token, Xml};
pub use counter::{Counters, Place};

/// Word has nine.
pub const LEVELS: usize = 9;

/// One level of a list.
#[derive(Debug, Clone)]
struct Level {
    start: u32,
    format: String,
    /// "%1.%2)"
    text: String,
    style: Option<String>,
    /// All numbers in the label are decimal.
    legal: bool,
    /// Deeper than this level, 0 means never.
    restart_after: Option<u8>,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            start: 1,
            format: "decimal".to_owned(),
            text: String::new(),
            style: None,
            legal: false,
            restart_after: None,
        }
    }
}

/// A list as it was designed.
#[derive(Debug, Default)]
struct Abstract {
    levels: HashMap<u8, Level>,
    /// The style whose list this one borrows.
    borrows: Option<String>,
}

/// A use of a list: counts on where other uses of the same design stopped, unless it says otherwise.
#[derive(Debug, Default)]
struct Number {
    design: String,
    starts: HashMap<u8, u32>,
    levels: HashMap<u8, Level>,
}

/// All lists.
#[derive(Debug, Default)]
pub struct Numbering {
    designs: HashMap<String, Abstract>,
    numbers: HashMap<String, Number>,
    /// By style: the design that others borrow.
    lenders: HashMap<String, String>,
}

/// Reads the part; without one nothing is numbered.
///
/// # Errors
/// `damaged` and limits.
pub fn read(part: Option<Xml<'_>>) -> Result<Numbering, Error> {
    let mut numbering = Numbering::default();
    let Some(mut xml) = part else { return Ok(numbering) };
    loop {
        let element = match xml.next()? {
            Token::Start(tag) if matches!(tag.name(), "abstractNum" | "num") => Element::of(&tag),
            Token::Eof => return Ok(numbering),
            _ => continue,
        };
        let element = xml.tree(element)?;
        if numbering.designs.len() + numbering.numbers.len() >= MAX_STYLES {
            continue;
        }
        if element.name() == "num" {
            if let Some(id) = element.attr("numId") {
                numbering.numbers.insert(id.to_owned(), number(&element));
            }
        } else if let Some(id) = element.attr("abstractNumId") {
            if let Some(style) = element.val("styleLink") {
                numbering.lenders.insert(style.to_owned(), id.to_owned());
            }
            let design = Abstract {
                levels: levels(&element),
                borrows: element.val("numStyleLink").map(str::to_owned),
            };
            numbering.designs.insert(id.to_owned(), design);
        }
    }
}

fn number(element: &Element) -> Number {
    let mut number = Number {
        design: element.val("abstractNumId").unwrap_or_default().to_owned(),
        ..Number::default()
    };
    for over in element.elements().filter(|e| e.name() == "lvlOverride") {
        let Some(level) = over.attr("ilvl").and_then(|l| l.parse().ok()) else {
            continue;
        };
        if let Some(start) = over.val("startOverride").and_then(|s| s.parse().ok()) {
            number.starts.insert(level, start);
        }
        number.levels.extend(levels(over));
    }
    number
}

fn levels(element: &Element) -> HashMap<u8, Level> {
    let levels = element.elements().filter(|e| e.name() == "lvl");
    levels
        .filter_map(|lvl| {
            let index: u8 = lvl.attr("ilvl")?.parse().ok()?;
            let level = Level {
                start: lvl.val("start").and_then(|s| s.parse().ok()).unwrap_or(1),
                format: lvl.val("numFmt").unwrap_or("decimal").to_owned(),
                text: lvl.val("lvlText").unwrap_or_default().chars().take(200).collect(),
                style: lvl.val("pStyle").map(str::to_owned),
                legal: lvl.is_on("isLgl").unwrap_or(false),
                restart_after: lvl.val("lvlRestart").and_then(|s| s.parse().ok()),
            };
            (usize::from(index) < LEVELS).then_some((index, level))
        })
        .collect()
}

impl Numbering {
    /// The id of the list's design, borrowed ones resolved.
    fn design<'a>(&'a self, number: &'a Number) -> Option<(&'a str, &'a Abstract)> {
        let (id, design) = self.designs.get_key_value(&number.design)?;
        let lender = design.borrows.as_ref().and_then(|style| self.lenders.get(style));
        let lender = lender.and_then(|id| self.designs.get_key_value(id));
        Some(lender.map_or((id.as_str(), design), |(id, design)| (id.as_str(), design)))
    }

    /// The level of a list that belongs to a style, for styles that name a list and no level.
    pub fn level_of_style(&self, number: &str, style: &str) -> Option<u8> {
        let number = self.numbers.get(number)?;
        let (_, design) = self.design(number)?;
        let mut found = number.levels.iter().chain(&design.levels);
        found
            .find(|(_, level)| level.style.as_deref() == Some(style))
            .map(|(index, _)| *index)
    }
}
