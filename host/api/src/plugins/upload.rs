//! The body that brings a version: the component as it is, or a form with a signature and golden samples beside it.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_model::reading::Source;
use docmill_model::signature::Signature;
use docmill_model::size::ByteSize;
use docmill_pipeline::MAX_BUNDLE;
use docmill_registry::{Enclosed, MAX_SAMPLES, MAX_STATEMENT, Sample, Upload};

use super::digest::{compare, stated};
use crate::body::{Gathered, Reader};
use crate::console::{TOKEN, Token};
use crate::problem::Problem;
use crate::sniff;
use crate::state::ApiState;
use crate::upload::clean_name;
use crate::upload::form::head::HeadWatch;
use crate::upload::form::problem;

/// All samples with their documents. Beside the component, because many versions have none.
const SAMPLES: ByteSize = ByteSize::mib(16);
/// Longest signature: seven short members of JSON.
const MAX_SIGNATURE: usize = 4 * 1024;
/// Longest sample without its document.
const MAX_SAMPLE: usize = 1 << 20;
/// SBOM and provenance, beside the component and its samples.
const STATEMENTS: ByteSize = ByteSize(2 * MAX_STATEMENT as u64);
/// Longest token of the console, and longest mark.
const MAX_TOKEN: usize = 200;

/// What came, with the reader of the body: it holds the memory that the bytes are counted in.
pub(crate) struct Uploaded {
    pub(super) upload: Upload,
    /// Keep it as long as the bytes.
    pub(super) reader: Reader,
}

/// Reads a version. `publish`: whether plans may use it at once.
///
/// # Errors
/// Everything that can be wrong with a body; [`Code::DigestMismatch`].
pub(super) async fn read(
    state: &ApiState,
    headers: &HeaderMap,
    body: Body,
    publish: bool,
) -> Result<Uploaded, Problem> {
    let stated = stated(headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).map_or(Ok(""), |value| {
        value
            .to_str()
            .map_err(|_| Problem::malformed("the header Content-Type holds characters that it may not"))
    })?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let component = state.settings().component;
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        let mut reader = Reader::new(state, headers, body, component)?;
        let (bytes, digest) = reader.whole().await?;
        let bytes = not_empty(bytes)?;
        compare(stated, digest)?;
        let upload = Upload {
            component: bytes,
            digest,
            samples: Vec::new(),
            signature: None,
            bundle: None,
            enclosed: Vec::new(),
            publish,
        };
        return Ok(Uploaded { upload, reader });
    }
    let most = ByteSize(component.0 + SAMPLES.0 + STATEMENTS.0);
    let mut reader = Reader::new(state, headers, body, most)?.hashed();
    match form(&mut reader, content_type, component, None).await {
        Ok(mut upload) => {
            compare(stated, reader.digest())?;
            upload.publish = publish;
            Ok(Uploaded { upload, reader })
        }
        Err(problem) => {
            reader.abandon();
            Err(problem)
        }
    }
}

/// Reads the same from a form of the console, whose first part has to be `token`. File fields that were left empty count as not
/// given; with a part `hold` the version is admitted only.
///
/// # Errors
/// [`Code::Forbidden`] without the token, before anything else of the form is looked at; as [`read`].
pub(crate) async fn read_signed(
    state: &ApiState,
    headers: &HeaderMap,
    body: Body,
    token: &Token,
) -> Result<Uploaded, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let component = state.settings().component;
    let most = ByteSize(component.0 + SAMPLES.0 + STATEMENTS.0);
    let mut reader = Reader::new(state, headers, body, most)?;
    match form(
        &mut reader,
        content_type.unwrap_or_default(),
        component,
        Some(token),
    )
    .await
    {
        Ok(upload) => Ok(Uploaded { upload, reader }),
        Err(problem) => {
            reader.abandon();
            Err(problem)
        }
    }
}

pub(super) fn not_empty(bytes: Bytes) -> Result<Bytes, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new(
            Code::EmptyBody,
            "the body is empty; send the component in it: curl -T plugin.wasm …",
        ));
    }
    Ok(bytes)
}

/// What a form brings.
#[derive(Default)]
struct Parts {
    component: Option<(Bytes, Digest)>,
    signature: Option<Signature>,
    bundle: Option<(Bytes, Digest)>,
    sbom: Option<(Bytes, Digest)>,
    provenance: Option<(Bytes, Digest)>,
    samples: Vec<(String, Bytes, Digest)>,
    files: BTreeMap<String, Source>,
    /// Said by the console alone: it is not published yet.
    hold: bool,
}

async fn form(
    reader: &mut Reader,
    content_type: &str,
    component: ByteSize,
    token: Option<&Token>,
) -> Result<Upload, Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Problem::malformed("the header Content-Type of a form states its boundary; this one does not")
    })?;
    let mut parts = Parts::default();
    let mut unsigned = token;
    {
        let head = HeadWatch::default();
        let mut form = multer::Multipart::new(head.watch(reader.stream()), boundary);
        loop {
            head.begins();
            let Some(mut field) = form.next_field().await.map_err(|e| problem(&e))? else {
                break;
            };
            head.ended();
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().and_then(clean_name);
            let claimed = field.content_type().map(ToString::to_string);
            let most = match unsigned {
                Some(_) if name == TOKEN => MAX_TOKEN,
                Some(_) => return Err(Token::foreign()),
                None => parts.room(&name, component)?,
            };
            let (mut gathered, mut size) = (Gathered::default(), 0);
            while let Some(chunk) = field.chunk().await.map_err(|e| problem(&e))? {
                size += chunk.len();
                if size > most {
                    let said = format!("the part '{name}' is larger than {most} bytes");
                    return Err(Problem::new(Code::BodyTooLarge, said));
                }
                gathered.push(chunk);
            }
            let (bytes, digest) = gathered.finish();
            if let Some(token) = unsigned.take() {
                token.check(std::str::from_utf8(&bytes).unwrap_or_default())?;
                continue;
            }
            // A browser sends a file field that was left alone as a part without name and bytes.
            if token.is_some() && bytes.is_empty() && name != "component" {
                continue;
            }
            parts.take(&name, file_name, claimed.as_deref(), bytes, digest)?;
        }
    }
    if unsigned.is_some() {
        return Err(Token::foreign());
    }
    // multer stops at the last boundary; what follows is not part of the form, but it has to come to an end.
    while reader.chunk().await?.is_some() {}
    parts.finish()
}

