//! The fonts, and how wide a text is in them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider as _};

/// Where Debian's package `fonts-dejavu-core` puts its fonts.
pub const FONT_DIRECTORY: &str = "/usr/share/fonts/truetype/dejavu";

/// DejaVu Sans, regular and bold. Read when documents are made; a document holds the subset that it uses.
pub struct Fonts {
    regular: Face,
    bold: Face,
}

pub struct Face {
    data: Arc<Vec<u8>>,
    font: Font,
}

impl Fonts {
    /// Reads the fonts from a directory, such as [`FONT_DIRECTORY`].
    pub fn read(directory: &Path) -> Result<Self> {
        let face = |name: &str| {
            let path = directory.join(name);
            let data = std::fs::read(&path)
                .with_context(|| format!("cannot read {}; install fonts-dejavu-core", path.display()))?;
            Face::new(data).with_context(|| format!("{} is not a font", path.display()))
        };
        Ok(Self {
            regular: face("DejaVuSans.ttf")?,
            bold: face("DejaVuSans-Bold.ttf")?,
        })
    }

    pub fn face(&self, bold: bool) -> &Face {
        if bold { &self.bold } else { &self.regular }
    }
}

impl Face {
    fn new(data: Vec<u8>) -> Option<Self> {
        let data = Arc::new(data);
        FontRef::new(&data).ok()?;
        Some(Self {
            font: Font::new(Arc::clone(&data).into(), 0)?,
            data,
        })
    }

    pub fn font(&self) -> Font {
        self.font.clone()
    }

    /// One glyph for each character, without ligatures and kerning: the text layer stays as plain as the text.
    pub fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        self.advances(text)
            .into_iter()
            .map(|(range, glyph, advance)| {
                KrillaGlyph::new(GlyphId::new(glyph), advance, 0.0, 0.0, 0.0, range, None)
            })
            .collect()
    }

    /// In points at a size in points.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        self.advances(text)
            .iter()
            .map(|(_, _, advance)| advance * size)
            .sum()
    }

    fn advances(&self, text: &str) -> Vec<(std::ops::Range<usize>, u32, f32)> {
        let Ok(font) = FontRef::new(&self.data) else {
            return Vec::new();
        };
        let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
        let charmap = font.charmap();
        text.char_indices()
            .map(|(at, letter)| {
                let glyph = charmap.map(letter).unwrap_or_default();
                let advance = metrics.advance_width(glyph).unwrap_or(0.5);
                (at..at + letter.len_utf8(), glyph.to_u32(), advance)
            })
            .collect()
    }
}
