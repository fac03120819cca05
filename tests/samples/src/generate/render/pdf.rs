//! PDF with an embedded subset of a font: text is drawn run by run at its place, as a word processor does it.

mod face;
mod layout;
mod table;

use anyhow::{Context as _, Result, anyhow};
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Transform};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::{Document as Pdf, SerializeSettings};

pub use face::{FONT_DIRECTORY, Fonts};

use self::layout::{Layout, Mark, PAGE_HEIGHT, PAGE_WIDTH};
use super::Rendered;
use crate::generate::page::Document;
use crate::generate::style::Style;

/// Renders the document on A4 pages.
pub fn render(document: &Document, style: &Style, fonts: &Fonts) -> Result<Rendered> {
    let mut layout = Layout::new(fonts, style);
    for block in &document.blocks {
        layout.block(block);
    }
    let pages = layout.finish();

    let settings = SerializeSettings {
        enable_tagging: false,
        xmp_metadata: false,
        ..SerializeSettings::default()
    };
    let mut pdf = Pdf::new_with(settings);
    // A fixed date: the same seed gives the same bytes.
    let created = DateTime::new(2025)
        .month(1)
        .day(15)
        .hour(9)
        .minute(0)
        .second(0)
        .utc_offset_hour(5);
    pdf.set_metadata(
        Metadata::new()
            .title(document.title.clone())
            .language(document.language.to_owned())
            .creator("docmill samples".to_owned())
            .creation_date(created),
    );
    for marks in &pages {
        let size = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).context("a page has a size")?;
        let mut page = pdf.start_page_with(size);
        let mut surface = page.surface();
        for mark in marks {
            draw(&mut surface, mark, fonts);
        }
        surface.finish();
        page.finish();
    }
    let bytes = pdf
        .finish()
        .map_err(|error| anyhow!("the PDF could not be written: {error:?}"))?;
    Ok(Rendered {
        bytes,
        pages: pages.iter().map(|marks| layout::text(marks)).collect(),
    })
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, fonts: &Fonts) {
    match mark {
        Mark::Text {
            x,
            y,
            size,
            bold,
            grey,
            text,
        } => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(if *grey { 90 } else { 0 }, 1.0)));
            let face = fonts.face(*bold);
            surface.draw_glyphs(
                Point::from_xy(*x, *y),
                &face.glyphs(text),
                face.font(),
                text,
                *size,
                false,
            );
        }
        Mark::Rule { from, to } => {
            let mut path = PathBuilder::new();
            path.move_to(from.0, from.1);
            path.line_to(to.0, to.1);
            if let Some(path) = path.finish() {
                surface.set_fill(None);
                surface.set_stroke(Some(Stroke {
                    width: 0.5,
                    ..Stroke::default()
                }));
                surface.draw_path(&path);
            }
        }
        Mark::Watermark { text } => {
            let face = fonts.face(true);
            let start = PAGE_WIDTH / 2.0 - face.width(text, 72.0) / 2.0;
            surface.push_transform(&Transform::from_rotate_at(
                -45.0,
                PAGE_WIDTH / 2.0,
                PAGE_HEIGHT / 2.0,
            ));
            surface.set_stroke(None);
            surface.set_fill(Some(fill(170, 0.35)));
            surface.draw_glyphs(
                Point::from_xy(start, PAGE_HEIGHT / 2.0),
                &face.glyphs(text),
                face.font(),
                text,
                72.0,
                false,
            );
            surface.pop();
        }
    }
}

fn fill(grey: u8, opacity: f32) -> Fill {
    Fill {
        paint: rgb::Color::new(grey, grey, grey).into(),
        opacity: NormalizedF32::new(opacity).unwrap_or(NormalizedF32::ONE),
        ..Fill::default()
    }
}
