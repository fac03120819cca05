//! JSON from outside, built within bounds. A value takes many times the bytes that it was written in, and an alias of YAML
//! repeats what was written once; so the weight is counted while the value is built, and building ends at the bound.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::limits::MAX_JSON_DEPTH;

/// Why a text was not made into a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The values built so far weigh what they may.
    #[error("it takes more memory than it may")]
    TooLarge,
    /// It is not JSON, or nests too deeply.
    #[error("{0}")]
    Unreadable(String),
}

/// Builds values, all of which together weigh at most what it was made for.
#[derive(Debug)]
pub struct Builder {
    left: usize,
    each: usize,
    unique: bool,
    over: bool,
}

impl Builder {
    /// For values that weigh `most` bytes at most: their texts, and `each` for every value.
    pub const fn new(most: usize, each: usize) -> Self {
        Self {
            left: most,
            each,
            unique: false,
            over: false,
        }
    }

    /// For values that take `most` bytes of memory at most.
    pub const fn in_memory(most: usize) -> Self {
        Self::new(most, size_of::<Json>())
    }

    /// A name that stands twice in one object is an error; otherwise the last one counts, as everywhere in JSON.
    #[must_use]
    pub const fn unique_names(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Whether something was refused because it weighed too much.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Reads a JSON text.
    ///
    /// # Errors
    /// When it is not JSON, nests more than [`MAX_JSON_DEPTH`] deep, or weighs too much.
    pub fn read(&mut self, text: &str) -> Result<Json, ReadError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = self
            .build(&mut reader)
            .and_then(|json| reader.end().map(|()| json));
        read.map_err(|error| {
            if self.over {
                ReadError::TooLarge
            } else {
                ReadError::Unreadable(error.to_string())
            }
        })
    }

    /// Builds the value that a deserializer gives.
    ///
    /// # Errors
    /// As [`Builder::read`], and whatever the deserializer itself finds; [`Builder::is_over`] tells the two apart.
    pub fn build<'de, D: Deserializer<'de>>(&mut self, from: D) -> Result<Json, D::Error> {
        Node {
            builder: self,
            depth: 0,
        }
        .deserialize(from)
    }

    fn take<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.over = true;
                Err(E::custom("it is too large when everything is written out"))
            }
        }
    }
}

struct Node<'a> {
    builder: &'a mut Builder,
    depth: usize,
}

impl Node<'_> {
    fn leaf<E: serde::de::Error>(self, text: usize, value: impl FnOnce() -> Json) -> Result<Json, E> {
        self.builder.take(self.builder.each.saturating_add(text))?;
        Ok(value())
    }

    /// One level further in.
    fn inside<E: serde::de::Error>(&mut self) -> Result<Node<'_>, E> {
        if self.depth >= MAX_JSON_DEPTH {
            let why = format_args!("lists and objects nest more than {MAX_JSON_DEPTH} deep");
            return Err(E::custom(why));
        }
        Ok(Node {
            builder: self.builder,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Json, E> {
        self.leaf(0, || Json::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Json, E> {
        self.leaf(0, || value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Json, E> {
        self.leaf(0, || value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        self.leaf(0, || Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Json, E> {
        self.leaf(text.len(), || text.into())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Json, E> {
        self.leaf(text.len(), || text.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Json, E> {
        self.leaf(0, || Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<Json, A::Error> {
        self.builder.take(self.builder.each)?;
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(self.inside()?)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<Json, A::Error> {
        self.builder.take(self.builder.each)?;
        let mut members = Map::new();
        while let Some(name) = from.next_key_seed(Name(self.builder))? {
            if self.builder.unique && members.contains_key(&name) {
                let shown: String = name.chars().take(60).collect();
                return Err(A::Error::custom(format_args!("`{shown}` stands twice")));
            }
            let value = from.next_value_seed(self.inside()?)?;
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}

/// The name of a member; YAML's may be written without quotes and look like a number.
struct Name<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        self.0.take(text.len())?;
        Ok(text.to_owned())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_read_as_serde_json_reads_it() {
        let text = r#" {"a": [1, -2, 1.5, true, null, "x\u0000\"y"], "b": {}, "": [[]], "a": 3} "#;
        let read = Builder::in_memory(10_000).read(text);
        assert_eq!(read.ok(), serde_json::from_str(text).ok());
        assert_eq!(
            Builder::in_memory(10_000)
                .unique_names()
                .read(text)
                .map_err(|e| e.to_string().contains("`a` stands twice")),
            Err(true)
        );
        for bad in ["", "{", "[1,]", "1 2", "nul"] {
            let found = Builder::in_memory(10_000).read(bad);
            assert!(matches!(found, Err(ReadError::Unreadable(_))), "{bad}");
        }
    }

    #[test]
    fn weight_is_counted_over_all_values_while_they_are_built() {
        let mut builder = Builder::new(100, 10);
        assert_eq!(builder.read(r#"[0, "abcde"]"#), Ok(json!([0, "abcde"])));
        assert_eq!(builder.read("[0,0,0,0,0,0,0]"), Err(ReadError::TooLarge));
        assert!(builder.is_over());
        assert_eq!(
            Builder::new(100, 10).read(&format!(r#"{{"{}":0}}"#, "n".repeat(90))),
            Err(ReadError::TooLarge)
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Builder::in_memory(1 << 20).read(&nested(MAX_JSON_DEPTH)).is_ok());
        let found = Builder::in_memory(1 << 20).read(&nested(MAX_JSON_DEPTH + 1));
        assert!(found.is_err_and(|e| e.to_string().contains("nest more than 64 deep")));
    }
}
