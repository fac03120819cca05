//! Forms: parts with the name of a role are inputs, all others are params.

pub(crate) mod head;

use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;

use self::head::HeadWatch;
use super::Gathering;
use crate::body::{BodyError, Gathered, Reader};
use crate::console::TOKEN;
use crate::params::MAX_PARAM;
use crate::problem::Problem;
use crate::weighed::MAX_RAW;

/// Longest name of a part, in bytes.
const MAX_PART_NAME: usize = 200;

pub(super) async fn read(
    gathering: &mut Gathering<'_>,
    reader: &mut Reader,
    content_type: &str,
    most: usize,
) -> Result<(), Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Problem::malformed("the header Content-Type of a form states its boundary; this one does not")
    })?;
    let mut any = false;
    let mut parts = 0;
    {
        let head = HeadWatch::default();
        let mut form = multer::Multipart::new(head.watch(reader.stream()), boundary);
        loop {
            head.begins();
            let Some(mut field) = form.next_field().await.map_err(|e| problem(&e))? else {
                break;
            };
            head.ended();
            parts += 1;
            if parts > most {
                return Err(Problem::malformed(format!("the form has more than {most} parts")));
            }
            let name = field
                .name()
                .filter(|name| !name.is_empty() && name.len() <= MAX_PART_NAME);
            let Some(name) = name.map(str::to_owned) else {
                return Err(Problem::malformed(format!(
                    "part {parts} of the form has no name (or one that is not UTF-8 or is too long): -F file=@invoice.pdf"
                )));
            };
            if name.contains('\0') {
                return Err(Problem::malformed(format!(
                    "the name of part {parts} of the form holds U+0000"
                )));
            }
            let file_name = field.file_name().map(str::to_owned);
            let claimed = field.content_type().map(ToString::to_string);
            let is_input = file_name.is_some() || gathering.definition.inputs.contains_key(&name);
            let mut gathered = Gathered::default();
            let mut size = 0_usize;
            while let Some(chunk) = field.chunk().await.map_err(|e| problem(&e))? {
                size += chunk.len();
                let most = if name == "params" { MAX_RAW } else { MAX_PARAM };
                if !is_input && size > most {
                    let said = format!(
                        "the param '{name}' is longer than {most} bytes; send files with a file name"
                    );
                    return Err(Problem::new(Code::InvalidParams, said));
                }
                gathered.push(chunk);
            }
            any |= size > 0;
            let (bytes, digest) = gathered.finish();
            if let Some(token) = gathering.token {
                if parts == 1 {
                    let given = Some(&bytes).filter(|_| name == TOKEN);
                    let given = given.and_then(|bytes| std::str::from_utf8(bytes).ok());
                    token.check(given.unwrap_or_default())?;
                    any = false;
                    continue;
                }
                let needed = gathering.definition.inputs.get(&name);
                if bytes.is_empty() && needed.is_none_or(|spec| spec.min == 0) {
                    continue;
                }
            }
            if is_input {
                input(gathering, name, file_name, claimed, bytes, digest).await?;
            } else {
                param(gathering, &name, &bytes).await?;
            }
        }
    }
    if let Some(token) = gathering.token.filter(|_| parts == 0) {
        token.check("")?;
    }
    // multer stops at the last boundary; what follows is not part of the form, but it has to come to an end.
    while reader.chunk().await?.is_some() {}
    let wants = gathering.definition.inputs.values().any(|spec| spec.min > 0);
    if !any && wants {
        return Err(Problem::new(
            Code::EmptyBody,
            "the form is empty; add the document: -F file=@invoice.pdf",
        ));
    }
    Ok(())
}

async fn input(
    gathering: &mut Gathering<'_>,
    name: String,
    file_name: Option<String>,
    claimed: Option<String>,
    bytes: Bytes,
    digest: Digest,
) -> Result<(), Problem> {
    // A browser sends a file field that was left alone as a part without name and bytes.
    let untouched = bytes.is_empty() && file_name.as_deref() == Some("");
    let optional = gathering
        .definition
        .inputs
        .get(&name)
        .is_some_and(|spec| spec.min == 0);
    if untouched && optional {
        return Ok(());
    }
    let name_of_file = file_name.as_deref();
    gathering
        .file(name, name_of_file, claimed.as_deref(), bytes, digest)
        .await
}

async fn param(gathering: &mut Gathering<'_>, name: &str, bytes: &Bytes) -> Result<(), Problem> {
    if name == "params" {
        return gathering.params_object(bytes).await;
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(Code::InvalidParams, format!("the param '{name}' is not UTF-8")))?;
    gathering.params.text(&mut gathering.budget, name, text)
}

/// What is wrong with a form; what was wrong with the body comes back as it was.
pub(crate) fn problem(error: &multer::Error) -> Problem {
    use multer::Error as E;
    match error {
        E::StreamReadFailed(source) => match source.downcast_ref::<BodyError>() {
            Some(body) => (*body).into(),
            None => Problem::malformed(source.to_string()),
        },
        E::IncompleteStream | E::IncompleteFieldData { .. } | E::IncompleteHeaders => Problem::new(
            Code::TruncatedBody,
            "the form ends before its last boundary; it was cut off, or the boundary in Content-Type is another one",
        ),
        other => Problem::malformed(format!("the form cannot be read: {other}")),
    }
}
