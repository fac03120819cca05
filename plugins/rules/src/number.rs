//! Exact numbers and money in expressions. CEL's own doubles cannot hold 0.1, so fields never become doubles.

use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Divider, Indexer, Multiplier, Negator, Subtractor};
use cel::common::types::{CelDouble, CelInt, CelString, CelUInt, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use rust_decimal::Decimal;
use std::any::Any;
use std::cmp::Ordering;
use std::str::FromStr;

pub static NUMBER: Type = Type::new_unspecified_type("decimal");

/// A decimal, perhaps of a currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    pub value: Decimal,
    /// `None`: not money. `Some(None)`: money of an unknown currency.
    pub currency: Option<Option<String>>,
}

impl Number {
    pub fn plain(value: Decimal) -> Self {
        Self {
            value,
            currency: None,
        }
    }

    /// The contract's decimal; `None` beyond 28 digits.
    pub fn parse(digits: &str) -> Option<Self> {
        Decimal::from_str_exact(digits.trim()).ok().map(Self::plain)
    }

    /// A number as JSON writes it, with or without a power of ten; `None` beyond 28 digits.
    pub fn of_json(digits: &str) -> Option<Self> {
        Self::parse(digits).or_else(|| Decimal::from_scientific(digits).ok().map(Self::plain))
    }

    /// Any number, and text that is one.
    pub fn of(value: &(dyn Val + '_)) -> Option<Self> {
        Self::strict(value).or_else(|| Self::parse(value.downcast_ref::<CelString<'_>>()?.inner()))
    }

    /// Any number.
    pub fn strict(value: &(dyn Val + '_)) -> Option<Self> {
        if let Some(number) = value.downcast_ref::<Self>() {
            return Some(number.clone());
        }
        if let Some(int) = value.downcast_ref::<CelInt>() {
            return Some(Self::plain(Decimal::from(*int.inner())));
        }
        if let Some(uint) = value.downcast_ref::<CelUInt>() {
            return Some(Self::plain(Decimal::from(*uint.inner())));
        }
        // The shortest digits that mean this double are those that were written.
        let double = value.downcast_ref::<CelDouble>()?;
        Decimal::from_str(&double.inner().to_string())
            .ok()
            .map(Self::plain)
    }

    /// The currency of a sum or a comparison.
    fn common(&self, other: &Self, function: &str) -> Result<Option<Option<String>>, ExecutionError> {
        match (&self.currency, &other.currency) {
            (Some(Some(a)), Some(Some(b))) if a != b => Err(ExecutionError::function_error(
                function,
                format!("the currencies {a} and {b} differ"),
            )),
            (Some(Some(code)), _) | (_, Some(Some(code))) => Ok(Some(Some(code.clone()))),
            (Some(None), _) | (_, Some(None)) => Ok(Some(None)),
            (None, None) => Ok(None),
        }
    }

    pub fn plus(&self, other: &Self) -> Result<Self, ExecutionError> {
        let currency = self.common(other, "+")?;
        Ok(Self {
            value: known("+", self.value.checked_add(other.value))?,
            currency,
        })
    }

    /// Whether the two are equal up to `tolerance`; amounts of different currencies never are.
    pub fn near(&self, other: &Self, tolerance: Decimal) -> bool {
        self.common(other, "==").is_ok()
            && self
                .value
                .checked_sub(other.value)
                .is_some_and(|difference| difference.abs() <= tolerance)
    }

    fn operand(function: &str, value: &(dyn Val + '_)) -> Result<Self, ExecutionError> {
        Self::strict(value).ok_or_else(|| {
            let kind = value.get_type().name().to_owned();
            ExecutionError::function_error(function, format!("a number was expected, not a {kind}"))
        })
    }
}

/// The result of an operation that may not fit 28 digits.
pub fn known(function: &str, result: Option<Decimal>) -> Result<Decimal, ExecutionError> {
    result.ok_or_else(|| {
        ExecutionError::function_error(function, "the result is too large, or a division by zero")
    })
}

impl Val for Number {
    fn get_type(&self) -> &Type {
        &NUMBER
    }

    fn cel_type() -> &'static Type {
        &NUMBER
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_multiplier<'b, 'v>(&'b self) -> Option<&'b (dyn Multiplier + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_divider<'b, 'v>(&'b self) -> Option<&'b (dyn Divider + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_negator<'b, 'v>(&'b self) -> Option<&'b (dyn Negator + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        self.currency.as_ref().map(|_| self as _)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        Self::of(other).is_some_and(|other| self.near(&other, Decimal::ZERO))
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Number {}

impl Adder for Number {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::owned(self.plus(&Self::operand("+", rhs)?)?))
    }
}

impl Subtractor for Number {
    fn sub<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let rhs = Self::operand("-", rhs)?;
        let currency = self.common(&rhs, "-")?;
        Ok(CowVal::owned(Self {
            value: known("-", self.value.checked_sub(rhs.value))?,
            currency,
        }))
    }
}

impl Multiplier for Number {
    fn mul<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let rhs = Self::operand("*", rhs)?;
        let currency = self.currency.clone().or(rhs.currency);
        Ok(CowVal::owned(Self {
            value: known("*", self.value.checked_mul(rhs.value))?,
            currency,
        }))
    }
}

impl Divider for Number {
    fn div<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let rhs = Self::operand("/", rhs)?;
        // An amount by an amount is a ratio.
        let currency = if rhs.currency.is_some() {
            None
        } else {
            self.currency.clone()
        };
        Ok(CowVal::owned(Self {
            value: known("/", self.value.checked_div(rhs.value))?,
            currency,
        }))
    }
}

impl Negator for Number {
    fn negate<'v>(&self) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(Box::new(Self {
            value: -self.value,
            currency: self.currency.clone(),
        }))
    }
}

impl Comparer for Number {
    fn compare(&self, rhs: &dyn Val) -> Result<Ordering, ExecutionError> {
        let rhs = Self::operand("comparison", rhs)?;
        self.common(&rhs, "comparison")?;
        Ok(self.value.cmp(&rhs.value))
    }
}

/// Money has an amount and perhaps a currency.
impl Indexer for Number {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match (
            field.downcast_ref::<CelString<'_>>().map(CelString::inner),
            &self.currency,
        ) {
            (Some("amount"), _) => Ok(CowVal::owned(Self::plain(self.value))),
            (Some("currency"), Some(Some(code))) => Ok(CowVal::owned(CelString::from(code.clone()))),
            (name, _) => Err(ExecutionError::no_such_key(name.unwrap_or("amount"))),
        }
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match (
            field.downcast_ref::<CelString<'_>>().map(CelString::inner),
            self.currency,
        ) {
            (Some("amount"), _) => Ok(Box::new(Self::plain(self.value))),
            (Some("currency"), Some(Some(code))) => Ok(Box::new(CelString::from(code))),
            (name, _) => Err(ExecutionError::no_such_key(name.unwrap_or("amount"))),
        }
    }
}
