//! The tolerant reader: runs of text by `pdfboss`, whose characters' places within a run are estimated.

use pdfboss_core::{Document as Pdf, Page};
use pdfboss_text::{FontCache, ReadingOrder, TextSpan, extract_spans_reporting_cached};

use super::RawPage;
use crate::document::Warning;
use crate::glyph::{Area, Glyph, Turn};

/// A page without content, of the right size.
pub fn blank(pdf: &Pdf, index: usize) -> RawPage {
    let (width, height) = pdf.page(index).map_or((612.0, 792.0), |page| page.size());
    RawPage {
        width,
        height,
        ..RawPage::default()
    }
}

pub fn read(pdf: &Pdf, index: usize, fonts: &FontCache) -> RawPage {
    let mut raw = blank(pdf, index);
    let extracted = pdf.page(index).and_then(|page| {
        Ok((
            extract_spans_reporting_cached(pdf, &page, fonts, ReadingOrder::Content)?,
            page,
        ))
    });
    match extracted {
        Ok(((spans, report), page)) => {
            let seen = Seen::of(&page);
            for span in &spans {
                push_span(&mut raw.glyphs, span, &seen);
            }
            if !raw.glyphs.is_empty() {
                raw.warnings.push(Warning::ApproximateRegions);
            }
            if !report.is_complete() {
                raw.warnings.push(Warning::DamagedPage);
            }
        }
        Err(_) => raw.warnings.push(Warning::DamagedPage),
    }
    raw
}

/// The page as it is seen: cropped, turned, from its top left corner.
pub struct Seen {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
    rotate: i32,
}

impl Seen {
    pub fn of(page: &Page) -> Self {
        Self {
            left: page.crop_box.x0,
            top: page.crop_box.y1,
            width: page.crop_box.width(),
            height: page.crop_box.height(),
            rotate: page.rotate.rem_euclid(360),
        }
    }

    /// From the file's user space, where y grows upwards.
    pub fn point(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.left, self.top - y);
        match self.rotate {
            90 => (self.height - y, x),
            180 => (self.width - x, self.height - y),
            270 => (y, self.width - x),
            _ => (x, y),
        }
    }

    pub fn area(&self, x0: f32, y0: f32, x1: f32, y1: f32) -> Area {
        let (a, b) = (self.point(x0, y0), self.point(x1, y1));
        Area {
            left: a.0.min(b.0),
            top: a.1.min(b.1),
            right: a.0.max(b.0),
            bottom: a.1.max(b.1),
        }
    }
}

fn push_span(glyphs: &mut Vec<Glyph>, span: &TextSpan, seen: &Seen) {
    let start = seen.point(span.x, span.y);
    let end = seen.point(span.end_x, span.end_y);
    let whole = seen.area(span.bbox.x0, span.bbox.y0, span.bbox.x1, span.bbox.y1);
    let direction = (f64::from(end.0 - start.0), f64::from(end.1 - start.1));
    let turn = if direction == (0.0, 0.0) {
        Turn::Right
    } else {
        Turn::of_direction(direction.0, direction.1)
    };
    if !whole.is_finite()
        || !start.0.is_finite()
        || !end.0.is_finite()
        || !start.1.is_finite()
        || !end.1.is_finite()
    {
        return;
    }
    let widths: Vec<f32> = span
        .text
        .chars()
        .map(|ch| if span.monospace { 1.0 } else { usual_width(ch) })
        .collect();
    let total: f32 = widths.iter().sum::<f32>().max(f32::EPSILON);
    let exact = turn == Turn::Right && seen.rotate == 0 && span.glyph_x.len() == widths.len();
    let mut passed = 0.0;
    for (index, (ch, width)) in span.text.chars().zip(&widths).enumerate() {
        let (mut from, mut to) = (passed / total, (passed + width) / total);
        passed += width;
        if exact {
            let extent = (end.0 - start.0).max(f32::EPSILON);
            let at = |index: usize| {
                span.glyph_x
                    .get(index)
                    .map(|x| ((x - seen.left - start.0) / extent).clamp(0.0, 1.0))
            };
            from = at(index).unwrap_or(from);
            to = at(index + 1).unwrap_or(1.0).max(from);
        }
        let along = |fraction: f32| {
            (
                start.0 + (end.0 - start.0) * fraction,
                start.1 + (end.1 - start.1) * fraction,
            )
        };
        let (here, there) = (along(from), along(to));
        let area = match turn {
            Turn::Right | Turn::Left => Area {
                left: here.0.min(there.0),
                right: here.0.max(there.0),
                ..whole
            },
            Turn::Down | Turn::Up => Area {
                top: here.1.min(there.1),
                bottom: here.1.max(there.1),
                ..whole
            },
            Turn::Skew => whole,
        };
        glyphs.push(Glyph {
            ch,
            area,
            origin: here,
            size: span.size,
            bold: span.bold,
            turn,
            order: glyphs.len() as u32,
        });
    }
}

/// About how wide a character is in an ordinary proportional font, in ems.
pub fn usual_width(ch: char) -> f32 {
    match ch {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'І' | 'і' => 0.26,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | ' ' | '/' | '\u{a0}' => 0.31,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | 'ш' | 'щ' | 'ж' | 'ю' | 'ы' | 'Ш' | 'Щ' | 'Ж' | 'Ю' | 'Ы'
        | 'Ф' => 0.82,
        _ if ch.is_uppercase() => 0.67,
        _ => 0.54,
    }
}
