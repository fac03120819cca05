//! The body of a run: a form with files by role and params, or one document as it is.

pub(crate) mod form;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use docmill_model::definition::{Definition, InputKind, InputSpec};
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_model::id::DocumentId;
use docmill_model::reading::Source;
use docmill_runs::{Request as RunRequest, Upload};

use crate::body::Reader;
use crate::console::Token;
use crate::params::Params;
use crate::problem::Problem;
use crate::query::Query;
use crate::sniff;
use crate::state::ApiState;
use crate::weighed::{Budget, Trouble};

/// Longest file name that is kept, in bytes.
const MAX_NAME: usize = 255;

/// What a run is given, with the reader of the body: it holds the memory that the bytes are counted in.
pub struct Uploaded {
    /// Files, texts, records, documents and params.
    pub request: RunRequest,
    /// Keep it as long as the bytes.
    pub reader: Reader,
    /// Keep it as long as params and records.
    pub budget: Budget,
}

/// Reads what a run of `definition` is given.
///
/// # Errors
/// Everything that can be wrong with a body; see [`crate::body::BodyError`] and the codes of inputs.
pub async fn read(
    state: &ApiState,
    definition: &Definition,
    query: Query,
    request: Request,
) -> Result<Uploaded, Problem> {
    gathered(state, definition, query, request, None).await
}

/// Reads the same from a form of the console, whose first part has to be `token`. Fields that were left empty count as not given.
///
/// # Errors
/// [`Code::Forbidden`] without the token, before anything else of the form is looked at; as [`read`].
pub(crate) async fn read_form(
    state: &ApiState,
    definition: &Definition,
    request: Request,
    token: &Token,
) -> Result<Uploaded, Problem> {
    gathered(state, definition, Query::default(), request, Some(token)).await
}

async fn gathered(
    state: &ApiState,
    definition: &Definition,
    mut query: Query,
    request: Request,
    token: Option<&Token>,
) -> Result<Uploaded, Problem> {
    let (parts, body) = request.into_parts();
    let mut gathering = Gathering {
        definition,
        request: RunRequest::default(),
        params: Params::new(definition.params.as_ref()),
        budget: Budget::new(state.body_memory()),
        token,
    };
    let role = query.take("role")?;
    let name = query.take("name")?;
    for (param, text) in query.prefixed("param.") {
        gathering.params.text(&mut gathering.budget, &param, &text)?;
    }
    query.finish()?;
    let content_type = content_type(&parts.headers)?;
    let mut reader = Reader::new(state, &parts.headers, body, state.settings().body)?;
    let most = state.settings().parts;
    if let Err(problem) = gathering.body(&mut reader, content_type, role, name, most).await {
        reader.abandon();
        return Err(problem);
    }
    let mut request = gathering.request;
    request.params = gathering.params.finish();
    Ok(Uploaded {
        request,
        reader,
        budget: gathering.budget,
    })
}

/// The request's own media type, empty if there is none.
fn content_type(headers: &HeaderMap) -> Result<&str, Problem> {
    headers.get(header::CONTENT_TYPE).map_or(Ok(""), |value| {
        value
            .to_str()
            .map_err(|_| Problem::malformed("the header Content-Type holds characters that it may not"))
    })
}

struct Gathering<'a> {
    definition: &'a Definition,
    request: RunRequest,
    params: Params<'a>,
    budget: Budget,
    /// What the first part of a form of the console has to be.
    token: Option<&'a Token>,
}

