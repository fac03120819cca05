//! Ruled tables: merged header cells, amounts at the right, the header again on every page.

use super::layout::{INNER_WIDTH, LEADING, Layout, MARGIN, PAGE_WIDTH, SIZE};
use crate::generate::page::Table;

const PAD: f32 = 3.0;

impl Layout<'_> {
    pub fn table(&mut self, table: &Table) {
        let edges = edges(table);
        self.room(4.0 * LEADING);
        self.header(table, &edges);
        for row in &table.rows {
            let lines: Vec<Vec<String>> = row
                .iter()
                .zip(edges.windows(2))
                .map(|(cell, edge)| self.lines(cell, edge[1] - edge[0] - 2.0 * PAD, false))
                .collect();
            let height = lines.iter().map(Vec::len).max().unwrap_or(1) as f32 * LEADING + PAD;
            if self.room(height) {
                self.header(table, &edges);
            }
            let top = self.y;
            for ((cell, column), edge) in lines.iter().zip(&table.columns).zip(edges.windows(2)) {
                for (at, line) in cell.iter().enumerate() {
                    self.y = top + LEADING * at as f32 + 1.5;
                    if column.right {
                        self.right(line, edge[1] - PAD, false);
                    } else {
                        self.put(line, edge[0] + PAD, self.y + SIZE, SIZE, false);
                    }
                }
            }
            self.frame(&edges, top, top + height);
            self.y = top + height;
        }
        self.y += 7.0;
    }

    fn header(&mut self, table: &Table, edges: &[f32]) {
        let top = self.y;
        let height = LEADING + PAD;
        for (row, cells) in table.header.iter().enumerate() {
            for cell in cells {
                let (left, right) = (edges[cell.column], edges[cell.column + cell.columns]);
                let (upper, lower) = (top + height * row as f32, top + height * (row + cell.rows) as f32);
                self.put(&cell.text, left + PAD, upper + SIZE + 1.5, SIZE - 1.0, true);
                for (from, to) in [
                    ((left, upper), (right, upper)),
                    ((left, lower), (right, lower)),
                    ((left, upper), (left, lower)),
                    ((right, upper), (right, lower)),
                ] {
                    self.rule(from, to);
                }
            }
        }
        self.y = top + height * table.header.len() as f32;
    }

    fn frame(&mut self, edges: &[f32], top: f32, bottom: f32) {
        self.rule((MARGIN, bottom), (PAGE_WIDTH - MARGIN, bottom));
        for x in edges {
            self.rule((*x, top), (*x, bottom));
        }
    }
}

/// The left edge of every column and the right edge of the last.
fn edges(table: &Table) -> Vec<f32> {
    let whole: u32 = table.columns.iter().map(|column| column.width).sum();
    let mut edges = vec![MARGIN];
    let mut sum = 0;
    for column in &table.columns {
        sum += column.width;
        edges.push(MARGIN + INNER_WIDTH * sum as f32 / whole.max(1) as f32);
    }
    edges
}
