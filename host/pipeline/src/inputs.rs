//! What a run is given, and whether it fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use docmill_model::definition::{Definition, InputKind, InputSpec};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{DocumentId, SourceId};
use docmill_model::lookup;
use docmill_model::plugin::media_type_fits;
use docmill_model::reading::Source;
use docmill_model::run::Lookup;
use serde_json::{Value as Json, json};

use crate::expression::{Absent, Known, Scope, Template, Trouble, Variables};
use crate::schema;

/// A file of a run.
#[derive(Debug, Clone)]
pub struct FileInput {
    /// The document that it belongs to.
    pub document: DocumentId,
    /// The row of its bytes.
    pub source: SourceId,
    /// The bytes.
    pub bytes: Arc<Source>,
}

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub struct RunInputs {
    /// An object.
    pub params: Json,
    /// Files by role; documents' sources too.
    pub files: BTreeMap<String, Vec<FileInput>>,
    /// Texts by role.
    pub texts: BTreeMap<String, Vec<Arc<str>>>,
    /// Records by role.
    pub records: BTreeMap<String, Vec<Arc<Json>>>,
}

/// Compares inputs with what the definition takes.
///
/// # Errors
/// [`Code::MissingInput`], [`Code::DuplicateInput`], [`Code::UnknownInput`], [`Code::InputNotAccepted`],
/// [`Code::InvalidParams`]; the message names role or place.
pub fn check_inputs(definition: &Definition, inputs: &RunInputs) -> Result<(), Failure> {
    let given = inputs
        .files
        .keys()
        .chain(inputs.texts.keys())
        .chain(inputs.records.keys());
    for role in given {
        if !definition.inputs.contains_key(role) {
            let known: Vec<&str> = definition.inputs.keys().map(String::as_str).collect();
            let message = format!(
                "the pipeline has no input '{role}'; its inputs are {}",
                known.join(", ")
            );
            return Err(Failure::new(Code::UnknownInput, message));
        }
    }
    for (role, spec) in &definition.inputs {
        check_role(role, spec, inputs)?;
    }
    check_params(definition, &inputs.params)
}

fn check_role(role: &str, spec: &InputSpec, inputs: &RunInputs) -> Result<(), Failure> {
    let files = inputs.files.get(role).map(Vec::as_slice).unwrap_or_default();
    let (texts, records) = (
        inputs.texts.get(role).map_or(0, Vec::len),
        inputs.records.get(role).map_or(0, Vec::len),
    );
    let count = match spec.kind {
        InputKind::File | InputKind::Document => files.len(),
        InputKind::Text => texts,
        InputKind::Record => records,
    };
    if count != files.len() + texts + records {
        let message = format!("the input '{role}' is of kind {:?}; send that", spec.kind).to_lowercase();
        return Err(Failure::new(Code::UnknownInput, message));
    }
    if count < spec.min as usize {
        let message = format!(
            "the input '{role}' is missing: the pipeline needs {}, {count} came",
            spec.min
        );
        return Err(Failure::new(Code::MissingInput, message));
    }
    if count > spec.max as usize {
        let message = format!("the input '{role}' takes at most {}, {count} came", spec.max);
        return Err(Failure::new(Code::DuplicateInput, message));
    }
    if spec.kind == InputKind::File
        && let Some(file) = files.iter().find(|f| {
            !spec
                .accept
                .iter()
                .any(|a| media_type_fits(&f.bytes.media_type, a))
        })
    {
        let message = format!(
            "the input '{role}' takes {}; what came is {} by its bytes",
            spec.accept.join(", "),
            file.bytes.media_type
        );
        return Err(Failure::new(Code::InputNotAccepted, message));
    }
    Ok(())
}

