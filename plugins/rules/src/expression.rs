//! Compiling an expression: parsed, checked for names that do not exist, and rewritten so that numbers are exact and
//! missing fields can be asked for.

use crate::functions;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::common::types::CelString;
use cel::parser::{Expression, PrattParser};
use docmill_plugin::tree::parse_path;

const VARIABLES: [&str; 4] = ["fields", "params", "checks", "document"];
/// Deeper expressions are refused; each level costs stack.
const DEPTH_MAX: u16 = 48;
/// A chain of operators is as deep as it is long, and evaluating it costs stack too.
const TREE_DEPTH_MAX: usize = 200;

/// An expression ready to run.
#[derive(Debug)]
pub struct Compiled {
    pub expression: Expression,
    /// Paths of fields that it names, without `value`, `raw` and `confidence`.
    pub paths: Vec<String>,
    /// Such paths in lists that it goes through: `lines[].amount`. One that names no field stands for all below it.
    pub members: Vec<String>,
}

/// A variable of a macro.
struct Bound {
    name: String,
    /// Where its values come from, if that is a list of fields: `lines[]`.
    of: Option<String>,
}

/// Why an expression cannot be used; line and column count from 1.
#[derive(Debug, PartialEq)]
pub struct Refused {
    pub line: usize,
    pub column: usize,
    pub reason: String,
}

/// # Errors
/// A syntax error, a variable or a function that does not exist.
pub fn compile(source: &str, tolerance: Option<&str>) -> Result<Compiled, Refused> {
    let parser = PrattParser::new().max_recursion_depth(DEPTH_MAX);
    let mut expression = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first();
        let place = |at: Option<isize>| at.and_then(|at| usize::try_from(at).ok()).unwrap_or(1).max(1);
        Refused {
            line: place(first.map(|error| error.pos.0)),
            column: place(first.map(|error| error.pos.1)),
            reason: first.map_or_else(|| "it is no expression".to_owned(), |error| error.msg.clone()),
        }
    })?;
    let mut walk = Walk {
        source,
        tolerance,
        paths: Vec::new(),
        members: Vec::new(),
        depth: 0,
    };
    walk.visit(&mut expression, &mut Vec::new())?;
    let Walk { paths, members, .. } = walk;
    Ok(Compiled {
        expression,
        paths,
        members,
    })
}

struct Walk<'a> {
    source: &'a str,
    tolerance: Option<&'a str>,
    paths: Vec<String>,
    members: Vec<String>,
    depth: usize,
}

