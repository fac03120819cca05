//! Lists: items with the number that a browser prints, descriptions with their term.

use docmill_plugin::{Block, BlockKind};
use dom_query::NodeRef;

use super::Walker;
use crate::dom::attribute;

/// An open list.
pub struct List {
    /// None without numbers.
    next: Option<i64>,
    step: i64,
    style: char,
}

impl List {
    fn of(node: &NodeRef<'_>, name: &str) -> Self {
        let number = |name| {
            attribute(node, name)
                .and_then(|n| n.parse::<i32>().ok())
                .map(i64::from)
        };
        let reversed = node.has_attr("reversed");
        let items = || {
            node.children_it(false)
                .filter(|child| child.has_name("li"))
                .count()
        };
        let first = number("start").unwrap_or_else(|| {
            if reversed {
                i64::try_from(items()).unwrap_or(1)
            } else {
                1
            }
        });
        let style = attribute(node, "type")
            .and_then(|style| style.chars().next())
            .unwrap_or('1');
        Self {
            next: (name == "ol").then_some(first),
            step: if reversed { -1 } else { 1 },
            style,
        }
    }

    /// The label of the next item; empty for bullets.
    fn label(&mut self, own: Option<i64>) -> String {
        let Some(number) = self.next.map(|next| own.unwrap_or(next)) else {
            return String::new();
        };
        self.next = Some(number + self.step);
        let small = usize::try_from(number)
            .ok()
            .filter(|number| (1..=26).contains(number));
        match (self.style, small) {
            ('a', Some(number)) => format!("{}.", char::from(b'a' + number as u8 - 1)),
            ('A', Some(number)) => format!("{}.", char::from(b'A' + number as u8 - 1)),
            ('i', Some(number)) => format!("{}.", roman(number).to_lowercase()),
            ('I', Some(number)) => format!("{}.", roman(number)),
            _ => format!("{number}."),
        }
    }
}

/// Up to 26, which is all that is asked for.
fn roman(number: usize) -> String {
    const ONES: [&str; 10] = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"];
    "X".repeat(number / 10) + ONES.get(number % 10).copied().unwrap_or_default()
}

impl Walker {
    pub(super) fn list(&mut self, node: &NodeRef<'_>, name: &str) {
        self.flush();
        self.lists.push(List::of(node, name));
        self.children(node);
        self.flush();
        self.lists.pop();
        self.label = None;
    }

    pub(super) fn item(&mut self, node: &NodeRef<'_>) {
        self.flush();
        let own = attribute(node, "value")
            .and_then(|n| n.parse::<i32>().ok())
            .map(i64::from);
        let label = self
            .lists
            .last_mut()
            .map_or_else(String::new, |list| list.label(own));
        self.label = Some(label);
        self.children(node);
        self.flush();
        self.label = None;
    }

    pub(super) fn descriptions(&mut self, node: &NodeRef<'_>) {
        self.flush();
        let outer = self.term.take();
        self.children(node);
        self.flush();
        if let Some(lonely) = std::mem::replace(&mut self.term, outer).filter(|term| !term.is_empty()) {
            self.blocks.push(Block::paragraph(lonely));
        }
    }

    /// A term waits for its description, so that both become one line: "Label: value".
    pub(super) fn term(&mut self, node: &NodeRef<'_>) {
        self.flush();
        self.children(node);
        let term = self.line.take();
        if let Some(lonely) = self.term.replace(term).filter(|term| !term.is_empty()) {
            self.blocks.push(Block::paragraph(lonely));
        }
    }

    pub(super) fn description(&mut self, node: &NodeRef<'_>) {
        let term = self.term.take().filter(|term| !term.is_empty());
        self.flush();
        let before = self.blocks.len();
        self.children(node);
        self.flush();
        let Some(term) = term else { return };
        match self.blocks.get_mut(before) {
            Some(first) if first.table.is_none() => {
                let colon = if term.ends_with([':', '?', '.', '：']) {
                    ""
                } else {
                    ":"
                };
                first.text = format!("{term}{colon} {}", first.text);
                first.kind = BlockKind::KeyValue;
            }
            _ => self.blocks.insert(before, Block::paragraph(term)),
        }
    }
}