impl Gathering<'_> {
    /// Whatever the body is.
    async fn body(
        &mut self,
        reader: &mut Reader,
        content_type: &str,
        role: Option<String>,
        name: Option<String>,
        most_parts: usize,
    ) -> Result<(), Problem> {
        let kind = content_type.split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "multipart/form-data" => form::read(self, reader, content_type, most_parts).await,
            // Other kinds have no first part.
            _ if self.token.is_some() => Token::default().check(""),
            other if other.starts_with("multipart/") => Err(Problem::new(
                Code::UnsupportedMediaType,
                format!("'{other}' is not read; send multipart/form-data, or one document as the body"),
            )),
            other => {
                let (bytes, digest) = reader.whole().await?;
                self.raw(role, name, other, content_type, bytes, digest).await
            }
        }
    }

    /// A body that is no form: the one document, or the params of a pipeline that takes no files.
    async fn raw(
        &mut self,
        role: Option<String>,
        name: Option<String>,
        kind: &str,
        content_type: &str,
        bytes: Bytes,
        digest: Digest,
    ) -> Result<(), Problem> {
        let files: Vec<(&String, &InputSpec)> = self
            .definition
            .inputs
            .iter()
            .filter(|(_, spec)| spec.kind == InputKind::File)
            .collect();
        if role.is_none() && files.is_empty() {
            return match kind {
                _ if bytes.is_empty() => Ok(()),
                "application/json" => self.params_object(&bytes).await,
                "application/x-www-form-urlencoded" => self.urlencoded(&bytes),
                _ => Err(Problem::new(
                    Code::UnsupportedMediaType,
                    "this pipeline takes no file: send its params as application/json or as a form",
                )),
            };
        }
        if bytes.is_empty() {
            let needed = self.definition.inputs.values().any(|spec| spec.min > 0);
            return if needed || role.is_some() {
                Err(Problem::new(
                    Code::EmptyBody,
                    "the body is empty; send the document in it",
                ))
            } else {
                Ok(())
            };
        }
        let role = match (role, files.as_slice()) {
            (Some(role), _) => role,
            (None, [(only, _)]) => (*only).clone(),
            (None, several) => {
                let roles: Vec<&str> = several.iter().map(|(role, _)| role.as_str()).collect();
                return Err(Problem::new(
                    Code::MissingInput,
                    format!(
                        "the pipeline takes several files ({}): say which one this is with ?role=, or send a form",
                        roles.join(", ")
                    ),
                ));
            }
        };
        // curl's --data-binary says this unless told otherwise; it is no word about the document.
        let claimed = Some(content_type).filter(|_| kind != "application/x-www-form-urlencoded");
        self.file(role, name.as_deref(), claimed, bytes, digest).await
    }

    fn urlencoded(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        for (name, value) in form_urlencoded::parse(bytes) {
            self.params.text(&mut self.budget, &name, &value)?;
        }
        Ok(())
    }

    /// Params as one JSON object.
    async fn params_object(&mut self, bytes: &Bytes) -> Result<(), Problem> {
        let object = self.budget.parse(bytes).await;
        let object = object.map_err(|trouble| trouble.problem(Code::InvalidParams, "`params`"))?;
        self.params.object(object)
    }

    /// Bytes for a role.
    async fn file(
        &mut self,
        role: String,
        name: Option<&str>,
        claimed: Option<&str>,
        bytes: Bytes,
        digest: Digest,
    ) -> Result<(), Problem> {
        let (kind, max) = {
            let spec = self.spec(&role)?;
            (spec.kind, spec.max)
        };
        // Told before the rest of the body is read, and before anything is made of this part.
        if u32::try_from(self.given(&role)).unwrap_or(u32::MAX) >= max {
            return Err(Problem::new(
                Code::DuplicateInput,
                format!("the role '{role}' takes at most {max}, and more came"),
            ));
        }
        let text = || {
            let text = std::str::from_utf8(&bytes)
                .ok()
                .filter(|text| !text.contains('\0'));
            text.ok_or_else(|| {
                Problem::malformed(format!(
                    "the input '{role}' is a text, but its bytes are not UTF-8"
                ))
            })
        };
        match kind {
            InputKind::File => {
                if bytes.is_empty() {
                    return Err(Problem::new(
                        Code::EmptyBody,
                        format!("the file for '{role}' is empty"),
                    ));
                }
                let name = name.and_then(clean_name);
                let media_type = sniff::media_type(&bytes, claimed, name.as_deref());
                let source = Source {
                    media_type,
                    name,
                    digest,
                    bytes,
                };
                self.request.files.push(Upload { role, source });
            }
            InputKind::Text => {
                let text = text()?.to_owned();
                self.request.texts.push((role, text));
            }
            InputKind::Record => {
                let record = self.budget.parse(&bytes).await.map_err(|trouble| {
                    let code = match trouble {
                        Trouble::TooLarge(_) => Code::BodyTooLarge,
                        _ => Code::MalformedRequest,
                    };
                    trouble.problem(code, &format!("the record for '{role}'"))
                })?;
                if !record.is_object() {
                    return Err(Problem::malformed(format!(
                        "the input '{role}' is a record: a JSON object"
                    )));
                }
                self.request.records.push((role, record));
            }
            InputKind::Document => {
                let id: DocumentId = text()?.trim().parse().map_err(|error| {
                    Problem::malformed(format!("the input '{role}' is a document that is kept: {error}"))
                })?;
                self.request.documents.push((role, id));
            }
        }
        Ok(())
    }

    /// How many inputs came for a role.
    fn given(&self, role: &str) -> usize {
        let request = &self.request;
        request.files.iter().filter(|file| file.role == role).count()
            + request.texts.iter().filter(|(r, _)| r == role).count()
            + request.records.iter().filter(|(r, _)| r == role).count()
            + request.documents.iter().filter(|(r, _)| r == role).count()
    }

    fn spec(&self, role: &str) -> Result<&InputSpec, Problem> {
        self.definition.inputs.get(role).ok_or_else(|| {
            let roles: Vec<&str> = self.definition.inputs.keys().map(String::as_str).collect();
            let shown: String = role.chars().filter(|c| !c.is_control()).take(60).collect();
            Problem::new(
                Code::UnknownInput,
                format!(
                    "the pipeline has no input '{shown}'; it has: {}",
                    roles.join(", ")
                ),
            )
        })
    }
}

/// A client's file name without directories and control characters, shortened; none if nothing is left.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String = last.chars().filter(|c| !hostile(*c)).collect();
    clean = clean.trim().to_owned();
    if clean.len() > MAX_NAME {
        let end = (0..=MAX_NAME)
            .rev()
            .find(|at| clean.is_char_boundary(*at))
            .unwrap_or(0);
        clean.truncate(end);
    }
    (!clean.is_empty() && clean != "." && clean != "..").then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_directories_and_tricks() {
        for (name, expected) in [
            ("a.pdf", Some("a.pdf")),
            ("C:\\docs\\счёт №1.pdf", Some("счёт №1.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("a\0b\r\n.pdf", Some("ab.pdf")),
            ("invoice\u{202E}fdp.exe", Some("invoicefdp.exe")),
            ("..", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(clean_name(name).as_deref(), expected, "{name:?}");
        }
        let long = "ё".repeat(300);
        assert_eq!(clean_name(&long).map(|n| n.len()), Some(254));
    }
}
