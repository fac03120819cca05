//! Query strings, read strictly: an unknown name is an error, not a wish that was silently ignored.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::Problem;
use crate::state::ApiState;

/// Most parameters of a query.
const MAX_PAIRS: usize = 100;

/// The parameters that nobody took yet.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// When it is not UTF-8 once decoded, holds U+0000 or too many parameters.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .take(MAX_PAIRS + 1)
            .collect();
        if pairs.len() > MAX_PAIRS {
            return Err(Problem::malformed(format!(
                "the query has more than {MAX_PAIRS} parameters"
            )));
        }
        // The decoder replaces what is not UTF-8; a replacement character that was really sent is spelt out.
        let spelt = text.to_ascii_uppercase().contains("%EF%BF%BD");
        for (name, value) in &pairs {
            if name.contains('\0') || value.contains('\0') {
                return Err(Problem::malformed("the query holds U+0000; remove it"));
            }
            if !spelt && (name.contains('\u{FFFD}') || value.contains('\u{FFFD}')) {
                return Err(Problem::malformed(format!(
                    "the query parameter '{name}' is not UTF-8 once decoded"
                )));
            }
        }
        Ok(Self(pairs))
    }

    /// Without parameters that are empty: a browser sends every field of a form, also those that were left alone.
    #[must_use]
    pub fn filled(mut self) -> Self {
        self.0.retain(|(_, value)| !value.trim().is_empty());
        self
    }

    /// The parameter of that name, which is left for who takes it.
    pub fn peek(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone())
    }

    /// Takes the parameter of that name.
    ///
    /// # Errors
    /// When it stands twice.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut found = self.0.extract_if(.., |(n, _)| n == name).map(|(_, value)| value);
        let first = found.next();
        if found.count() > 0 {
            return Err(Problem::malformed(format!(
                "the query parameter '{name}' stands twice"
            )));
        }
        Ok(first)
    }

    /// Takes and reads the parameter of that name.
    ///
    /// # Errors
    /// When it stands twice or cannot be read; `form` says how to write it.
    pub fn parsed<T: FromStr>(&mut self, name: &str, form: &str) -> Result<Option<T>, Problem> {
        let text = self.take(name)?;
        text.map(|text| {
            text.parse()
                .map_err(|_| Problem::malformed(format!("the query parameter '{name}' is {form}")))
        })
        .transpose()
    }

    /// Takes all parameters whose names begin with `prefix`, without it.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        self.0
            .extract_if(.., |(name, _)| {
                name.len() > prefix.len() && name.starts_with(prefix)
            })
            .map(|(name, value)| (name.get(prefix.len()..).unwrap_or_default().to_owned(), value))
            .collect()
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Names the first parameter that nobody took.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                Err(Problem::malformed(format!(
                    "there is no query parameter '{shown}' here; GET /v1/openapi.json lists those that there are"
                )))
            }
        }
    }
}

impl FromRequestParts<ApiState> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict() {
        let mut query = Query::parse("lookup.fio=%D0%98%D0%B2%D0%B0%D0%BD+A&limit=5&x=1").unwrap();
        assert_eq!(
            query.prefixed("lookup."),
            [("fio".to_owned(), "Иван A".to_owned())]
        );
        assert_eq!(query.parsed::<u32>("limit", "a number").unwrap(), Some(5));
        assert_eq!(query.take("absent").unwrap(), None);
        assert!(query.finish().unwrap_err().failure.message.contains("'x'"));
        for bad in ["a=%00", "a=%FF", "%C3%28=1"] {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
        assert!(Query::parse("a=%EF%BF%BD").is_ok());
        assert!(Query::parse("a=1&a=2").unwrap().take("a").is_err());
        assert!(
            Query::parse("n=x")
                .unwrap()
                .parsed::<u32>("n", "a number")
                .is_err()
        );
        assert!(Query::parse(&"a=1&".repeat(101)).is_err());
    }
}
