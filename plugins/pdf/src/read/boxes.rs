//! The exact reader: every character's box, and tables, by `pdfni`.

use std::fmt::Write as _;

use pdfboss_core::Document as Pdf;
use pdfni::{
    ExtractOptions, ExtractQuery, PagePart, ReaderSettings, TextChar, TextFont, TextPage,
    extract_from_bytes_with_query, extract_from_parts, extract_text_from_bytes_with_query,
};

use super::RawPage;
use super::cost::{Cost, Counts};
use crate::glyph::{Area, Glyph, Turn};
use crate::limits::{CMAP_ENTRIES_MAX, STREAM_BYTES_MAX, TABLE_CODES_MAX, TABLE_PATHS_MAX};

/// A table's cells, row by row; covered and empty places are none.
#[derive(Debug, Clone)]
pub struct TableBox {
    pub rows: Vec<Vec<Option<CellBox>>>,
    /// Lines are drawn around its cells, so a cell's box is the whole cell and not only its text.
    pub ruled: bool,
}

/// One cell's place and the text that the detector saw in it.
#[derive(Debug, Clone)]
pub struct CellBox {
    pub area: Area,
    pub text: String,
}

/// Reads the batch of pages that starts at `first`; none for a page that the reader could not read.
pub fn read(pdf: &Pdf, first: usize, batch: &[Cost], tables: bool) -> Vec<Option<RawPage>> {
    let whole = first == 0 && batch.len() == pdf.flattened_page_count();
    let all_tabular = tables && batch.iter().all(is_tabular);
    let read = if whole && all_tabular && batch.iter().all(is_bounded) {
        read_whole(pdf.bytes())
    } else {
        read_batch(pdf.bytes(), first, batch, tables)
    };
    let sizes = (first..).map(|index| pdf.page(index).map(|page| page.size()).ok());
    match read {
        Some(pages) if pages.len() == batch.len() => pages
            .into_iter()
            .zip(sizes)
            .map(|(page, size)| page.filter(|page| fits(page, size)))
            .collect(),
        // One bad page fails the whole batch: read each alone, unless the file itself is what fails.
        _ if batch.len() > 1 => read_each(pdf, first, batch, tables),
        _ => batch.iter().map(|_| None).collect(),
    }
}

fn read_each(pdf: &Pdf, first: usize, batch: &[Cost], tables: bool) -> Vec<Option<RawPage>> {
    let mut pages = Vec::new();
    let mut failures = 0;
    for (offset, cost) in batch.iter().enumerate() {
        // Five failures and no success: the reader cannot open this file.
        let hopeless = failures >= 5 && failures == offset;
        let page = if hopeless {
            None
        } else {
            read(pdf, first + offset, &[*cost], tables).pop().flatten()
        };
        failures += usize::from(page.is_none());
        pages.push(page);
    }
    pages
}

/// Both readers must speak of the same page.
fn fits(page: &RawPage, size: Option<(f32, f32)>) -> bool {
    size.is_none_or(|(width, height)| (page.width - width).abs() < 2.0 && (page.height - height).abs() < 2.0)
}

fn is_bounded(cost: &Cost) -> bool {
    matches!(cost, Cost::Bounded(_))
}

fn is_tabular(cost: &Cost) -> bool {
    match cost {
        Cost::Bounded(Counts { codes, paths, .. }) => *codes <= TABLE_CODES_MAX && *paths <= TABLE_PATHS_MAX,
        Cost::Excessive => false,
    }
}

fn settings() -> ReaderSettings {
    ReaderSettings {
        max_decoded_bytes: STREAM_BYTES_MAX as usize,
        max_cmap_entries: CMAP_ENTRIES_MAX,
    }
}

fn options() -> ExtractOptions {
    ExtractOptions {
        reader: settings(),
        ..ExtractOptions::default()
    }
}

/// Every page of the file in one pass over its content.
fn read_whole(bytes: &[u8]) -> Option<Vec<Option<RawPage>>> {
    let dump = pdfni::read_pages_full_with(bytes, None, &settings()).ok()?;
    let mut parts = Vec::new();
    let mut pages = Vec::new();
    for page in dump.pages {
        pages.push(raw_page(
            page.text.chars,
            &page.text.fonts,
            page.width,
            page.height,
            page.norm_rotate,
        ));
        parts.push(PagePart {
            width: page.width,
            height: page.height,
            glyphs: page.parts.glyphs,
            edges: page.parts.edges,
            norm_rotate: page.norm_rotate,
            graphics: page.parts.graphics,
        });
    }
    let found = extract_from_parts(parts, &options());
    for (page, tables) in pages.iter_mut().zip(found.pages) {
        page.tables = tables.tables.iter().map(table_box).collect();
    }
    Some(pages.into_iter().map(Some).collect())
}

