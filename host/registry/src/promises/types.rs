//! Sets of JSON types.

use serde_json::{Map, Value as Json};

/// A set of JSON types; whole numbers and others are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    const NULL: Self = Self(1);
    const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    const FRACTION: Self = Self(8);
    pub(super) const NUMBER: Self = Self(12);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const ALL: Self = Self(127);

    /// Whether there is none among them.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether they have one in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of these are among `others`.
    pub(super) const fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Every value of these types, if there are few.
    pub(super) fn values(self) -> Option<Vec<Json>> {
        let few = Self(Self::NULL.0 | Self::BOOLEAN.0);
        if !self.within(few) {
            return None;
        }
        let mut values = Vec::new();
        if self.meets(Self::NULL) {
            values.push(Json::Null);
        }
        if self.meets(Self::BOOLEAN) {
            values.extend([false.into(), true.into()]);
        }
        Some(values)
    }

    /// Of a value.
    pub(super) fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::NULL,
            Json::Bool(_) => Self::BOOLEAN,
            Json::Number(number) if number.as_f64().is_some_and(|n| n.fract() != 0.0) => Self::FRACTION,
            Json::Number(_) => Self::INTEGER,
            Json::String(_) => Self::STRING,
            Json::Array(_) => Self::ARRAY,
            Json::Object(_) => Self::OBJECT,
        }
    }

    /// That a schema's `type`, `enum` and `const` let through.
    pub(super) fn let_through(schema: &Map<String, Json>) -> Self {
        let mut types = schema.get("type").map_or(Self::ALL, Self::named);
        for values in finite(schema) {
            let of = values
                .iter()
                .fold(Self(0), |set, value| Self(set.0 | Self::of(value).0));
            types = types.and(of);
        }
        types
    }

    /// As `type` names them.
    pub(super) fn named(names: &Json) -> Self {
        let one = |name: &str| match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self(0),
        };
        match names {
            Json::String(name) => one(name),
            Json::Array(names) => {
                let each = names.iter().filter_map(Json::as_str);
                each.fold(Self(0), |set, name| Self(set.0 | one(name).0))
            }
            _ => Self::ALL,
        }
    }

    /// For people.
    pub(super) fn words(self) -> String {
        let words = [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "true and false"),
            (Self::STRING, "texts"),
            (Self::ARRAY, "lists"),
            (Self::OBJECT, "objects"),
        ];
        let mut named: Vec<&str> = words
            .into_iter()
            .filter(|(set, _)| self.meets(*set))
            .map(|(_, word)| word)
            .collect();
        match (self.meets(Self::INTEGER), self.meets(Self::FRACTION)) {
            (true, true) => named.push("numbers"),
            (true, false) => named.push("whole numbers"),
            (false, true) => named.push("fractions"),
            (false, false) => {}
        }
        named.join(", ")
    }
}

/// The lists of values that a schema allows, if it names them: of `enum` and of `const`.
pub(super) fn finite(schema: &Map<String, Json>) -> Vec<&[Json]> {
    let listed = schema.get("enum").and_then(Json::as_array).map(Vec::as_slice);
    let one = schema.get("const").map(std::slice::from_ref);
    [listed, one].into_iter().flatten().collect()
}
