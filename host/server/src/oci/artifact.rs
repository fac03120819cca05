//! The two manifests: the component's, as others read it, and that of what docmill takes along.

use std::collections::BTreeMap;

use bytes::Bytes;
use docmill_model::digest::Digest;
use oci_client::manifest::{
    OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use serde_json::{Value as Json, json};

use super::access::sha256;
use super::error::{OciError, shown};

/// The component's layer.
pub(super) const WASM: &str = "application/wasm";
/// Its configuration (TAG Runtime).
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// A configuration that says nothing (OCI image 1.1).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const NOTHING: &[u8] = b"{}";
/// What comes beside a component.
const EXTRAS: &str = "application/vnd.docmill.plugin.extras.v1";
const TITLE: &str = "org.opencontainers.image.title";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Layers of it: 50 samples, as many documents, signatures for many organisations.
const MAX_LAYERS: usize = 400;

/// A component with what it is called and what comes along.
#[derive(Debug)]
pub struct Artifact {
    pub described: Described,
    pub component: Bytes,
    pub extras: Vec<Extra>,
}

/// What others may know of a component without reading it.
#[derive(Debug, Default)]
pub struct Described {
    pub name: String,
    pub version: String,
    pub summary: String,
    /// RFC 3339. Of the upload, so that a version is the same artifact whenever it is exported.
    pub created: String,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Something that comes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    pub kind: ExtraKind,
    /// As the file is called.
    pub name: String,
    pub bytes: Bytes,
}

/// What it is; a layer's media type says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtraKind {
    /// Ed25519, for one organisation.
    Signature,
    Sample,
    Document,
    CycloneDx,
    Spdx,
    Provenance,
    /// Of Sigstore; over the bytes, for whoever trusts who made it.
    Bundle,
}

impl ExtraKind {
    const ALL: [Self; 7] = [
        Self::Signature,
        Self::Sample,
        Self::Document,
        Self::CycloneDx,
        Self::Spdx,
        Self::Provenance,
        Self::Bundle,
    ];

    const fn media_type(self) -> &'static str {
        match self {
            Self::Signature => "application/vnd.docmill.plugin.signature.v1+json",
            Self::Sample => "application/vnd.docmill.plugin.sample.v1+json",
            Self::Document => "application/vnd.docmill.plugin.document.v1",
            Self::CycloneDx => "application/vnd.cyclonedx+json",
            Self::Spdx => "application/spdx+json",
            Self::Provenance => "application/vnd.in-toto+json",
            Self::Bundle => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }

    /// For people, and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Sample => "sample",
            Self::Document => "document",
            Self::CycloneDx | Self::Spdx => "sbom",
            Self::Provenance => "provenance",
            Self::Bundle => "bundle",
        }
    }

    /// The one that a file of a version becomes.
    pub fn of(kind: &str, media_type: &str) -> Option<Self> {
        let mut fitting = Self::ALL.into_iter().filter(|own| own.as_str() == kind);
        match kind {
            "sbom" => fitting.find(|own| own.media_type() == media_type),
            _ => fitting.next(),
        }
    }

    /// Longest one, in bytes: as hosts take them.
    const fn most(self) -> u64 {
        match self {
            Self::Signature => 4 << 10,
            Self::Bundle => 128 << 10,
            Self::Sample => 1 << 20,
            Self::Document => 16 << 20,
            Self::CycloneDx | Self::Spdx | Self::Provenance => 4 << 20,
        }
    }
}

/// All that comes along, in bytes.
pub(super) const MAX_EXTRAS: u64 = 25 << 20;

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub digest: Digest,
    pub size: u64,
}

/// Blobs to be pushed, and the manifest that names them.
pub(super) struct Laid {
    pub blobs: Vec<(String, Bytes)>,
    pub manifest: Bytes,
}

impl Artifact {
    /// The component's artifact.
    pub(super) fn component_laid(&self) -> Laid {
        let layer = descriptor(WASM, &self.component);
        let about = &self.described;
        let config = json!({
            "created": about.created,
            "author": null,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": { "exports": about.exports, "imports": about.imports, "target": null },
        });
        let config = Bytes::from(config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "config": descriptor(WASM_CONFIG, &config),
            "layers": [layer],
            "annotations": {
                "org.opencontainers.image.created": about.created,
                "org.opencontainers.image.description": about.summary,
                TITLE: about.name,
                "org.opencontainers.image.version": about.version,
            },
        });
        Laid {
            blobs: vec![
                ("component".to_owned(), self.component.clone()),
                ("configuration".to_owned(), config),
            ],
            manifest: manifest.to_string().into(),
        }
    }

    /// That of what comes along; none if nothing does. `subject`: the component's manifest.
    pub(super) fn extras_laid(&self, subject: &Bytes) -> Option<Laid> {
        if self.extras.is_empty() {
            return None;
        }
        let layers: Vec<Json> = self
            .extras
            .iter()
            .map(|extra| {
                let mut layer = descriptor(extra.kind.media_type(), &extra.bytes);
                if let Some(members) = layer.as_object_mut() {
                    members.insert("annotations".to_owned(), json!({ TITLE: extra.name }));
                }
                layer
            })
            .collect();
        let nothing = Bytes::from_static(NOTHING);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "artifactType": EXTRAS,
            "config": descriptor(EMPTY, &nothing),
            "layers": layers,
            "subject": descriptor(OCI_IMAGE_MEDIA_TYPE, subject),
        });
        let mut blobs = vec![("configuration".to_owned(), nothing)];
        for extra in &self.extras {
            let what = format!("{} {}", extra.kind.as_str(), shown(&extra.name));
            // The same bytes twice are one blob.
            if !blobs.iter().any(|(_, bytes)| *bytes == extra.bytes) {
                blobs.push((what, extra.bytes.clone()));
            }
        }
        Some(Laid {
            blobs,
            manifest: manifest.to_string().into(),
        })
    }
}

