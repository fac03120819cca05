//! A pipeline as a picture: its steps from top to bottom, those that may run side by side beside each other.

use docmill_model::definition::{Definition, InputKind, OnError, StepSpec};
use maud::{Markup, html};

use super::shown::cut;

const WIDTH: usize = 232;
const HEIGHT: usize = 74;
const GAP: usize = 24;
const FALL: usize = 40;
/// Longest line in a box, in characters.
const LINE: usize = 30;

/// A step in its place.
struct Box<'a> {
    step: &'a StepSpec,
    needs: Vec<usize>,
    row: usize,
    column: usize,
}

/// Where each step stands: one row below the lowest of those that it needs.
fn placed(steps: &[StepSpec]) -> Vec<Box<'_>> {
    let mut boxes: Vec<Box<'_>> = Vec::with_capacity(steps.len());
    // Steps may be written before those that they need: as often as there are steps, rows settle.
    for (place, step) in steps.iter().enumerate() {
        let needs = match &step.needs {
            Some(needs) => {
                let found = needs
                    .iter()
                    .filter_map(|id| steps.iter().position(|s| s.id == *id));
                found.collect()
            }
            None => place.checked_sub(1).into_iter().collect(),
        };
        boxes.push(Box {
            step,
            needs,
            row: 0,
            column: 0,
        });
    }
    for _ in 0..boxes.len() {
        let rows: Vec<usize> = boxes
            .iter()
            .map(|one| {
                let above = one.needs.iter().filter_map(|need| boxes.get(*need));
                above.map(|need| need.row + 1).max().unwrap_or(0)
            })
            .collect();
        for (one, row) in boxes.iter_mut().zip(rows) {
            one.row = row;
        }
    }
    let mut filled = vec![0; boxes.len() + 1];
    for one in &mut boxes {
        if let Some(count) = filled.get_mut(one.row) {
            one.column = *count;
            *count += 1;
        }
    }
    boxes
}

/// The same in words.
fn told(step: &StepSpec) -> String {
    let mut text = format!("Step {} uses {}", step.id, step.plugin);
    match &step.needs {
        Some(needs) if needs.is_empty() => text.push_str(", at once"),
        Some(needs) => text.push_str(&format!(", after {}", needs.join(" and "))),
        None => {}
    }
    if let Some(when) = &step.when {
        text.push_str(&format!(", if {when}"));
    }
    if let Some(each) = &step.for_each {
        text.push_str(&format!(", for each of {each}"));
    }
    if let OnError::Fallback(fallback) = &step.on_error {
        text.push_str(&format!(", or else {}", fallback.plugin()));
    }
    text
}

/// The picture, with a list of the same for who does not see it.
pub fn picture(definition: &Definition) -> Markup {
    let boxes = placed(&definition.steps);
    let rows = boxes.iter().map(|one| one.row + 1).max().unwrap_or(0);
    let in_row = |row: usize| boxes.iter().filter(|one| one.row == row).count();
    let widest = (0..rows).map(in_row).max().unwrap_or(1).max(1);
    let width = widest * (WIDTH + GAP) + GAP;
    // The left upper corner: each row stands in the middle.
    let corner = |one: &Box<'_>| {
        let own = in_row(one.row) * (WIDTH + GAP) - GAP;
        let left = (width - own) / 2 + one.column * (WIDTH + GAP);
        (left, HEIGHT / 2 + FALL + one.row * (HEIGHT + FALL))
    };
    let middle = width / 2;
    let bottom = HEIGHT / 2 + FALL + rows * (HEIGHT + FALL);
    let height = bottom + HEIGHT / 2 + 4;
    // Behind a step that runs several times stand its others.
    let over = |one: &Box<'_>, top: usize| if one.step.for_each.is_some() { top - 8 } else { top };
    let arrow = |from: (usize, usize), to: (usize, usize)| {
        let ((x1, y1), (x2, y2)) = (from, to);
        let bend = (y2.saturating_sub(y1)) / 2;
        html! { path.edge d=(format!("M{x1} {y1}C{x1} {} {x2} {} {x2} {}", y1 + bend, y2.saturating_sub(bend), y2.saturating_sub(5))) marker-end="url(#tip)" {} }
    };
    let last = |place: usize| !boxes.iter().any(|other| other.needs.contains(&place));
    let inputs: Vec<String> = definition
        .inputs
        .iter()
        .map(|(role, spec)| {
            let kind = match spec.kind {
                InputKind::File => "file",
                InputKind::Document => "document",
                InputKind::Text => "text",
                InputKind::Record => "record",
            };
            if role == kind {
                role.clone()
            } else {
                format!("{role} ({kind})")
            }
        })
        .collect();
    let inputs = if inputs.is_empty() {
        "params".to_owned()
    } else {
        inputs.join(", ")
    };
    html! {
        div.picture tabindex="0" role="group" aria-label="Picture of the pipeline" {
            svg viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img" aria-labelledby="picture-title picture-desc" {
                title id="picture-title" { "The pipeline " (definition.name) }
                desc id="picture-desc" { (definition.steps.iter().map(told).collect::<Vec<_>>().join(". ")) "." }
                defs { marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse" { path.tip d="M0 0L8 4L0 8z" {} } }
                @for (place, one) in boxes.iter().enumerate() {
                    @let (left, top) = corner(one);
                    @if one.needs.is_empty() { (arrow((middle, HEIGHT / 2 + 4), (left + WIDTH / 2, over(one, top)))) }
                    @for need in one.needs.iter().filter_map(|need| boxes.get(*need)) {
                        @let (x, y) = corner(need);
                        (arrow((x + WIDTH / 2, y + HEIGHT), (left + WIDTH / 2, over(one, top))))
                    }
                    @if last(place) { (arrow((left + WIDTH / 2, top + HEIGHT), (middle, bottom))) }
                }
                (end(middle, 4, &inputs))
                @for one in &boxes { (drawn(one.step, corner(one))) }
                (end(middle, bottom, "result"))
            }
        }
        details {
            summary { "The same in words" }
            ol.words { @for step in &definition.steps { li { (told(step)) } } }
        }
    }
}

