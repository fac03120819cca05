//! From rules and inputs to checks.

use crate::config::{Config, Locale, RuleConfig, Tolerance};
use crate::expression::{Compiled, Refused, compile, lists};
use crate::message::{self, Template};
use crate::number::Number;
use crate::{functions, node};
use cel::common::types::CelBool;
use cel::{Context, ExecutionError, Value};
use docmill_plugin::{prelude::*, tree};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Evidence that one check carries.
const CITATIONS_MAX: usize = 20;
/// An engine's own words may quote whole values.
const REASON_CHARS: usize = 300;

/// A rule ready to run.
struct Rule {
    config: RuleConfig,
    expression: Compiled,
    when: Option<Compiled>,
    message: Option<Template>,
    /// Lists that the expression goes through.
    lists: Vec<String>,
}

/// # Errors
/// `invalid-config` with code `expression` or `message`, naming the rule and the place; `duplicate`, `code`,
/// `tolerance`. `invalid-input` with code `path` for fields that collide.
pub fn validate(inputs: &Inputs, config: Config) -> Result<Vec<Check>, Error> {
    let rules = compile_all(&config)?;
    let mut fields = inputs.fields();
    announce(&mut fields, &rules);
    let context = context(inputs, &fields)?;
    let mut checks = Vec::new();
    for rule in &rules {
        checks.extend(rule.check(&context, &fields, &config)?);
    }
    Ok(checks)
}

fn compile_all(config: &Config) -> Result<Vec<Rule>, Error> {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in &config.rules {
        let code = &rule.code;
        let shaped = !code.is_empty()
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !shaped || code.len() > 80 {
            let message =
                format!("The rule code {code:?} is none: small letters, digits and dashes, at most 80.");
            return Err(Error::invalid_config("code", message));
        }
        if rules.iter().any(|known| known.config.code == *code) {
            return Err(Error::invalid_config(
                "duplicate",
                format!("The rule `{code}` stands twice; rename one."),
            ));
        }
        let refused = |what: &str, kind: &str, at: Refused| {
            let Refused { line, column, reason } = at;
            let message = format!("The rule `{code}`: its {what}, line {line}, column {column}: {reason}.");
            Error::invalid_config(kind, message)
        };
        let tolerance = rule
            .tolerance
            .as_ref()
            .map(|given| tolerance(code, given))
            .transpose()?;
        let compiled = |source: &str, what| {
            compile(source, tolerance.as_deref()).map_err(|at| refused(what, "expression", at))
        };
        let expression = compiled(&rule.expression, "expression")?;
        let text = rule
            .message
            .as_ref()
            .and_then(|message| message.text(config.locale));
        rules.push(Rule {
            lists: lists(&expression.expression),
            expression,
            when: rule
                .when
                .as_deref()
                .map(|source| compiled(source, "`when`"))
                .transpose()?,
            message: text
                .map(message::parse)
                .transpose()
                .map_err(|at| refused("message", "message", at))?,
            config: rule.clone(),
        });
    }
    Ok(rules)
}

/// The digits of a tolerance: `1e-7` is how JSON may write 0.0000001.
fn tolerance(code: &str, given: &Tolerance) -> Result<String, Error> {
    let number = Number::of_json(&given.digits()).filter(|number| !number.value.is_sign_negative());
    number.map(|number| number.value.to_string()).ok_or_else(|| {
        let message =
            format!("The rule `{code}`: its tolerance is no number of at most 28 digits from 0 on.");
        Error::invalid_config("tolerance", message)
    })
}

/// Fields that rules name and nobody looked for are missing like those that were not found, so that `has` works.
fn announce(fields: &mut Vec<Field>, rules: &[Rule]) {
    for rule in rules {
        let when = rule.when.iter().flat_map(|when| &when.paths);
        let named = rule.config.fields.iter().flatten();
        for path in rule.expression.paths.iter().chain(when).chain(named) {
            if path.contains('[') || fields.iter().any(|field| field.path == *path) {
                continue;
            }
            fields.push(Field::missing(path.clone()));
            // A name that is a list elsewhere is no field.
            if tree::of_fields(fields).is_err() {
                fields.pop();
            }
        }
    }
}

fn context(inputs: &Inputs, fields: &[Field]) -> Result<Context<'static, 'static>, Error> {
    let env = functions::environment().map_err(|error| {
        Error::failed(
            "environment",
            format!("The expression functions collide: {error}."),
        )
    })?;
    let mut context = Context::with_env(Arc::new(env));
    context.add_variable_as_val("fields", node::of_fields(fields)?);
    let params: Json = serde_json::from_str(&inputs.params()).unwrap_or_else(|_| json!({}));
    context.add_variable_as_val("params", node::of_json(&params, "params"));
    let checks: Vec<Json> = inputs.checks().iter().map(tree::of_check).collect();
    context.add_variable_as_val("checks", node::of_json(&Json::Array(checks), "checks"));
    let document = inputs.main().as_ref().map_or_else(|| json!({}), tree::of_reading);
    context.add_variable_as_val("document", node::of_json(&document, "document"));
    Ok(context)
}