/// Where the extras of a manifest are.
pub(super) fn extras_tag(manifest: Digest) -> String {
    format!("sha256-{manifest}.docmill")
}

fn descriptor(media_type: &str, bytes: &Bytes) -> Json {
    json!({ "mediaType": media_type, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len() })
}

/// Reads a manifest, and no index.
pub(super) fn manifest_of(what: &str, bytes: &[u8]) -> Result<OciImageManifest, OciError> {
    let malformed = |why: String| OciError::Malformed {
        what: what.to_owned(),
        why,
    };
    let value: Json = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    let media_type = value.get("mediaType").and_then(Json::as_str).unwrap_or_default();
    if matches!(media_type, OCI_IMAGE_INDEX_MEDIA_TYPE | DOCKER_LIST) || value.get("manifests").is_some() {
        return Err(OciError::Index {
            what: what.to_owned(),
        });
    }
    if !matches!(media_type, "" | OCI_IMAGE_MEDIA_TYPE) {
        return Err(OciError::Kind {
            what: what.to_owned(),
            why: format!("it is {}", shown(media_type)),
        });
    }
    let manifest: OciImageManifest =
        serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
    if manifest.schema_version != 2 {
        return Err(malformed(format!(
            "its schema version is {}",
            manifest.schema_version
        )));
    }
    Ok(manifest)
}

fn layer_of(what: &str, descriptor: &OciDescriptor, most: u64) -> Result<Layer, OciError> {
    let malformed = |why: &str| OciError::Malformed {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let digest = sha256(&descriptor.digest).ok_or_else(|| malformed("its digest is no SHA-256"))?;
    let size = u64::try_from(descriptor.size).map_err(|_| malformed("its size is negative"))?;
    if size > most {
        return Err(OciError::TooLarge {
            what: what.to_owned(),
            most,
        });
    }
    Ok(Layer { digest, size })
}

/// The one component of an artifact, whoever made it.
pub(super) fn component_of(what: &str, manifest: &OciImageManifest, most: u64) -> Result<Layer, OciError> {
    let mut layers = manifest.layers.iter().filter(|layer| layer.media_type == WASM);
    let kind = |why: String| OciError::Kind {
        what: what.to_owned(),
        why,
    };
    match (layers.next(), layers.next()) {
        (Some(layer), None) => layer_of("the component", layer, most),
        (Some(_), Some(_)) => Err(kind(format!(
            "it has several layers {WASM}, and a plugin is one component"
        ))),
        (None, _) => {
            let first = manifest.layers.first().map(|layer| shown(&layer.media_type));
            let found = first.unwrap_or_else(|| "none".to_owned());
            Err(kind(format!("it has no layer {WASM}; its first one is {found}")))
        }
    }
}

/// What comes along, without its bytes. `subject`: the manifest that it has to belong to.
pub(super) fn extras_of(
    what: &str,
    manifest: &OciImageManifest,
    subject: Digest,
) -> Result<Vec<(ExtraKind, String, Layer)>, OciError> {
    let malformed = |why: &str| OciError::Malformed {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    if manifest.artifact_type.as_deref() != Some(EXTRAS) {
        return Err(malformed("it is something else"));
    }
    let named = manifest
        .subject
        .as_ref()
        .and_then(|subject| sha256(&subject.digest));
    if named != Some(subject) {
        return Err(malformed("it belongs to another artifact"));
    }
    if manifest.layers.len() > MAX_LAYERS {
        return Err(malformed("it has too many layers"));
    }
    let mut found = Vec::new();
    let mut total = 0u64;
    for layer in &manifest.layers {
        let kind = ExtraKind::ALL
            .into_iter()
            .find(|kind| kind.media_type() == layer.media_type);
        // What a later docmill takes along is nothing to this one.
        let Some(kind) = kind else { continue };
        let title = |annotations: &BTreeMap<String, String>| annotations.get(TITLE).cloned();
        let name = layer.annotations.as_ref().and_then(title).unwrap_or_default();
        let called = format!("{} {}", kind.as_str(), shown(&name));
        let layer = layer_of(&called, layer, kind.most())?;
        total = total.saturating_add(layer.size);
        found.push((kind, name, layer));
    }
    if total > MAX_EXTRAS {
        return Err(OciError::TooLarge {
            what: what.to_owned(),
            most: MAX_EXTRAS,
        });
    }
    Ok(found)
}
