//! The functions that expressions have: CEL's own, and a few over text.
//!
//! `matches` is our own (the crate compiles the pattern at each call, without limits); `lower`, `upper`, `trim`, `split`
//! and `join` are not in CEL's standard library. Our own ones take the budget as their first argument, which
//! [`super::meter`] adds.

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use cel::common::types::{CelBool, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::meter::Budget;

/// Longest pattern of `matches`, in bytes.
const PATTERN_BYTES: usize = 1_024;
/// Largest compiled pattern, in bytes.
const PROGRAM_BYTES: usize = 1 << 20;
/// Steps that compiling a pattern costs.
const COMPILE_STEPS: u64 = 20_000;

struct Known {
    name: &'static str,
    /// Numbers of arguments as `name(…)`.
    global: &'static [usize],
    /// Numbers of arguments as `x.name(…)`.
    member: &'static [usize],
}

const fn known(name: &'static str, global: &'static [usize], member: &'static [usize]) -> Known {
    Known { name, global, member }
}

const FUNCTIONS: [Known; 22] = [
    known("size", &[1], &[0]),
    known("contains", &[], &[1]),
    known("startsWith", &[], &[1]),
    known("endsWith", &[], &[1]),
    known("matches", &[2], &[1]),
    known("lower", &[1], &[0]),
    known("upper", &[1], &[0]),
    known("trim", &[1], &[0]),
    known("split", &[2], &[1]),
    known("join", &[2], &[1]),
    known("int", &[1], &[]),
    known("uint", &[1], &[]),
    known("double", &[1], &[]),
    known("string", &[1], &[]),
    known("bool", &[1], &[]),
    known("bytes", &[1], &[]),
    known("dyn", &[1], &[]),
    known("type", &[1], &[]),
    known("hasValue", &[], &[0]),
    known("value", &[], &[0]),
    known("or", &[], &[1]),
    known("orValue", &[], &[1]),
];

/// Of the `optional` library: `optional.of(x)`.
const OPTIONAL: [(&str, usize); 3] = [("none", 0), ("of", 1), ("ofNonZeroValue", 1)];

/// Expanded before they are calls; a call of that name has the wrong arguments.
const MACROS: [(&str, &str); 9] = [
    ("has", "has(x.name)"),
    ("all", "list.all(item, condition)"),
    ("exists", "list.exists(item, condition)"),
    ("exists_one", "list.exists_one(item, condition)"),
    ("existsOne", "list.existsOne(item, condition)"),
    ("map", "list.map(item, value)"),
    ("filter", "list.filter(item, condition)"),
    ("optMap", "optional.optMap(value, expression)"),
    ("optFlatMap", "optional.optFlatMap(value, expression)"),
];

/// Functions of ours, which get the budget: name here, name in the environment.
const OWN: [(&str, &str); 6] = [
    ("matches", "@matches"),
    ("lower", "@lower"),
    ("upper", "@upper"),
    ("trim", "@trim"),
    ("split", "@split"),
    ("join", "@join"),
];

/// The name in the environment, if the function is one of ours.
pub(super) fn own(name: &str) -> Option<&'static str> {
    OWN.iter().find(|(known, _)| *known == name).map(|(_, own)| *own)
}

/// Whether a call can take long on a long text.
pub(super) fn is_heavy(name: &str) -> bool {
    own(name).is_some()
}

/// Whether the call is `optional.of(…)` and the like, whose target is no value.
pub(super) fn is_namespaced(call: &CallExpr) -> bool {
    matches!(call.target.as_deref().map(|t| &t.expr), Some(Expr::Ident(name)) if name == "optional")
        && OPTIONAL
            .iter()
            .any(|(name, arguments)| *name == call.func_name && *arguments == call.args.len())
}

