//! Files that are kept with a version: its golden samples, what it is made of (SBOM) and how it came to be (provenance).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use docmill_model::attachment::{Attachment, AttachmentKind};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::reading::Source;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest SBOM, and longest provenance, in bytes.
pub const MAX_STATEMENT: usize = 4 << 20;
/// Longest name of a format that is kept, in characters.
const MAX_FORMAT: usize = 200;

/// A file with its bytes.
#[derive(Debug, Clone)]
pub struct Enclosed {
    /// What it is.
    pub attachment: Attachment,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Enclosed {
    fn of(
        kind: AttachmentKind,
        name: &str,
        media_type: &str,
        format: Option<String>,
        digest: Digest,
        bytes: Bytes,
    ) -> Self {
        Self {
            attachment: Attachment {
                kind,
                name: name.to_owned(),
                media_type: media_type.to_owned(),
                format,
                digest,
                size: bytes.len() as u64,
            },
            bytes,
        }
    }

    /// A golden sample as it was written.
    pub fn sample(name: &str, digest: Digest, bytes: Bytes) -> Self {
        Self::of(
            AttachmentKind::Sample,
            name,
            "application/json",
            None,
            digest,
            bytes,
        )
    }

    /// A document that golden samples name.
    pub fn document(source: &Source) -> Self {
        let name = source.name.as_deref().unwrap_or("document");
        let (kind, bytes) = (AttachmentKind::Document, source.bytes.clone());
        Self::of(kind, name, &source.media_type, None, source.digest, bytes)
    }

    /// What the component is made of. Nothing but the format is looked at: what it says is its author's word.
    ///
    /// # Errors
    /// [`Code::MalformedRequest`] when it is neither CycloneDX nor SPDX in JSON.
    pub fn sbom(digest: Digest, bytes: Bytes) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            let said = format!(
                "the part 'sbom' {why}; it is CycloneDX (1.2 or later) or SPDX (2.2 or later) in JSON"
            );
            Failure::new(Code::MalformedRequest, said)
        };
        // A list would be read as the values of the members in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(wrong("cannot be read: it is no JSON object"));
        }
        let read: Sbom =
            serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let (media_type, format) = read.format().map_err(|why| wrong(&why))?;
        let kind = AttachmentKind::Sbom;
        Ok(Self::of(
            kind,
            "sbom.json",
            media_type,
            Some(format),
            digest,
            bytes,
        ))
    }

    /// How the component came to be. It has to be about the component; who states it is not looked at.
    ///
    /// # Errors
    /// [`Code::MalformedRequest`] when it is no statement of in-toto, alone or in an envelope (DSSE);
    /// [`Code::DigestMismatch`] when it is about something else.
    pub fn provenance(component: Digest, digest: Digest, bytes: Bytes) -> Result<Self, Failure> {
        let wrong = |why: String| {
            let said = format!(
                "the part 'provenance' {why}; it is a statement of in-toto in JSON, as SLSA has it, alone or in a DSSE envelope"
            );
            Failure::new(Code::MalformedRequest, said)
        };
        let statement = Statement::read(&bytes).map_err(wrong)?;
        let format = statement.format().map_err(wrong)?;
        if !statement.is_about(component) {
            let said = format!(
                "the part 'provenance' is not about this component: no subject has the SHA-256 {component}"
            );
            return Err(Failure::new(Code::DigestMismatch, said));
        }
        let (kind, media_type) = (AttachmentKind::Provenance, "application/vnd.in-toto+json");
        Ok(Self::of(
            kind,
            "provenance.json",
            media_type,
            Some(format),
            digest,
            bytes,
        ))
    }
}

impl Enclosed {
    /// A Sigstore bundle, to be had again as it came.
    pub fn bundle(digest: Digest, bytes: Bytes) -> Self {
        Self::of(
            AttachmentKind::Bundle,
            "bundle.sigstore.json",
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            Some("Sigstore bundle 0.3".to_owned()),
            digest,
            bytes,
        )
    }
}

