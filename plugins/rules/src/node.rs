//! What expressions see: fields, parameters, earlier checks and the document as one tree whose parts know their paths,
//! so that a missing one can be named.

use crate::number::Number;
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer};
use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use docmill_plugin::{Field, Value};
use serde_json::Value as Json;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};

/// An object whose missing members are errors that name their path.
#[derive(Debug)]
pub struct Node {
    path: String,
    names: Vec<CelString<'static>>,
    members: BTreeMap<String, Box<dyn Val>>,
}

/// Deeper parameters are cut off; no schema is that deep.
const DEPTH_MAX: usize = 64;

/// Any JSON. Whole numbers are CEL's, others exact decimals.
pub fn of_json(json: &Json, path: &str) -> Box<dyn Val> {
    convert(json, path, &HashMap::new(), 0)
}

/// Fields as a tree (see `docmill_plugin::tree`) with typed values; a field without a value has no `value`.
///
/// # Errors
/// `invalid-input` for paths that are none.
pub fn of_fields(fields: &[Field]) -> Result<Box<dyn Val>, docmill_plugin::Error> {
    let tree = docmill_plugin::tree::of_fields(fields)?;
    let mut by_path: HashMap<String, &Field> = HashMap::new();
    for field in fields {
        by_path.entry(format!("fields.{}", field.path)).or_insert(field);
    }
    Ok(convert(&tree, "fields", &by_path, 0))
}

fn convert(json: &Json, path: &str, fields: &HashMap<String, &Field>, depth: usize) -> Box<dyn Val> {
    match json {
        _ if depth > DEPTH_MAX => Box::new(CelNull),
        Json::Null => Box::new(CelNull),
        Json::Bool(bool) => Box::new(CelBool::from(*bool)),
        Json::String(text) => Box::new(CelString::from(text.clone())),
        Json::Number(number) => match number.as_i64() {
            Some(int) => Box::new(CelInt::from(int)),
            None => match Number::of_json(&number.to_string()) {
                Some(number) => Box::new(number),
                None => Box::new(CelNull),
            },
        },
        Json::Array(items) => {
            let items = items.iter().enumerate();
            let vals =
                items.map(|(index, item)| convert(item, &format!("{path}[{index}]"), fields, depth + 1));
            Box::new(CelList::from(vals.collect::<Vec<Box<dyn Val>>>()))
        }
        Json::Object(members) => {
            let own = fields.get(path);
            let mut node = Node {
                path: path.to_owned(),
                names: Vec::new(),
                members: BTreeMap::new(),
            };
            for (name, member) in members {
                if let Some(field) = own {
                    let known = match name.as_str() {
                        "value" => field.value.as_ref().map(of_value),
                        "raw" => field
                            .raw
                            .clone()
                            .map(|raw| Box::new(CelString::from(raw)) as Box<dyn Val>),
                        "confidence" => field.confidence.and_then(of_confidence),
                        _ => Some(convert(member, &format!("{path}.{name}"), fields, depth + 1)),
                    };
                    node.members.extend(known.map(|known| (name.clone(), known)));
                } else {
                    node.members.insert(
                        name.clone(),
                        convert(member, &format!("{path}.{name}"), fields, depth + 1),
                    );
                }
            }
            node.names = node.members.keys().cloned().map(CelString::from).collect();
            Box::new(node)
        }
    }
}

fn of_value(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Text(text) | Value::Date(text) | Value::DateTime(text) => {
            Box::new(CelString::from(text.clone()))
        }
        Value::Boolean(bool) => Box::new(CelBool::from(*bool)),
        Value::Decimal(digits) => match Number::parse(digits) {
            Some(number) => Box::new(number),
            None => Box::new(CelString::from(digits.clone())),
        },
        Value::Money(money) => match Number::parse(&money.amount) {
            Some(number) => Box::new(Number {
                currency: Some(money.currency.clone()),
                ..number
            }),
            None => Box::new(CelString::from(money.amount.clone())),
        },
        Value::Json(text) => of_json(&serde_json::from_str(text).unwrap_or(Json::Null), "json"),
    }
}

fn of_confidence(confidence: f32) -> Option<Box<dyn Val>> {
    // The shortest digits: 0.95, not 0.949999988079071.
    Number::parse(&confidence.to_string()).map(|number| Box::new(number) as Box<dyn Val>)
}

impl Val for Node {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| {
            self.members.len() == other.members.len()
                && self
                    .members
                    .iter()
                    .zip(&other.members)
                    .all(|(a, b)| a.0 == b.0 && a.1.equals(b.1.as_ref()))
        })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        let members = self
            .members
            .iter()
            .map(|(name, member)| (name.clone(), member.clone_as_boxed()))
            .collect();
        Box::new(Self {
            path: self.path.clone(),
            names: self.names.clone(),
            members,
        })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Node {}

impl Indexer for Node {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = field
            .downcast_ref::<CelString<'_>>()
            .map_or("?", CelString::inner);
        match self.members.get(name) {
            Some(member) => Ok(CowVal::Borrowed(member.as_ref())),
            None => Err(ExecutionError::no_such_key(&format!("{}.{name}", self.path))),
        }
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = field
            .downcast_ref::<CelString<'_>>()
            .map_or("?", CelString::inner);
        let path = format!("{}.{name}", self.path);
        let mut members = self.members;
        members
            .remove(name)
            .map(|member| member as Box<dyn Val + 'v>)
            .ok_or_else(|| ExecutionError::no_such_key(&path))
    }
}

impl Container for Node {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value
            .downcast_ref::<CelString<'_>>()
            .is_some_and(|name| self.members.contains_key(name.inner())))
    }
}

impl Sizer for Node {
    fn size(&self) -> CelInt {
        CelInt::from(self.members.len() as i64)
    }
}

/// The names of the members, in order.
impl Iterable for Node {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Names(self.names.iter()))
    }
}

struct Names<'b>(std::slice::Iter<'b, CelString<'static>>);

impl<'b, 'v> Iterator<'b, 'v> for Names<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|name| name as &'b (dyn Val + 'v))
    }
}
