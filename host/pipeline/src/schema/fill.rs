//! Defaults of what is left out.

use serde_json::Value as Json;

use super::effort::{Effort, TooMuch};
use super::{MAX_DEPTH, local};

pub(super) fn fill(
    root: &Json,
    node: &Json,
    value: &mut Json,
    depth: usize,
    effort: &mut Effort,
) -> Result<(), TooMuch> {
    effort.visit(1)?;
    if depth > MAX_DEPTH {
        return Ok(());
    }
    let below = depth.saturating_add(1);
    if let Some(target) = node
        .get("$ref")
        .and_then(Json::as_str)
        .and_then(|r| local(root, r))
    {
        fill(root, target, value, below, effort)?;
    }
    for part in node.get("allOf").and_then(Json::as_array).into_iter().flatten() {
        fill(root, part, value, below, effort)?;
    }
    match value {
        Json::Object(members) => {
            for (name, schema) in node
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
            {
                effort.visit(1)?;
                if !members.contains_key(name)
                    && let Some(default) = default(root, schema)
                {
                    effort.hold(default)?;
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill(root, schema, member, below, effort)?;
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = node.get("items").filter(|i| i.is_object()) {
                for item in items {
                    fill(root, schema, item, below, effort)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn default<'a>(root: &'a Json, schema: &'a Json) -> Option<&'a Json> {
    schema.get("default").or_else(|| {
        let target = local(root, schema.get("$ref")?.as_str()?)?;
        target.get("default")
    })
}
