//! What a run is given, and whether it fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use docmill_model::definition::{Definition, InputKind, InputSpec};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{DocumentId, SourceId};
use docmill_model::lookup;
use docmill_model::plugin::{essence, media_type_fits};
use docmill_model::reading::Source;
use docmill_model::run::Lookup;
use serde_json::{Value as Json, json};

use crate::expression::{Absent, Known, Scope, Template};
use crate::schema::{Schema, told};
use crate::{program, suggest, weight};

/// Largest params, roughly in bytes.
const PARAMS_BYTES: usize = 4 << 20;

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
///
/// Compiles the params' schema each time: with a plan at hand, [`crate::Executor::check_inputs`] has it compiled.
pub fn check_inputs(definition: &Definition, inputs: &RunInputs) -> Result<(), Failure> {
    check_roles(definition, inputs)?;
    check_params(params_schema(definition)?.as_ref(), &inputs.params)
}

pub(crate) fn check_roles(definition: &Definition, inputs: &RunInputs) -> Result<(), Failure> {
    let given = inputs
        .files
        .keys()
        .chain(inputs.texts.keys())
        .chain(inputs.records.keys());
    for role in given {
        if !definition.inputs.contains_key(role) {
            let role: String = role.chars().take(60).collect();
            let known: Vec<&str> = definition.inputs.keys().map(String::as_str).collect();
            let hint = match suggest::near(&role, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None if known.is_empty() => "it takes params alone".to_owned(),
                None => format!("its inputs are {}", known.join(", ")),
            };
            return Err(Failure::new(
                Code::UnknownInput,
                format!("the pipeline has no input '{role}'; {hint}"),
            ));
        }
    }
    definition
        .inputs
        .iter()
        .try_for_each(|(role, spec)| check_role(role, spec, inputs))
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
        let wanted = match spec.kind {
            InputKind::File => "a file",
            InputKind::Document => "a document",
            InputKind::Text => "a text",
            InputKind::Record => "a record",
        };
        let message = format!("the input '{role}' takes {wanted}, and something else came");
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
    let taken = |file: &&FileInput| {
        spec.accept
            .iter()
            .any(|a| media_type_fits(&file.bytes.media_type, a))
    };
    if let Some(file) = files.iter().find(|file| !taken(file)) {
        let message = format!(
            "the input '{role}' takes {}; what came is {} by its bytes",
            spec.accept.join(", "),
            file.bytes.media_type
        );
        return Err(Failure::new(Code::InputNotAccepted, message));
    }
    Ok(())
}

pub(crate) fn check_params(schema: Option<&Schema>, params: &Json) -> Result<(), Failure> {
    let invalid = |message: String| Failure::new(Code::InvalidParams, message);
    if !params.is_object() && !params.is_null() {
        return Err(invalid("params are a JSON object".to_owned()));
    }
    if weight::json(params) > PARAMS_BYTES {
        let message =
            format!("the params are larger than {PARAMS_BYTES} bytes; send what is large as an input");
        return Err(invalid(message));
    }
    let misfits = schema.map_or_else(Vec::new, |schema| {
        schema.misfits(&with_defaults(Some(schema), params))
    });
    if misfits.is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "the params do not fit the pipeline's schema: {}",
        told(&misfits)
    )))
}

pub(crate) fn params_schema(definition: &Definition) -> Result<Option<Schema>, Failure> {
    let compiled = definition.params.as_ref().map(Schema::compile).transpose();
    compiled.map_err(|message| Failure::new(Code::InvalidDefinition, format!("params: {message}")))
}

/// Params with the schema's default values where they are left out.
pub(crate) fn with_defaults(schema: Option<&Schema>, params: &Json) -> Json {
    let mut whole = if params.is_null() {
        json!({})
    } else {
        params.clone()
    };
    if let Some(schema) = schema {
        schema.fill(&mut whole);
    }
    whole
}

/// The values by which the run is found again. One that comes to nothing is left out.
///
/// Compiles the definition's expressions each time: with a plan at hand, [`crate::Executor::lookups`] has them compiled.
///
/// # Errors
/// [`Code::ExpressionFailed`], naming the look-up.
pub fn evaluate_lookups(definition: &Definition, inputs: &RunInputs) -> Result<Vec<Lookup>, Failure> {
    let mut problems = Vec::new();
    let templates = program::lookups(definition, &mut problems);
    if let Some(problem) = problems.first() {
        return Err(Failure::new(Code::InvalidDefinition, problem.to_string()));
    }
    lookups(
        &templates,
        params_schema(definition)?.as_ref(),
        definition,
        inputs,
    )
}

pub(crate) fn lookups(
    templates: &[(String, Template)],
    params: Option<&Schema>,
    definition: &Definition,
    inputs: &RunInputs,
) -> Result<Vec<Lookup>, Failure> {
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let known = Known {
        params: Arc::new(with_defaults(params, &inputs.params)),
        inputs: Arc::new(inputs.variable(definition)),
        ..Known::default()
    };
    let scope = Scope::new(
        known,
        inputs.first().map(|file| Arc::new(RunInputs::describe(file))),
    );
    let mut found = Vec::with_capacity(templates.len());
    for (name, template) in templates {
        let failed = |why: &str| Failure::new(Code::ExpressionFailed, format!("the look-up '{name}': {why}"));
        let value = match template.evaluate(&scope, Absent::Null) {
            Ok(Json::String(text)) => text,
            Ok(Json::Null) => continue,
            Ok(Json::Array(_) | Json::Object(_)) => {
                return Err(failed(
                    "a look-up is a text or a number, and this is a list or an object",
                ));
            }
            Ok(other) => other.to_string(),
            Err(error) => return Err(failed(&error.trouble.to_string())),
        };
        let value: String = value
            .chars()
            .filter(|c| *c != '\0')
            .take(lookup::MAX_VALUE_CHARS)
            .collect();
        let tokens = lookup::tokens(&value);
        if !tokens.is_empty() {
            found.push(Lookup {
                name: name.clone(),
                value,
                tokens,
            });
        }
    }
    Ok(found)
}

impl RunInputs {
    /// What expressions see of a file.
    pub(crate) fn describe(file: &FileInput) -> Json {
        let source = &file.bytes;
        json!({
            // An encoding behind it is for parsers: `input.media_type == 'text/csv'` holds whatever it is.
            "media_type": essence(&source.media_type),
            "name": source.name,
            "size": source.bytes.len(),
            "digest": source.digest.to_string(),
        })
    }

    /// The `inputs` variable: by role one value (none if none came), or a list where the role takes several.
    pub(crate) fn variable(&self, definition: &Definition) -> Json {
        let roles = definition.inputs.iter().filter_map(|(role, spec)| {
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
                values.pop()?
            };
            Some((role.clone(), value))
        });
        Json::Object(roles.collect())
    }

    /// The run's first file.
    pub(crate) fn first(&self) -> Option<&FileInput> {
        self.files.values().flatten().next()
    }
}

#[cfg(test)]
mod tests;