fn check_params(definition: &Definition, params: &Json) -> Result<(), Failure> {
    let invalid = |message: String| Failure::new(Code::InvalidParams, message);
    if !params.is_object() && !params.is_null() {
        return Err(invalid("params are a JSON object".to_owned()));
    }
    let Some(schema) = &definition.params else {
        return Ok(());
    };
    let validator = schema::compile(schema).map_err(invalid)?;
    let mistakes = schema::mistakes(&validator, &with_defaults(definition, params));
    if mistakes.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = mistakes
        .into_iter()
        .map(|m| {
            if m.pointer.is_empty() {
                m.message
            } else {
                format!("{}: {}", m.pointer, m.message)
            }
        })
        .collect();
    Err(invalid(format!(
        "the params do not fit the pipeline's schema: {}",
        lines.join("; ")
    )))
}

/// Params with the schema's default values where they are left out.
pub(crate) fn with_defaults(definition: &Definition, params: &Json) -> Json {
    let given = if params.is_null() {
        json!({})
    } else {
        params.clone()
    };
    match &definition.params {
        Some(schema) => schema::overlay(&schema::defaults(schema), given),
        None => given,
    }
}

/// The values by which the run is found again. One that comes to nothing is left out.
///
/// # Errors
/// [`Code::ExpressionFailed`], naming the look-up.
pub fn evaluate_lookups(definition: &Definition, inputs: &RunInputs) -> Result<Vec<Lookup>, Failure> {
    if definition.lookups.is_empty() {
        return Ok(Vec::new());
    }
    let scope = inputs.scope(definition);
    let mut lookups = Vec::new();
    for spec in &definition.lookups {
        let template = Template::compile(
            &spec.value.as_str().into(),
            Variables::INPUTS,
            "lookups",
            &mut Vec::new(),
        );
        let value = match template.evaluate(&scope, Absent::Null) {
            Ok(Json::String(text)) => text,
            Ok(Json::Null) => continue,
            Ok(other) => other.to_string(),
            Err(failed) => match failed.trouble {
                Trouble::Absent(_) => continue,
                Trouble::Failed(why) => {
                    let message = format!("the look-up '{}' cannot be evaluated: {why}", spec.name);
                    return Err(Failure::new(Code::ExpressionFailed, message));
                }
            },
        };
        let value: String = value
            .chars()
            .filter(|c| *c != '\0')
            .take(lookup::MAX_VALUE_CHARS)
            .collect();
        let tokens = lookup::tokens(&value);
        if !tokens.is_empty() {
            lookups.push(Lookup {
                name: spec.name.clone(),
                value,
                tokens,
            });
        }
    }
    Ok(lookups)
}

impl RunInputs {
    /// What expressions see of a file.
    pub(crate) fn describe(file: &FileInput) -> Json {
        let source = &file.bytes;
        json!({
            "media_type": source.media_type,
            "name": source.name,
            "size": source.bytes.len(),
            "digest": source.digest.to_string(),
        })
    }

    /// The `inputs` variable: by role one value, or a list where the role takes several.
    pub(crate) fn variable(&self, definition: &Definition) -> Json {
        let roles = definition.inputs.iter().map(|(role, spec)| {
            let mut values: Vec<Json> = match spec.kind {
                InputKind::File | InputKind::Document => self
                    .files
                    .get(role)
                    .into_iter()
                    .flatten()
                    .map(Self::describe)
                    .collect(),
                InputKind::Text => self
                    .texts
                    .get(role)
                    .into_iter()
                    .flatten()
                    .map(|t| Json::from(t.as_ref()))
                    .collect(),
                InputKind::Record => self
                    .records
                    .get(role)
                    .into_iter()
                    .flatten()
                    .map(|r| r.as_ref().clone())
                    .collect(),
            };
            let value = if spec.max > 1 {
                Json::Array(values)
            } else {
                values.pop().unwrap_or(Json::Null)
            };
            (role.clone(), value)
        });
        Json::Object(roles.collect())
    }

    /// The run's first file.
    pub(crate) fn first(&self) -> Option<&FileInput> {
        self.files.values().flatten().next()
    }

    fn scope(&self, definition: &Definition) -> Scope {
        let known = Known {
            params: Arc::new(with_defaults(definition, &self.params)),
            inputs: Arc::new(self.variable(definition)),
            ..Known::default()
        };
        Scope::new(known, self.first().map(|file| Arc::new(Self::describe(file))))
    }
}