/// Where a document comes in, and where the result goes out.
fn end(middle: usize, top: usize, word: &str) -> Markup {
    let width = 168;
    html! {
        g {
            title { (word) }
            rect.end x=(middle - width / 2) y=(top) width=(width) height=(HEIGHT / 2) rx=(HEIGHT / 4) {}
            text.label x=(middle) y=(top + 24) text-anchor="middle" { (cut(word, 20)) }
        }
    }
}

fn drawn(step: &StepSpec, (left, top): (usize, usize)) -> Markup {
    let condition = step.when.as_ref().map(|when| format!("if {when}"));
    let each = step.for_each.as_ref().map(|each| format!("each of {each}"));
    let line = each.or(condition);
    html! {
        g.step.maybe[step.when.is_some()] {
            title { (told(step)) }
            @if step.for_each.is_some() {
                rect.behind x=(left + 8) y=(top - 8) width=(WIDTH) height=(HEIGHT) rx="10" {}
                rect.behind x=(left + 4) y=(top - 4) width=(WIDTH) height=(HEIGHT) rx="10" {}
            }
            rect.front x=(left) y=(top) width=(WIDTH) height=(HEIGHT) rx="10" {}
            text.label x=(left + 14) y=(top + 24) { (cut(&step.id, 24)) }
            text.plugin x=(left + 14) y=(top + 43) { (cut(&step.plugin.to_string(), LINE)) }
            @if let Some(line) = line { text.condition x=(left + 14) y=(top + 62) { (cut(&line, LINE + 3)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(yaml: &str) -> Vec<(usize, usize)> {
        let definition = Definition::parse(yaml).unwrap();
        let boxes = placed(&definition.steps);
        boxes.iter().map(|one| (one.row, one.column)).collect()
    }

    #[test]
    fn steps_stand_below_what_they_need() {
        let diamond = "{name: d, steps: [{id: a, use: x/a@1}, {id: b, use: x/b@1}, {id: c, use: x/c@1, needs: [a]}, \
             {id: d, use: x/d@1, needs: [b, c]}, {id: e, use: x/e@1, needs: []}]}";
        assert_eq!(places(diamond), [(0, 0), (1, 0), (1, 1), (2, 0), (0, 1)]);
    }

    #[test]
    fn what_a_definition_says_is_text() {
        let hostile = "{name: d, steps: [{id: a, use: x/a@1, when: \"'<script>' == '</title>'\"}]}";
        let drawn = picture(&Definition::parse(hostile).unwrap()).into_string();
        assert!(
            !drawn.contains("<script>") && drawn.contains("&lt;script&gt;"),
            "{drawn}"
        );
    }
}
