//! What stands in a paragraph: runs, fields, links, controls, formulas, text boxes.

use super::styles::Styles;
use crate::language::Languages;
use crate::math;
use crate::package::Relationships;
use crate::xml::{Element, branch};

/// What a paragraph may refer to.
pub struct Context<'a> {
    pub styles: &'a Styles,
    pub related: &'a Relationships,
    /// Addresses of links are written.
    pub links: bool,
    /// The paragraph's style, for what its runs inherit.
    pub style: Option<&'a str>,
}

/// A paragraph's content.
#[derive(Default)]
pub struct Inline<'e> {
    pub text: String,
    /// Nothing but formulas.
    pub formula: bool,
    /// Letters and digits, and how many of them are bold.
    pub letters: usize,
    pub bold_letters: usize,
    /// Contents of text boxes, anchored here.
    pub boxes: Vec<&'e Element>,
    /// `footnotes` or `endnotes`, with the note's id.
    pub notes: Vec<(&'static str, String)>,
    /// For every open field: whether its instruction is being read, which is no text.
    fields: Vec<bool>,
    plain: bool,
}

/// A content control that nobody has filled in: its text is a prompt.
pub fn is_placeholder(properties: Option<&Element>) -> bool {
    properties
        .and_then(|properties| properties.is_on("showingPlcHdr"))
        .unwrap_or(false)
}

/// A content control that is ticked or not; its text is whatever sign the form's author chose.
fn check_box(control: &Element) -> Option<&'static str> {
    let check = control.child("sdtPr")?.child("checkbox")?;
    Some(if check.is_on("checked").unwrap_or(false) {
        "☑"
    } else {
        "☐"
    })
}

impl<'e> Inline<'e> {
    /// Reads a paragraph.
    pub fn read(paragraph: &'e Element, context: &Context<'_>, languages: &mut Languages) -> Self {
        let mut inline = Self::default();
        inline.children(paragraph, context, languages);
        inline.formula &= !inline.plain;
        inline
    }

    fn children(&mut self, element: &'e Element, context: &Context<'_>, languages: &mut Languages) {
        for child in element.elements() {
            self.node(child, context, languages);
        }
    }

    fn node(&mut self, element: &'e Element, context: &Context<'_>, languages: &mut Languages) {
        match element.name() {
            "r" => self.run(element, context, languages),
            "hyperlink" => {
                let start = self.text.len();
                self.children(element, context, languages);
                let address = element
                    .attr("id")
                    .and_then(|id| context.related.by_id(id))
                    .filter(|link| link.external);
                if let Some(address) = address.filter(|_| context.links) {
                    let shown = self.text.get(start..).unwrap_or_default();
                    if shown != address.target {
                        self.text.push_str(&format!(" <{}>", address.target));
                    }
                }
            }
            "sdt" if is_placeholder(element.child("sdtPr")) => {}
            "sdt" if check_box(element).is_some() => {
                self.text.push_str(check_box(element).unwrap_or_default());
                self.plain = true;
            }
            "fldSimple" | "smartTag" | "customXml" | "ins" | "moveTo" | "bdo" | "dir" | "sdt"
            | "sdtContent" | "rubyBase" => {
                self.children(element, context, languages);
            }
            "AlternateContent" => {
                if let Some(branch) = branch(element) {
                    self.children(branch, context, languages);
                }
            }
            "oMath" | "oMathPara" if !self.in_instruction() => {
                if self.text.ends_with(char::is_alphanumeric) {
                    self.text.push(' ');
                }
                math::write(element, &mut self.text);
                self.formula = true;
            }
            _ => {}
        }
    }

    fn in_instruction(&self) -> bool {
        self.fields.contains(&true)
    }

    fn run(&mut self, run: &'e Element, context: &Context<'_>, languages: &mut Languages) {
        let properties = run.child("rPr");
        let style = properties.and_then(|p| p.val("rStyle"));
        let hidden = properties
            .and_then(|p| p.is_on("vanish"))
            .unwrap_or_else(|| context.styles.hidden(style));
        let start = self.text.len();
        for child in run.elements() {
            self.part(child, hidden, context, languages);
        }
        let Some(added) = self.text.get(start..).filter(|added| !added.trim().is_empty()) else {
            return;
        };
        self.plain = true;
        languages.add(properties.and_then(|p| p.val("lang")), added);
        let letters = added.chars().filter(|c| c.is_alphanumeric()).count();
        let own = properties.and_then(|p| p.is_on("b"));
        let inherited = || {
            context
                .styles
                .bold(style)
                .or_else(|| context.styles.bold(context.style))
        };
        self.letters += letters;
        if own.or_else(inherited).unwrap_or(false) {
            self.bold_letters += letters;
        }
    }

