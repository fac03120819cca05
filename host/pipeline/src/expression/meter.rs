//! What keeps expressions cheap: work is counted before it is done.
//!
//! The interpreter has no limits of its own, so the syntax tree is instrumented once, when it is compiled:
//! - the range of every comprehension goes through `@iter`, which charges the elements times the nodes of the body;
//!   a map's keys are sorted there, because the interpreter would give them in the order of a hash table;
//! - every argument of a function and every element of a list or map goes through `@charge`, which charges its size,
//!   because that much is looked at or copied next.
//!
//! `@…` cannot be written in an expression, so nobody can call or shadow these.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelOptional, CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;

use super::Trouble;
use super::compile::children;
use super::functions::{is_namespaced, own};

/// The variable that holds the budget.
pub(super) const BUDGET: &str = "@budget";
/// Evaluations of syntax nodes in loops, before an expression is stopped; about a tenth of a second.
const STEPS: u64 = 500_000;
/// Bytes looked at or copied before an expression is stopped.
const BYTES: u64 = 64 << 20;
/// What a value costs beside its text.
pub(super) const VALUE_BYTES: usize = 24;

/// What is left for one evaluation.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Left>);

#[derive(Debug)]
struct Left {
    steps: AtomicU64,
    bytes: AtomicU64,
    spent: AtomicBool,
    regexes: Mutex<HashMap<String, Regex>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_parts(STEPS, BYTES)
    }
}

/// What is left for all the expressions of one template, each of which has a budget of its own as well.
#[derive(Debug)]
pub struct Allowance {
    steps: u64,
    bytes: u64,
    stop: Stop,
}

impl Allowance {
    /// As much as `expressions` that use up their budgets. Nothing more is evaluated once `stop` is set.
    pub fn new(expressions: u64, stop: &Stop) -> Self {
        Self {
            steps: STEPS.saturating_mul(expressions),
            bytes: BYTES.saturating_mul(expressions),
            stop: stop.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_left(&self) -> bool {
        !self.stop.is_set()
    }

    /// For one more expression.
    pub(super) fn budget(&self) -> Result<Budget, Trouble> {
        if self.stop.is_set() {
            return Err(Trouble::Failed("nobody waits for it any more".to_owned()));
        }
        Ok(Budget::of_parts(self.steps.min(STEPS), self.bytes.min(BYTES)))
    }

    /// Takes what the expression has used.
    pub(super) fn spend(&mut self, budget: &Budget) {
        let left = &budget.0;
        let used = |most: u64, left: &AtomicU64| most.saturating_sub(left.load(Ordering::Relaxed));
        self.steps = self
            .steps
            .saturating_sub(used(self.steps.min(STEPS), &left.steps));
        self.bytes = self
            .bytes
            .saturating_sub(used(self.bytes.min(BYTES), &left.bytes));
    }
}

/// Tells work on another thread that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

static BUDGET_TYPE: Type = Type::new_unspecified_type("budget");

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET_TYPE
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

impl Budget {
    fn of_parts(steps: u64, bytes: u64) -> Self {
        Self(Arc::new(Left {
            steps: AtomicU64::new(steps),
            bytes: AtomicU64::new(bytes),
            spent: AtomicBool::new(false),
            regexes: Mutex::default(),
        }))
    }

    pub(super) fn of(arg: Option<&CowVal<'_, '_>>) -> Result<Self, ExecutionError> {
        arg.and_then(|a| a.downcast_ref::<Self>())
            .cloned()
            .ok_or_else(|| ExecutionError::InternalError("no budget".to_owned()))
    }

    /// Whether the budget has lasted.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.0.spent.load(Ordering::Relaxed) {
            Err(
                "it does more work than it may, alone or with the expressions beside it; loop over less, or leave it to a \
                 plugin"
                    .to_owned(),
            )
        } else {
            Ok(())
        }
    }

    pub(super) fn charge_steps(&self, steps: u64) -> Result<(), ExecutionError> {
        self.take(&self.0.steps, steps)
    }

