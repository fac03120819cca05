//! Secrets: put into the headers that a grant names, and searched for in what comes back.

mod redact;
mod spellings;

use std::fmt;
use std::sync::Arc;

use docmill_model::grant::{HeaderSecret, HostPattern, is_secret_name};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem::Finder;
use url::Host;
use zeroize::Zeroizing;

pub(crate) use redact::{Redaction, Redactor};

/// How a placeholder begins; `{{secret:NAME}}` is one.
const OPENING: &str = "{{secret:";

/// The shortest secret, in bytes: a shorter one would be found everywhere in what comes back, and is guessed.
const SHORTEST: usize = 8;
/// The longest secret, in bytes: it stands in a header.
const LONGEST: usize = 8 << 10;

/// A value that nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Arc<Zeroizing<Vec<u8>>>);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// It cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Too short, or too long for a header.
    #[error("a secret has {SHORTEST} to {LONGEST} bytes")]
    Length,
    /// It holds what would end the header, or what no header may hold.
    #[error(
        "a secret holds visible ASCII characters and blanks between them: no newline, no control character"
    )]
    Characters,
}

impl SecretValue {
    /// Takes a value that can stand in a header.
    ///
    /// # Errors
    /// When it is too short or long, or holds a newline, a control character or anything but ASCII.
    pub fn new(value: Vec<u8>) -> Result<Self, InvalidSecret> {
        let value = Zeroizing::new(value);
        if !(SHORTEST..=LONGEST).contains(&value.len()) {
            return Err(InvalidSecret::Length);
        }
        let visible = |b: &u8| b.is_ascii_graphic() || *b == b' ';
        let trimmed = value.first() != Some(&b' ') && value.last() != Some(&b' ');
        if !trimmed || !value.iter().all(visible) {
            return Err(InvalidSecret::Characters);
        }
        Ok(Self(Arc::new(value)))
    }

    /// Its bytes, for whoever seals or sends them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// A secret with the hosts that it may go to.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Where it may go.
    pub hosts: Vec<HostPattern>,
    /// What it is.
    pub value: SecretValue,
}

/// Why a placeholder is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Placeholder {
    /// In the URL, in the body, or in a header's name or value that the grant does not name.
    #[error("a placeholder of a secret stands in {0}; a grant names the headers in which it may")]
    Misplaced(&'static str),
    /// It is not written as one, or names no secret.
    #[error("what looks like a placeholder of a secret is none: write {{{{secret:NAME}}}}")]
    Malformed,
    /// The grant names it, and the organisation has none of that name.
    #[error("there is no secret {0}; `docmill secret set {0}` keeps one")]
    Missing(String),
    /// It is bound to other hosts.
    #[error("the secret {0} is not bound to this host")]
    Destination(String),
}

/// The secrets of one call.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Which may stand in which header.
    granted: Vec<HeaderSecret>,
    known: Vec<Secret>,
    redactor: Option<Arc<Redactor>>,
}

impl Secrets {
    pub(crate) fn new(granted: &[HeaderSecret], known: Vec<Secret>) -> Self {
        let redactor = Redactor::of(known.iter().map(|secret| &secret.value));
        Self {
            granted: granted.to_vec(),
            known,
            redactor: redactor.map(Arc::new),
        }
    }

    /// What finds them in an answer, if there are any.
    pub(crate) fn redactor(&self) -> Option<&Arc<Redactor>> {
        self.redactor.as_ref()
    }

    /// Puts the secrets in the place of the placeholders, and gives the names of those that were put in.
    pub(crate) fn fill(
        &self,
        headers: &mut HeaderMap,
        host: &Host<&str>,
    ) -> Result<Vec<String>, Placeholder> {
        let mut used = Vec::new();
        for (name, value) in headers.iter_mut() {
            if let Some(filled) = self.filled(name, value, host, &mut used)? {
                *value = filled;
            }
        }
        Ok(used)
    }

    fn filled(
        &self,
        header: &HeaderName,
        value: &HeaderValue,
        host: &Host<&str>,
        used: &mut Vec<String>,
    ) -> Result<Option<HeaderValue>, Placeholder> {
        if !is_mentioned(value.as_bytes()) {
            return Ok(None);
        }
        let mut rest = value.to_str().map_err(|_| Placeholder::Malformed)?;
        let mut filled = Zeroizing::new(Vec::new());
        while let Some((before, after)) = rest.split_once(OPENING) {
            let (name, after) = after.split_once("}}").ok_or(Placeholder::Malformed)?;
            if !is_secret_name(name) {
                return Err(Placeholder::Malformed);
            }
            filled.extend_from_slice(before.as_bytes());
            filled.extend_from_slice(self.secret(header, name, host)?.value.expose());
            if !used.iter().any(|known| known == name) {
                used.push(name.to_owned());
            }
            rest = after;
        }
        filled.extend_from_slice(rest.as_bytes());
        let mut value = HeaderValue::from_bytes(&filled).map_err(|_| Placeholder::Malformed)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn secret(&self, header: &HeaderName, name: &str, host: &Host<&str>) -> Result<&Secret, Placeholder> {
        let granted = self
            .granted
            .iter()
            .any(|it| it.header == header.as_str() && it.secret == name);
        if !granted {
            return Err(Placeholder::Misplaced(
                "a header that the grant does not name for it",
            ));
        }
        let secret = self.known.iter().find(|secret| secret.name == name);
        let secret = secret.ok_or_else(|| Placeholder::Missing(name.to_owned()))?;
        if !secret.hosts.iter().any(|pattern| pattern.matches(host)) {
            return Err(Placeholder::Destination(name.to_owned()));
        }
        Ok(secret)
    }
}

/// Whether a placeholder, or what looks like the beginning of one, is in it.
pub(crate) fn is_mentioned(text: &[u8]) -> bool {
    memchr::memmem::find(text, OPENING.as_bytes()).is_some()
}

/// Whether a placeholder is in a URL, percent-encoded or not.
pub(crate) fn is_mentioned_in_url(url: &str) -> bool {
    let decoded = percent_decoded(url.as_bytes());
    is_mentioned(url.as_bytes()) || is_mentioned(&decoded) || is_mentioned(&percent_decoded(&decoded))
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let byte = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

/// Looks for placeholders in a body that comes in pieces.
pub(crate) struct Watch {
    finder: Finder<'static>,
    /// The last bytes, in which one may have begun.
    tail: Vec<u8>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            finder: Finder::new(OPENING),
            tail: Vec::new(),
        }
    }

    /// Whether one is in what came so far.
    pub(crate) fn sees(&mut self, bytes: &[u8]) -> bool {
        let overlap = OPENING.len() - 1;
        self.tail.extend_from_slice(bytes.get(..overlap).unwrap_or(bytes));
        let seen = self.finder.find(&self.tail).is_some() || self.finder.find(bytes).is_some();
        // Of a long piece only its end is kept; a short one may continue what was kept before.
        if bytes.len() >= overlap {
            self.tail.clear();
            self.tail
                .extend_from_slice(bytes.get(bytes.len() - overlap..).unwrap_or_default());
        } else {
            let drop = self.tail.len().saturating_sub(overlap);
            self.tail.drain(..drop);
        }
        seen
    }
}

#[cfg(test)]
mod tests;
