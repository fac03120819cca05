//! Diagrams (SmartArt): the list of texts that they draw, with its levels, as PowerPoint's text pane has it.

use std::collections::{HashMap, HashSet};

use docmill_plugin::{Block, Error};

use super::Shared;
use super::text::{Context, joined, lines};
use crate::package::Relationships;
use crate::xml::{Element, Token, Xml};

/// Deeper texts are items of this depth.
const MAX_DEPTH: u8 = 8;

/// What is in a diagram's model.
#[derive(Default)]
struct Model {
    /// By id; none for a node that is only there to hold others.
    texts: HashMap<String, String>,
    /// In the file's order.
    ids: Vec<String>,
    root: Option<String>,
    /// By parent: place among its children, child.
    children: HashMap<String, Vec<(u32, String)>>,
}

/// The texts of a diagram's data part.
///
/// # Errors
/// `damaged` and limits.
pub fn read(
    xml: Xml<'_>,
    related: &Relationships,
    links: bool,
    shared: &mut Shared,
) -> Result<Vec<Block>, Error> {
    let context = Context {
        related,
        links,
        styles: Vec::new(),
    };
    let mut model = model(xml, &context, shared)?;
    for children in model.children.values_mut() {
        children.sort();
    }
    let mut blocks = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    // Depth first without recursion: the model may be a chain as long as the file, or a circle.
    let mut open: Vec<(&str, u8)> = model.root.iter().map(|root| (root.as_str(), 0)).collect();
    let mut rest = model.ids.iter();
    loop {
        let Some((id, depth)) = open.pop() else {
            // What hangs on nothing is read all the same.
            match rest.find(|id| !seen.contains(id.as_str())) {
                Some(id) => open.push((id, 0)),
                None => return Ok(blocks),
            }
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        let mut below = depth;
        if let Some(text) = model.texts.get(id).filter(|text| !text.is_empty()) {
            let block = Block::list_item(depth, text.as_str());
            shared.charge(&block)?;
            blocks.push(block);
            below = MAX_DEPTH.min(depth + 1);
        }
        let children = model.children.get(id).into_iter().flatten().rev();
        open.extend(children.map(|(_, child)| (child.as_str(), below)));
    }
}

fn model(mut xml: Xml<'_>, context: &Context<'_>, shared: &mut Shared) -> Result<Model, Error> {
    let mut model = Model::default();
    loop {
        let element = match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "dataModel" | "ptLst" | "cxnLst" => continue,
                "pt" | "cxn" => Some(Element::of(&tag)),
                _ => None,
            },
            Token::Eof => return Ok(model),
            _ => continue,
        };
        let Some(element) = element else {
            xml.skip()?;
            continue;
        };
        let element = xml.tree_without(element, &["prSet", "spPr", "extLst"])?;
        let kind = element.attr("type");
        shared.budget.add(1, 0)?;
        if element.name() == "cxn" {
            // The others lay the diagram out.
            if matches!(kind, None | Some("parOf"))
                && let (Some(parent), Some(child)) = (element.attr("srcId"), element.attr("destId"))
            {
                let place = element.attr("srcOrd").and_then(|n| n.parse().ok()).unwrap_or(0);
                let children = model.children.entry(parent.to_owned()).or_default();
                children.push((place, child.to_owned()));
            }
            continue;
        }
        let Some(id) = element.attr("modelId").map(str::to_owned) else {
            continue;
        };
        match kind {
            Some("doc") => model.root = Some(id),
            None | Some("node" | "asst") => {
                let body = element.child("t");
                let text = body.map(|body| joined(lines(body, context, &mut shared.languages)));
                model.texts.insert(id.clone(), text.unwrap_or_default());
                model.ids.push(id);
            }
            _ => {}
        }
    }
}
