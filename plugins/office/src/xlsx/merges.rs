//! Merged regions: the first cell spreads over the others, whose content Excel does not show.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::sheet::{SheetCell, place};

/// A region, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
    pub top: u32,
    pub left: u32,
    pub bottom: u32,
    pub right: u32,
}

impl Region {
    /// "A1:B2".
    pub fn parse(range: &str) -> Option<Self> {
        let (first, last) = range.split_once(':')?;
        let ((top, left), (bottom, right)) = (place(first)?, place(last)?);
        (top <= bottom && left <= right).then_some(Self {
            top,
            left,
            bottom,
            right,
        })
    }
}

/// A cell with the region that it fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCell {
    pub at: Region,
    pub text: String,
    pub numeric: bool,
    pub bold: bool,
}

/// The regions that reach the row under the sweep; they share no column.
#[derive(Default)]
struct Active {
    by_left: BTreeMap<u32, Region>,
    by_bottom: BinaryHeap<Reverse<(u32, u32)>>,
}

impl Active {
    /// Forgets regions that end above `row`.
    fn leave(&mut self, row: u32) {
        while let Some(Reverse((bottom, left))) = self.by_bottom.peek().copied() {
            if bottom >= row {
                break;
            }
            self.by_bottom.pop();
            self.by_left.remove(&left);
        }
    }

    fn covering(&self, column: u32) -> Option<Region> {
        let (_, region) = self.by_left.range(..=column).next_back()?;
        (region.right >= column).then_some(*region)
    }

    /// False if it overlaps another one, which no honest sheet has.
    fn enter(&mut self, region: Region) -> bool {
        self.leave(region.top);
        let free = self.covering(region.left).is_none()
            && self.by_left.range(region.left..=region.right).next().is_none();
        if free {
            self.by_left.insert(region.left, region);
            self.by_bottom.push(Reverse((region.bottom, region.left)));
        }
        free
    }
}

/// Gives every cell the region that it fills and drops those that are covered. Also tells whether a region had to be
/// ignored. `cells` are in reading order.
pub fn apply(cells: Vec<SheetCell>, mut merges: Vec<Region>) -> (Vec<PlacedCell>, bool) {
    merges.sort_unstable();
    merges.dedup();
    let mut waiting = merges.into_iter().peekable();
    let mut active = Active::default();
    let mut ignored = false;
    let mut placed = Vec::with_capacity(cells.len());
    for cell in cells {
        while let Some(region) = waiting.next_if(|region| region.top <= cell.row) {
            ignored |= !active.enter(region);
        }
        active.leave(cell.row);
        let own = Region {
            top: cell.row,
            left: cell.column,
            bottom: cell.row,
            right: cell.column,
        };
        let at = active.covering(cell.column).unwrap_or(own);
        if (at.top, at.left) == (cell.row, cell.column) {
            placed.push(PlacedCell {
                at,
                text: cell.text,
                numeric: cell.numeric,
                bold: cell.bold,
            });
        }
    }
    (placed, ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str) -> SheetCell {
        let (row, column) = place(name).unwrap_or_default();
        SheetCell {
            row,
            column,
            text: name.to_owned(),
            numeric: false,
            bold: false,
        }
    }

    #[test]
    fn covered_cells_go_and_overlapping_regions_are_ignored() {
        let regions = ["A1:C1", "B1:B3", "A2:A4", "C3:D9"].map(|range| {
            Region::parse(range).unwrap_or(Region {
                top: 0,
                left: 0,
                bottom: 0,
                right: 0,
            })
        });
        let cells = ["A1", "B1", "D1", "A2", "B2", "A4", "A5", "C4", "D10"].map(cell);
        let (placed, ignored) = apply(cells.into(), regions.into());
        let kept: Vec<_> = placed
            .iter()
            .map(|cell| (cell.text.as_str(), cell.at.bottom, cell.at.right))
            .collect();
        assert!(ignored);
        assert_eq!(
            kept,
            [
                ("A1", 0, 2),
                ("D1", 0, 3),
                ("A2", 3, 0),
                ("B2", 1, 1),
                ("A5", 4, 0),
                ("D10", 9, 3)
            ]
        );
    }
}
