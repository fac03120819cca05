//! Templates: a JSON value whose strings may hold `${…}`.

use serde_json::{Map, Value as Json};

use docmill_model::definition::Problem;

use super::compile::{Expression, Mistake, Values};
use super::meter::{Allowance, Stop};
use super::scope::{Scope, Variables};
use super::{Mention, Trouble};
use crate::MAX_PROBLEMS;

/// Most expressions of one template: each takes about a tenth of a millisecond to compile.
const MAX_EXPRESSIONS: usize = 1_000;
/// Longest JSON pointer to a string with expressions, in bytes: all of them are kept.
const MAX_POINTER_BYTES: usize = 2_000;
/// How much of a member's name a message quotes.
const SHOWN_CHARS: usize = 60;
/// Expressions of one template that may use up their budgets: about a second.
const ALLOWANCE: u64 = 10;

/// What becomes of a value that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Null.
    Null,
    /// The member of the object is left out, so that a default can take its place; null in lists.
    Omit,
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    root: Node,
    dynamic: Vec<String>,
    /// Of all its expressions.
    variables: Variables,
    /// Whether one of its expressions is.
    heavy: bool,
}

#[derive(Debug)]
enum Node {
    Fixed(Json),
    Whole(Expression),
    Text(Vec<Part>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Expression),
}

/// An expression of a template that gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedExpression {
    /// As written.
    pub source: String,
    /// Why.
    pub trouble: Trouble,
}

impl Template {
    /// Compiles the strings of `json`, which stands at `at` in the definition; mistakes are added to `problems`.
    pub fn compile(json: &Json, allowed: Variables, at: &str, problems: &mut Vec<Problem>) -> Self {
        let mut compiler = Compiler {
            allowed,
            problems,
            dynamic: Vec::new(),
            expressions: 0,
        };
        let root = compiler.node(json, at, "");
        let dynamic = compiler.dynamic;
        let mut expressions = Vec::new();
        root.collect(&mut expressions);
        let variables = expressions
            .iter()
            .fold(Variables::NONE, |all, e| all.and(e.variables()));
        let heavy = expressions.iter().any(|e| e.heavy());
        Self {
            root,
            dynamic,
            variables,
            heavy,
        }
    }

    /// JSON pointers of the strings that hold expressions.
    pub fn dynamic(&self) -> &[String] {
        &self.dynamic
    }

    /// The value with expressions left as null: what is known before a run.
    pub(crate) fn draft(&self) -> Json {
        self.root.draft()
    }

    /// Every expression in it, in the order written.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut all = Vec::new();
        self.root.collect(&mut all);
        all
    }

    /// The variables that its expressions use.
    pub fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.expressions().into_iter().flat_map(Expression::mentions)
    }

    /// The variables that it uses.
    pub const fn variables(&self) -> Variables {
        self.variables
    }

    /// Whether evaluating it belongs off the async threads.
    pub fn heavy(&self, scope: &Scope) -> bool {
        self.heavy || scope.exceeds(self.variables, crate::INLINE_BYTES)
    }

    /// The value with all expressions filled in.
    ///
    /// # Errors
    /// The first expression that failed.
    pub fn evaluate(&self, scope: &Scope, absent: Absent) -> Result<Json, FailedExpression> {
        self.evaluate_until(scope, absent, &Stop::default())
    }

    /// The same, given up when nobody waits for it any more.
    ///
    /// # Errors
    /// The first expression that failed.
    pub fn evaluate_until(
        &self,
        scope: &Scope,
        absent: Absent,
        stop: &Stop,
    ) -> Result<Json, FailedExpression> {
        self.evaluate_within(scope, absent, &mut Allowance::new(ALLOWANCE, stop))
    }

    /// The same within an allowance that is shared with other templates.
    ///
    /// # Errors
    /// The first expression that failed.
    pub fn evaluate_within(
        &self,
        scope: &Scope,
        absent: Absent,
        allowance: &mut Allowance,
    ) -> Result<Json, FailedExpression> {
        let mut evaluation = Evaluation {
            values: Values::of(scope, self.variables),
            absent,
            allowance,
        };
        Ok(evaluation.node(&self.root)?.unwrap_or(Json::Null))
    }
}

struct Compiler<'a> {
    allowed: Variables,
    problems: &'a mut Vec<Problem>,
    dynamic: Vec<String>,
    expressions: usize,
}