impl Walk<'_> {
    /// `bound` are the variables of the macros around.
    fn visit(&mut self, node: &mut Expression, bound: &mut Vec<Bound>) -> Result<(), Refused> {
        if self.depth >= TREE_DEPTH_MAX {
            let reason = "it is too long or too deeply nested; split it into several rules".to_owned();
            return Err(Refused {
                line: 1,
                column: 1,
                reason,
            });
        }
        self.depth += 1;
        self.visit_inside(node, bound)?;
        self.depth -= 1;
        Ok(())
    }

    fn visit_inside(&mut self, node: &mut Expression, bound: &mut Vec<Bound>) -> Result<(), Refused> {
        if let Some(path) = field_path(&node.expr)
            && !self.paths.contains(&path)
        {
            self.paths.push(path);
        }
        if let Some(member) = member_path(&node.expr, bound)
            && !self.members.contains(&member)
        {
            self.members.push(member);
        }
        match &mut node.expr {
            Expr::Ident(name) => {
                let known = VARIABLES.contains(&name.as_str())
                    || name.starts_with('@')
                    || is_type(name)
                    || bound.iter().any(|bound| bound.name == *name);
                if !known {
                    let reason = format!("there is no `{name}`; expressions know {}", VARIABLES.join(", "));
                    return Err(self.refused(name, reason));
                }
            }
            Expr::Select(select) => self.visit(&mut select.operand, bound)?,
            Expr::Call(call) => {
                if !is_function(&call.func_name) {
                    let reason = format!("there is no function `{}`", call.func_name);
                    return Err(self.refused(&call.func_name, reason));
                }
                if let Some(target) = &mut call.target {
                    self.visit(target, bound)?;
                }
                for argument in &mut call.args {
                    self.visit(argument, bound)?;
                }
                if let Some(better) = rewritten(call, self.tolerance) {
                    node.expr = better;
                }
            }
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.visit(element, bound)?;
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let cel::common::ast::EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.visit(&mut entry.key, bound)?;
                        self.visit(&mut entry.value, bound)?;
                    }
                }
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&mut comprehension.iter_range, bound)?;
                self.visit(&mut comprehension.accu_init, bound)?;
                let outside = bound.len();
                let of = elements(&comprehension.iter_range.expr, bound);
                // Of two variables, the first one is the index.
                let names = [Some(&comprehension.iter_var), comprehension.iter_var2.as_ref()];
                bound.extend(names.into_iter().flatten().map(|name| Bound {
                    name: name.clone(),
                    of: of.clone(),
                }));
                self.visit(&mut comprehension.loop_cond, bound)?;
                self.visit(&mut comprehension.loop_step, bound)?;
                bound.truncate(outside);
                self.visit(&mut comprehension.result, bound)?;
            }
            Expr::Struct(made) => {
                let reason = format!("there is no type `{}`", made.type_name);
                return Err(self.refused(&made.type_name, reason));
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
        Ok(())
    }

    /// Refuses a name, at its first place in the source.
    fn refused(&self, name: &str, reason: String) -> Refused {
        let is_part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
        let start = self
            .source
            .match_indices(name)
            .map(|(start, _)| start)
            .find(|start| {
                let (before, from) = self.source.split_at(*start);
                let after = from.get(name.len()..).and_then(|rest| rest.chars().next());
                !is_part(before.chars().next_back()) && !is_part(after)
            });
        let before = self.source.get(..start.unwrap_or(0)).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Refused { line, column, reason }
    }
}

fn is_type(name: &str) -> bool {
    [
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "decimal",
    ]
    .contains(&name)
}

fn is_function(name: &str) -> bool {
    let operator = name.starts_with('_') || name.starts_with('@') || matches!(name, "!_" | "-_");
    operator || functions::NAMES.contains(&name)
}

/// An operator as it must be for exact numbers, missing fields and tolerances; `None` if it is right as it is.
fn rewritten(call: &mut CallExpr, tolerance: Option<&str>) -> Option<Expr> {
    let name = call.func_name.as_str();
    let equality = matches!(name, operators::EQUALS | operators::NOT_EQUALS);
    if equality && let Some(asked) = null_test(call) {
        // A missing field has no `value` that could equal null: `== null` asks whether it is there.
        let there = Expr::Select(SelectExpr { test: true, ..asked });
        return Some(if name == operators::EQUALS {
            not(there)
        } else {
            there
        });
    }
    if equality && let Some(tolerance) = tolerance {
        let mut args = std::mem::take(&mut call.args);
        let digits = LiteralValue::String(CelString::from(tolerance.to_owned()));
        args.push(Expression {
            id: 0,
            expr: Expr::Literal(digits),
        });
        let near = Expr::Call(CallExpr {
            func_name: functions::NEAR.to_owned(),
            target: None,
            args,
        });
        return Some(if name == operators::EQUALS {
            near
        } else {
            not(near)
        });
    }
    let exact = equality
        || matches!(
            name,
            operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
        );
    let left = call
        .args
        .first_mut()
        .filter(|left| exact && !is_accumulator(&left.expr))?;
    let operand = std::mem::take(left);
    let number = CallExpr {
        func_name: functions::NUMBER_OF.to_owned(),
        target: None,
        args: vec![operand],
    };
    *left = Expression {
        id: 0,
        expr: Expr::Call(number),
    };
    None
}

/// What macros gather their result in.
fn is_accumulator(expr: &Expr) -> bool {
    matches!(expr, Expr::Ident(name) if name.starts_with('@'))
}

fn not(expr: Expr) -> Expr {
    let args = vec![Expression { id: 0, expr }];
    Expr::Call(CallExpr {
        func_name: operators::LOGICAL_NOT.to_owned(),
        target: None,
        args,
    })
}

