use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};

/// Why a blob could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {digest}")]
    NotFound {
        /// Which.
        digest: Digest,
    },
    /// No space is left.
    #[error("no space is left in the blob store")]
    Full,
    /// The bytes are not those that the digest names.
    #[error("the bytes of blob {digest} are not those that its digest names")]
    Corrupt {
        /// Which.
        digest: Digest,
    },
    /// The settings are wrong.
    #[error("the blob store is set up wrongly: {0}")]
    Settings(String),
    /// The store does not answer, or refuses.
    #[error("the blob store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BlobError {
    /// What a client is told; the cause goes to the log.
    pub fn failure(&self) -> Failure {
        match self {
            Self::NotFound { .. } => Failure::new(Code::NotFound, "The file is not kept any more."),
            Self::Full => Failure::new(Code::StorageFull, "No space is left for files; nothing was kept."),
            Self::Corrupt { .. } => Failure::new(
                Code::Internal,
                "A kept file has changed since it was written; restore it from a backup.",
            ),
            Self::Settings(_) | Self::Unavailable(_) => Failure::new(
                Code::BlobUnavailable,
                "The file store does not answer; try again in a moment.",
            ),
        }
    }

    pub(crate) fn io(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Self::Full,
            _ => Self::Unavailable(error.into()),
        }
    }
}
