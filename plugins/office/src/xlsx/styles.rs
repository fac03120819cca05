//! `styles.xml`: how a cell's number is displayed, and whether it is bold.

use std::collections::HashMap;

use docmill_plugin::Error;

use super::format::Format;
use crate::Locale;
use crate::limits::MAX_STYLES;
use crate::xml::{Element, Token, Xml};

#[derive(Debug)]
struct CellStyle {
    format: usize,
    bold: bool,
}

/// Cell styles by number.
#[derive(Debug)]
pub struct Styles {
    cells: Vec<CellStyle>,
    formats: Vec<Format>,
}

impl Styles {
    /// How cells of this style are displayed.
    pub fn format(&self, style: usize) -> Option<&Format> {
        self.formats.get(self.cells.get(style)?.format)
    }

    /// Whether cells of this style are bold.
    pub fn bold(&self, style: usize) -> bool {
        self.cells.get(style).is_some_and(|cell| cell.bold)
    }
}

/// Reads the part; without one every number is displayed as it is.
///
/// # Errors
/// `damaged` and limits.
pub fn read(part: Option<Xml<'_>>, locale: Locale) -> Result<Styles, Error> {
    let mut styles = Styles {
        cells: Vec::new(),
        formats: Vec::new(),
    };
    let Some(mut xml) = part else { return Ok(styles) };
    let mut codes: HashMap<u32, String> = HashMap::new();
    let mut known: HashMap<u32, usize> = HashMap::new();
    let mut bold_fonts = Vec::new();
    // Cell styles refer to fonts and formats, which come before them; named styles (`cellStyleXfs`) have `xf` too.
    let mut in_cells = false;
    let mut in_fonts = false;
    loop {
        let element = match xml.next()? {
            Token::Start(tag) => match tag.name() {
                name @ ("cellXfs" | "cellStyleXfs" | "fonts" | "dxfs") => {
                    in_cells = name == "cellXfs";
                    in_fonts = name == "fonts";
                    continue;
                }
                "numFmt" | "xf" | "font" => Element::of(&tag),
                _ => continue,
            },
            Token::Eof => return Ok(styles),
            _ => continue,
        };
        let element = xml.tree(element)?;
        let number = |name: &str| element.attr(name).and_then(|n| n.parse::<u32>().ok());
        match element.name() {
            "numFmt" if codes.len() < MAX_STYLES => {
                if let (Some(id), Some(code)) = (number("numFmtId"), element.attr("formatCode")) {
                    codes.entry(id).or_insert_with(|| code.to_owned());
                }
            }
            "font" if in_fonts && bold_fonts.len() < MAX_STYLES => {
                bold_fonts.push(element.is_on("b").unwrap_or(false))
            }
            "xf" if in_cells && styles.cells.len() < MAX_STYLES => {
                let id = number("numFmtId").unwrap_or(0);
                let format = *known.entry(id).or_insert_with(|| {
                    styles
                        .formats
                        .push(Format::new(id, codes.get(&id).map(String::as_str), locale));
                    styles.formats.len() - 1
                });
                let font = number("fontId").and_then(|font| bold_fonts.get(font as usize));
                styles.cells.push(CellStyle {
                    format,
                    bold: font.copied().unwrap_or(false),
                });
            }
            _ => {}
        }
    }
}
