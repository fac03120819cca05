//! What expressions see, and how fields become a tree.

use std::sync::{Arc, OnceLock};

use cel::common::types::{CelInt, CelNull};
use docmill_model::failure::Failure;
use docmill_model::reading::Reading;
use docmill_model::run::StepStatus;
use docmill_model::value::{Check, Field, Origin};
use serde_json::{Map, Value as Json, json};

use super::value::{Boxed, from_json, from_reading, list, map, text};
use crate::weight;

/// Objects and places of lists that the tree of fields may have…
const TREE_NODES: usize = 10_000;
/// …and how many more for each field. A field that finds no room, because its indices are large or its names many, is found
/// by its whole path alone.
const TREE_NODES_PER_FIELD: usize = 8;

macro_rules! variables {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// A variable of expressions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Variable {
            $($(#[$doc])* $name,)*
        }

        impl Variable {
            const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As expressions write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

variables! {
    /// The run's parameters.
    Params = "params";
    /// The run's inputs by role: one, or a list where the role takes several.
    Inputs = "inputs";
    /// The file that a parser reads; for the other kinds the run's first file.
    Input = "input";
    /// The main reading: `pages[n].text`, `metadata`, `language`, `media_type`.
    Reading = "reading";
    /// Fields found so far: `fields.total.value`, `fields.lines[0].amount.value`, `fields["seller.tax_id"]`.
    Fields = "fields";
    /// Checks made so far.
    Checks = "checks";
    /// Chunks made so far: `chunks[0].text`, `.headings`, `.metadata`, `.citations`, `.id`.
    Chunks = "chunks";
    /// Steps that are over: `steps.ID.status`, `.output`, `.artifacts`, `.error`.
    Steps = "steps";
    /// What `for_each` stands at.
    Item = "item";
    /// The number of the item, from 0.
    Index = "index";
}

impl Variable {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.name() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Why it cannot be used here.
    pub(super) fn out_of_place(self, allowed: Variables) -> String {
        let name = self.name();
        match self {
            Self::Item | Self::Index if allowed.has(Self::Fields) => {
                format!("'{name}' exists only in the configuration of a step with for_each")
            }
            _ => {
                let known: Vec<&str> = allowed.iter().map(Self::name).collect();
                format!(
                    "'{name}' is not known yet where this is evaluated; there are {}",
                    known.join(", ")
                )
            }
        }
    }
}

/// A set of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Variables(u16);

impl Variables {
    /// None.
    pub const NONE: Self = Self(0);
    /// Known before the steps run.
    pub const INPUTS: Self = Self::NONE
        .with(Variable::Params)
        .with(Variable::Inputs)
        .with(Variable::Input);
    /// Known while the steps run.
    pub const STEP: Self = Self::INPUTS
        .with(Variable::Reading)
        .with(Variable::Fields)
        .with(Variable::Checks)
        .with(Variable::Chunks)
        .with(Variable::Steps);
    /// Known for an item of a `for_each`.
    pub const ITEM: Self = Self::STEP.with(Variable::Item).with(Variable::Index);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, variable: Variable) -> Self {
        Self(self.0 | variable.bit())
    }

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is in the set.
    pub const fn has(self, variable: Variable) -> bool {
        self.0 & variable.bit() != 0
    }

    /// Its members, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Variable> {
        Variable::ALL.iter().copied().filter(move |v| self.has(*v))
    }
}

/// A step that is over, as `steps.ID` shows it.
#[derive(Debug, Clone)]
pub struct StepView {
    /// In the definition.
    pub id: String,
    /// How it ended.
    pub status: StepStatus,
    /// Whether `output` is a list, one for each item.
    pub several: bool,
    /// What a transformer gave as JSON; of a chunker its chunks; of an embedder all but the vectors.
    pub outputs: Vec<Arc<Json>>,
    /// Name, media type, size and digest of each file that it made.
    pub artifacts: Arc<Json>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// What is known at one point of a run.
#[derive(Debug, Default)]
pub struct Known {
    /// See [`Variable::Params`].
    pub params: Arc<Json>,
    /// See [`Variable::Inputs`].
    pub inputs: Arc<Json>,
    /// See [`Variable::Reading`].
    pub reading: Option<Arc<Reading>>,
    /// See [`Variable::Fields`].
    pub fields: Arc<Vec<Field>>,
    /// See [`Variable::Checks`].
    pub checks: Arc<Vec<Check>>,
    /// See [`Variable::Chunks`].
    pub chunks: Vec<Arc<Json>>,
    /// See [`Variable::Steps`].
    pub steps: Vec<StepView>,
    /// Made when an expression first asks for them.
    pub(crate) trees: Trees,
}

/// Fields and checks as expressions see them.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    fields: OnceLock<Json>,
    checks: OnceLock<Json>,
}

/// What an expression sees. Cloning it is cheap.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    known: Arc<Known>,
    input: Option<Arc<Json>>,
    item: Option<(Arc<Json>, usize)>,
}