impl Compiler<'_> {
    fn node(&mut self, json: &Json, at: &str, pointer: &str) -> Node {
        match json {
            Json::String(text) => self.text(text, at, pointer),
            Json::Array(items) => {
                let node = |(n, item)| self.node(item, &format!("{at}[{n}]"), &format!("{pointer}/{n}"));
                Node::List(items.iter().enumerate().map(node).collect())
            }
            Json::Object(members) => {
                let node = |(name, value): (&String, &Json)| {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    let node = self.node(value, &below(at, name), &format!("{pointer}/{escaped}"));
                    (name.clone(), node)
                };
                Node::Object(members.iter().map(node).collect())
            }
            other => Node::Fixed(other.clone()),
        }
    }

    fn text(&mut self, text: &str, at: &str, pointer: &str) -> Node {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(mistake) => {
                self.mistake(at, mistake);
                return Node::Fixed(Json::Null);
            }
        };
        let codes = pieces.iter().filter(|p| matches!(p, Piece::Code { .. })).count();
        if codes > 0 {
            if pointer.len() > MAX_POINTER_BYTES {
                let message =
                    format!("the names around it have more than {MAX_POINTER_BYTES} bytes together");
                self.problems.push(Problem::new(at, message));
                return Node::Fixed(Json::Null);
            }
            let before = self.expressions;
            self.expressions = before.saturating_add(codes);
            if self.expressions > MAX_EXPRESSIONS {
                // Said once.
                if before <= MAX_EXPRESSIONS {
                    let message = format!(
                        "there are more than {MAX_EXPRESSIONS} expressions; split them over several steps"
                    );
                    self.problems.push(Problem::new(at, message));
                }
                return Node::Fixed(Json::Null);
            }
            self.dynamic.push(pointer.to_owned());
        }
        let mut parts: Vec<Part> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => parts.push(Part::Text(text)),
                Piece::Code { source, start } => match Expression::compile(&source, self.allowed) {
                    Ok(expression) => parts.push(Part::Expression(expression.moved(text, start))),
                    Err(mistakes) => {
                        for mistake in mistakes {
                            self.mistake(at, moved(mistake, text, start));
                        }
                    }
                },
            }
        }
        match parts.as_slice() {
            [] => Node::Fixed(Json::from("")),
            [Part::Text(text)] => Node::Fixed(Json::from(text.as_str())),
            [Part::Expression(_)] => match parts.pop() {
                Some(Part::Expression(expression)) => Node::Whole(expression),
                _ => Node::Fixed(Json::Null),
            },
            _ => Node::Text(parts),
        }
    }

    fn mistake(&mut self, at: &str, mistake: Mistake) {
        // More than are told need not be written down.
        if self.problems.len() <= MAX_PROBLEMS {
            self.problems.push(problem(at, mistake));
        }
    }
}

/// The place of a member; the start of its name says enough.
fn below(at: &str, name: &str) -> String {
    let name: String = name.chars().take(SHOWN_CHARS).collect();
    format!("{at}.{name}")
}

/// A mistake at a place of the definition.
pub(crate) fn problem(at: &str, mistake: Mistake) -> Problem {
    Problem {
        line: Some(mistake.line),
        column: Some(mistake.column),
        ..Problem::new(at, mistake.message)
    }
}

impl Node {
    fn collect<'a>(&'a self, all: &mut Vec<&'a Expression>) {
        match self {
            Self::Fixed(_) => {}
            Self::Whole(expression) => all.push(expression),
            Self::Text(parts) => all.extend(parts.iter().filter_map(|part| match part {
                Part::Expression(expression) => Some(expression),
                Part::Text(_) => None,
            })),
            Self::List(items) => items.iter().for_each(|item| item.collect(all)),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.collect(all)),
        }
    }

    fn draft(&self) -> Json {
        match self {
            Self::Fixed(json) => json.clone(),
            Self::Whole(_) | Self::Text(_) => Json::Null,
            Self::List(items) => items.iter().map(Self::draft).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(name, node)| (name.clone(), node.draft()))
                .collect(),
        }
    }
}

/// A template being evaluated.
struct Evaluation<'a, 'v> {
    values: Values<'v>,
    absent: Absent,
    allowance: &'a mut Allowance,
}

impl Evaluation<'_, '_> {
    /// None: the value is absent.
    fn node(&mut self, node: &Node) -> Result<Option<Json>, FailedExpression> {
        Ok(Some(match node {
            Node::Fixed(json) => json.clone(),
            Node::Whole(expression) => return self.value(expression),
            Node::Text(parts) => Json::String(self.text(parts)?),
            Node::List(items) => {
                let item = |node| Ok(self.node(node)?.unwrap_or(Json::Null));
                Json::Array(items.iter().map(item).collect::<Result<_, FailedExpression>>()?)
            }
            Node::Object(nodes) => {
                let mut members = Map::new();
                for (name, node) in nodes {
                    match (self.node(node)?, self.absent) {
                        (Some(value), _) => members.insert(name.clone(), value),
                        (None, Absent::Null) => members.insert(name.clone(), Json::Null),
                        (None, Absent::Omit) => None,
                    };
                }
                Json::Object(members)
            }
        }))
    }

