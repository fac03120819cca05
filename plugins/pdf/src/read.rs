//! From bytes to the characters, tables and facts of every page.
//!
//! Two readers share the work. `pdfni` gives every character's exact box and finds tables; `pdfboss` opens files that are
//! more broken, knows metadata, labels and forms, measures a page's cost beforehand, and takes over where `pdfni` fails.

mod boxes;
mod cost;
mod fields;
mod info;
mod spans;

pub use boxes::{CellBox, TableBox};
pub use info::info;

use pdfboss_core::elements::XrefKind;
use pdfboss_core::xref::XrefEntry;
use pdfboss_core::{Document as Pdf, Error as PdfbossError};

use crate::config::Config;
use crate::document::Warning;
use crate::error::PdfError;
use crate::glyph::Glyph;
use crate::limits::{BATCH_CODES_MAX, BATCH_PAGES_MAX};

use cost::Cost;

/// What one page holds, before layout.
#[derive(Debug, Default)]
pub struct RawPage {
    /// In points, after the page's rotation.
    pub width: f32,
    pub height: f32,
    pub glyphs: Vec<Glyph>,
    pub tables: Vec<TableBox>,
    pub warnings: Vec<Warning>,
    /// Character codes shown invisibly and visibly.
    pub invisible_codes: u64,
    pub visible_codes: u64,
    /// It draws pictures or lines.
    pub draws: bool,
}

impl RawPage {
    /// Without its content, because the document passed a bound.
    pub fn left_out(self) -> Self {
        Self {
            width: self.width,
            height: self.height,
            warnings: vec![Warning::PageTooComplex],
            ..Self::default()
        }
    }
}

/// Opens the file.
///
/// # Errors
/// Every case of [`PdfError`] but [`PdfError::TooLarge`].
pub fn open(bytes: Vec<u8>) -> Result<Pdf, PdfError> {
    if bytes.is_empty() {
        return Err(PdfError::Empty);
    }
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let has_header = memchr::memmem::find(head, b"%PDF-").is_some();
    let pdf = load(bytes).map_err(|error| match error {
        PdfbossError::Encrypted => PdfError::Encrypted,
        _ if !has_header => PdfError::NotPdf,
        _ => PdfError::Damaged("its table of objects is lost"),
    })?;
    if pdf.is_locked() {
        return Err(PdfError::Encrypted);
    }
    match (pdf.flattened_page_count(), has_header) {
        (0, false) => Err(PdfError::NotPdf),
        (0, true) if has_empty_page_tree(&pdf) => Err(PdfError::NoPages),
        (0, true) => Err(PdfError::Damaged("its page tree is lost")),
        _ => Ok(pdf),
    }
}

/// By the file's table of objects, or by the objects themselves if the table does not lead to them.
fn load(bytes: Vec<u8>) -> Result<Pdf, PdfbossError> {
    let pdf = Pdf::load(bytes)?;
    if leads_to_objects(&pdf) {
        return Ok(pdf);
    }
    // Without the word that says where the table is, the reader looks for the objects in the whole file.
    let mut bytes = pdf.bytes().to_vec();
    let words: Vec<usize> = memchr::memmem::find_iter(&bytes, b"startxref").collect();
    for word in words {
        if let Some(first) = bytes.get_mut(word) {
            *first = b'-';
        }
    }
    match Pdf::load(bytes) {
        Ok(found) if found.flattened_page_count() > 0 => Ok(found),
        _ => Ok(pdf),
    }
}

