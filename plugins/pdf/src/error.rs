//! Why a file could not be read.

use thiserror::Error;

/// Each case is the file's fault, never worth a retry. `Display` says what to do about it and holds no document text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PdfError {
    #[error("The file has no bytes. Upload it again.")]
    Empty,
    #[error("The file is not a PDF: it lacks the %PDF- header. Send it with its true media type.")]
    NotPdf,
    #[error("The PDF asks for a password. Save it without one and upload it again.")]
    Encrypted,
    #[error("The PDF is damaged beyond reading ({0}). Export or print it to PDF again.")]
    Damaged(&'static str),
    #[error("The PDF has no pages. Export it again.")]
    NoPages,
    #[error(
        "A stream inside the PDF unpacks to more than {limit_mib} MiB. Save the file with a PDF optimiser first."
    )]
    TooLarge { limit_mib: u64 },
}

impl PdfError {
    /// Stable, for pipelines to match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoPages => "empty",
            Self::NotPdf => "not-a-pdf",
            Self::Encrypted => "encrypted",
            Self::Damaged(_) => "damaged",
            Self::TooLarge { .. } => "too-large",
        }
    }
}
