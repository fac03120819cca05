//! From text to a metered syntax tree.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, SourceInfo};
use serde_json::Value as Json;

use super::functions;
use super::scope::{Scope, Variable, Variables};
use super::{MAX_BYTES, MAX_NESTING, Trouble, meter, value};

/// Deepest syntax tree: the interpreter recurses, and it runs on threads with 2 MiB of stack.
const MAX_DEPTH: usize = 100;
/// Most operators and brackets, because the parser recurses before there is a tree to measure.
const MAX_TOKENS: usize = 600;

/// How much of a name a message quotes.
const SHOWN_CHARS: usize = 60;

/// Types that expressions may name: `type(x) == string`.
const TYPES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// The environment is the same for all and never changes.
static ENVIRONMENT: LazyLock<Arc<cel::Env>> = LazyLock::new(|| {
    let mut environment = cel::Env::stdlib();
    if let Err(error) = functions::declare(&mut environment) {
        // Only a new version of the crate that declares one of these names can cause it; every evaluation would say so.
        tracing::error!(%error, "a function of expressions could not be declared");
    }
    Arc::new(environment)
});

/// A mistake in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong and what to write instead.
    pub message: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// A variable as an expression uses it: `steps.parse.status` is [`Variable::Steps`] with the path `parse`, `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Which variable.
    pub variable: Variable,
    /// The names that follow it, as far as they are written down (`.name`, `["name"]`).
    pub path: Vec<String>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    source: String,
    tree: IdedExpr,
    mentions: Vec<Mention>,
    variables: Variables,
    heavy: bool,
}

impl Expression {
    /// Compiles `source`, which may use the variables in `allowed`.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn compile(source: &str, allowed: Variables) -> Result<Self, Vec<Mistake>> {
        let whole = |message: String| {
            vec![Mistake {
                message,
                line: 1,
                column: 1,
            }]
        };
        if source.trim().is_empty() {
            return Err(whole("the expression is empty".to_owned()));
        }
        if source.len() > MAX_BYTES {
            return Err(whole(format!(
                "the expression is longer than {MAX_BYTES} bytes; split it over several steps"
            )));
        }
        if tokens(source) > MAX_TOKENS {
            return Err(whole(format!(
                "the expression has more than {MAX_TOKENS} operators and brackets; split it over several steps"
            )));
        }
        // The parser is generated code over input from outside: a panic in it is this expression's mistake alone.
        let parsed = catch_unwind(|| ENVIRONMENT.parser().parse_with_source_info(source))
            .map_err(|_| whole("the expression cannot be read".to_owned()))?;
        let (mut tree, places) = parsed.map_err(|errors| {
            errors
                .errors
                .iter()
                .map(|error| Mistake {
                    message: plain(&error.msg),
                    line: u32::try_from(error.pos.0.max(1)).unwrap_or(1),
                    column: u32::try_from(error.pos.1.max(1)).unwrap_or(1),
                })
                .collect::<Vec<_>>()
        })?;
        if depth(&tree) > MAX_DEPTH {
            return Err(whole(format!(
                "the expression is nested more than {MAX_DEPTH} deep; split it over several steps"
            )));
        }
        let mut walk = Walk {
            source,
            places: &places,
            allowed,
            mentions: Vec::new(),
            mistakes: Vec::new(),
            heavy: false,
        };
        walk.visit(&tree, &mut Vec::new(), 0);
        if !walk.mistakes.is_empty() {
            return Err(walk.mistakes);
        }
        let Walk { mentions, heavy, .. } = walk;
        let variables = mentions
            .iter()
            .fold(Variables::NONE, |all, m| all.with(m.variable));
        meter::instrument(&mut tree);
        Ok(Self {
            source: source.to_owned(),
            tree,
            mentions,
            variables,
            heavy,
        })
    }

    /// The same, its places counted from the start of `text`, in which it begins at byte `start`.
    #[must_use]
    pub(super) fn moved(mut self, text: &str, start: usize) -> Self {
        for mention in &mut self.mentions {
            (mention.line, mention.column) =
                super::template::shift((mention.line, mention.column), text, start);
        }
        self
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables that it uses, in the order written.
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// The variables that it uses.
    pub const fn variables(&self) -> Variables {
        self.variables
    }

    /// Whether it has loops or searches, so that it belongs off the async threads whatever its values.
    pub const fn heavy(&self) -> bool {
        self.heavy
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn evaluate(&self, scope: &Scope) -> Result<Json, Trouble> {
        self.evaluate_over(&Values::of(scope, self.variables), &meter::Budget::default())
    }

    /// The same over values that are shared with other expressions.
    pub(super) fn evaluate_over(&self, values: &Values<'_>, budget: &meter::Budget) -> Result<Json, Trouble> {
        // A defect of the interpreter is a failed expression, not a lost host.
        catch_unwind(AssertUnwindSafe(|| self.run(values, budget)))
            .unwrap_or_else(|_| Err(Trouble::Failed("the interpreter gave up on it".to_owned())))
    }

    fn run(&self, values: &Values<'_>, budget: &meter::Budget) -> Result<Json, Trouble> {
        let mut context = values.0.new_inner_scope();
        context.add_variable_as_val(meter::BUDGET, Box::new(budget.clone()));
        let result = cel::Value::resolve_val(&self.tree, &context);
        // An error that came of the budget may have been swallowed by `||` or `exists`.
        budget.check().map_err(Trouble::Failed)?;
        let result = result.map_err(|error| value::trouble(&error, &self.source))?;
        budget.charge_value(result.as_ref()).map_err(Trouble::Failed)?;
        value::to_json(result.as_ref())
    }
}

/// Variables of a scope as the interpreter sees them: made once for all expressions of a template.
pub(super) struct Values<'v>(cel::Context<'v, 'v>);

impl<'v> Values<'v> {
    pub(super) fn of(scope: &'v Scope, variables: Variables) -> Self {
        let mut context = cel::Context::with_env(Arc::clone(&ENVIRONMENT));
        for variable in variables.iter() {
            context.add_variable_as_val(variable.name(), scope.value(variable));
        }
        Self(context)
    }
}

/// Operators and brackets outside of strings, roughly: enough to keep the parser from recursing without end.
fn tokens(source: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    source
        .chars()
        .filter(|c| {
            if let Some(open) = quote {
                if !escaped && *c == open {
                    quote = None;
                }
                escaped = !escaped && *c == '\\';
                return false;
            }
            if *c == '"' || *c == '\'' {
                quote = Some(*c);
                escaped = false;
                return false;
            }
            !c.is_alphanumeric() && !c.is_whitespace() && *c != '_'
        })
        .count()
}

fn depth(expr: &IdedExpr) -> usize {
    children(expr)
        .into_iter()
        .map(depth)
        .max()
        .unwrap_or(0)
        .saturating_add(1)
}

/// The parts of a node.
pub(super) fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Struct(new) => new.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
    }
}