/// Whether what the table says of an object is where that object begins. Offset 0 is what some writers say of objects that
/// they do not use; of the catalogue it is wrong too. Where objects lie in streams, there is nothing better than the table.
fn leads_to_objects(pdf: &Pdf) -> bool {
    let table = pdf.xref();
    let classic = table
        .newest_section()
        .is_some_and(|section| section.kind == XrefKind::Table)
        && !table
            .iter()
            .any(|(_, entry)| matches!(entry, XrefEntry::InStream { .. }));
    let catalogue = table.trailer.get_ref("Root").map(|root| root.num);
    let begins = |offset: u64, number| {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| pdf.bytes().get(offset..))
            .is_some_and(|rest| begins_object(rest, number))
    };
    !classic
        || table.iter().all(|(number, entry)| match entry {
            XrefEntry::InFile { offset: 0, .. } => Some(number) != catalogue,
            XrefEntry::InFile { offset, .. } => begins(offset, number),
            _ => true,
        })
}

/// `12 0 obj`, perhaps behind blanks.
fn begins_object(bytes: &[u8], number: u32) -> bool {
    let head = bytes.get(..bytes.len().min(64)).unwrap_or_default();
    let mut words = head
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.next() == Some(number.to_string().as_bytes())
        && words
            .next()
            .is_some_and(|word| word.iter().all(u8::is_ascii_digit))
        && words.next().is_some_and(|word| word.starts_with(b"obj"))
}

/// Whether the catalogue names a page tree that says it is empty.
fn has_empty_page_tree(pdf: &Pdf) -> bool {
    let catalogue = pdf
        .xref()
        .trailer
        .get("Root")
        .and_then(|root| pdf.resolve(root).ok());
    let tree = catalogue
        .as_ref()
        .and_then(|root| root.as_dict()?.get("Pages"))
        .and_then(|tree| pdf.resolve(tree).ok());
    tree.is_some_and(|tree| {
        tree.as_dict()
            .is_some_and(|tree| tree.get_array("Kids").is_some_and(<[_]>::is_empty))
    })
}

/// Reads the pages in order, a batch at a time, so that only one batch's characters are in memory.
pub fn pages(pdf: &Pdf, config: &Config, mut each: impl FnMut(usize, RawPage)) {
    let count = pdf.flattened_page_count().min(config.max_pages as usize);
    let forms = if config.form_fields {
        fields::by_page_object(pdf)
    } else {
        fields::Fields::default()
    };
    let mut costs = cost::Costs::default();
    let fonts = pdfboss_text::FontCache::default();
    let mut next = 0;
    while next < count {
        // A fork shares the file and drops what earlier batches left in its caches.
        let pdf = pdf.fork();
        let batch = batch(&pdf, &mut costs, next, count);
        let mut exact = boxes::read(&pdf, next, &batch, config.tables).into_iter();
        for (offset, cost) in batch.iter().enumerate() {
            let index = next + offset;
            let mut page = match (exact.next().flatten(), cost) {
                (_, Cost::Excessive) => RawPage {
                    warnings: vec![Warning::PageTooComplex],
                    ..spans::blank(&pdf, index)
                },
                (Some(page), Cost::Bounded(_)) => page,
                (None, Cost::Bounded(_)) => spans::read(&pdf, index, &fonts),
            };
            if let Cost::Bounded(counts) = cost {
                page.invisible_codes = counts.invisible_codes;
                page.visible_codes = counts.codes.saturating_sub(counts.invisible_codes);
                page.draws = counts.pictures > 0 || counts.paths > 0;
                if counts.damaged && !page.warnings.contains(&Warning::DamagedPage) {
                    page.warnings.push(Warning::DamagedPage);
                }
            }
            fields::add(&pdf, index, &forms, &mut page);
            each(index, page);
        }
        next += batch.len().max(1);
    }
}

/// The costs of the pages that can be read in one go from `first` on; at least one page.
fn batch(pdf: &Pdf, costs: &mut cost::Costs, first: usize, count: usize) -> Vec<Cost> {
    let mut batch = Vec::new();
    let mut codes = 0;
    for index in first..count.min(first + BATCH_PAGES_MAX) {
        let cost = costs.of_page(pdf, index);
        codes += cost.codes();
        if codes > BATCH_CODES_MAX && !batch.is_empty() {
            break;
        }
        batch.push(cost);
    }
    batch
}
