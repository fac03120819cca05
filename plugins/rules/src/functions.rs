//! Functions beside CEL's own.

use crate::number::{NUMBER, Number};
use cel::common::types::{CelBool, CelInt, CelList, CelString, DYN_TYPE, LIST_TYPE, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};
use regex::RegexBuilder;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

/// Makes the left operand of an operator an exact number if it is a number. Cannot be written in an expression.
pub const NUMBER_OF: &str = "@number";
/// Equality up to a tolerance.
pub const NEAR: &str = "@near";

/// Names that an expression may call, beside operators and macros.
pub const NAMES: [&str; 27] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
    "decimal",
    "sum",
    "min",
    "max",
    "abs",
    "round",
    "days_between",
    "same_text",
    "optional.of",
    "optional.none",
    "value",
    "hasValue",
    "orValue",
    "or",
];

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// CEL's standard functions and ours.
///
/// # Errors
/// If two declarations collide.
pub fn environment() -> Result<Env, DeclarationError> {
    let any = || vec![DYN_TYPE];
    let mut env = Env::stdlib();
    env.add_overload(NUMBER_OF, "number_of", any(), number_of)?;
    env.add_overload(NEAR, "near", vec![DYN_TYPE, DYN_TYPE, STRING_TYPE], near)?;
    env.add_overload("decimal", "decimal", any(), decimal)?;
    env.add_overload("sum", "sum_list", vec![LIST_TYPE], sum)?;
    env.add_overload("min", "min_list", vec![LIST_TYPE], |args| {
        extreme(args, "min", |new, old| new < old)
    })?;
    env.add_overload("max", "max_list", vec![LIST_TYPE], |args| {
        extreme(args, "max", |new, old| new > old)
    })?;
    env.add_overload("abs", "abs", any(), abs)?;
    env.add_overload("round", "round", vec![DYN_TYPE, DYN_TYPE], round)?;
    env.add_overload(
        "days_between",
        "days_between",
        vec![STRING_TYPE, STRING_TYPE],
        days_between,
    )?;
    env.add_overload(
        "same_text",
        "same_text",
        vec![STRING_TYPE, STRING_TYPE],
        same_text,
    )?;
    env.add_overload(
        "matches",
        "matches_string",
        vec![STRING_TYPE, STRING_TYPE],
        matches,
    )?;
    env.add_member_overload(
        "matches",
        "string_matches",
        STRING_TYPE,
        vec![STRING_TYPE],
        matches,
    )?;
    env.add_overload("string", "decimal_to_string", vec![NUMBER.to_owned()], |args| {
        Ok(CowVal::owned(CelString::from(
            number("string", args.first())?.value.to_string(),
        )))
    })?;
    env.add_overload("int", "decimal_to_int", vec![NUMBER.to_owned()], |args| {
        let whole = number("int", args.first())?.value.trunc().to_i64();
        let int = whole.ok_or_else(|| ExecutionError::function_error("int", "the number is too large"))?;
        Ok(CowVal::owned(CelInt::from(int)))
    })?;
    Ok(env)
}

fn number(function: &str, argument: Option<&CowVal<'_, '_>>) -> Result<Number, ExecutionError> {
    let argument = argument.ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))?;
    Number::of(argument.as_ref()).ok_or_else(|| {
        let kind = argument.get_type().name().to_owned();
        ExecutionError::function_error(function, format!("a number was expected, not a {kind}"))
    })
}

fn text<'a>(argument: Option<&'a CowVal<'_, '_>>) -> &'a str {
    argument
        .and_then(|argument| argument.downcast_ref::<CelString<'_>>())
        .map_or("", CelString::inner)
}

fn number_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let argument = args
        .into_iter()
        .next()
        .ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))?;
    Ok(match Number::strict(argument.as_ref()) {
        Some(number) => CowVal::owned(number),
        None => argument,
    })
}

