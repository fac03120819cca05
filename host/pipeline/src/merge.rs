//! Fields of several steps become one set: for each path one value, what lost against it kept apart.

use std::collections::HashMap;

use docmill_model::definition::Merge;
use docmill_model::value::Field;

/// One field for each path, in the order of first appearance, and the losers that say something else.
pub(crate) fn merge<'a>(fields: impl Iterator<Item = &'a Field>, policy: Merge) -> (Vec<Field>, Vec<Field>) {
    let mut order: Vec<&Field> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut losers: Vec<&Field> = Vec::new();
    for field in fields {
        match places.get(field.path.as_str()).and_then(|at| order.get_mut(*at)) {
            None => {
                places.insert(&field.path, order.len());
                order.push(field);
            }
            Some(winner) if wins(field, winner, policy) => losers.push(std::mem::replace(winner, field)),
            Some(_) => losers.push(field),
        }
    }
    // Who found nothing, or the same, does not contradict.
    let contradicts = |loser: &&Field| {
        let winner = places.get(loser.path.as_str()).and_then(|at| order.get(*at));
        loser.value.is_some() && winner.is_none_or(|w| w.value != loser.value)
    };
    let conflicts = losers.into_iter().filter(contradicts).cloned().collect();
    (order.into_iter().cloned().collect(), conflicts)
}

/// Whether a later field takes the place of an earlier one. A value always wins against none.
fn wins(later: &Field, earlier: &Field, policy: Merge) -> bool {
    match (later.value.is_some(), earlier.value.is_some()) {
        (true, false) => true,
        (false, _) => false,
        (true, true) => match policy {
            Merge::First => false,
            Merge::Last => true,
            Merge::Confidence => later.confidence.unwrap_or(0.0) > earlier.confidence.unwrap_or(0.0),
        },
    }
}

/// Fields of the items of a fan-out, joined in order: the n-th element of a list found by one item follows the elements
/// that the items before it found.
pub(crate) fn join(items: Vec<Vec<Field>>) -> Vec<Field> {
    let mut lengths: HashMap<String, usize> = HashMap::new();
    let mut joined = Vec::new();
    for item in items {
        let mut grown: HashMap<String, usize> = HashMap::new();
        for mut field in item {
            if let Some((name, number, rest)) = indexed(&field.path) {
                let offset = lengths.get(name).copied().unwrap_or(0);
                let moved = offset.saturating_add(number);
                let end = grown.entry(name.to_owned()).or_insert(offset);
                *end = (*end).max(moved.saturating_add(1));
                field.path = format!("{name}[{moved}]{rest}");
            }
            joined.push(field);
        }
        lengths.extend(grown);
    }
    joined
}

/// `lines[3].amount` → `lines`, 3, `.amount`
fn indexed(path: &str) -> Option<(&str, usize, &str)> {
    let (name, rest) = path.split_once('[')?;
    let (number, rest) = rest.split_once(']')?;
    if name.contains('.') {
        None
    } else {
        Some((name, number.parse().ok()?, rest))
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::value::Value;

    use super::*;

    fn field(path: &str, value: Option<&str>, confidence: Option<f32>) -> Field {
        let value = value.map(|v| Value::Text(v.to_owned()));
        Field {
            path: path.to_owned(),
            value,
            raw: None,
            confidence,
            origin: None,
            citations: vec![],
        }
    }

    #[test]
    fn policies_choose_and_conflicts_are_kept() {
        let fields = [
            field("a", Some("1"), Some(0.5)),
            field("b", None, None),
            field("a", Some("2"), Some(0.9)),
            field("b", Some("x"), None),
            field("a", Some("2"), Some(0.1)),
        ];
        for (policy, wanted, lost) in [
            (Merge::Confidence, "2", 1),
            (Merge::First, "1", 2),
            (Merge::Last, "2", 1),
        ] {
            let (merged, conflicts) = merge(fields.iter(), policy);
            assert_eq!(
                merged.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
                ["a", "b"]
            );
            assert_eq!(merged[0].value, Some(Value::Text(wanted.into())), "{policy:?}");
            assert_eq!(merged[1].value, Some(Value::Text("x".into())));
            assert_eq!(conflicts.len(), lost, "{policy:?}");
        }
    }

    #[test]
    fn lists_of_items_are_joined_in_order() {
        let items = vec![
            vec![
                field("lines[0].a", Some("1"), None),
                field("lines[1].a", Some("2"), None),
                field("total", None, None),
            ],
            vec![],
            vec![field("lines[0].a", Some("3"), None)],
        ];
        let paths: Vec<String> = join(items).into_iter().map(|f| f.path).collect();
        assert_eq!(paths, ["lines[0].a", "lines[1].a", "total", "lines[2].a"]);
    }
}