impl Rule {
    fn check(
        &self,
        context: &Context<'_, '_>,
        fields: &[Field],
        config: &Config,
    ) -> Result<Option<Check>, Error> {
        let locale = config.locale;
        let applies = match &self.when {
            None => Ok(true),
            Some(when) => self.decide(when, "`when`", context)?,
        };
        let (outcome, reason) = match applies {
            Ok(false) => return Ok(None),
            Err(stuck) => (Outcome::Undecided, stuck.reason(locale)),
            Ok(true) => self.judge(context, fields, config)?,
        };
        let paths = self.config.fields.clone().unwrap_or_else(|| self.named());
        Ok(Some(Check {
            code: self.config.code.clone(),
            outcome,
            severity: self.config.severity.into(),
            reason,
            citations: self.evidence(fields, &paths),
            fields: paths,
        }))
    }

    fn judge(
        &self,
        context: &Context<'_, '_>,
        fields: &[Field],
        config: &Config,
    ) -> Result<(Outcome, String), Error> {
        let locale = config.locale;
        let least = self.config.min_confidence.unwrap_or(config.min_confidence);
        let doubtful = fields.iter().find_map(|field| {
            let confidence = field.confidence.filter(|confidence| *confidence < least)?;
            self.reads(&field.path)
                .then_some((field.path.as_str(), confidence))
        });
        if let Some((path, confidence)) = doubtful {
            return Ok((Outcome::Undecided, message::unsure(locale, path, confidence)));
        }
        Ok(match self.decide(&self.expression, "expression", context)? {
            Ok(true) => (Outcome::Pass, message::passed(locale)),
            Ok(false) => {
                let written = self
                    .message
                    .as_ref()
                    .map(|message| message.render(context, locale));
                (
                    Outcome::Fail,
                    written.unwrap_or_else(|| message::failed(locale, &self.config.expression)),
                )
            }
            Err(stuck) => (Outcome::Undecided, stuck.reason(locale)),
        })
    }

    /// Whether the expression asks for a field, by its path or as a member of a list.
    fn reads(&self, path: &str) -> bool {
        let Compiled { paths, members, .. } = &self.expression;
        paths.iter().any(|named| named == path) || members.iter().any(|member| is_under(path, member))
    }

    /// The answer of an expression, or why there is none.
    fn decide(
        &self,
        compiled: &Compiled,
        what: &str,
        context: &Context<'_, '_>,
    ) -> Result<Result<bool, Stuck>, Error> {
        match Value::resolve_val(&compiled.expression, context) {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(bool) => Ok(Ok(*bool.inner())),
                None => {
                    let kind = value.get_type().name().to_owned();
                    let message = format!(
                        "The rule `{}`: its {what} gives {kind}, not true or false.",
                        self.config.code
                    );
                    Err(Error::invalid_config("not-boolean", message))
                }
            },
            Err(error) => Ok(Err(Stuck::from(error))),
        }
    }

    fn named(&self) -> Vec<String> {
        let mut paths = self.expression.paths.clone();
        paths.extend(
            self.lists
                .iter()
                .filter(|list| !self.expression.paths.contains(list))
                .cloned(),
        );
        paths.dedup();
        paths
    }

    /// The first evidence of every field that the rule is about, members of its lists included.
    fn evidence(&self, fields: &[Field], paths: &[String]) -> Vec<Citation> {
        let about = |field: &&Field| {
            paths.iter().any(|path| {
                field
                    .path
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
            })
        };
        fields
            .iter()
            .filter(about)
            .filter_map(|field| field.citations.first().cloned())
            .take(CITATIONS_MAX)
            .collect()
    }
}

/// Whether a path is `lines[].amount` at any index, or lies below it.
fn is_under(path: &str, member: &str) -> bool {
    let mut rest = path;
    for (at, name) in member.split("[]").enumerate() {
        if at > 0 {
            let index = rest.strip_prefix('[').and_then(|inner| inner.split_once(']'));
            let Some((_, after)) = index else { return false };
            rest = after;
        }
        let Some(after) = rest.strip_prefix(name) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty() || rest.starts_with(['.', '['])
}

/// Why a rule has no answer.
enum Stuck {
    Missing(String),
    Other(String),
}

impl From<ExecutionError> for Stuck {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::NoSuchKey(path) => Self::Missing(path.to_string()),
            ExecutionError::IndexOutOfBounds(_) => Self::Missing("an item of the list".to_owned()),
            ExecutionError::FunctionError { function, message } => {
                Self::Other(format!("`{function}`: {message}"))
            }
            other => Self::Other(other.to_string().chars().take(REASON_CHARS).collect()),
        }
    }
}

impl Stuck {
    fn reason(&self, locale: Locale) -> String {
        match self {
            Self::Missing(path) => message::missing(locale, path.strip_suffix(".value").unwrap_or(path)),
            Self::Other(why) => message::stuck(locale, why),
        }
    }
}