/// What tells one format from another. All else is passed over as it is read, and takes no memory.
#[derive(Deserialize)]
struct Sbom<'a> {
    #[serde(default, rename = "bomFormat")]
    bom_format: Option<String>,
    #[serde(default, rename = "specVersion")]
    spec_version: Option<String>,
    #[serde(default, rename = "spdxVersion")]
    spdx_version: Option<String>,
    /// Of JSON-LD, which may be anything.
    #[serde(default, borrow, rename = "@context")]
    context: Option<&'a RawValue>,
}

impl Sbom<'_> {
    fn format(&self) -> Result<(&'static str, String), String> {
        const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
        const SPDX: &str = "application/spdx+json";
        if let Some(format) = &self.bom_format {
            let version = self.spec_version.as_deref().unwrap_or_default();
            return match (format.as_str(), numbers(version)) {
                ("CycloneDX", Some((1, 2..))) => Ok((CYCLONEDX, format!("CycloneDX {version}"))),
                ("CycloneDX", _) => Err("is CycloneDX of a version that is not known".to_owned()),
                _ => Err("names a format that is not known".to_owned()),
            };
        }
        if let Some(named) = &self.spdx_version {
            let version = named.strip_prefix("SPDX-").unwrap_or_default();
            return match numbers(version) {
                Some((2, 2..)) => Ok((SPDX, format!("SPDX {version}"))),
                _ => Err("is SPDX of a version that is not known".to_owned()),
            };
        }
        let Some(context) = self.context else {
            return Err("names no format (`bomFormat`, `spdxVersion` or `@context`)".to_owned());
        };
        let context: String = serde_json::from_str(context.get()).unwrap_or_default();
        let version = context
            .strip_prefix("https://spdx.org/rdf/")
            .and_then(|rest| rest.strip_suffix("/spdx-context.jsonld"))
            .unwrap_or_default();
        let plain = version.rsplit_once('.').map_or(version, |(plain, _)| plain);
        match (numbers(plain).or_else(|| numbers(version)), version.len()) {
            (Some((3, _)), ..=20) => Ok((SPDX, format!("SPDX {version}"))),
            _ => Err("has a context that is not that of SPDX 3".to_owned()),
        }
    }
}

/// `1.6`: two numbers, short ones.
fn numbers(version: &str) -> Option<(u16, u16)> {
    let (major, minor) = version.split_once('.')?;
    let number = |text: &str| {
        let digits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    Some((number(major)?, number(minor)?))
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    #[serde(default)]
    sha256: Option<String>,
}

/// Dead Simple Signing Envelope; its signatures are not looked at.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default, rename = "payloadType")]
    payload_type: Option<String>,
    #[serde(default)]
    payload: Option<String>,
}

