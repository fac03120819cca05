//! What was typed into form fields: it stands in the fields' values, not in the page's content.

use std::collections::HashMap;

use pdfboss_core::{Document as Pdf, FormField, ObjRef, Object};

use super::RawPage;
use super::spans::{Seen, usual_width};
use crate::glyph::{Area, Glyph, Turn};
use crate::limits::FORM_FIELDS_MAX;

/// The text of every filled field, by the object that shows it.
pub type Fields = HashMap<ObjRef, String>;

pub fn by_page_object(pdf: &Pdf) -> Fields {
    let mut fields = Fields::new();
    for field in pdf.form_fields() {
        if fields.len() >= FORM_FIELDS_MAX {
            break;
        }
        if field.flags.password() {
            continue;
        }
        if let Some(text) = typed(&field) {
            fields.extend(field.widgets.iter().map(|widget| (widget.object, text.clone())));
        } else if field.state().is_some() {
            let on = field.on_widgets();
            let boxes = field.widgets.iter().enumerate();
            fields.extend(boxes.map(|(index, widget)| {
                (
                    widget.object,
                    if on.contains(&index) { "☑" } else { "☐" }.to_owned(),
                )
            }));
        }
    }
    fields
}

fn typed(field: &FormField) -> Option<String> {
    let text = field.text().or_else(|| {
        let selected = field.selected();
        (!selected.is_empty()).then(|| selected.join(", "))
    })?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Adds the values of the fields that stand on the page.
pub fn add(pdf: &Pdf, index: usize, fields: &Fields, raw: &mut RawPage) {
    if fields.is_empty() {
        return;
    }
    let Ok(page) = pdf.page(index) else { return };
    let annotations = page.dict().get("Annots").and_then(|list| pdf.resolve(list).ok());
    let Some(Object::Array(annotations)) = annotations else {
        return;
    };
    let seen = Seen::of(&page);
    let mut added = 0;
    for reference in annotations.iter().filter_map(Object::as_ref) {
        let Some(text) = fields.get(&reference) else {
            continue;
        };
        if let Some(area) = place(pdf, reference, &seen) {
            push_text(&mut raw.glyphs, text, area);
            added += 1;
        }
        if added >= FORM_FIELDS_MAX {
            return;
        }
    }
}

fn place(pdf: &Pdf, reference: ObjRef, seen: &Seen) -> Option<Area> {
    let widget = pdf.get(reference).ok()?;
    let rect = pdf.resolve(widget.as_dict()?.get("Rect")?).ok()?;
    let edges: Vec<f32> = rect
        .as_array()?
        .iter()
        .filter_map(|edge| Some(edge.as_f64()? as f32))
        .collect();
    let [x0, y0, x1, y1] = edges.as_slice() else {
        return None;
    };
    let area = seen.area(*x0, *y0, *x1, *y1);
    (area.is_finite() && area.width() > 0.5 && area.height() > 0.5).then_some(area)
}

/// The size at which text fields are usually set; smaller where the field is lower.
const FIELD_SIZE: f32 = 11.0;

/// Sets the text into its field line by line, squeezed if it is too long: the places are estimates inside the field.
fn push_text(glyphs: &mut Vec<Glyph>, text: &str, field: Area) {
    let lines: Vec<&str> = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let label = label_baseline(glyphs, field).filter(|_| lines.len() == 1);
    let pitch = (field.height() / lines.len().max(1) as f32).min(FIELD_SIZE * 1.4);
    let size = (pitch * 0.75).clamp(1.0, FIELD_SIZE);
    // One line stands in the middle of its field, several start at the top.
    let mut top = if lines.len() == 1 {
        field.top + (field.height() - pitch) / 2.0
    } else {
        field.top
    };
    for line in lines {
        let natural: f32 = line.chars().map(|ch| usual_width(ch) * size).sum();
        let squeeze = (field.width() / natural.max(f32::EPSILON)).min(1.0);
        let baseline = label.unwrap_or(top + pitch * 0.75);
        let mut left = field.left;
        for ch in line.chars() {
            let right = left + usual_width(ch) * size * squeeze;
            let area = Area {
                left,
                top: baseline - size * 0.75,
                right,
                bottom: baseline + size * 0.22,
            };
            glyphs.push(Glyph {
                ch,
                area,
                origin: (left, baseline),
                size,
                bold: false,
                turn: Turn::Right,
                order: glyphs.len() as u32,
            });
            left = right;
        }
        top += pitch;
    }
}

/// The baseline of the text that ends nearest to the left of the field, level with it: its label.
fn label_baseline(glyphs: &[Glyph], field: Area) -> Option<f32> {
    let levels = field.top + field.height() * 0.3..field.bottom + field.height() * 0.1;
    glyphs
        .iter()
        .filter(|glyph| {
            glyph.turn == Turn::Right
                && levels.contains(&glyph.origin.1)
                && glyph.area.right < field.left + 4.0
        })
        .max_by(|a, b| a.area.right.total_cmp(&b.area.right))
        .map(|glyph| glyph.origin.1)
}