    pub(super) fn charge_bytes(&self, bytes: usize, _function: &str) -> Result<(), ExecutionError> {
        self.take(&self.0.bytes, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Charges the size of a whole value.
    pub(super) fn charge_value(&self, value: &dyn Val) -> Result<(), String> {
        let limit = usize::try_from(self.0.bytes.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let mut size = 0;
        weigh(value, &mut size, limit);
        let _ = self.charge_bytes(size, "");
        self.check()
    }

    fn take(&self, left: &AtomicU64, amount: u64) -> Result<(), ExecutionError> {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(amount)
        });
        if taken.is_err() {
            self.0.spent.store(true, Ordering::Relaxed);
            left.store(0, Ordering::Relaxed);
        }
        // Once it is spent, nothing more is done, so that a loop that swallows errors ends soon too.
        self.check()
            .map_err(|message| ExecutionError::function_error("budget", message))
    }

    /// The compiled pattern; compiled once in an evaluation.
    pub(super) fn regex(
        &self,
        pattern: &str,
        compile: impl FnOnce() -> Result<Regex, ExecutionError>,
    ) -> Result<Regex, ExecutionError> {
        let mut regexes = self.0.regexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = regexes.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = compile()?;
        regexes.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// Adds the size of `value` to `size`; stops soon after `limit`.
fn weigh(value: &dyn Val, size: &mut usize, limit: usize) {
    *size = size.saturating_add(VALUE_BYTES);
    if *size > limit {
        return;
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        *size = size.saturating_add(text.inner().len());
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        *size = size.saturating_add(bytes.inner().len());
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        for item in list.inner() {
            weigh(item.as_ref(), size, limit);
            if *size > limit {
                return;
            }
        }
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        for (key, item) in map.inner() {
            weigh(key.inner(), size, limit);
            weigh(item.as_ref(), size, limit);
            if *size > limit {
                return;
            }
        }
    } else if let Some(inner) = value.downcast_ref::<CelOptional>().and_then(CelOptional::inner) {
        weigh(inner, size, limit);
    }
}

/// `n` parameters of any type.
pub(super) fn dynamic(n: usize) -> Vec<Type> {
    std::iter::repeat_with(|| DYN_TYPE).take(n).collect()
}

pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    environment.add_overload("@charge", "docmill_charge", dynamic(2), charge)?;
    environment.add_overload("@iter", "docmill_iter", dynamic(3), iter)
}

fn last<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.pop().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn charge<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let value = last(args)?;
    budget
        .charge_value(value.as_ref())
        .map_err(|message| ExecutionError::function_error("budget", message))?;
    Ok(value)
}

fn iter<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let budget = Budget::of(args.first())?;
    let weight = args
        .get(1)
        .and_then(|w| w.downcast_ref::<CelInt>())
        .and_then(|w| u64::try_from(*w.inner()).ok())
        .unwrap_or(1);
    let range = last(args)?;
    let elements = match (range.downcast_ref::<CelList>(), range.downcast_ref::<CelMap>()) {
        (Some(list), _) => list.inner().len(),
        (_, Some(map)) => map.inner().len(),
        _ => 0,
    };
    budget.charge_steps(u64::try_from(elements).unwrap_or(u64::MAX).saturating_mul(weight))?;
    budget
        .charge_value(range.as_ref())
        .map_err(|message| ExecutionError::function_error("budget", message))?;
    let Some(map) = range.downcast_ref::<CelMap>() else {
        return Ok(range);
    };
    let mut keys: Vec<_> = map.inner().keys().collect();
    keys.sort_unstable();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// Puts the meter into the tree.
pub(super) fn instrument(expr: &mut IdedExpr) {
    match &mut expr.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => instrument(&mut select.operand),
        Expr::Call(call) => instrument_call(call),
        Expr::List(list) => {
            for element in &mut list.elements {
                instrument(element);
                wrap(element);
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(pair) = &mut entry.expr {
                    instrument(&mut pair.key);
                    instrument(&mut pair.value);
                    wrap(&mut pair.value);
                }
            }
        }
        // Refused before.
        Expr::Struct(_) => {}
        Expr::Comprehension(comprehension) => {
            let weight = nodes(&comprehension.loop_step);
            instrument(&mut comprehension.iter_range);
            instrument(&mut comprehension.accu_init);
            instrument(&mut comprehension.loop_step);
            instrument(&mut comprehension.result);
            let range = std::mem::take(&mut comprehension.iter_range);
            let weight = IdedExpr {
                id: range.id,
                expr: Expr::Literal(LiteralValue::Int(weight.into())),
            };
            comprehension.iter_range = call("@iter", vec![weight, range]);
        }
    }
}

fn instrument_call(call: &mut CallExpr) {
    // `@result + […]` is how `map` and `filter` grow their list in place; it must keep its shape, and what is put in is
    // charged inside the list.
    let appends =
        matches!(call.args.first().map(|a| &a.expr), Some(Expr::Ident(name)) if name.starts_with('@'));
    let namespaced = is_namespaced(call);
    let CallExpr {
        func_name,
        target,
        args,
    } = call;
    for arg in args.iter_mut() {
        instrument(arg);
    }
    if let Some(target) = target.as_deref_mut().filter(|_| !namespaced) {
        instrument(target);
    }
    match func_name.as_str() {
        _ if appends => {}
        // They look at a truth value, or hand out a part of a value without copying it.
        operators::CONDITIONAL
        | operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE
        | operators::INDEX => {}
        // They copy what they find.
        operators::OPT_INDEX | operators::OPT_SELECT => {
            if let Some(operand) = args.first_mut() {
                wrap(operand);
            }
        }
        name => {
            if let Some(own) = own(name) {
                *func_name = own.to_owned();
                let arguments = target.take().map(|t| *t).into_iter().chain(std::mem::take(args));
                *args = std::iter::once(budget()).chain(arguments).collect();
            } else {
                args.iter_mut().for_each(wrap);
                if let Some(target) = target.as_deref_mut().filter(|_| !namespaced) {
                    wrap(target);
                }
            }
        }
    }
}

fn budget() -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Ident(BUDGET.to_owned()),
    }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let id = args.last().map_or(0, |a| a.id);
    let args = std::iter::once(budget()).chain(args).collect();
    IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}

fn wrap(expr: &mut IdedExpr) {
    // Small by themselves.
    if matches!(expr.expr, Expr::Literal(_)) {
        return;
    }
    *expr = call("@charge", vec![std::mem::take(expr)]);
}

/// Nodes of a loop's body; loops inside charge for theirs.
fn nodes(expr: &IdedExpr) -> i64 {
    let below: i64 = match &expr.expr {
        Expr::Comprehension(inner) => nodes(&inner.iter_range),
        _ => children(expr).into_iter().map(nodes).sum(),
    };
    below.saturating_add(1)
}
