//! Characters with their places, in points from the page's top left corner, and the frames in which they read upright.

use crate::document::Rect;

/// A rectangle in points; y grows downwards.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Area {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Area {
    pub fn width(self) -> f32 {
        self.right - self.left
    }

    pub fn height(self) -> f32 {
        self.bottom - self.top
    }

    pub fn centre(self) -> (f32, f32) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Whether the point lies inside; the right and bottom edges do not belong to it.
    pub fn contains(self, (x, y): (f32, f32)) -> bool {
        x >= self.left && x < self.right && y >= self.top && y < self.bottom
    }

    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// The smallest rectangle around all of them.
    pub fn around(areas: impl IntoIterator<Item = Self>) -> Option<Self> {
        areas.into_iter().reduce(Self::union)
    }

    pub fn is_finite(self) -> bool {
        [self.left, self.top, self.right, self.bottom]
            .iter()
            .all(|edge| edge.is_finite())
    }
}

/// The direction in which a character's line runs on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// To the right, as most text.
    Right,
    /// Downwards.
    Down,
    /// To the left: upside down.
    Left,
    /// Upwards.
    Up,
    /// Aslant: a watermark.
    Skew,
}

impl Turn {
    /// From a direction with y growing downwards.
    pub fn of_direction(x: f64, y: f64) -> Self {
        let length = x.hypot(y);
        if !length.is_finite() || length <= 0.0 {
            return Self::Skew;
        }
        match (x / length, y / length) {
            (x, _) if x > 0.98 => Self::Right,
            (x, _) if x < -0.98 => Self::Left,
            (_, y) if y > 0.98 => Self::Down,
            (_, y) if y < -0.98 => Self::Up,
            _ => Self::Skew,
        }
    }
}

/// One character of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    pub ch: char,
    pub area: Area,
    /// Where its origin stands.
    pub origin: (f32, f32),
    /// Font size in points.
    pub size: f32,
    pub bold: bool,
    pub turn: Turn,
    /// Its number in drawing order.
    pub order: u32,
}

/// Turns the page so that text of one direction reads upright, and back.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    turn: Turn,
    page_width: f32,
    page_height: f32,
}

impl Frame {
    pub fn new(turn: Turn, page_width: f32, page_height: f32) -> Self {
        Self {
            turn,
            page_width,
            page_height,
        }
    }

    /// The size of the turned page.
    pub fn size(self) -> (f32, f32) {
        match self.turn {
            Turn::Up | Turn::Down => (self.page_height, self.page_width),
            Turn::Right | Turn::Left | Turn::Skew => (self.page_width, self.page_height),
        }
    }

    pub fn upright_point(self, (x, y): (f32, f32)) -> (f32, f32) {
        match self.turn {
            Turn::Right | Turn::Skew => (x, y),
            Turn::Down => (y, self.page_width - x),
            Turn::Left => (self.page_width - x, self.page_height - y),
            Turn::Up => (self.page_height - y, x),
        }
    }

    fn page_point(self, (x, y): (f32, f32)) -> (f32, f32) {
        match self.turn {
            Turn::Right | Turn::Skew => (x, y),
            Turn::Down => (self.page_width - y, x),
            Turn::Left => (self.page_width - x, self.page_height - y),
            Turn::Up => (y, self.page_height - x),
        }
    }

    pub fn upright(self, area: Area) -> Area {
        spanned(
            self.upright_point((area.left, area.top)),
            self.upright_point((area.right, area.bottom)),
        )
    }

    /// Fractions of the page as it is seen, never empty and never outside it.
    pub fn fractions(self, area: Area) -> Rect {
        let area = spanned(
            self.page_point((area.left, area.top)),
            self.page_point((area.right, area.bottom)),
        );
        let (left, right) = fraction(area.left, area.right, self.page_width);
        let (top, bottom) = fraction(area.top, area.bottom, self.page_height);
        Rect {
            left,
            top,
            right,
            bottom,
        }
    }
}

fn spanned(a: (f32, f32), b: (f32, f32)) -> Area {
    Area {
        left: a.0.min(b.0),
        top: a.1.min(b.1),
        right: a.0.max(b.0),
        bottom: a.1.max(b.1),
    }
}

/// The least extent of a region, in fractions: the contract wants `left < right`.
const LEAST: f32 = 1e-5;

fn fraction(low: f32, high: f32, whole: f32) -> (f32, f32) {
    let whole = whole.max(1.0);
    let low = (low / whole).clamp(0.0, 1.0 - LEAST);
    let high = (high / whole).clamp(low + LEAST, 1.0).max(low + LEAST);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_turns_there_and_back() {
        let area = Area {
            left: 10.0,
            top: 20.0,
            right: 40.0,
            bottom: 30.0,
        };
        for turn in [Turn::Right, Turn::Down, Turn::Left, Turn::Up] {
            let frame = Frame::new(turn, 200.0, 100.0);
            let back = frame.fractions(frame.upright(area));
            assert!(
                (back.left - 0.05).abs() < 1e-6 && (back.right - 0.2).abs() < 1e-6,
                "{turn:?} {back:?}"
            );
            assert!(
                (back.top - 0.2).abs() < 1e-6 && (back.bottom - 0.3).abs() < 1e-6,
                "{turn:?} {back:?}"
            );
        }
    }

    #[test]
    fn text_that_runs_upwards_reads_from_the_bottom() {
        let frame = Frame::new(Turn::Up, 200.0, 100.0);
        let (first, _) = frame.upright_point((50.0, 90.0));
        let (second, _) = frame.upright_point((50.0, 10.0));
        assert!(first < second);
    }

    #[test]
    fn a_fraction_is_never_empty_or_outside() {
        let frame = Frame::new(Turn::Right, 100.0, 100.0);
        let out = frame.fractions(Area {
            left: 150.0,
            top: -20.0,
            right: 160.0,
            bottom: -10.0,
        });
        assert!(
            out.left < out.right && out.right <= 1.0 && out.top >= 0.0 && out.top < out.bottom,
            "{out:?}"
        );
    }
}
