//! Takes secrets out of what a server sends back.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::SecretValue;
use super::spellings::spellings;

/// What stands where a secret stood: as many as it had characters, so that no length changes.
const MASK: u8 = b'*';

/// Finds secrets in every spelling.
pub(crate) struct Redactor {
    patterns: AhoCorasick,
    longest: usize,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// None, if there are no secrets.
    pub(super) fn of<'a>(secrets: impl Iterator<Item = &'a SecretValue>) -> Option<Self> {
        let all: Vec<Vec<u8>> = secrets.flat_map(|secret| spellings(secret.expose())).collect();
        let longest = all.iter().map(Vec::len).max()?;
        let patterns = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(all)
            .inspect_err(|error| tracing::error!(%error, "secrets cannot be searched for"))
            .ok()?;
        Some(Self { patterns, longest })
    }

    /// Whether something was masked.
    fn mask(&self, bytes: &mut [u8]) -> bool {
        let found: Vec<_> = self
            .patterns
            .find_iter(&*bytes)
            .map(|found| found.range())
            .collect();
        for range in &found {
            if let Some(secret) = bytes.get_mut(range.clone()) {
                secret.fill(MASK);
            }
        }
        !found.is_empty()
    }

    /// Takes secrets out of names and values.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        let mut named = Vec::new();
        for (name, value) in headers.iter_mut() {
            let mut bytes = value.as_bytes().to_vec();
            if self.mask(&mut bytes) {
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
            }
            if self.patterns.is_match(name.as_str()) {
                named.push(name.clone());
            }
        }
        for name in named {
            headers.remove::<HeaderName>(name);
        }
    }
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Redaction {
    redactor: Arc<Redactor>,
    /// What may be the beginning of a secret, and is held back.
    held: BytesMut,
}

impl Redaction {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            redactor,
            held: BytesMut::new(),
        }
    }

    /// What can be handed on.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Bytes {
        self.held.extend_from_slice(bytes);
        let sure = (self.held.len() + 1).saturating_sub(self.redactor.longest);
        self.take(sure)
    }

    /// What is left at the end.
    pub(crate) fn end(&mut self) -> Bytes {
        self.take(self.held.len())
    }

    /// Hands on `sure` bytes, or more if a secret that begins within them ends later. What begins behind them may be the
    /// beginning of something longer, and is looked at again.
    fn take(&mut self, sure: usize) -> Bytes {
        let mut cut = sure;
        let found: Vec<_> = self
            .redactor
            .patterns
            .find_iter(&self.held)
            .map(|found| found.range())
            .take_while(|range| range.start < sure)
            .collect();
        for range in found {
            cut = cut.max(range.end);
            if let Some(secret) = self.held.get_mut(range) {
                secret.fill(MASK);
            }
        }
        self.held.split_to(cut.min(self.held.len())).freeze()
    }
}
