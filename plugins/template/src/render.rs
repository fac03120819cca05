//! From a template and what the run found to text.

use crate::config::{Config, Missing, OutputKind};
use crate::filters;
use docmill_plugin::{prelude::*, tree};
use minijinja::{AutoEscape, Environment, ErrorKind as Kind, UndefinedBehavior};
use serde_json::{Map, Value as Json, json};
use std::io::Write;

/// Instructions of one rendering.
const FUEL: u64 = 5_000_000;
/// Includes and macros inside each other; each costs stack.
const RECURSION_MAX: usize = 50;
const OUTPUT_BYTES_MAX: usize = 16 << 20;
const NAME_CHARS_MAX: usize = 200;
const MAIN: &str = "template";

/// # Errors
/// `invalid-config` with code `template` and the line; `invalid-input` with code `missing-value`; `exhausted` with code `fuel` or
/// `output-size`; `failed` with code `render` or `not-json`.
pub fn transform(inputs: &Inputs, config: &Config) -> Result<Output, Error> {
    let data = data(inputs, config)?;
    let text = render(&config.template, MAIN, config, &data)?;
    if config.output == OutputKind::Json {
        let json = serde_json::from_str(&text).map_err(|error| {
            Error::failed(
                "not-json",
                format!("What the template rendered is not JSON: {error}. Quote nothing by hand."),
            )
        })?;
        return Ok(Output::Json(json));
    }
    let name = match &config.name {
        Some(name) => render(
            name,
            "name",
            &Config {
                media_type: "text/plain".to_owned(),
                ..config.clone()
            },
            &data,
        )?,
        None => format!("output.{}", extension(&config.media_type)),
    };
    Ok(Output::Artifact(Artifact {
        name: file_name(&name),
        media_type: config.media_type.clone(),
        content: text.into_bytes(),
    }))
}

fn render(source: &str, name: &str, config: &Config, data: &Json) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_undefined_behavior(match config.missing {
        Missing::Fail => UndefinedBehavior::Strict,
        Missing::Blank => UndefinedBehavior::Chainable,
    });
    let escape = escape(config);
    environment.set_auto_escape_callback(move |_| escape.clone());
    filters::add(&mut environment, config.locale);
    for (other, text) in &config.templates {
        environment
            .add_template(other, text)
            .map_err(|error| typed(&error, other))?;
    }
    let template = environment
        .template_from_named_str(name, source)
        .map_err(|error| typed(&error, name))?;
    let mut output = Limited(Vec::new());
    template
        .render_captured_to(minijinja::value::Serde(data), &mut output)
        .map_err(|error| typed(&error, name))?;
    String::from_utf8(output.0)
        .map_err(|_| Error::failed("render", "The template rendered text that is not UTF-8."))
}

fn escape(config: &Config) -> AutoEscape {
    match (config.output, config.media_type.as_str()) {
        (OutputKind::Json, _) | (_, "application/json") => AutoEscape::Json,
        (_, media) if media == "text/html" || media.ends_with("xml") => AutoEscape::Html,
        _ => AutoEscape::None,
    }
}

/// Output that stops in time.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(std::io::Error::other("output-size"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn typed(error: &minijinja::Error, name: &str) -> Error {
    let place = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("The template `{name}`, line {line}"),
        _ => format!("The template `{name}`"),
    };
    let mut why = error.kind().to_string();
    if let Some(detail) = error.detail() {
        why = format!("{why}: {detail}");
    }
    match error.kind() {
        Kind::SyntaxError
        | Kind::TemplateNotFound
        | Kind::UnknownFilter
        | Kind::UnknownTest
        | Kind::UnknownFunction
        | Kind::UnknownMethod
        | Kind::BadEscape
        | Kind::BadInclude
        | Kind::TooManyArguments
        | Kind::MissingArgument => Error::invalid_config("template", format!("{place}: {why}.")),
        Kind::UndefinedError => {
            let message = format!(
                "{place}: a value is missing. Write `{{{{ x | default(\"—\") }}}}`, or set `missing: blank`."
            );
            Error::invalid_input("missing-value", message)
        }
        Kind::OutOfFuel => Error::exhausted("fuel", format!("{place}: the rendering takes too many steps.")),
        Kind::WriteFailure => {
            let size = OUTPUT_BYTES_MAX >> 20;
            Error::exhausted(
                "output-size",
                format!("{place}: the output is larger than {size} MiB."),
            )
        }
        _ => Error::failed("render", format!("{place}: {why}.")),
    }
}

fn data(inputs: &Inputs, config: &Config) -> Result<Json, Error> {
    let mut fields = tree::of_fields(&inputs.fields())?;
    drop_missing(&mut fields);
    let params: Json = serde_json::from_str(&inputs.params()).unwrap_or_else(|_| json!({}));
    let records: Map<String, Json> = config
        .records
        .iter()
        .map(|role| {
            let records = inputs
                .records(role)
                .iter()
                .filter_map(|record| serde_json::from_str(record).ok())
                .collect();
            (role.clone(), Json::Array(records))
        })
        .collect();
    let texts: Map<String, Json> = config
        .texts
        .iter()
        .map(|role| (role.clone(), json!(inputs.texts(role))))
        .collect();
    let checks: Vec<Json> = inputs.checks().iter().map(tree::of_check).collect();
    let mut data =
        json!({ "params": params, "fields": fields, "checks": checks, "records": records, "texts": texts });
    if let (Some(reading), Some(data)) = (inputs.main(), data.as_object_mut()) {
        data.insert("document".to_owned(), tree::of_reading(&reading));
    }
    Ok(data)
}

/// A field without a value has no `value`, so that using it is an error and not the word "none".
fn drop_missing(tree: &mut Json) {
    match tree {
        Json::Object(members) => {
            if members.contains_key("confidence") && members.get("value").is_some_and(Json::is_null) {
                members.remove("value");
            }
            members.values_mut().for_each(drop_missing);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_missing),
        _ => {}
    }
}

fn extension(media_type: &str) -> &str {
    match media_type {
        "text/markdown" => "md",
        "text/html" => "html",
        "text/csv" => "csv",
        "application/json" => "json",
        media if media.ends_with("xml") => "xml",
        _ => "txt",
    }
}

/// A name without folders, marks that file systems dislike, or blanks at its ends.
fn file_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|char| {
            if char.is_control() || "/\\:*?\"<>|".contains(char) {
                '_'
            } else {
                char
            }
        })
        .take(NAME_CHARS_MAX)
        .collect();
    match kept.trim().trim_start_matches('.') {
        "" => "output".to_owned(),
        name => name.to_owned(),
    }
}