fn entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(pair) => vec![&pair.key, &pair.value],
    }
}

/// ANTLR's messages end with long lists of token names that help nobody.
fn plain(message: &str) -> String {
    if message.contains("Recursion limit") {
        return "the expression is nested too deep; split it over several steps".to_owned();
    }
    let short = message.split(" expecting {").next().unwrap_or(message);
    short.strip_prefix("Syntax error: ").unwrap_or(short).to_owned()
}

/// Looks at every node once: names, functions, nesting.
struct Walk<'a> {
    source: &'a str,
    places: &'a SourceInfo,
    allowed: Variables,
    mentions: Vec<Mention>,
    mistakes: Vec<Mistake>,
    heavy: bool,
}

impl<'a> Walk<'a> {
    /// `bound` are the variables of the comprehensions around, `nesting` is their number.
    fn visit(&mut self, expr: &'a IdedExpr, bound: &mut Vec<&'a str>, nesting: usize) {
        match &expr.expr {
            Expr::Ident(_) | Expr::Select(_) => self.chain(expr, bound, nesting),
            Expr::Call(call) if steps_into(call).is_some() => self.chain(expr, bound, nesting),
            Expr::Call(call) => self.call(expr, call, bound, nesting),
            Expr::Comprehension(c) => self.comprehension(expr, c, bound, nesting),
            Expr::Struct(new) => {
                let message = format!(
                    "'{}' is not a type that can be made; write a map: {{'key': value}}",
                    new.type_name
                );
                self.mistake(expr.id, message);
            }
            Expr::Unspecified | Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => {
                for child in children(expr) {
                    self.visit(child, bound, nesting);
                }
            }
        }
    }

