//! `workbook.xml`: the sheets in order.

use docmill_plugin::Error;

use crate::limits::MAX_SHEETS;
use crate::text::one_line;
use crate::xml::{Token, Xml};

/// Whether Excel shows a sheet's tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Visible,
    Hidden,
}

/// A sheet's entry.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub visibility: Visibility,
    pub relationship: String,
}

/// What the workbook says.
#[derive(Debug, Default)]
pub struct Workbook {
    pub sheets: Vec<Entry>,
    /// Days count from 1904, as on old Macintoshes.
    pub epoch_1904: bool,
}

/// Reads the part.
///
/// # Errors
/// `damaged`, `too-large` (sheets).
pub fn read(mut xml: Xml<'_>) -> Result<Workbook, Error> {
    let mut workbook = Workbook::default();
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.name() == "sheet" => {
                if workbook.sheets.len() >= MAX_SHEETS {
                    return Err(Error::exhausted(
                        "too-large",
                        format!("The workbook has more than {MAX_SHEETS} sheets; split it."),
                    ));
                }
                let hidden = matches!(tag.attr("state").as_deref(), Some("hidden" | "veryHidden"));
                workbook.sheets.push(Entry {
                    name: one_line(&tag.attr("name").unwrap_or_default()),
                    visibility: if hidden {
                        Visibility::Hidden
                    } else {
                        Visibility::Visible
                    },
                    relationship: tag.attr("id").unwrap_or_default().into_owned(),
                });
            }
            Token::Start(tag) if tag.name() == "workbookPr" => {
                if let Some(epoch) = tag.attr("date1904") {
                    workbook.epoch_1904 = matches!(&*epoch, "1" | "true" | "on");
                }
            }
            Token::Eof => return Ok(workbook),
            _ => {}
        }
    }
}
