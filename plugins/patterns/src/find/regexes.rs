//! Values that a regular expression finds.

use super::{Candidate, REGEX, candidate};
use crate::page::Page;
use crate::value::{Spec, captured, scan};
use docmill_plugin::Error;
use regex::{Regex, RegexBuilder};

/// Bytes of a compiled expression.
const SIZE_MAX: usize = 1 << 20;
const NEST_MAX: u32 = 50;
/// Matches on one page.
const MATCHES_MAX: usize = 2000;

/// # Errors
/// `invalid-config` with code `regex`, the field's name and what the expression lacks.
pub fn compile(expression: &str, field: &str) -> Result<Regex, Error> {
    RegexBuilder::new(expression)
        .size_limit(SIZE_MAX)
        .nest_limit(NEST_MAX)
        .build()
        .map_err(|error| {
            Error::invalid_config(
                "regex",
                format!("The expression of the field `{field}` cannot be used: {error}"),
            )
        })
}

pub fn matches<'a>(page: &'a Page, regex: &'a Regex, spec: &'a Spec) -> impl Iterator<Item = Candidate> + 'a {
    regex
        .captures_iter(&page.text)
        .take(MATCHES_MAX)
        .filter_map(|captures| {
            let found = captured(&captures)?;
            Some(candidate(page, found.start(), scan(found.as_str(), spec)?, REGEX))
        })
}
