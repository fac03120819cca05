//! Small forms of the console: fields by name, and the token that only pages of this session have.

use axum::extract::Request;
use axum::http::header;
use docmill_model::failure::Code;
use docmill_model::size::ByteSize;
use maud::{Markup, html};

use super::door::Token;
use crate::body::Reader;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// The largest form without files.
const MOST: ByteSize = ByteSize::kib(16);
/// The name of the field with the token.
pub const TOKEN: &str = "csrf";

/// Fields that nobody took yet; those that were left empty are not there.
pub struct Form(Query);

impl Form {
    /// Reads a form that a page of this session made.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if it carries another token or none; what [`Reader`] says.
    pub async fn read(state: &ApiState, token: &Token, request: Request) -> Result<Self, Problem> {
        let mut form = Self::unsigned(state, request).await?;
        token.check(&form.take(TOKEN)?.unwrap_or_default())?;
        Ok(form)
    }

    /// Reads a form of somebody who is not signed in.
    ///
    /// # Errors
    /// What [`Reader`] says; if it is no form.
    pub async fn unsigned(state: &ApiState, request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        if !kind
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            let said = "a form of this console is sent as application/x-www-form-urlencoded";
            return Err(Problem::new(Code::UnsupportedMediaType, said));
        }
        let (bytes, _) = Reader::new(state, &parts.headers, body, MOST)?.whole().await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("the form is not UTF-8"))?;
        Ok(Self(Query::parse(text)?.filled()))
    }

    /// Takes the field of that name.
    ///
    /// # Errors
    /// When it stands twice.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.0.take(name)
    }

    /// Takes all fields whose names begin with `prefix`, without it.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<String> {
        let found = self.0.prefixed(prefix).into_iter();
        found.map(|(name, _)| name).collect()
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Names the first field that nobody took.
    pub fn finish(self) -> Result<(), Problem> {
        self.0.finish()
    }
}

/// The field that makes a form this session's own. Of a form with files it has to be the first.
pub fn signed(token: &Token) -> Markup {
    html! { input type="hidden" name=(TOKEN) value=(token.as_str()); }
}
