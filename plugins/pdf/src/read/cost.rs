//! What reading a page will cost, counted before it is read: the exact reader has no bound of its own on forms that draw
//! forms that draw forms.

use std::collections::{HashMap, HashSet};

use memchr::memmem;
use pdfboss_core::content::{ContentOps, Op, TextItem};
use pdfboss_core::{Dict, Document as Pdf, ObjRef, Object};

use crate::limits::{FORM_DEPTH_MAX, PAGE_CODES_MAX, PAGE_OPERATORS_MAX};

/// A page's cost.
#[derive(Debug, Clone, Copy)]
pub enum Cost {
    Bounded(Counts),
    /// Beyond the parser's bounds.
    Excessive,
}

impl Cost {
    pub fn codes(&self) -> u64 {
        match self {
            Self::Bounded(counts) => counts.codes,
            Self::Excessive => 0,
        }
    }
}

/// What a content stream does, with the forms that it draws.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub operators: u64,
    /// Character codes shown (or bytes, for fonts with longer codes).
    pub codes: u64,
    pub invisible_codes: u64,
    pub paths: u64,
    pub pictures: u64,
    /// Some of it could not be unpacked or understood.
    pub damaged: bool,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.operators = self.operators.saturating_add(other.operators);
        self.codes = self.codes.saturating_add(other.codes);
        self.invisible_codes = self.invisible_codes.saturating_add(other.invisible_codes);
        self.paths = self.paths.saturating_add(other.paths);
        self.pictures = self.pictures.saturating_add(other.pictures);
        self.damaged |= other.damaged;
    }

    fn is_excessive(&self) -> bool {
        self.codes > PAGE_CODES_MAX || self.operators > PAGE_OPERATORS_MAX
    }
}

/// Content below this size that plainly shows text is estimated by its length.
const ESTIMATED_BYTES_MAX: usize = 64 << 10;

/// Counts pages; a form is counted once for the whole document.
#[derive(Debug, Default)]
pub struct Costs {
    forms: HashMap<ObjRef, Counts>,
}

impl Costs {
    pub fn of_page(&mut self, pdf: &Pdf, index: usize) -> Cost {
        let Ok(page) = pdf.page(index) else {
            return Cost::Bounded(Counts {
                damaged: true,
                ..Counts::default()
            });
        };
        let Ok(content) = page.content(pdf) else {
            return Cost::Bounded(Counts {
                damaged: true,
                ..Counts::default()
            });
        };
        let counts = match estimate(&content) {
            Some(counts) => counts,
            None => self.of_content(pdf, &content, &page.resources, &mut HashSet::new()),
        };
        if counts.is_excessive() {
            Cost::Excessive
        } else {
            Cost::Bounded(counts)
        }
    }

    fn of_content(
        &mut self,
        pdf: &Pdf,
        content: &[u8],
        resources: &Dict,
        open: &mut HashSet<ObjRef>,
    ) -> Counts {
        let mut counts = Counts::default();
        let mut operators = ContentOps::new(content);
        let mut drawn: HashMap<String, Counts> = HashMap::new();
        let mut invisible = Invisible::default();
        loop {
            let operator = match operators.next_op() {
                Ok(Some((operator, _))) => operator,
                Ok(None) => break,
                Err(_) => {
                    counts.damaged = true;
                    break;
                }
            };
            counts.operators += 1;
            invisible.follow(&operator);
            let codes = shown(&operator);
            counts.codes = counts.codes.saturating_add(codes);
            if invisible.now {
                counts.invisible_codes = counts.invisible_codes.saturating_add(codes);
            }
            match operator {
                Op::LineTo(..) | Op::CurveTo(..) | Op::CurveToV(..) | Op::CurveToY(..) | Op::Rect(..) => {
                    counts.paths += 1
                }
                Op::InlineImage(_) | Op::Shading(_) => counts.pictures += 1,
                Op::XObject(name) => {
                    let form = match drawn.get(&name.0) {
                        Some(form) => *form,
                        None => {
                            let form = self.of_object(pdf, &name.0, resources, open);
                            drawn.insert(name.0, form);
                            form
                        }
                    };
                    counts.add(form);
                }
                _ => {}
            }
            if counts.is_excessive() {
                break;
            }
        }
        counts
    }