impl Scope {
    /// A scope of what is known, without item.
    pub fn new(known: Known, input: Option<Arc<Json>>) -> Self {
        Self {
            known: Arc::new(known),
            input,
            item: None,
        }
    }

    /// The same for one item of a fan-out.
    #[must_use]
    pub fn for_item(&self, item: Arc<Json>, index: usize) -> Self {
        Self {
            item: Some((item, index)),
            ..self.clone()
        }
    }

    /// The same for another input file.
    #[must_use]
    pub fn for_input(&self, input: Option<Arc<Json>>) -> Self {
        Self {
            input,
            ..self.clone()
        }
    }

    /// The item of a fan-out, if this is the scope of one.
    pub fn item(&self) -> Option<&Arc<Json>> {
        self.item.as_ref().map(|(item, _)| item)
    }

    /// Whether these variables hold more than `most` bytes, roughly. Looks at no more than that.
    pub fn exceeds(&self, variables: Variables, most: usize) -> bool {
        let mut held = 0_usize;
        variables.iter().any(|variable| {
            held = held.saturating_add(self.weigh(variable, most));
            held > most
        })
    }

    fn weigh(&self, variable: Variable, most: usize) -> usize {
        let known = &self.known;
        let json = |json: &Json| weight::json_up_to(json, most);
        match variable {
            Variable::Params => json(&known.params),
            Variable::Inputs => json(&known.inputs),
            Variable::Reading => {
                let reading = known.reading.as_ref();
                reading.map_or(0, |r| r.text_bytes() + r.pages.len() * 256)
            }
            Variable::Fields => known.fields.len() * 512,
            Variable::Checks => known.checks.len() * 512,
            Variable::Chunks => weigh_all(known.chunks.iter(), most),
            Variable::Steps => weigh_all(known.steps.iter().flat_map(|step| &step.outputs), most),
            Variable::Item => self.item().map_or(0, |item| json(item)),
            Variable::Input | Variable::Index => 0,
        }
    }

    pub(super) fn value(&self, variable: Variable) -> Boxed<'_> {
        let known = &self.known;
        let null = || Box::new(CelNull) as Boxed<'_>;
        match variable {
            Variable::Params => from_json(&known.params),
            Variable::Inputs => from_json(&known.inputs),
            Variable::Input => self.input.as_deref().map_or_else(null, from_json),
            Variable::Reading => known.reading.as_deref().map_or_else(null, from_reading),
            Variable::Fields => from_json(known.trees.fields.get_or_init(|| field_tree(&known.fields))),
            Variable::Checks => from_json(known.trees.checks.get_or_init(|| check_list(&known.checks))),
            Variable::Chunks => list(known.chunks.iter().map(|chunk| from_json(chunk))),
            Variable::Steps => map(known
                .steps
                .iter()
                .map(|step| (step.id.as_str(), step_value(step)))),
            Variable::Item => self.item().map_or_else(null, |item| from_json(item)),
            Variable::Index => match &self.item {
                Some((_, index)) => Box::new(CelInt::from(i64::try_from(*index).unwrap_or(i64::MAX))),
                None => null(),
            },
        }
    }
}

/// What they hold together; looks at not much more than `most`.
fn weigh_all<'a>(values: impl Iterator<Item = &'a Arc<Json>>, most: usize) -> usize {
    let mut held = 0_usize;
    for value in values {
        held = held.saturating_add(weight::json_up_to(value, most));
        if held > most {
            break;
        }
    }
    held
}

