//! The text of a shape, a cell or a page of notes: its paragraphs, with their places in lists.

use super::bullets::{Bullet, LEVELS, ListStyle, Numbers};
use crate::language::Languages;
use crate::math;
use crate::package::Relationships;
use crate::text::clean;
use crate::xml::{Element, branch};

/// What a text may refer to and inherit from.
pub struct Context<'a> {
    pub related: &'a Relationships,
    /// Addresses of links are written.
    pub links: bool,
    /// What paragraphs look like if they do not say, the nearest first.
    pub styles: Vec<&'a ListStyle>,
}

/// A paragraph with text.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// In a list: how deep, from 0.
    pub depth: Option<u8>,
    /// Nothing but formulas.
    pub formula: bool,
}

/// The paragraphs of a `txBody` that have text.
pub fn lines(body: &Element, context: &Context<'_>, languages: &mut Languages) -> Vec<Line> {
    let own = body.child("lstStyle").map(ListStyle::read);
    let mut numbers = Numbers::default();
    let mut lines = Vec::new();
    for paragraph in body.elements().filter(|child| child.name() == "p") {
        let mut inline = Inline::default();
        inline.children(paragraph, context, languages);
        inline.end_link(context);
        let text = clean(&inline.text);
        if text.is_empty() {
            continue;
        }
        let properties = paragraph.child("pPr");
        let level = properties
            .and_then(|p| p.attr("lvl"))
            .and_then(|level| level.parse().ok())
            .unwrap_or(0);
        let level = u8::min(level, LEVELS as u8 - 1);
        let styles = own.iter().chain(context.styles.iter().copied());
        let bullet = properties
            .and_then(Bullet::of)
            .or_else(|| styles.into_iter().find_map(|style| style.at(level)));
        let text = match numbers.next(level, bullet) {
            Some(number) => format!("{number} {text}"),
            None => text,
        };
        lines.push(Line {
            text,
            depth: bullet.filter(|bullet| *bullet != Bullet::None).map(|_| level),
            formula: inline.formula && !inline.plain,
        });
    }
    lines
}

/// Lines as one text.
pub fn joined(lines: Vec<Line>) -> String {
    lines
        .into_iter()
        .map(|line| line.text)
        .collect::<Vec<_>>()
        .join("\n")
}

#[derive(Default)]
struct Inline<'e> {
    text: String,
    formula: bool,
    plain: bool,
    /// The relationship of the link that the last run belongs to, and where its text begins.
    link: Option<(&'e str, usize)>,
}

impl<'e> Inline<'e> {
    fn children(&mut self, element: &'e Element, context: &Context<'_>, languages: &mut Languages) {
        for child in element.elements() {
            match child.name() {
                "r" | "fld" => self.run(child, context, languages),
                "br" => self.text.push('\n'),
                "m" => {
                    if self.text.ends_with(char::is_alphanumeric) {
                        self.text.push(' ');
                    }
                    for formula in child.elements() {
                        math::write(formula, &mut self.text);
                    }
                    self.formula = true;
                }
                "AlternateContent" => {
                    if let Some(branch) = branch(child) {
                        self.children(branch, context, languages);
                    }
                }
                _ => {}
            }
        }
    }

    fn run(&mut self, run: &'e Element, context: &Context<'_>, languages: &mut Languages) {
        let properties = run.child("rPr");
        let link = properties
            .and_then(|p| p.child("hlinkClick"))
            .and_then(|link| link.attr("id"))
            .filter(|id| !id.is_empty());
        if self.link.map(|(id, _)| id) != link {
            self.end_link(context);
            self.link = link.map(|id| (id, self.text.len()));
        }
        let start = self.text.len();
        for text in run.elements().filter(|child| child.name() == "t") {
            self.text.extend(text.own_text());
        }
        let added = self.text.get(start..).unwrap_or_default();
        if !added.trim().is_empty() {
            self.plain = true;
            languages.add(properties.and_then(|p| p.attr("lang")), added);
        }
    }

    /// Writes the address of a link behind its text: runs of one link are often several.
    fn end_link(&mut self, context: &Context<'_>) {
        let Some((id, start)) = self.link.take().filter(|_| context.links) else {
            return;
        };
        let address = context.related.by_id(id).filter(|link| link.external);
        if let Some(address) = address
            && self.text.get(start..).unwrap_or_default() != address.target
        {
            self.text.push_str(&format!(" <{}>", address.target));
        }
    }
}