    fn of_object(&mut self, pdf: &Pdf, name: &str, resources: &Dict, open: &mut HashSet<ObjRef>) -> Counts {
        let objects = resources
            .get("XObject")
            .and_then(|objects| pdf.resolve(objects).ok());
        let Some(entry) = objects.as_ref().and_then(|objects| objects.as_dict()?.get(name)) else {
            return Counts::default();
        };
        let reference = entry.as_ref();
        if let Some(known) = reference.and_then(|reference| self.forms.get(&reference)) {
            return *known;
        }
        // A form that draws itself is drawn no further by any reader; neither is one too deep.
        if open.len() >= FORM_DEPTH_MAX || reference.is_some_and(|reference| !open.insert(reference)) {
            return Counts::default();
        }
        let counts = self.of_stream(pdf, entry, resources, open);
        if let Some(reference) = reference {
            open.remove(&reference);
            self.forms.insert(reference, counts);
        }
        counts
    }

    fn of_stream(&mut self, pdf: &Pdf, entry: &Object, outer: &Dict, open: &mut HashSet<ObjRef>) -> Counts {
        let Ok(Object::Stream(stream)) = pdf.resolve(entry) else {
            return Counts::default();
        };
        match stream.dict.get_name("Subtype").map(|name| name.0.as_str()) {
            Some("Image") => Counts {
                pictures: 1,
                ..Counts::default()
            },
            Some("Form") => {
                let own = stream.dict.get("Resources").and_then(|own| pdf.resolve(own).ok());
                let resources = own.as_ref().and_then(Object::as_dict).unwrap_or(outer);
                match pdf.stream_data(&stream) {
                    Ok(content) => self.of_content(pdf, &content, resources, open),
                    Err(_) => Counts {
                        damaged: true,
                        ..Counts::default()
                    },
                }
            }
            _ => Counts::default(),
        }
    }
}

/// Whether text is drawn invisibly now (text rendering mode 3 or 7).
#[derive(Debug, Default)]
struct Invisible {
    now: bool,
    saved: Vec<bool>,
}

impl Invisible {
    fn follow(&mut self, operator: &Op) {
        match operator {
            Op::SetTextRender(mode) => self.now = matches!(mode, 3 | 7),
            Op::Save if self.saved.len() < 256 => self.saved.push(self.now),
            Op::Restore => self.now = self.saved.pop().unwrap_or(self.now),
            _ => {}
        }
    }
}

fn shown(operator: &Op) -> u64 {
    match operator {
        Op::ShowText(codes) | Op::NextLineShowText(codes) | Op::NextLineShowTextSpaced(_, _, codes) => {
            codes.len() as u64
        }
        Op::ShowTextAdjusted(items) => items
            .iter()
            .map(|item| match item {
                TextItem::Str(codes) => codes.len() as u64,
                TextItem::Offset(_) => 0,
            })
            .sum(),
        _ => 0,
    }
}

/// For short content that shows visible text and calls nothing: what it can cost at most, without parsing it.
fn estimate(content: &[u8]) -> Option<Counts> {
    let has = |operator: &[u8]| memmem::find(content, operator).is_some();
    let plain = content.len() <= ESTIMATED_BYTES_MAX
        && (has(b"Tj") || has(b"TJ"))
        && !(has(b"Do") || has(b"Tr") || has(b"BI"));
    let length = content.len() as u64;
    plain.then(|| Counts {
        operators: length / 4,
        codes: length / 2,
        paths: length / 8,
        ..Counts::default()
    })
}