fn near<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let tolerance = Decimal::from_str_exact(text(args.get(2))).unwrap_or_default();
    let [left, right, ..] = args.as_slice() else {
        return Err(ExecutionError::invalid_argument_count(3, args.len()));
    };
    let equal = match (Number::of(left.as_ref()), Number::of(right.as_ref())) {
        (Some(left), Some(right)) => left.near(&right, tolerance),
        _ => left.equals(right.as_ref()),
    };
    Ok(CowVal::owned(CelBool::from(equal)))
}

fn decimal<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    Ok(CowVal::owned(number("decimal", args.first())?))
}

fn numbers(args: &Args<'_, '_>, function: &str) -> Result<Vec<Number>, ExecutionError> {
    let list = args
        .first()
        .and_then(|list| list.downcast_ref::<CelList<'_>>())
        .map_or(&[][..], CelList::inner);
    list.iter()
        .map(|item| {
            Number::of(item.as_ref()).ok_or_else(|| {
                let kind = item.get_type().name().to_owned();
                ExecutionError::function_error(
                    function,
                    format!("a number was expected in the list, not a {kind}"),
                )
            })
        })
        .collect()
}

/// The sum of a list; of an empty one 0.
fn sum<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let numbers = numbers(&args, "sum")?;
    let start = numbers
        .first()
        .map_or(Number::plain(Decimal::ZERO), |first| Number {
            value: Decimal::ZERO,
            currency: first.currency.clone(),
        });
    let total = numbers
        .iter()
        .try_fold(start, |total, number| total.plus(number))?;
    Ok(CowVal::owned(total))
}

fn extreme<'b, 'v>(
    args: Args<'b, 'v>,
    function: &str,
    better: fn(&Decimal, &Decimal) -> bool,
) -> Answer<'b, 'v> {
    let best = numbers(&args, function)?.into_iter().reduce(|best, next| {
        if better(&next.value, &best.value) {
            next
        } else {
            best
        }
    });
    best.map(CowVal::owned)
        .ok_or_else(|| ExecutionError::function_error(function, "the list is empty"))
}

fn abs<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let number = number("abs", args.first())?;
    Ok(CowVal::owned(Number {
        value: number.value.abs(),
        ..number
    }))
}

/// To places behind the point, halves away from zero as in commerce.
fn round<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let places = number("round", args.get(1))?
        .value
        .to_u32()
        .filter(|places| *places <= 28);
    let places = places.ok_or_else(|| ExecutionError::function_error("round", "places are 0 to 28"))?;
    let number = number("round", args.first())?;
    let value = number
        .value
        .round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    Ok(CowVal::owned(Number { value, ..number }))
}

/// Days from one date (2024-03-12) to another, negative if the other is earlier.
fn days_between<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let day = |argument| {
        days(text(argument))
            .ok_or_else(|| ExecutionError::function_error("days_between", "a date is written 2024-03-12"))
    };
    Ok(CowVal::owned(CelInt::from(
        day(args.get(1))? - day(args.first())?,
    )))
}

/// Days since 0000-03-01 of the Gregorian calendar, by counting March as the first month.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.get(..10)?.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let shifted = (month + 9) % 12;
    Some(
        365 * year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (153 * shifted + 2) / 5
            + day
            - 1,
    )
}

/// The same words in any order; case, ё/е, quotes and punctuation do not matter: "Иванов Пётр" and "ПЕТР ИВАНОВ".
fn same_text<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let words = |argument| {
        let folded = text(argument).to_lowercase().replace('ё', "е");
        let mut words: Vec<String> = folded
            .split(|char: char| !char.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        words.sort_unstable();
        words
    };
    Ok(CowVal::owned(CelBool::from(
        words(args.first()) == words(args.get(1)),
    )))
}

fn matches<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let regex = RegexBuilder::new(text(args.get(1)))
        .size_limit(1 << 20)
        .nest_limit(50)
        .build();
    let regex = regex.map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(text(args.first())))))
}
