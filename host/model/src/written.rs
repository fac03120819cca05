//! What people write in YAML or JSON (which is YAML), read strictly and within bounds.

use serde::de::DeserializeOwned;

use crate::definition::Problem;
use crate::json::Builder;

/// Longest text of a definition or preset, in bytes.
pub const MAX_DEFINITION_BYTES: usize = 256 * 1024;
/// The same when every alias of YAML is written out: its texts, and 4 bytes for every value. Without aliases no
/// definition of [`MAX_DEFINITION_BYTES`] comes near, because a value takes two bytes to write.
pub const MAX_WRITTEN_OUT_BYTES: usize = 1024 * 1024;
/// Digits in a row. An alias has a number read again, and reading it takes as long as it is.
const MAX_DIGITS: usize = 1_000;

/// Reads a `T` out of `text`. `what` it is says where a problem is that has no narrower place.
///
/// # Errors
/// The first thing that is wrong, with its place: a member's path, or line and column.
pub(crate) fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Vec<Problem>> {
    if text.len() > MAX_DEFINITION_BYTES {
        let message = format!("is larger than {MAX_DEFINITION_BYTES} bytes");
        return Err(vec![Problem::new(what, message)]);
    }
    if text.contains('\0') {
        return Err(vec![Problem::new(what, "contains U+0000; remove it")]);
    }
    if text
        .split(|c: char| !c.is_ascii_digit())
        .any(|run| run.len() > MAX_DIGITS)
    {
        let message = format!("has a number of more than {MAX_DIGITS} digits");
        return Err(vec![Problem::new(what, message)]);
    }
    // A value first: it refuses names that stand twice and knows lines and columns, and aliases cannot swell it.
    let mut builder = Builder::new(MAX_WRITTEN_OUT_BYTES, 4).unique_names();
    let json = builder
        .build(serde_norway::Deserializer::from_str(text))
        .map_err(|error| {
            let place = error.location();
            vec![Problem {
                at: what.to_owned(),
                message: error.to_string(),
                line: place.as_ref().and_then(|l| u32::try_from(l.line()).ok()),
                column: place.as_ref().and_then(|l| u32::try_from(l.column()).ok()),
                code: None,
            }]
        })?;
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { what.to_owned() } else { path };
        vec![Problem::new(at, error.inner().to_string())]
    })
}
