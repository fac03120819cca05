//! JSON of clients: refused by its length before it is looked at, weighed before it is built, and read away from the
//! async threads when that takes long. Two bytes of text (`0,`) become seventy of memory.

use bytes::Bytes;
use docmill_model::failure::Code;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use crate::body::{Memory, Reserved};
use crate::problem::Problem;

/// Longest JSON that is parsed, in bytes: a record is a row of reference data, and a document is a file.
pub const MAX_RAW: usize = 4 << 20;
/// Most that all params and records of one request may weigh once they are built, in bytes: dense JSON of `MAX_RAW`.
pub const MAX_WEIGHT: usize = 32 << 20;
/// A run holds a value three times: for its steps, for its row and for expressions.
const COPIES: usize = 3;
/// What is so light is not counted, in bytes: most params weigh less, and their bodies are counted anyway.
const UNCOUNTED: usize = 16 * 1024;
/// JSON of up to so many bytes is read where it is: well under a millisecond.
const INLINE: usize = 64 * 1024;

/// A value's own place.
const VALUE: usize = size_of::<Json>();
/// A member's name, hash and place in the map.
const MEMBER: usize = size_of::<String>() + 3 * size_of::<usize>();

/// What is wrong with JSON.
#[derive(Debug)]
pub enum Trouble {
    /// It is not JSON, or holds what the database does not take.
    Unreadable(String),
    /// It is longer or heavier than it may be.
    TooLarge(String),
    /// It may be all right, but cannot be read now.
    NotNow(Problem),
}

impl Trouble {
    /// As a problem with `code` for what the client can mend; `what` is the part of the request.
    pub fn problem(self, code: Code, what: &str) -> Problem {
        match self {
            Self::Unreadable(why) => Problem::new(code, format!("{what} is not JSON as it is needed: {why}")),
            Self::TooLarge(why) => Problem::new(code, format!("{what} {why}")),
            Self::NotNow(problem) => problem,
        }
    }
}

/// What the JSON of one request may still weigh. It holds memory: keep it as long as the values.
pub struct Budget {
    left: usize,
    memory: Memory,
    held: Vec<Reserved>,
}

impl Budget {
    /// For one request.
    pub fn new(memory: &Memory) -> Self {
        Self {
            left: MAX_WEIGHT,
            memory: memory.clone(),
            held: Vec::new(),
        }
    }

    /// A value, and the memory for it.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn parse(&mut self, bytes: &Bytes) -> Result<Json, Trouble> {
        if bytes.len() > MAX_RAW {
            return Err(Trouble::TooLarge(format!(
                "is longer than {MAX_RAW} bytes; send what is large as a file"
            )));
        }
        if bytes.len() <= INLINE {
            return self.parse_here(bytes);
        }
        let text = bytes.clone();
        self.charge(away(move || weigh(&text)).await?)?;
        let text = bytes.clone();
        away(move || build(&text)).await
    }

    /// The same, at once: for what is short.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn parse_here(&mut self, text: &[u8]) -> Result<Json, Trouble> {
        self.charge(weigh(text)?)?;
        build(text)
    }

    fn charge(&mut self, weight: usize) -> Result<(), Trouble> {
        self.left = self.left.checked_sub(weight).ok_or_else(|| {
            Trouble::TooLarge(format!(
                "has too many values: params and records of a request may take {MAX_WEIGHT} bytes of memory"
            ))
        })?;
        if weight > UNCOUNTED {
            let reserved = self.memory.reserve(weight.saturating_mul(COPIES));
            self.held
                .push(reserved.map_err(|error| Trouble::NotNow(error.into()))?);
        }
        Ok(())
    }
}

async fn away<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading JSON panicked");
        let said = "the JSON could not be read; the log tells more";
        Err(Trouble::NotNow(Problem::new(Code::Internal, said)))
    })
}

/// What the value will weigh, without building it.
fn weigh(text: &[u8]) -> Result<usize, Trouble> {
    let weight = serde_json::from_slice::<Weight>(text);
    weight.map_or_else(unreadable, |weight| Ok(weight.0))
}

fn build(text: &[u8]) -> Result<Json, Trouble> {
    let value = serde_json::from_slice(text).or_else(unreadable)?;
    if holds_nul(&value) {
        return Err(Trouble::Unreadable("it holds U+0000; remove it".to_owned()));
    }
    Ok(value)
}