fn step_value(step: &StepView) -> Boxed<'_> {
    let mut members = vec![
        ("status", text(step.status.as_str())),
        ("artifacts", from_json(&step.artifacts)),
    ];
    if step.several {
        members.push(("output", list(step.outputs.iter().map(|o| from_json(o)))));
    } else if let Some(output) = step.outputs.first() {
        members.push(("output", from_json(output)));
    }
    if let Some(error) = &step.error {
        let mut parts = vec![
            ("code", text(error.code.as_str())),
            ("message", text(&error.message)),
        ];
        if let Some(reason) = &error.reason {
            parts.push(("reason", text(reason)));
        }
        members.push(("error", map(parts.into_iter())));
    }
    map(members.into_iter())
}

fn check_list(checks: &[Check]) -> Json {
    checks
        .iter()
        .map(|check| {
            json!({
                "code": check.code,
                "outcome": check.outcome,
                "severity": check.severity,
                "reason": check.reason,
                "fields": check.fields,
                "step": step_of(check.origin.as_ref()),
            })
        })
        .collect()
}

fn step_of(origin: Option<&Origin>) -> Option<&str> {
    match origin {
        Some(Origin::Plugin { step, .. }) => Some(step),
        _ => None,
    }
}

/// Fields by path: `seller.tax_id` is found as `fields.seller.tax_id` and as `fields["seller.tax_id"]`. A field that was
/// looked for and not found has no `value`.
///
/// Where a path is both a field and a list (`lines` and `lines[0]`), the list has the place; where a nested name is one of
/// a field's own members (`a.value` beside `a`), the member has it. The whole path always finds the field.
pub(super) fn field_tree(fields: &[Field]) -> Json {
    let mut root = Json::Object(Map::new());
    let mut room = TREE_NODES.saturating_add(fields.len().saturating_mul(TREE_NODES_PER_FIELD));
    for field in fields {
        if let Some(place) = place(&mut root, &field.path, &mut room)
            && place.is_null()
        {
            *place = Json::Object(Map::new());
        }
    }
    for field in fields {
        let members = members(field);
        // What was not made above is not made now.
        if let Some(Json::Object(place)) = place(&mut root, &field.path, &mut 0) {
            place.extend(members.clone());
        }
        if field.path.contains(['.', '['])
            && let Json::Object(root) = &mut root
        {
            root.insert(field.path.clone(), Json::Object(members));
        }
    }
    root
}

fn members(field: &Field) -> Map<String, Json> {
    let mut members = Map::new();
    members.insert("path".into(), field.path.as_str().into());
    if let Some(value) = &field.value {
        members.insert("value".into(), value.plain());
    }
    if let Some(raw) = &field.raw {
        members.insert("raw".into(), raw.as_str().into());
    }
    if let Some(confidence) = field.confidence {
        members.insert("confidence".into(), f64::from(confidence).into());
    }
    if let Some(step) = step_of(field.origin.as_ref()) {
        members.insert("step".into(), step.into());
    }
    let citations: Json = field
        .citations
        .iter()
        .map(|c| json!({ "reading": c.reading, "page": c.page, "quote": c.quote, "match": c.class }))
        .collect();
    members.insert("citations".into(), citations);
    members
}

/// The place of a path in the tree, made on the way as long as there is `room`; null if it is new, none if something else
/// has it.
fn place<'a>(root: &'a mut Json, path: &str, room: &mut usize) -> Option<&'a mut Json> {
    let mut node = root;
    for part in path.split('.') {
        let (name, indices) = part
            .split_once('[')
            .map_or((part, ""), |(name, rest)| (name, rest));
        if node.is_null() {
            *node = Json::Object(Map::new());
        }
        let members = node.as_object_mut()?;
        if !members.contains_key(name) {
            *room = room.checked_sub(1)?;
        }
        node = members.entry(name).or_insert(Json::Null);
        for index in indices.split('[').filter(|i| !i.is_empty()) {
            let index: usize = index.strip_suffix(']')?.parse().ok()?;
            if node.is_null() || node.as_object().is_some_and(Map::is_empty) {
                *node = Json::Array(Vec::new());
            }
            let items = node.as_array_mut()?;
            let length = index.checked_add(1)?;
            if let Some(new) = length.checked_sub(items.len()) {
                *room = room.checked_sub(new)?;
                items.resize(length, Json::Null);
            }
            node = items.get_mut(index)?;
        }
    }
    Some(node)
}
