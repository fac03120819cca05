//! JSON Schemas: of params, and of plugins' configurations.

use docmill_model::definition::Problem;
use jsonschema::Validator;
use serde_json::{Map, Value as Json};

/// Most mistakes that are named at once.
const MAX_MISTAKES: usize = 20;

/// Compiles a schema. References to other documents are refused: nothing is fetched.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(schema: &Json) -> Result<Validator, String> {
    if schema.is_null() {
        return compile(&Json::Bool(true));
    }
    jsonschema::options()
        .build(schema)
        .map_err(|error| format!("is not a JSON Schema: {error}"))
}

/// A place in a value where it does not fit, as a JSON pointer, and why.
pub(crate) struct Mistake {
    pub(crate) pointer: String,
    pub(crate) keyword: String,
    pub(crate) message: String,
}

/// Where `value` does not fit.
pub(crate) fn mistakes(schema: &Validator, value: &Json) -> Vec<Mistake> {
    schema
        .iter_errors(value)
        .take(MAX_MISTAKES)
        .map(|error| Mistake {
            pointer: error.instance_path().to_string(),
            keyword: error.kind().keyword().to_owned(),
            // A configuration may hold what should not be repeated, and a document's text certainly.
            message: error.masked().to_string(),
        })
        .collect()
}

/// The same for a configuration whose strings at `dynamic` (JSON pointers) are filled in later: what depends on them is
/// not judged yet.
pub(crate) fn static_problems(schema: &Json, value: &Json, dynamic: &[String], at: &str) -> Vec<Problem> {
    let validator = match compile(schema) {
        Ok(validator) => validator,
        Err(message) => {
            return vec![Problem::new(
                at,
                format!("the plugin's configuration schema {message}"),
            )];
        }
    };
    let may_change = |mistake: &Mistake| {
        dynamic.iter().any(|pointer| {
            let inside = pointer
                .strip_prefix(&mistake.pointer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let structural = [
                "additionalProperties",
                "required",
                "type",
                "unevaluatedProperties",
            ];
            inside && (*pointer == mistake.pointer || !structural.contains(&mistake.keyword.as_str()))
        })
    };
    mistakes(&validator, value)
        .into_iter()
        .filter(|mistake| !may_change(mistake))
        .map(|mistake| {
            Problem::new(
                format!("{at}{}", mistake.pointer.replace('/', ".")),
                mistake.message,
            )
        })
        .collect()
}

/// The default values of a schema's top-level properties.
pub(crate) fn defaults(schema: &Json) -> Json {
    let properties = schema.get("properties").and_then(Json::as_object);
    let with_default = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
    Json::Object(with_default.collect())
}

/// `over` laid over `under`, member by member at the top level.
pub(crate) fn overlay(under: &Json, over: Json) -> Json {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            let mut members: Map<String, Json> = under.clone();
            members.extend(over);
            Json::Object(members)
        }
        (_, over) => over,
    }
}