/// Whether there is such a function; gives the target, if that is a value.
pub(super) fn judge(call: &CallExpr) -> Result<Option<&IdedExpr>, String> {
    let name = call.func_name.as_str();
    // Operators have names that cannot be written: `_+_`, `@in`. A leading dot means the outermost scope.
    if !name.starts_with('.') && !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(call.target.as_deref());
    }
    if is_namespaced(call) {
        return Ok(None);
    }
    if let Some((_, form)) = MACROS.iter().find(|(known, _)| *known == name) {
        return Err(format!("'{name}' is written as {form}"));
    }
    let Some(function) = FUNCTIONS.iter().find(|f| f.name == name) else {
        let names = FUNCTIONS
            .iter()
            .map(|f| f.name)
            .chain(MACROS.iter().map(|(name, _)| *name));
        let name: String = name.chars().take(60).collect();
        return Err(match crate::suggest::near(&name, names) {
            Some(near) => format!("there is no function '{name}'; did you mean '{near}'?"),
            None => format!("there is no function '{name}'"),
        });
    };
    let (arguments, style) = match call.target {
        None => (function.global, "f(x)"),
        Some(_) => (function.member, "x.f()"),
    };
    if arguments.contains(&call.args.len()) {
        return Ok(call.target.as_deref());
    }
    Err(if arguments.is_empty() {
        let other = if style == "f(x)" {
            format!("x.{name}(…)")
        } else {
            format!("{name}(x)")
        };
        format!("'{name}' is written as {other}")
    } else {
        format!(
            "'{name}' takes {} argument(s) here, not {}",
            arguments.first().unwrap_or(&0),
            call.args.len()
        )
    })
}

/// Adds our functions and the meter's to an environment.
pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let dynamic = super::meter::dynamic;
    environment.add_overload("@matches", "docmill_matches", dynamic(3), matches)?;
    environment.add_overload("@lower", "docmill_lower", dynamic(2), |args| {
        text(args, "lower", |text| text.to_lowercase())
    })?;
    environment.add_overload("@upper", "docmill_upper", dynamic(2), |args| {
        text(args, "upper", |text| text.to_uppercase())
    })?;
    environment.add_overload("@trim", "docmill_trim", dynamic(2), |args| {
        text(args, "trim", |text| text.trim().to_owned())
    })?;
    environment.add_overload("@split", "docmill_split", dynamic(3), split)?;
    environment.add_overload("@join", "docmill_join", dynamic(3), join)?;
    super::meter::declare(environment)
}

fn wrong(function: &str, message: &str) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn string<'a>(arg: Option<&'a CowVal<'_, '_>>, function: &str) -> Result<&'a str, ExecutionError> {
    arg.and_then(|a| a.downcast_ref::<CelString>())
        .map(CelString::inner)
        .ok_or_else(|| wrong(function, "takes text"))
}

fn text<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    function: &str,
    change: impl Fn(&str) -> String,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let text = string(args.get(1), function)?;
    budget.charge_bytes(text.len(), function)?;
    Ok(CowVal::owned(CelString::from(change(text))))
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let (text, pattern) = (string(args.get(1), "matches")?, string(args.get(2), "matches")?);
    if pattern.len() > PATTERN_BYTES {
        return Err(wrong("matches", "takes a pattern of at most 1024 bytes"));
    }
    // The search is linear in text × pattern at worst.
    budget.charge_bytes(text.len().saturating_mul(1 + pattern.len() / 32), "matches")?;
    let regex = budget.regex(pattern, || {
        budget.charge_steps(COMPILE_STEPS)?;
        regex::RegexBuilder::new(pattern)
            .size_limit(PROGRAM_BYTES)
            .dfa_size_limit(PROGRAM_BYTES)
            .build()
            .map_err(|_| {
                wrong(
                    "matches",
                    "takes a regular expression (without look-around and back references)",
                )
            })
    })?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(text))))
}

fn split<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let (text, separator) = (string(args.get(1), "split")?, string(args.get(2), "split")?);
    if separator.is_empty() {
        return Err(wrong("split", "takes a separator that is not empty"));
    }
    budget.charge_bytes(text.len(), "split")?;
    let mut parts: Vec<Box<dyn Val + 'v>> = Vec::new();
    for part in text.split(separator) {
        budget.charge_bytes(part.len().saturating_add(super::meter::VALUE_BYTES), "split")?;
        parts.push(Box::new(CelString::from(part.to_owned())));
    }
    Ok(CowVal::owned(CelList::from(parts)))
}

fn join<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let separator = string(args.get(2), "join")?;
    let list = args
        .get(1)
        .and_then(|a| a.downcast_ref::<CelList>())
        .ok_or_else(|| wrong("join", "takes a list of texts"))?;
    let mut joined = String::new();
    for (n, item) in list.inner().iter().enumerate() {
        let item = item
            .downcast_ref::<CelString>()
            .ok_or_else(|| wrong("join", "takes a list of texts"))?;
        budget.charge_bytes(item.inner().len().saturating_add(separator.len()), "join")?;
        if n > 0 {
            joined.push_str(separator);
        }
        joined.push_str(item.inner());
    }
    Ok(CowVal::owned(CelString::from(joined)))
}
