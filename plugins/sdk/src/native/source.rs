use crate::Error;
use sha2::{Digest, Sha256};

/// The bytes that came in.
#[derive(Debug, Clone)]
pub struct Source {
    media_type: String,
    name: Option<String>,
    bytes: Vec<u8>,
}

impl Source {
    /// Only natively: what the host would hand over.
    pub fn new(media_type: &str, name: Option<&str>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            name: name.map(str::to_owned),
            bytes: bytes.into(),
        }
    }

    /// What the host found it to be.
    pub fn media_type(&self) -> String {
        self.media_type.clone()
    }

    /// The file's name as the client gave it. Do not trust it.
    pub fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// In bytes.
    pub fn size(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// SHA-256 in lower-case hex.
    pub fn digest(&self) -> String {
        Sha256::digest(&self.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Up to `length` bytes from `offset`; fewer only at the end, none after it.
    ///
    /// # Errors
    /// None natively.
    pub fn read(&self, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        Ok(rest.iter().take(length as usize).copied().collect())
    }
}