impl Statement {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let unread = |error: serde_json::Error| format!("cannot be read: {error}");
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(unread)?;
        let (Some(kind), Some(payload)) = (envelope.payload_type, envelope.payload) else {
            return serde_json::from_slice(bytes).map_err(unread);
        };
        if kind != "application/vnd.in-toto+json" {
            return Err("is an envelope of something else".to_owned());
        }
        let payload = STANDARD
            .decode(&payload)
            .or_else(|_| URL_SAFE.decode(&payload))
            .map_err(|_| "is an envelope whose payload is not base64".to_owned())?;
        serde_json::from_slice(&payload).map_err(unread)
    }

    fn format(&self) -> Result<String, String> {
        if !matches!(
            self.kind.as_str(),
            "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1"
        ) {
            return Err("is no statement that is known (`_type`)".to_owned());
        }
        let predicate = self.predicate_type.trim();
        let readable = predicate.bytes().all(|b| b.is_ascii_graphic());
        if predicate.is_empty() || predicate.len() > MAX_FORMAT || !readable {
            return Err("does not say what it states (`predicateType`)".to_owned());
        }
        Ok(predicate.to_owned())
    }

    fn is_about(&self, component: Digest) -> bool {
        let wanted = component.to_string();
        let mut subjects = self.subject.iter();
        subjects.any(|subject| subject.digest.sha256.as_deref() == Some(wanted.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sbom(json: &str) -> Result<(String, String), Failure> {
        let bytes = Bytes::copy_from_slice(json.as_bytes());
        let made = Enclosed::sbom(Digest::of(&bytes), bytes)?.attachment;
        Ok((made.media_type, made.format.unwrap_or_default()))
    }

    #[test]
    fn an_sbom_is_told_by_its_format_and_version() {
        for (json, media_type, format) in [
            (
                r#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "a", "x": [[[]]]}]}"#,
                "application/vnd.cyclonedx+json",
                "CycloneDX 1.6",
            ),
            (
                r#"{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"}"#,
                "application/spdx+json",
                "SPDX 2.3",
            ),
            (
                r#"{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}"#,
                "application/spdx+json",
                "SPDX 3.0.1",
            ),
        ] {
            assert_eq!(sbom(json).unwrap(), (media_type.to_owned(), format.to_owned()));
        }
        for (json, said) in [
            ("", "cannot be read"),
            ("[]", "cannot be read"),
            (r#"{"bomFormat": 1}"#, "cannot be read"),
            (
                r#"{"bomFormat": "CycloneDX", "specVersion": "1.6"} x"#,
                "cannot be read",
            ),
            ("{}", "names no format"),
            (r#"{"@context": [1, 2]}"#, "not that of SPDX"),
            (r#"{"@context": "https://schema.org"}"#, "not that of SPDX"),
            (r#"{"bomFormat": "CycloneDX"}"#, "version that is not known"),
            (
                r#"{"bomFormat": "CycloneDX", "specVersion": "1.1"}"#,
                "version that is not known",
            ),
            (
                r#"{"bomFormat": "CycloneDX", "specVersion": "1.6.\u0000"}"#,
                "version that is not known",
            ),
            (
                r#"{"bomFormat": "Other", "specVersion": "1.6"}"#,
                "format that is not known",
            ),
            (r#"{"spdxVersion": "SPDX-1.2"}"#, "version that is not known"),
        ] {
            let failure = sbom(json).unwrap_err();
            assert_eq!(failure.code, Code::MalformedRequest);
            assert!(failure.message.contains(said), "{json}: {}", failure.message);
        }
        // Nested as deep as it likes, it is passed over.
        let deep = format!(
            "{{\"a\": {}1{}, \"spdxVersion\": \"SPDX-2.3\"}}",
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        let found = sbom(&deep);
        assert!(found.is_ok() || found.is_err_and(|f| f.code == Code::MalformedRequest));
    }

    #[test]
    fn a_provenance_is_about_the_component_or_refused() {
        let component = Digest::of(b"component");
        let read = |json: &str| {
            let bytes = Bytes::copy_from_slice(json.as_bytes());
            Enclosed::provenance(component, Digest::of(&bytes), bytes).map(|made| made.attachment.format)
        };
        let statement = |digest: Digest| {
            format!(
                r#"{{"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
                    "subject": [{{"name": "other", "digest": {{"sha512": "ab"}}}}, {{"name": "a.wasm", "digest": {{"sha256": "{digest}"}}}}],
                    "predicate": {{"buildDefinition": {{}}}}}}"#
            )
        };
        let good = statement(component);
        let envelope = |kind: &str, payload: String| {
            format!(r#"{{"payloadType": "{kind}", "payload": "{payload}", "signatures": []}}"#)
        };
        let slsa = Some("https://slsa.dev/provenance/v1".to_owned());
        let in_toto = "application/vnd.in-toto+json";
        assert_eq!(read(&good).unwrap(), slsa);
        assert_eq!(read(&envelope(in_toto, STANDARD.encode(&good))).unwrap(), slsa);
        let other = read(&statement(Digest::of(b"other"))).unwrap_err();
        assert_eq!(other.code, Code::DigestMismatch);
        for bad in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            envelope("text/plain", STANDARD.encode(&good)),
            envelope(in_toto, "***".to_owned()),
            envelope(in_toto, STANDARD.encode("{}")),
            good.replace("Statement/v1", "Statement/v9"),
            good.replace("https://slsa.dev/provenance/v1", ""),
            good.replace("https://slsa.dev/provenance/v1", "a\\u0000b"),
            good.replace("\"subject\"", "\"object\""),
        ] {
            assert_eq!(read(&bad).unwrap_err().code, Code::MalformedRequest, "{bad}");
        }
    }
}
