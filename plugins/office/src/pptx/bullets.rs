//! Which paragraphs are items of a list, and what number they print. Numbers are part of the text because people cite by
//! them; bullets are not.

use crate::digits;
use crate::xml::Element;

/// PowerPoint has nine.
pub const LEVELS: usize = 9;

/// What stands before a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bullet {
    /// Nothing, whatever the layout says.
    None,
    /// A sign or a picture.
    Sign,
    Number {
        scheme: Scheme,
        start: u32,
    },
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    format: &'static str,
    before: &'static str,
    behind: &'static str,
}

impl Scheme {
    /// `arabicPeriod`, `alphaLcParenR`, …; unknown ones print `1.`.
    fn of(name: &str) -> Self {
        let format = [
            ("alphaLc", "lowerLetter"),
            ("alphaUc", "upperLetter"),
            ("romanLc", "lowerRoman"),
            ("romanUc", "upperRoman"),
        ];
        let format = format.iter().find(|(prefix, _)| name.starts_with(prefix));
        let (before, behind) = if name.ends_with("ParenBoth") {
            ("(", ")")
        } else if name.ends_with("ParenR") {
            ("", ")")
        } else if name.ends_with("Plain") {
            ("", "")
        } else if name.ends_with("Minus") {
            ("", "-")
        } else {
            ("", ".")
        };
        Self {
            format: format.map_or("decimal", |(_, format)| *format),
            before,
            behind,
        }
    }

    fn write(self, number: u32) -> String {
        let number = digits::write(number, self.format);
        format!("{}{number}{}", self.before, self.behind)
    }
}

impl Bullet {
    /// What a paragraph's or a level's properties say; none if they leave it to what they inherit from.
    pub fn of(properties: &Element) -> Option<Self> {
        properties.elements().find_map(|child| match child.name() {
            "buNone" => Some(Self::None),
            "buChar" | "buBlip" => Some(Self::Sign),
            "buAutoNum" => Some(Self::Number {
                scheme: Scheme::of(child.attr("type").unwrap_or_default()),
                start: child.attr("startAt").and_then(|n| n.parse().ok()).unwrap_or(1),
            }),
            _ => None,
        })
    }
}

/// Bullets by level: of a shape, of a placeholder in a layout, of a master's titles or bodies.
#[derive(Debug, Clone, Default)]
pub struct ListStyle([Option<Bullet>; LEVELS]);

impl ListStyle {
    /// From a `lstStyle`, `titleStyle`, `bodyStyle`.
    pub fn read(element: &Element) -> Self {
        let mut style = Self::default();
        for properties in element.elements() {
            let level = properties
                .name()
                .strip_prefix("lvl")
                .and_then(|rest| rest.strip_suffix("pPr"))
                .and_then(|level| level.parse::<usize>().ok()?.checked_sub(1));
            if let Some(place) = level.and_then(|level| style.0.get_mut(level)) {
                *place = Bullet::of(properties);
            }
        }
        style
    }

    /// At a level, from 0.
    pub fn at(&self, level: u8) -> Option<Bullet> {
        *self.0.get(usize::from(level))?
    }
}

/// Where the lists of one shape stand.
#[derive(Debug, Default)]
pub struct Numbers([Option<(Scheme, u32, u32)>; LEVELS]);

impl Numbers {
    /// Counts the next paragraph; its number, if it has one. Paragraphs of deeper levels do not end a list, everything else
    /// that is not numbered alike does.
    pub fn next(&mut self, level: u8, bullet: Option<Bullet>) -> Option<String> {
        for deeper in self.0.iter_mut().skip(usize::from(level) + 1) {
            *deeper = None;
        }
        let here = self.0.get_mut(usize::from(level))?;
        let Some(Bullet::Number { scheme, start }) = bullet else {
            *here = None;
            return None;
        };
        let number = match *here {
            Some((known, begun, number)) if known == scheme && begun == start => number.saturating_add(1),
            _ => start,
        };
        *here = Some((scheme, start, number));
        Some(scheme.write(number))
    }
}
