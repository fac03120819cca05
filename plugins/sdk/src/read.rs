//! Reading sources and inputs.

use crate::{Error, Inputs, Reading, Source};
use serde::de::DeserializeOwned;

impl Source {
    /// All bytes. Mind the step's memory limit: read a large source piece by piece instead.
    ///
    /// # Errors
    /// Whatever the host answers to `read`.
    pub fn read_all(&self) -> Result<Vec<u8>, Error> {
        const PIECE_BYTES: u32 = 4 << 20;
        let size = self.size();
        if size <= PIECE_BYTES {
            return self.read(0, size);
        }
        let mut bytes = Vec::with_capacity(size as usize);
        while (bytes.len() as u64) < u64::from(size) {
            let piece = self.read(bytes.len() as u32, PIECE_BYTES)?;
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The media type without parameters, in lower case: `text/csv; charset=utf-8` → `text/csv`.
    pub fn essence(&self) -> String {
        let media_type = self.media_type();
        media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }
}

impl Inputs {
    /// The main reading, or the typed error that a step without a document answers.
    ///
    /// # Errors
    /// `invalid-input` with code `no-document`.
    pub fn require_main(&self) -> Result<Reading, Error> {
        self.main().ok_or_else(|| {
            Error::invalid_input(
                "no-document",
                "This step needs a document: let a parser run before it.",
            )
        })
    }

    /// The run's parameters as a Rust type.
    ///
    /// # Errors
    /// `invalid-input` with code `params`.
    pub fn params_as<P: DeserializeOwned>(&self) -> Result<P, Error> {
        serde_json::from_str(&self.params()).map_err(|error| {
            Error::invalid_input("params", format!("The run's parameters do not fit: {error}."))
        })
    }
}