    fn part(&mut self, part: &'e Element, hidden: bool, context: &Context<'_>, languages: &mut Languages) {
        if part.name() == "fldChar" {
            return self.field(part, hidden);
        }
        if hidden || self.in_instruction() {
            return;
        }
        match part.name() {
            "t" => self.text.extend(part.own_text()),
            "tab" | "ptab" => self.text.push('\t'),
            "br" | "cr" => self.text.push('\n'),
            "noBreakHyphen" => self.text.push('-'),
            "sym" => self.text.extend(symbol(part)),
            "footnoteReference" | "endnoteReference" => {
                let kind = if part.name() == "footnoteReference" {
                    "footnotes"
                } else {
                    "endnotes"
                };
                self.notes.extend(part.attr("id").map(|id| (kind, id.to_owned())));
            }
            "drawing" | "pict" | "object" => self.text_boxes(part),
            "AlternateContent" => {
                for child in branch(part).into_iter().flat_map(Element::elements) {
                    self.part(child, hidden, context, languages);
                }
            }
            "ruby" => {
                for child in part.elements().filter(|child| child.name() == "rubyBase") {
                    self.children(child, context, languages);
                }
            }
            _ => {}
        }
    }

    /// A field is: begin, instruction, separate, result, end. Only the result is text.
    fn field(&mut self, mark: &Element, hidden: bool) {
        match mark.attr("fldCharType") {
            Some("begin") => {
                let filled = mark
                    .child("ffData")
                    .and_then(form_field)
                    .filter(|_| !hidden && !self.in_instruction());
                self.text.push_str(filled.as_deref().unwrap_or_default());
                self.fields.push(true);
            }
            Some("separate") => {
                if let Some(instruction) = self.fields.last_mut() {
                    *instruction = false;
                }
            }
            Some("end") => {
                self.fields.pop();
            }
            _ => {}
        }
    }

    fn text_boxes(&mut self, element: &'e Element) {
        for child in element.elements() {
            match child.name() {
                "txbxContent" => self.boxes.push(child),
                "AlternateContent" => {
                    if let Some(branch) = branch(child) {
                        self.text_boxes(branch);
                    }
                }
                _ => self.text_boxes(child),
            }
        }
    }
}

/// A check box or a list of the old forms; text fields show their value as a result.
fn form_field(data: &Element) -> Option<String> {
    if let Some(check) = data.child("checkBox") {
        let checked = check
            .is_on("checked")
            .or_else(|| check.is_on("default"))
            .unwrap_or(false);
        return Some(if checked { "☑" } else { "☐" }.to_owned());
    }
    let list = data.child("ddList")?;
    let chosen: usize = list
        .val("result")
        .or_else(|| list.val("default"))
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let entries = list.elements().filter(|entry| entry.name() == "listEntry");
    entries
        .skip(chosen)
        .find_map(|entry| entry.attr("val"))
        .map(str::to_owned)
}

/// A sign of a symbol font; of those only boxes and arrows carry meaning in text.
fn symbol(part: &Element) -> Option<char> {
    let code = u32::from_str_radix(part.attr("char")?, 16).ok()?;
    let font = part.attr("font").unwrap_or_default().to_lowercase();
    let sign = match (font.as_str(), code & 0xFF) {
        ("wingdings", 0xFE) => '☑',
        ("wingdings", 0xFD | 0x78) | ("wingdings 2", 0x51 | 0x53) => '☒',
        ("wingdings", 0xA8 | 0x6F | 0x71) | ("wingdings 2", 0xA3) => '☐',
        ("wingdings", 0xFC) | ("wingdings 2", 0x50) => '✓',
        ("wingdings", 0xE0) => '→',
        ("wingdings", 0xDF) => '←',
        ("wingdings" | "wingdings 2" | "wingdings 3" | "webdings", _) => return None,
        ("symbol", 0xB0) => '°',
        ("symbol", 0xB1) => '±',
        ("symbol", 0xA3) => '≤',
        ("symbol", 0xB3) => '≥',
        ("symbol", 0xB4) => '×',
        ("symbol", 0xAE) => '→',
        ("symbol", _) if code >= 0xF000 => return None,
        _ => char::from_u32(code).filter(|c| !('\u{e000}'..='\u{f8ff}').contains(c))?,
    };
    Some(sign)
}
