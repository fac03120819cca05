//! Where everything stands on the page. Positions are in points from the top left corner.

use super::super::wrap;
use super::Fonts;
use crate::generate::form::mark;
use crate::generate::page::{Block, Pair, PairLayout};
use crate::generate::style::Style;

pub const PAGE_WIDTH: f32 = 595.0;
pub const PAGE_HEIGHT: f32 = 842.0;
pub const MARGIN: f32 = 50.0;
pub const INNER_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
pub const SIZE: f32 = 9.5;
pub const LEADING: f32 = 13.5;

/// Something that is drawn.
pub enum Mark {
    /// `y` is the baseline.
    Text {
        x: f32,
        y: f32,
        size: f32,
        bold: bool,
        grey: bool,
        text: String,
    },
    Rule {
        from: (f32, f32),
        to: (f32, f32),
    },
    Watermark {
        text: String,
    },
}

/// What stands on a page, without the watermark.
pub fn text(marks: &[Mark]) -> String {
    let texts = marks.iter().filter_map(|mark| match mark {
        Mark::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

pub struct Layout<'a> {
    pub fonts: &'a Fonts,
    pub style: &'a Style,
    pages: Vec<Vec<Mark>>,
    page: Vec<Mark>,
    /// The top of what comes next.
    pub y: f32,
    watermark: Option<String>,
}

impl<'a> Layout<'a> {
    pub fn new(fonts: &'a Fonts, style: &'a Style) -> Self {
        Self {
            fonts,
            style,
            pages: Vec::new(),
            page: Vec::new(),
            y: MARGIN,
            watermark: None,
        }
    }

    pub fn block(&mut self, block: &Block) {
        match block {
            Block::Title(text) => self.title(text, 14.0),
            Block::Heading(text) => self.title(text, 11.0),
            Block::Paragraph(text) => {
                self.paragraph(text, MARGIN, INNER_WIDTH, self.style.noise.hyphenation);
                self.y += 5.0;
            }
            Block::Right(text) => {
                self.room(LEADING);
                self.right(text, PAGE_WIDTH - MARGIN, false);
                self.y += LEADING + 5.0;
            }
            Block::Pairs { rows, layout } => self.pairs(rows, *layout),
            Block::Columns { left, right } => self.columns(left, right),
            Block::Table(table) => self.table(table),
            Block::Totals(rows) => self.totals(rows),
            Block::Boxes(boxes) => {
                for (ticked, text) in boxes {
                    self.paragraph(
                        &format!("{} {text}", mark(*ticked)),
                        MARGIN + 8.0,
                        INNER_WIDTH - 8.0,
                        false,
                    );
                }
                self.y += 5.0;
            }
            Block::Signature { role, name } => self.signature(role, name),
            Block::Watermark(text) => self.watermark = Some(text.clone()),
        }
    }

    /// The pages, numbered if there are several.
    pub fn finish(mut self) -> Vec<Vec<Mark>> {
        self.next_page();
        let count = self.pages.len();
        for (at, page) in self.pages.iter_mut().enumerate() {
            if count > 1 {
                let text = format!("{} / {count}", at + 1);
                let x = PAGE_WIDTH / 2.0 - 10.0;
                page.push(Mark::Text {
                    x,
                    y: PAGE_HEIGHT - 28.0,
                    size: 8.0,
                    bold: false,
                    grey: true,
                    text,
                });
            }
            // First, so that it lies under the text.
            if let Some(text) = &self.watermark {
                page.insert(0, Mark::Watermark { text: text.clone() });
            }
        }
        self.pages
    }

    pub fn next_page(&mut self) {
        self.pages.push(std::mem::take(&mut self.page));
        self.y = MARGIN;
    }

    /// Starts a new page if there is not enough room for `height`; true if it did.
    pub fn room(&mut self, height: f32) -> bool {
        let full = self.y + height > PAGE_HEIGHT - MARGIN;
        if full {
            self.next_page();
        }
        full
    }

    pub fn put(&mut self, text: &str, x: f32, y: f32, size: f32, bold: bool) {
        self.page.push(Mark::Text {
            x,
            y,
            size,
            bold,
            grey: false,
            text: text.to_owned(),
        });
    }

    pub fn rule(&mut self, from: (f32, f32), to: (f32, f32)) {
        self.page.push(Mark::Rule { from, to });
    }

    /// A line that ends at `x`, at the present height.
    pub fn right(&mut self, text: &str, x: f32, bold: bool) {
        let width = self.fonts.face(bold).width(text, SIZE);
        self.put(text, x - width, self.y + SIZE, SIZE, bold);
    }

    pub fn lines(&self, text: &str, width: f32, hyphenate: bool) -> Vec<String> {
        let face = self.fonts.face(false);
        wrap(text, hyphenate, &|line| face.width(line, SIZE) <= width)
    }

    fn title(&mut self, text: &str, size: f32) {
        let face = self.fonts.face(true);
        let lines = wrap(text, false, &|line| face.width(line, size) <= INNER_WIDTH);
        self.y += 4.0;
        for line in lines {
            self.room(size * 1.4);
            self.put(&line, MARGIN, self.y + size, size, true);
            self.y += size * 1.4;
        }
        self.y += 5.0;
    }

    fn paragraph(&mut self, text: &str, x: f32, width: f32, hyphenate: bool) {
        for line in self.lines(text, width, hyphenate) {
            self.room(LEADING);
            self.put(&line, x, self.y + SIZE, SIZE, false);
            self.y += LEADING;
        }
    }

    fn pairs(&mut self, rows: &[Pair], layout: PairLayout) {
        for pair in rows {
            match layout {
                PairLayout::Line => self.pair_line(pair),
                PairLayout::Above => {
                    self.room(2.0 * LEADING + 4.0);
                    let y = self.y + 7.5;
                    let text = pair.label.clone();
                    self.page.push(Mark::Text {
                        x: MARGIN,
                        y,
                        size: 7.5,
                        bold: false,
                        grey: true,
                        text,
                    });
                    self.y += 10.5;
                    self.paragraph(&pair.value, MARGIN, INNER_WIDTH, false);
                    self.y += 4.0;
                }
                PairLayout::Grid => self.pair_row(pair),
            }
        }
        if layout == PairLayout::Grid {
            self.rule((MARGIN, self.y), (PAGE_WIDTH - MARGIN, self.y));
        }
        self.y += 7.0;
    }

    /// The label in bold, the value behind it on the same line.
    fn pair_line(&mut self, pair: &Pair) {
        self.room(LEADING);
        let label = format!("{}:", pair.label);
        let width = self.fonts.face(true).width(&label, SIZE) + 4.0;
        self.put(&label, MARGIN, self.y + SIZE, SIZE, true);
        self.paragraph(&pair.value, MARGIN + width, INNER_WIDTH - width, false);
    }

    fn pair_row(&mut self, pair: &Pair) {
        let split = MARGIN + INNER_WIDTH * 0.36;
        let lines = self.lines(&pair.value, PAGE_WIDTH - MARGIN - split - 8.0, false);
        let height = LEADING * lines.len() as f32 + 5.0;
        self.room(height);
        let (top, bottom) = (self.y, self.y + height);
        self.put(&pair.label, MARGIN + 4.0, top + SIZE + 3.0, SIZE, false);
        for (at, line) in lines.iter().enumerate() {
            self.put(
                line,
                split + 4.0,
                top + SIZE + 3.0 + LEADING * at as f32,
                SIZE,
                false,
            );
        }
        self.rule((MARGIN, top), (PAGE_WIDTH - MARGIN, top));
        for x in [MARGIN, split, PAGE_WIDTH - MARGIN] {
            self.rule((x, top), (x, bottom));
        }
        self.y = bottom;
    }

    fn columns(&mut self, left: &[String], right: &[String]) {
        let top = self.y;
        let width = INNER_WIDTH / 2.0 - 12.0;
        let mut bottom = top;
        for (lines, x) in [(left, MARGIN), (right, MARGIN + INNER_WIDTH / 2.0 + 12.0)] {
            self.y = top;
            for line in lines {
                self.paragraph(line, x, width, false);
            }
            bottom = bottom.max(self.y);
        }
        self.y = bottom + 8.0;
    }

    fn totals(&mut self, rows: &[Pair]) {
        let last = rows.len().saturating_sub(1);
        for (at, pair) in rows.iter().enumerate() {
            self.room(LEADING);
            let bold = at == last;
            self.right(&format!("{}:", pair.label), PAGE_WIDTH - MARGIN - 110.0, bold);
            self.right(&pair.value, PAGE_WIDTH - MARGIN - 4.0, bold);
            self.y += LEADING + 1.0;
        }
        self.y += 8.0;
    }

    fn signature(&mut self, role: &str, name: &str) {
        self.room(3.0 * LEADING);
        self.y += 1.5 * LEADING;
        let baseline = self.y + SIZE;
        self.put(role, MARGIN, baseline, SIZE, false);
        let from = MARGIN + INNER_WIDTH * 0.42;
        let to = MARGIN + INNER_WIDTH * 0.66;
        self.rule((from, baseline), (to, baseline));
        self.put(name, to + 10.0, baseline, SIZE, false);
        self.y += LEADING;
    }
}
