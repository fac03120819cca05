//! Pieces, packed into chunks.

use std::collections::VecDeque;

use docmill_plugin::{Block, BlockKind, Chunk, Error, Span};

use crate::config::Config;
use crate::pieces::{chars, pieces};

/// What the host takes of one reading.
const MAX_CHUNKS: usize = 100_000;

/// A piece of a block, and how it joins the one before it.
#[derive(Debug, Clone)]
struct Piece {
    page: u32,
    start: u32,
    end: u32,
    chars: usize,
    /// Characters between it and the piece before, if that is on the same page and only blanks are between; else it begins a
    /// span of its own, and one newline is between.
    gap: Option<usize>,
}

impl Piece {
    const fn cost(&self) -> usize {
        self.chars
            + match self.gap {
                Some(gap) => gap,
                None => 1,
            }
    }
}

/// Puts pieces together until a chunk is full or a heading begins.
pub struct Packer<'a> {
    config: &'a Config,
    chunks: Vec<Chunk>,
    /// Level and text, outermost first.
    headings: Vec<(u8, String)>,
    open: VecDeque<Piece>,
    chars: usize,
    /// The headings above the open chunk.
    above: Vec<String>,
    /// Pieces of `open` that the chunk before has, too.
    repeated: usize,
    /// Only headings are open so far: what follows belongs to them.
    heading: bool,
    /// Where the last block that was not left out ended.
    before: Option<(u32, usize)>,
}

impl<'a> Packer<'a> {
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            chunks: Vec::new(),
            headings: Vec::new(),
            open: VecDeque::new(),
            chars: 0,
            above: Vec::new(),
            repeated: 0,
            heading: false,
            before: None,
        }
    }

    /// Adds a block of a page; `text` is that of the page.
    pub fn block(&mut self, page: u32, text: &str, block: &Block) -> Result<(), Error> {
        if self.config.skips(&block.kind) {
            return Ok(());
        }
        let Some(range) = block.range else { return Ok(()) };
        let (start, end) = (range.start as usize, range.end as usize);
        let Some(inside) = text.get(start..end) else {
            return Ok(());
        };
        let level = level(&block.kind);
        if let Some(level) = level.filter(|_| !inside.trim().is_empty()) {
            self.begin_heading(level, inside)?;
        }
        let by_lines = matches!(block.kind, BlockKind::Table | BlockKind::Code);
        for piece in pieces(inside, by_lines, self.config.max_chars) {
            let at = start + piece.start..start + piece.end;
            let between = |(of, behind): (u32, usize)| {
                let between = text.get(behind..at.start).filter(|_| of == page)?;
                between.trim().is_empty().then(|| between.chars().count())
            };
            let piece = Piece {
                page,
                start: narrow(at.start)?,
                end: narrow(at.end)?,
                chars: chars(text, &at),
                gap: self.before.and_then(between),
            };
            self.before = Some((page, at.end));
            self.add(piece, level.is_some())?;
        }
        Ok(())
    }

    /// A heading closes those of its level and below, and the chunk before it.
    fn begin_heading(&mut self, level: u8, text: &str) -> Result<(), Error> {
        self.headings.retain(|(above, _)| *above < level);
        self.headings
            .push((level, text.split_whitespace().collect::<Vec<_>>().join(" ")));
        if level <= self.config.heading_level && !self.heading {
            self.close()?;
            self.open.clear();
            (self.chars, self.repeated) = (0, 0);
        }
        Ok(())
    }

    fn add(&mut self, piece: Piece, heading: bool) -> Result<(), Error> {
        let full = self.open.len() > self.repeated && self.chars + piece.cost() > self.config.max_chars;
        if full {
            self.close()?;
            self.keep_overlap(piece.cost());
        }
        if self.open.len() == self.repeated {
            self.heading = heading;
            self.above = self.headings.iter().map(|(_, text)| text.clone()).collect();
        } else if self.heading {
            // Headings upon headings: those above the first text count.
            self.heading = heading;
            self.above = self.headings.iter().map(|(_, text)| text.clone()).collect();
        }
        self.chars += if self.open.is_empty() {
            piece.chars
        } else {
            piece.cost()
        };
        self.open.push_back(piece);
        Ok(())
    }

    /// What the next chunk repeats: whole pieces from the end, as many as fit beside the one that comes.
    fn keep_overlap(&mut self, next: usize) {
        let most = self
            .config
            .overlap_chars
            .min(self.config.max_chars.saturating_sub(next));
        let mut kept = VecDeque::new();
        let mut chars = 0;
        while let Some(piece) = self.open.pop_back() {
            // The first one joins nothing.
            if chars + piece.chars > most {
                break;
            }
            chars += piece.cost();
            kept.push_front(piece);
        }
        self.repeated = kept.len();
        self.chars = chars.saturating_sub(kept.front().map_or(0, |first| first.cost() - first.chars));
        self.open = kept;
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.open.len() == self.repeated {
            return Ok(());
        }
        if self.chunks.len() == MAX_CHUNKS {
            let message = format!("More than {MAX_CHUNKS} chunks: set max_chars higher.");
            return Err(Error::exhausted("too-many-chunks", message));
        }
        let mut spans: Vec<Span> = Vec::new();
        for piece in &self.open {
            match spans.last_mut() {
                Some(last) if piece.gap.is_some() && last.page == piece.page => last.range.end = piece.end,
                _ => spans.push(Span::new(piece.page, piece.start, piece.end)),
            }
        }
        self.chunks
            .push(Chunk::of(spans).under(std::mem::take(&mut self.above)));
        Ok(())
    }

    pub fn finish(mut self) -> Result<Vec<Chunk>, Error> {
        self.close()?;
        Ok(self.chunks)
    }
}

/// The level of a heading; the title's is the highest.
const fn level(kind: &BlockKind) -> Option<u8> {
    match kind {
        BlockKind::Title => Some(0),
        BlockKind::Heading(level) => Some(*level),
        _ => None,
    }
}

fn narrow(at: usize) -> Result<u32, Error> {
    u32::try_from(at).map_err(|_| Error::exhausted("too-large", "A page's text is larger than 4 GiB."))
}