fn unreadable<T>(error: serde_json::Error) -> Result<T, Trouble> {
    Err(Trouble::Unreadable(error.to_string()))
}

/// Whether a text or a name in `value` holds U+0000, which the database does not take.
fn holds_nul(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(holds_nul),
        Json::Object(map) => map
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

struct Weight(usize);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Weigher)
    }
}

struct Weigher;

impl<'de> Visitor<'de> for Weigher {
    type Value = Weight;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Weight, E> {
        Ok(Weight(VALUE))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
        Ok(Weight(VALUE))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
        Ok(Weight(VALUE))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
        Ok(Weight(VALUE))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
        Ok(Weight(VALUE))
    }

    fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
        Ok(Weight(VALUE + text.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Weight, A::Error> {
        let mut sum = VALUE;
        while let Some(Weight(item)) = items.next_element()? {
            sum += item;
        }
        Ok(Weight(sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Weight, A::Error> {
        let mut sum = VALUE;
        while let Some((Weight(name), Weight(value))) = members.next_entry()? {
            sum += MEMBER + name + value;
        }
        Ok(Weight(sum))
    }
}

#[cfg(test)]
mod tests {
    use docmill_model::size::ByteSize;

    use super::*;

    fn budget() -> Budget {
        Budget::new(&Memory::new(ByteSize::mib(512)))
    }

    #[tokio::test]
    async fn values_come_as_they_are_and_cost_what_they_take() {
        let text = br#"{"a": [1, -2, 0.5, null, true, "\u0442"], "b": {"": {}}}"#;
        let mut budget = budget();
        let value = budget.parse(&Bytes::from_static(text)).await.unwrap();
        assert_eq!(value, serde_json::from_slice::<Json>(text).unwrap());
        let spent = MAX_WEIGHT - budget.left;
        assert!((10 * VALUE..20 * VALUE).contains(&spent), "{spent}");
        // Beyond what is read where it is.
        let long = format!("[{}0]", "0,".repeat(INLINE));
        let value = budget.parse(&Bytes::from(long)).await.unwrap();
        assert_eq!(value.as_array().unwrap().len(), INLINE + 1);
        assert!(MAX_WEIGHT - budget.left > spent + INLINE * VALUE);
    }

    #[tokio::test]
    async fn what_is_long_or_heavy_is_never_built() {
        let long = format!("\"{}\"", "x".repeat(MAX_RAW));
        let refused = budget().parse(&Bytes::from(long)).await.unwrap_err();
        assert!(matches!(refused, Trouble::TooLarge(_)), "{refused:?}");
        let heavy = format!("[{}0]", "0,".repeat(1_000_000));
        let refused = budget().parse(&Bytes::from(heavy)).await.unwrap_err();
        assert!(matches!(refused, Trouble::TooLarge(_)), "{refused:?}");
        // Many that are light each.
        let light = Bytes::from(format!("[{}0]", "0,".repeat(20_000)));
        let mut many = budget();
        let mut read = 0;
        while many.parse(&light).await.is_ok() {
            read += 1;
        }
        assert!((10..40).contains(&read), "{read}");
    }

    #[tokio::test]
    async fn all_requests_share_the_memory() {
        let memory = Memory::new(ByteSize::mib(16));
        let heavy = Bytes::from(format!("[{}0]", "0,".repeat(40_000)));
        let mut first = Budget::new(&memory);
        first.parse(&heavy).await.unwrap();
        let refused = Budget::new(&memory).parse(&heavy).await.unwrap_err();
        let problem = refused.problem(Code::InvalidParams, "it");
        assert_eq!(problem.failure.code, Code::Overloaded);
        drop(first);
        Budget::new(&memory).parse(&heavy).await.unwrap();
    }

    #[tokio::test]
    async fn broken_json_is_told_with_its_place() {
        for text in ["", "{", "[1,]", "{\"a\": \"\\u0000\"}", "{\"\\u0000\": 1}", "1 2"] {
            let refused = budget().parse(&Bytes::from_static(text.as_bytes())).await;
            assert!(matches!(refused, Err(Trouble::Unreadable(_))), "{text}");
        }
        let deep = Bytes::from("[".repeat(100_000));
        assert!(matches!(budget().parse(&deep).await, Err(Trouble::Unreadable(_))));
    }
}
