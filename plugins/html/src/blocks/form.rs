//! Forms as they are filled in: a saved page shows its values.

use dom_query::NodeRef;

use super::text::Line;
use crate::dom::{attribute, text_of};

/// Writes what a control shows.
pub fn write(node: &NodeRef<'_>, name: &str, line: &mut Line) {
    let shown = match name {
        "textarea" => Some(text_of(node)),
        "select" => {
            let is_option = |node: &NodeRef<'_>| node.has_name("option");
            let chosen = node
                .descendants_it()
                .find(|node| is_option(node) && node.has_attr("selected"));
            chosen
                .or_else(|| node.descendants_it().find(is_option))
                .map(|option| text_of(&option))
        }
        _ => match attribute(node, "type")
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "checkbox" | "radio" => Some(if node.has_attr("checked") { "☑" } else { "☐" }.to_owned()),
            "" | "text" | "date" | "datetime-local" | "month" | "week" | "time" | "number" | "email"
            | "tel" | "url" | "search" => attribute(node, "value"),
            // Passwords are secret, and buttons, files and colours are no text.
            _ => None,
        },
    };
    if let Some(shown) = shown.filter(|shown| !shown.is_empty()) {
        line.push(" ");
        line.push(&shown);
        line.push(" ");
    }
}
