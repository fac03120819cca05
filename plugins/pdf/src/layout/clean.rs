//! Characters that deserve to be read, in one spelling.

use crate::glyph::{Area, Glyph, Turn};

pub struct Cleaned {
    pub glyphs: Vec<Glyph>,
    /// Characters without a Unicode value that were left out.
    pub unmapped: usize,
}

/// Drops control characters, characters off the page and those without a Unicode value; spells ligatures out, makes
/// every kind of blank one blank, puts accents onto their letters.
pub fn clean(glyphs: Vec<Glyph>, width: f32, height: f32) -> Cleaned {
    let mut cleaned = Cleaned {
        glyphs: Vec::with_capacity(glyphs.len()),
        unmapped: 0,
    };
    for mut glyph in glyphs {
        let (x, y) = glyph.area.centre();
        let is_on_page = x > -1.0 && y > -1.0 && x < width + 1.0 && y < height + 1.0;
        if !is_on_page || glyph.size <= 0.05 {
            continue;
        }
        match glyph.ch {
            '\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => cleaned.unmapped += 1,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {}
            ch if ch.is_whitespace() => {
                glyph.ch = ' ';
                cleaned.glyphs.push(glyph);
            }
            ch if ch.is_control() => cleaned.unmapped += 1,
            ch => match ligature(ch) {
                Some(letters) => push_letters(&mut cleaned.glyphs, glyph, letters),
                None if is_mark(ch) => push_mark(&mut cleaned.glyphs, glyph),
                None => cleaned.glyphs.push(glyph),
            },
        }
    }
    cleaned
}

fn ligature(ch: char) -> Option<&'static str> {
    Some(match ch {
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' | 'ﬆ' => "st",
        _ => return None,
    })
}

fn push_letters(glyphs: &mut Vec<Glyph>, whole: Glyph, letters: &str) {
    let count = letters.chars().count().max(1) as f32;
    for (index, ch) in letters.chars().enumerate() {
        let (from, to) = (index as f32 / count, (index + 1) as f32 / count);
        let area = match whole.turn {
            Turn::Right => {
                let width = whole.area.width();
                Area {
                    left: whole.area.left + width * from,
                    right: whole.area.left + width * to,
                    ..whole.area
                }
            }
            _ => whole.area,
        };
        glyphs.push(Glyph { ch, area, ..whole });
    }
}

fn is_mark(ch: char) -> bool {
    matches!(ch, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}')
}

/// An accent stands over the letter drawn before it, so it takes that letter's place in the line.
fn push_mark(glyphs: &mut Vec<Glyph>, mark: Glyph) {
    let Some(base) = glyphs.last_mut() else { return };
    if let Some(letter) = composed(base.ch, mark.ch) {
        base.ch = letter;
        return;
    }
    let (area, origin) = (
        Area {
            left: base.area.right,
            ..base.area
        },
        base.origin,
    );
    glyphs.push(Glyph { area, origin, ..mark });
}

/// Files spell Cyrillic й and ё in two characters now and then; searches do not.
fn composed(base: char, mark: char) -> Option<char> {
    Some(match (base, mark) {
        ('и', '\u{306}') => 'й',
        ('И', '\u{306}') => 'Й',
        ('е', '\u{308}') => 'ё',
        ('Е', '\u{308}') => 'Ё',
        ('у', '\u{306}') => 'ў',
        ('У', '\u{306}') => 'Ў',
        _ => return None,
    })
}

/// With a box of sensible height around its baseline: fonts declare none, or one for their tallest sign.
pub fn boxed(glyph: Glyph) -> Glyph {
    let (baseline, size) = (glyph.origin.1, glyph.size);
    let area = glyph.area;
    let top = area.top.clamp(baseline - size, baseline - size * 0.5);
    let bottom = area.bottom.clamp(baseline + size * 0.05, baseline + size * 0.3);
    Glyph {
        area: Area { top, bottom, ..area },
        ..glyph
    }
}