impl Parts {
    /// How large a part of that name may be.
    fn room(&self, name: &str, component: ByteSize) -> Result<usize, Problem> {
        let twice = |there: bool, most: usize| {
            if there {
                Err(Problem::malformed(format!("the part '{name}' stands twice")))
            } else {
                Ok(most)
            }
        };
        let too_many = |there: usize, most: usize| {
            if there >= MAX_SAMPLES {
                let said = format!("there are more than {MAX_SAMPLES} parts '{name}'");
                Err(Problem::malformed(said))
            } else {
                Ok(most)
            }
        };
        match name {
            "component" => twice(self.component.is_some(), component.bytes()),
            "signature" => twice(self.signature.is_some(), MAX_SIGNATURE),
            "bundle" => twice(self.bundle.is_some(), MAX_BUNDLE),
            "sbom" => twice(self.sbom.is_some(), MAX_STATEMENT),
            "provenance" => twice(self.provenance.is_some(), MAX_STATEMENT),
            "sample" => too_many(self.samples.len(), MAX_SAMPLE),
            "file" => too_many(self.files.len(), SAMPLES.bytes()),
            "hold" => twice(self.hold, MAX_TOKEN),
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(60).collect();
                Err(Problem::malformed(format!(
                    "the form has a part '{shown}'; its parts are component, signature, bundle, sbom, provenance, sample and file"
                )))
            }
        }
    }

    fn take(
        &mut self,
        name: &str,
        file_name: Option<String>,
        claimed: Option<&str>,
        bytes: Bytes,
        digest: Digest,
    ) -> Result<(), Problem> {
        let named = |file_name: Option<String>| {
            file_name.ok_or_else(|| Problem::malformed(format!("a part '{name}' has no file name")))
        };
        match name {
            "component" => self.component = Some((not_empty(bytes)?, digest)),
            "signature" => {
                let read = serde_json::from_slice(&bytes);
                self.signature = Some(read.map_err(|error| {
                    Problem::malformed(format!(
                        "the part 'signature' is not what `docmill plugin sign` writes: {error}"
                    ))
                })?);
            }
            "hold" => self.hold = true,
            "bundle" => self.bundle = Some((bytes, digest)),
            "sbom" => self.sbom = Some((bytes, digest)),
            "provenance" => self.provenance = Some((bytes, digest)),
            "sample" => {
                let file_name = named(file_name)?;
                if self.samples.iter().any(|(name, ..)| *name == file_name) {
                    return Err(Problem::malformed(format!("there are two samples '{file_name}'")));
                }
                self.samples.push((file_name, bytes, digest));
            }
            _ => {
                let file_name = named(file_name)?;
                let source = Source {
                    media_type: sniff::media_type(&bytes, claimed, Some(&file_name)),
                    name: Some(file_name.clone()),
                    digest,
                    bytes,
                };
                if self.files.insert(file_name.clone(), source).is_some() {
                    return Err(Problem::malformed(format!("there are two files '{file_name}'")));
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Upload, Problem> {
        let Some((component, digest)) = self.component else {
            let said = "the form has no part 'component': -F component=@plugin.wasm";
            return Err(Problem::new(Code::EmptyBody, said));
        };
        let samples = self
            .samples
            .iter()
            .map(|(name, json, _)| Sample::read(name, json, &self.files));
        let samples: Vec<Sample> = samples.collect::<Result<_, _>>()?;
        // What no sample names is not kept.
        let used: BTreeMap<&str, &Source> = samples
            .iter()
            .filter_map(Sample::document)
            .filter_map(|source| Some((source.name.as_deref()?, source)))
            .collect();
        let mut enclosed: Vec<Enclosed> = used.into_values().map(Enclosed::document).collect();
        for (name, bytes, digest) in self.samples {
            enclosed.push(Enclosed::sample(&name, digest, bytes));
        }
        let mut bundle = None;
        if let Some((bytes, of)) = self.bundle {
            let text = std::str::from_utf8(&bytes)
                .ok()
                .filter(|text| !text.is_empty() && !text.contains('\0'));
            let text = text.ok_or_else(|| Problem::malformed("the part 'bundle' is not JSON"))?;
            bundle = Some(text.to_owned());
            enclosed.push(Enclosed::bundle(of, bytes));
        }
        if let Some((bytes, of)) = self.sbom {
            enclosed.push(Enclosed::sbom(of, bytes)?);
        }
        if let Some((bytes, of)) = self.provenance {
            enclosed.push(Enclosed::provenance(digest, of, bytes)?);
        }
        Ok(Upload {
            component,
            digest,
            samples,
            signature: self.signature,
            bundle,
            enclosed,
            publish: !self.hold,
        })
    }
}