    /// `root.name["name"][index].name`: finds the root and the names that are written down.
    fn chain(&mut self, expr: &'a IdedExpr, bound: &mut Vec<&'a str>, nesting: usize) {
        let mut path = Vec::new();
        let mut root = expr;
        loop {
            let next = match &root.expr {
                Expr::Select(select) => Some((select.operand.as_ref(), Step::Name(select.field.as_str()))),
                Expr::Call(call) => steps_into(call),
                _ => None,
            };
            match next {
                Some((operand, Step::Name(name))) => {
                    path.push(name.to_owned());
                    root = operand;
                }
                Some((operand, Step::Index(index))) => {
                    // What follows an index is not a name from the root any more.
                    path.clear();
                    self.visit(index, bound, nesting);
                    root = operand;
                }
                None => break,
            }
        }
        let Expr::Ident(name) = &root.expr else {
            return self.visit(root, bound, nesting);
        };
        if name.starts_with('@')
            || bound.contains(&name.as_str())
            || TYPES.contains(&name.as_str())
            || name == "type"
        {
            return;
        }
        path.reverse();
        match Variable::named(name) {
            Some(variable) if self.allowed.has(variable) => {
                let (line, column) = self.place(root.id);
                self.mentions.push(Mention {
                    variable,
                    path,
                    line,
                    column,
                });
            }
            Some(variable) => self.mistake(root.id, variable.out_of_place(self.allowed)),
            None => {
                let name: String = name.chars().take(SHOWN_CHARS).collect();
                let known: Vec<&str> = self.allowed.iter().map(Variable::name).collect();
                let message = match crate::suggest::near(&name, known.iter().copied()) {
                    Some(near) => format!("there is no variable '{name}'; did you mean '{near}'?"),
                    None => format!("there is no variable '{name}'; there are {}", known.join(", ")),
                };
                self.mistake(root.id, message);
            }
        }
    }

    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr, bound: &mut Vec<&'a str>, nesting: usize) {
        self.heavy |= functions::is_heavy(&call.func_name);
        match functions::judge(call) {
            Ok(target) => {
                if let Some(target) = target {
                    self.visit(target, bound, nesting);
                }
            }
            Err(message) => self.mistake(expr.id, message),
        }
        for argument in &call.args {
            self.visit(argument, bound, nesting);
        }
    }

    fn comprehension(
        &mut self,
        expr: &'a IdedExpr,
        comprehension: &'a ComprehensionExpr,
        bound: &mut Vec<&'a str>,
        nesting: usize,
    ) {
        self.heavy = true;
        self.visit(&comprehension.iter_range, bound, nesting);
        self.visit(&comprehension.accu_init, bound, nesting);
        if nesting >= MAX_NESTING {
            self.mistake(
                expr.id,
                format!("map, filter, all, exists and exists_one may be nested at most {MAX_NESTING} deep"),
            );
            return;
        }
        let outside = bound.len();
        bound.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
        for inside in [
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.visit(inside, bound, nesting.saturating_add(1));
        }
        bound.truncate(outside);
    }

    fn mistake(&mut self, id: u64, message: String) {
        let (line, column) = self.place(id);
        self.mistakes.push(Mistake {
            message,
            line,
            column,
        });
    }

    /// Line and column of a node, from 1; the parser counts bytes of the whole text.
    fn place(&self, id: u64) -> (u32, u32) {
        let start = self.places.offset_for(id).map_or(0, |(start, _)| start);
        let mut start = usize::try_from(start).unwrap_or(0);
        // A call stands where its bracket is; people look for its name.
        if self.source.get(start..).is_some_and(|rest| rest.starts_with('(')) {
            let before = self.source.get(..start).unwrap_or_default();
            start = before
                .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
                .len();
        }
        super::template::place(self.source, start)
    }
}

/// One step from a value to a part of it.
enum Step<'a> {
    Name(&'a str),
    Index(&'a IdedExpr),
}

/// The operand and the step, if the call is `a["name"]`, `a[index]`, `a.?name` or `a[?index]`.
fn steps_into(call: &CallExpr) -> Option<(&IdedExpr, Step<'_>)> {
    use cel::common::ast::{LiteralValue, operators};
    if ![operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&call.func_name.as_str()) {
        return None;
    }
    let [operand, index] = call.args.as_slice() else {
        return None;
    };
    Some(match &index.expr {
        Expr::Literal(LiteralValue::String(name)) => (operand, Step::Name(name.inner())),
        _ => (operand, Step::Index(index)),
    })
}
