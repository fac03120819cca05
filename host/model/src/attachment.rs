//! What comes with a version of a plugin beside its component.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What an attachment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A golden sample, as its author wrote it.
    Sample,
    /// A document that a golden sample names.
    Document,
    /// What the component is made of, as its author says.
    Sbom,
    /// How the component came to be, as somebody states.
    Provenance,
    /// A Sigstore bundle: somebody's signature, with what it takes to verify it.
    Bundle,
}

impl AttachmentKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sample,
        Self::Document,
        Self::Sbom,
        Self::Provenance,
        Self::Bundle,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Document => "document",
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
            Self::Bundle => "bundle",
        }
    }

    /// Whether a version has at most one.
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Sbom | Self::Provenance | Self::Bundle)
    }
}

impl fmt::Display for AttachmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AttachmentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is no kind of attachment"))
    }
}

/// A file that came with a version. Its bytes are blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// What it is for.
    pub kind: AttachmentKind,
    /// As the file is called; one of its kind in a version.
    pub name: String,
    /// What its bytes are.
    pub media_type: String,
    /// What it says it is, with a version, as in `CycloneDX 1.6`; none: it is of no standard.
    pub format: Option<String>,
    /// Of its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}
