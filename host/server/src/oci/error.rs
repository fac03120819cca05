//! What can be wrong with a registry.

/// Why an artifact cannot be taken from a registry, or brought there.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The reference is not one.
    #[error(
        "'{text}' names no artifact: {why}; write oci://REGISTRY/REPOSITORY:TAG, or …@sha256:DIGEST to take exactly that"
    )]
    Reference { text: String, why: String },
    /// The credentials cannot be used.
    #[error("no credentials for {registry}: {why}; give --username NAME --password-stdin")]
    Credentials { registry: String, why: String },
    /// Nobody answers, or the answer breaks off.
    #[error("the registry {registry} does not answer: {why}")]
    Unreachable { registry: String, why: String },
    /// It takes too long in all.
    #[error("the registry {registry} is too slow: it took more than {seconds} s")]
    TooSlow { registry: String, seconds: u64 },
    /// It wants to know who asks.
    #[error(
        "the registry {registry} refuses these credentials, or asks for some: `docker login {registry}`, or --username NAME --password-stdin"
    )]
    Unauthorized { registry: String },
    /// It is not there.
    #[error("the registry {registry} has no {what}")]
    NotFound { registry: String, what: String },
    /// Another status.
    #[error("the registry {registry} answers {status} for {what}: {said}")]
    Answered {
        registry: String,
        what: String,
        status: u16,
        said: String,
    },
    /// It sends one elsewhere where nobody goes.
    #[error("the registry {registry} sends elsewhere for {what}: {why}")]
    Redirect {
        registry: String,
        what: String,
        why: String,
    },
    /// More than anybody reads.
    #[error("{what} has more than {most} bytes")]
    TooLarge { what: String, most: u64 },
    /// Other bytes.
    #[error("{what} is not what its digest says: {came} came, and {expected} is named; nothing was taken")]
    Digest {
        what: String,
        expected: String,
        came: String,
    },
    /// Several manifests.
    #[error("{what} is an index of several artifacts; name one of them by its digest")]
    Index { what: String },
    /// Something else than a component.
    #[error("{what} is no WebAssembly artifact: {why}")]
    Kind { what: String, why: String },
    /// It cannot be read.
    #[error("{what} cannot be read: {why}")]
    Malformed { what: String, why: String },
}

/// What a stranger wrote, in one short line: it goes to a terminal.
pub fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST)
        .collect();
    if text.chars().nth(MOST).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}
