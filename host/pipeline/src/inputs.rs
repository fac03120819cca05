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

use crate::expression::{Absent, Allowance, Scope, Stop, Template};
use crate::schema::{Effort, Schema, TooMuch, told};
use crate::{INLINE_BYTES, suggest, weight};

/// Largest params, roughly in bytes.
const PARAMS_BYTES: usize = 4 << 20;
/// Expressions of all look-ups that may use up their budgets: about a fifth of a second.
const LOOKUP_ALLOWANCE: u64 = 2;

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

/// Compares files, texts and records with what the definition takes.
///
/// # Errors
/// [`Code::MissingInput`], [`Code::DuplicateInput`], [`Code::UnknownInput`], [`Code::InputNotAccepted`]; the message names the
/// role.
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

/// Whether the params can be looked at at all: an object, and not too large.
///
/// # Errors
/// [`Code::InvalidParams`].
pub(crate) fn check_size(params: &Json) -> Result<(), Failure> {
    if !params.is_object() && !params.is_null() {
        return Err(invalid("params are a JSON object".to_owned()));
    }
    if weight::json_up_to(params, PARAMS_BYTES) > PARAMS_BYTES {
        let message =
            format!("the params are larger than {PARAMS_BYTES} bytes; send what is large as an input");
        return Err(invalid(message));
    }
    Ok(())
}

/// Compares params of a good size with the definition's schema: the inner result, with [`Code::InvalidParams`].
///
/// # Errors
/// When that is more than the effort allows.
pub(crate) fn check_params(
    schema: Option<&Schema>,
    params: &Json,
    effort: Effort,
) -> Result<Result<(), Failure>, TooMuch> {
    let Some(schema) = schema else { return Ok(Ok(())) };
    let misfits = schema.misfits(&with_defaults(Some(schema), params, effort)?, effort)?;
    Ok(if misfits.is_empty() {
        Ok(())
    } else {
        Err(invalid(format!(
            "the params do not fit the pipeline's schema: {}",
            told(&misfits)
        )))
    })
}

pub(crate) fn invalid(message: String) -> Failure {
    Failure::new(Code::InvalidParams, message)
}

/// Params with the schema's default values where they are left out.
///
/// # Errors
/// When that is more than the effort allows.
pub(crate) fn with_defaults(schema: Option<&Schema>, params: &Json, effort: Effort) -> Result<Json, TooMuch> {
    effort.admits(params)?;
    let mut whole = if params.is_null() {
        json!({})
    } else {
        params.clone()
    };
    if let Some(schema) = schema {
        schema.fill(&mut whole, effort)?;
    }
    Ok(whole)
}

/// The values by which the run is found again. One that comes to nothing is left out.
///
/// # Errors
/// [`Code::ExpressionFailed`], naming the look-up.
pub(crate) fn lookups(
    templates: &[(String, Template)],
    scope: &Scope,
    stop: &Stop,
) -> Result<Vec<Lookup>, Failure> {
    let mut allowance = Allowance::new(LOOKUP_ALLOWANCE, stop);
    let mut found = Vec::with_capacity(templates.len());
    for (name, template) in templates {
        let failed = |why: &str| Failure::new(Code::ExpressionFailed, format!("the look-up '{name}': {why}"));
        let value = match template.evaluate_within(scope, Absent::Null, &mut allowance) {
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
    /// Everything else, which is shared, not copied.
    pub(crate) fn without_params(&self) -> Self {
        Self {
            params: Json::Null,
            files: self.files.clone(),
            texts: self.texts.clone(),
            records: self.records.clone(),
        }
    }

    /// Whether texts and records are little enough to be copied where the run is.
    pub(crate) fn is_small(&self) -> bool {
        let texts = self.texts.values().flatten().map(|text| text.len());
        let records = self.records.values().flatten();
        let mut held = 0_usize;
        texts
            .chain(records.map(|record| weight::json_up_to(record, INLINE_BYTES)))
            .all(|bytes| {
                held = held.saturating_add(bytes);
                held <= INLINE_BYTES
            })
    }

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