/// The selection that is compared with null.
fn null_test(call: &CallExpr) -> Option<SelectExpr> {
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(LiteralValue::Null));
    match call.args.as_slice() {
        [
            Expression {
                expr: Expr::Select(select),
                ..
            },
            null,
        ]
        | [
            null,
            Expression {
                expr: Expr::Select(select),
                ..
            },
        ] if is_null(&null.expr) && !select.test => Some(select.clone()),
        _ => None,
    }
}

/// `fields.lines[0].amount.value` → `lines[0].amount`; `None` for anything that is not such a chain to its end.
fn field_path(expr: &Expr) -> Option<String> {
    let path = leaf(&chain(expr, &[])?)?;
    parse_path(&path).map(|_| path)
}

/// `l.amount.value` in `fields.lines.map(l, …)` → `lines[].amount`, and so for an index that is computed.
fn member_path(expr: &Expr, bound: &[Bound]) -> Option<String> {
    leaf(&chain(expr, bound)?).filter(|path| path.contains("[]"))
}

/// What the elements of a list are: those of `fields.lines` are `lines[]`. Of a list made of such elements nobody
/// knows which of their fields it holds, so it counts as all of them.
fn elements(expr: &Expr, bound: &[Bound]) -> Option<String> {
    match expr {
        Expr::Comprehension(comprehension) => elements(&comprehension.iter_range.expr, bound),
        _ => chain(expr, bound)
            .filter(|path| !path.is_empty())
            .map(|path| path + "[]"),
    }
}

/// The field whose value, text or confidence a chain ends in.
fn leaf(path: &str) -> Option<String> {
    let end = path
        .strip_suffix(".amount")
        .or_else(|| path.strip_suffix(".currency"))
        .filter(|rest| rest.ends_with(".value"));
    let path = end.unwrap_or(path);
    let leaf = [".value", ".raw", ".confidence"]
        .iter()
        .find_map(|ending| path.strip_suffix(ending))?;
    Some(leaf.to_owned())
}

/// `fields.lines[0].amount` → `lines[0].amount`; an index that is no literal is `[]`. `None` for anything that does not
/// begin with `fields` or a variable of a list of fields.
fn chain(expr: &Expr, bound: &[Bound]) -> Option<String> {
    match expr {
        Expr::Ident(name) => match bound.iter().rev().find(|bound| bound.name == *name) {
            Some(bound) => bound.of.clone(),
            None => (name == "fields").then(String::new),
        },
        Expr::Select(select) => Some(joined(chain(&select.operand.expr, bound)?, &select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else {
                return None;
            };
            let path = chain(&operand.expr, bound)?;
            Some(match &index.expr {
                Expr::Literal(LiteralValue::Int(index)) => format!("{path}[{}]", index.inner()),
                Expr::Literal(LiteralValue::String(name)) => joined(path, name.inner()),
                _ => path + "[]",
            })
        }
        _ => None,
    }
}

fn joined(path: String, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Lists that an expression goes through: `fields.lines.map(…)` → `lines`.
pub fn lists(expression: &Expression) -> Vec<String> {
    let mut found = Vec::new();
    collect_lists(expression, &mut found);
    found
}

fn collect_lists(node: &Expression, found: &mut Vec<String>) {
    match &node.expr {
        Expr::Comprehension(comprehension) => {
            let list = chain(&comprehension.iter_range.expr, &[]);
            found.extend(list.filter(|list| !list.is_empty() && !list.contains('[')));
            collect_lists(&comprehension.iter_range, found);
            collect_lists(&comprehension.loop_step, found);
        }
        Expr::Call(call) => {
            call.target.iter().for_each(|target| collect_lists(target, found));
            call.args
                .iter()
                .for_each(|argument| collect_lists(argument, found));
        }
        Expr::Select(select) => collect_lists(&select.operand, found),
        Expr::List(list) => list
            .elements
            .iter()
            .for_each(|element| collect_lists(element, found)),
        _ => {}
    }
}