    fn text(&mut self, parts: &[Part]) -> Result<String, FailedExpression> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Expression(expression) => match self.value(expression)? {
                    None | Some(Json::Null) => {}
                    Some(Json::String(value)) => text.push_str(&value),
                    Some(other) => text.push_str(&other.to_string()),
                },
            }
        }
        Ok(text)
    }

    fn value(&mut self, expression: &Expression) -> Result<Option<Json>, FailedExpression> {
        let evaluated = self.allowance.budget().and_then(|budget| {
            let value = expression.evaluate_over(&self.values, &budget);
            self.allowance.spend(&budget);
            value
        });
        match evaluated {
            Ok(value) => Ok(Some(value)),
            Err(Trouble::Absent(_)) => Ok(None),
            Err(trouble) => Err(FailedExpression {
                source: expression.source().trim().to_owned(),
                trouble,
            }),
        }
    }
}

/// The expression of `when` and `for_each`, which may be written bare or as one whole `${…}`.
pub(crate) fn strip(text: &str, allowed: Variables) -> Result<Expression, Vec<Mistake>> {
    let pieces = pieces(text.trim()).map_err(|mistake| vec![mistake])?;
    match pieces.as_slice() {
        [Piece::Code { source, start }] => Expression::compile(source, allowed)
            .map(|expression| expression.moved(text, *start))
            .map_err(|mistakes| mistakes.into_iter().map(|m| moved(m, text, *start)).collect()),
        pieces if pieces.iter().any(|p| matches!(p, Piece::Code { .. })) => Err(vec![Mistake {
            message: "write one expression, without text around ${…}".to_owned(),
            line: 1,
            column: 1,
        }]),
        _ => Expression::compile(text, allowed),
    }
}

enum Piece {
    Text(String),
    /// `start` is the byte in the text at which the source begins.
    Code {
        source: String,
        start: usize,
    },
}

/// Text and the insides of `${…}` by turns; `$${` is a literal `${`.
fn pieces(text: &str) -> Result<Vec<Piece>, Mistake> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let inside = from.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str("${");
            rest = inside;
            continue;
        }
        plain.push_str(before);
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let start = text.len().saturating_sub(inside.len());
        let length = closing(inside).ok_or_else(|| {
            let (line, column) = place(text, start.saturating_sub(2));
            Mistake {
                message: "'${' has no closing '}'; write $${ for a literal ${".to_owned(),
                line,
                column,
            }
        })?;
        let (source, after) = inside.split_at(length);
        pieces.push(Piece::Code {
            source: source.to_owned(),
            start,
        });
        rest = after.get(1..).unwrap_or_default();
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The byte at which the expression's closing brace stands; braces of maps and in strings do not count.
fn closing(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = code.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' if depth == 0 => return Some(at),
            '}' => depth = depth.saturating_sub(1),
            '"' | '\'' => {
                let raw = code.get(..at).is_some_and(|before| before.ends_with(['r', 'R']));
                let triple: String = std::iter::repeat_n(c, 3).collect();
                let from = code.get(at..)?;
                let quote = if from.starts_with(&triple) {
                    triple.as_str()
                } else {
                    &triple[..1]
                };
                let length = string(from.get(quote.len()..)?, quote, raw)?;
                let end = at.saturating_add(quote.len()).saturating_add(length);
                while rest.as_str().len() > code.len().saturating_sub(end) {
                    rest.next();
                }
            }
            _ => {}
        }
    }
    None
}

/// Bytes up to and with the closing quote.
fn string(text: &str, quote: &str, raw: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if text.get(at..)?.starts_with(quote) {
            return Some(at.saturating_add(quote.len()));
        }
    }
    None
}

/// Line and column, from 1, of a byte of a text.
pub(super) fn place(text: &str, byte: usize) -> (u32, u32) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let from_one = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    (from_one(line), from_one(column))
}

/// The place of a mistake in the whole string, of which the expression is a part.
fn moved(mistake: Mistake, text: &str, start: usize) -> Mistake {
    let (line, column) = shift((mistake.line, mistake.column), text, start);
    Mistake {
        line,
        column,
        ..mistake
    }
}

/// A place in an expression as a place in the text in which the expression begins at byte `start`.
pub(super) fn shift((line, column): (u32, u32), text: &str, start: usize) -> (u32, u32) {
    let (first_line, first_column) = place(text, start);
    let column = if line == 1 {
        column.saturating_add(first_column).saturating_sub(1)
    } else {
        column
    };
    (line.saturating_add(first_line).saturating_sub(1), column)
}

#[cfg(test)]
mod tests {
    use super::closing;

    #[test]
    fn the_closing_brace_is_the_expressions_own() {
        for (code, inside) in [
            ("a} b", "a"),
            ("{'a': 1}.a} x", "{'a': 1}.a"),
            ("'}' + \"}\"} x", "'}' + \"}\""),
            ("'\\'}'} x", "'\\'}'"),
            ("r'\\'} x", "r'\\'"),
            ("'''a'}'''} x", "'''a'}'''"),
            ("'ж}'}", "'ж}'"),
        ] {
            assert_eq!(
                closing(code).and_then(|end| code.get(..end)),
                Some(inside),
                "{code}"
            );
        }
        assert_eq!(closing("{a}"), None);
        assert_eq!(closing("'a}"), None);
    }
}