/// A batch of a longer file: one pass for characters, one for tables.
fn read_batch(bytes: &[u8], first: usize, batch: &[Cost], tables: bool) -> Option<Vec<Option<RawPage>>> {
    let wanted = selection(first, batch, is_bounded);
    let mut texts = match query(&wanted) {
        Some(query) => extract_text_from_bytes_with_query(bytes, None, &settings(), &query)
            .ok()?
            .pages
            .into_iter(),
        None => Vec::new().into_iter(),
    };
    let tabular = selection(first, batch, |cost| tables && is_tabular(cost));
    let mut found = match query(&tabular) {
        Some(query) => extract_from_bytes_with_query(bytes, None, &options(), &query)
            .ok()?
            .pages
            .into_iter(),
        None => Vec::new().into_iter(),
    };
    let mut pages = Vec::new();
    for cost in batch {
        let mut page = if is_bounded(cost) {
            let TextPage {
                width,
                height,
                fonts,
                chars,
            } = texts.next()?;
            Some(raw_page(chars, &fonts, width, height, 0))
        } else {
            None
        };
        if tables && is_tabular(cost) {
            let tables = found.next()?;
            if let Some(page) = &mut page {
                page.tables = tables.tables.iter().map(table_box).collect();
            }
        }
        pages.push(page);
    }
    Some(pages)
}

/// The numbers (from 1) of the batch's pages that `wanted` accepts, as the reader's query language has them: "1,2,5".
fn selection(first: usize, batch: &[Cost], wanted: impl Fn(&Cost) -> bool) -> String {
    let mut text = String::new();
    for (offset, _) in batch.iter().enumerate().filter(|(_, cost)| wanted(cost)) {
        let separator = if text.is_empty() { "" } else { "," };
        let _infallible = write!(text, "{separator}{}", first + offset + 1);
    }
    text
}

fn query(selection: &str) -> Option<ExtractQuery> {
    Some(ExtractQuery {
        pages: Some(selection.parse().ok()?),
        region: None,
    })
}

fn raw_page(chars: Vec<TextChar>, fonts: &[TextFont], width: f64, height: f64, turned: i32) -> RawPage {
    // The reader swaps the sides of a page whose content it turned upright to find tables; characters stay as seen.
    let (width, height) = if matches!(turned, 90 | 270) {
        (height, width)
    } else {
        (width, height)
    };
    let mut glyphs = Vec::with_capacity(chars.len());
    for char in &chars {
        if !char.synthetic {
            let bold = fonts.get(char.font as usize).is_some_and(is_bold);
            push_glyphs(&mut glyphs, char, bold);
        }
    }
    RawPage {
        width: width as f32,
        height: height as f32,
        glyphs,
        ..RawPage::default()
    }
}

/// By the font's own word, or by its name: TeX's fonts call their bold "Medi".
fn is_bold(font: &TextFont) -> bool {
    let named = ["bold", "black", "heavy", "demi", "-medi", "cmbx", "sfbx"];
    font.bold
        || named
            .iter()
            .any(|name| font.name.to_ascii_lowercase().contains(name))
}

/// One code may stand for several characters (a ligature): they share its box evenly.
fn push_glyphs(glyphs: &mut Vec<Glyph>, char: &TextChar, bold: bool) {
    let turn = Turn::of_direction(char.transform[0], char.transform[1]);
    let whole = Area {
        left: char.left as f32,
        top: char.top as f32,
        right: char.right as f32,
        bottom: char.bottom as f32,
    };
    let origin = (char.transform[4] as f32, char.transform[5] as f32);
    let size = char.font_size as f32;
    if !whole.is_finite() || !origin.0.is_finite() || !origin.1.is_finite() || !size.is_finite() {
        return;
    }
    let count = char.text.chars().count().max(1) as f32;
    for (index, ch) in char.text.chars().enumerate() {
        let (from, to) = (index as f32 / count, (index + 1) as f32 / count);
        let area = if count > 1.0 {
            part(whole, turn, from, to)
        } else {
            whole
        };
        glyphs.push(Glyph {
            ch,
            area,
            origin,
            size,
            bold,
            turn,
            order: glyphs.len() as u32,
        });
    }
}

/// The part of a box between two fractions of its extent along the line.
fn part(whole: Area, turn: Turn, from: f32, to: f32) -> Area {
    let (width, height) = (whole.width(), whole.height());
    match turn {
        Turn::Right | Turn::Skew => Area {
            left: whole.left + width * from,
            right: whole.left + width * to,
            ..whole
        },
        Turn::Left => Area {
            left: whole.right - width * to,
            right: whole.right - width * from,
            ..whole
        },
        Turn::Down => Area {
            top: whole.top + height * from,
            bottom: whole.top + height * to,
            ..whole
        },
        Turn::Up => Area {
            top: whole.bottom - height * to,
            bottom: whole.bottom - height * from,
            ..whole
        },
    }
}

fn table_box(table: &pdfni::Table) -> TableBox {
    let rows = table
        .data
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| {
                    let area = Area {
                        left: cell.bbox.x0 as f32,
                        top: cell.bbox.top as f32,
                        right: cell.bbox.x1 as f32,
                        bottom: cell.bbox.bottom as f32,
                    };
                    let is_cell = area.is_finite() && area.width() > 0.0 && area.height() > 0.0;
                    is_cell.then(|| CellBox {
                        area,
                        text: cell.text.clone(),
                    })
                })
                .collect()
        })
        .collect();
    TableBox {
        rows,
        ruled: table.extraction_method != "text",
    }
}
