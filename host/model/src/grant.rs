//! What a tenant lets a plugin do beyond its inputs: capabilities, and grants with their bounds.
//!
//! A grant is parsed into a form in which nothing is ambiguous: names are A-labels in lower case without a trailing dot,
//! addresses stand in their one canonical spelling. What could be read in two ways is refused with the way to write it.

mod host;
mod keyvalue;
mod llm;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::duration::Span;
use crate::size::ByteSize;

pub use host::{HostPattern, InvalidHost};
pub use keyvalue::{KeyValueBudget, KeyValueGrant, MAX_KEY_BYTES, Unkept};
pub use llm::{LlmBudget, LlmGrant};

/// Something that a component can import and a tenant can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Requests over HTTP: `wasi:http/outgoing-handler`.
    Http,
    /// Values of its own that outlive a call: `wasi:keyvalue`, two drafts of it.
    Keyvalue,
    /// Questions to language models: `docmill:plugin/llm`.
    Llm,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Keyvalue, Self::Llm];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Keyvalue => "keyvalue",
            Self::Llm => "llm",
        }
    }

    /// What an imported interface (`wasi:http/outgoing-handler@0.2.3`) needs, if it is one that can be granted. Interfaces of a version
    /// that the host does not serve are none.
    pub fn of_import(interface: &str) -> Option<Self> {
        let (name, version) = interface.split_once('@')?;
        let served = version.starts_with("0.2.");
        match name {
            // Not `wasi:http/types`, which sends nothing by itself.
            "wasi:http/outgoing-handler" if served => Some(Self::Http),
            // Drafts match by exact version only.
            "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch"
                if KEYVALUE_DRAFTS.contains(&version) =>
            {
                Some(Self::Keyvalue)
            }
            "docmill:plugin/llm" if version == "0.1.0" => Some(Self::Llm),
            _ => None,
        }
    }
}

/// The drafts of `wasi:keyvalue` that are served: wasmtime's and wasmCloud's, and Spin's.
pub const KEYVALUE_DRAFTS: [&str; 2] = ["0.2.0-draft", "0.2.0-draft2"];

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
                format!(
                    "there is no capability of that name; there is {}",
                    known.join(", ")
                )
            })
    }
}

/// Everything that one plugin may do beyond its inputs. Nothing, by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Requests over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Arc<HttpGrant>>,
    /// Values of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyvalue: Option<Arc<KeyValueGrant>>,
    /// Questions to language models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<Arc<LlmGrant>>,
}

/// The bounds of one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Bounds {
    /// Requests over HTTP.
    Http(Arc<HttpGrant>),
    /// Values of its own.
    Keyvalue(Arc<KeyValueGrant>),
    /// Questions to language models.
    Llm(Arc<LlmGrant>),
}

impl Bounds {
    /// Reads the bounds of a grant of this capability.
    ///
    /// # Errors
    /// What is wrong with them, and how to write it.
    pub fn read(capability: Capability, written: serde_json::Value) -> Result<Self, String> {
        let read = match capability {
            Capability::Http => serde_json::from_value(written).map(Self::Http),
            Capability::Keyvalue => serde_json::from_value(written).map(Self::Keyvalue),
            Capability::Llm => serde_json::from_value(written).map(Self::Llm),
        };
        read.map_err(|error| error.to_string())
    }

    /// Of what.
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Http(_) => Capability::Http,
            Self::Keyvalue(_) => Capability::Keyvalue,
            Self::Llm(_) => Capability::Llm,
        }
    }
}

/// As a person reads it on a permission sheet.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(grant) => grant.fmt(f),
            Self::Keyvalue(grant) => grant.fmt(f),
            Self::Llm(grant) => grant.fmt(f),
        }
    }
}

impl FromIterator<Bounds> for Grants {
    fn from_iter<I: IntoIterator<Item = Bounds>>(all: I) -> Self {
        let mut grants = Self::default();
        for bounds in all {
            match bounds {
                Bounds::Http(grant) => grants.http = Some(grant),
                Bounds::Keyvalue(grant) => grants.keyvalue = Some(grant),
                Bounds::Llm(grant) => grants.llm = Some(grant),
            }
        }
        grants
    }
}

impl Grants {
    /// Whether the capability is among them.
    pub const fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http => self.http.is_some(),
            Capability::Keyvalue => self.keyvalue.is_some(),
            Capability::Llm => self.llm.is_some(),
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.http.is_none() && self.keyvalue.is_none() && self.llm.is_none()
    }
}

/// Ports from one to another, both included; neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    from: u16,
    to: u16,
}

impl Ports {
    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { from: port, to: port }
    }

    /// Whether it is among them.
    pub const fn contain(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Digits alone: `u16` would also read `+443`.
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|port| plain && *port > 0)
        };
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            _ => {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(format!(
                    "'{shown}' is no port and no range of ports: write 443 or 8000-8099"
                ))
            }
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(port) => port.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A secret that the host puts into a header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSecret {
    /// Of the header, in lower case.
    pub header: String,
    /// Of the secret.
    pub secret: String,
}

/// Requests over HTTP that a plugin may make, and how much of it in one call of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct HttpGrant {
    /// Where to; never empty.
    hosts: Vec<HostPattern>,
    /// On which ports; never empty.
    ports: Vec<Ports>,
    /// With which methods, in capitals; never empty.
    methods: Vec<String>,
    /// Also without TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    plaintext: bool,
    /// Secrets that the host puts into headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<HeaderSecret>,
    #[serde(flatten)]
    budget: HttpBudget,
}

/// How much a plugin may do over HTTP in one call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpBudget {
    /// Requests.
    pub calls: u32,
    /// Bytes of all requests' bodies together.
    pub request_bytes: ByteSize,
    /// Bytes of all responses' bodies together.
    pub response_bytes: ByteSize,
    /// Bytes of the header section of one request, and of one response.
    pub header_bytes: ByteSize,
    /// Time of one request, from looking its host up to the last byte of the response.
    pub time: Span,
}

impl HttpBudget {
    /// What holds if a grant says nothing.
    pub const DEFAULT: Self = Self {
        calls: 16,
        request_bytes: ByteSize::mib(1),
        response_bytes: ByteSize::mib(8),
        header_bytes: ByteSize::kib(32),
        time: Span::seconds(10),
    };

    /// What no grant passes: what is on its way for all calls together stays within what a host has.
    pub const CEILING: Self = Self {
        calls: 1_000,
        request_bytes: ByteSize::mib(64),
        response_bytes: ByteSize::mib(64),
        header_bytes: ByteSize::kib(64),
        time: Span::seconds(120),
    };
}

/// A grant as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hosts: Vec<HostPattern>,
    #[serde(default)]
    ports: Option<Vec<Ports>>,
    #[serde(default)]
    methods: Option<Vec<String>>,
    #[serde(default)]
    plaintext: bool,
    #[serde(default)]
    secrets: Vec<HeaderSecret>,
    #[serde(default)]
    calls: Option<u32>,
    #[serde(default)]
    request_bytes: Option<ByteSize>,
    #[serde(default)]
    response_bytes: Option<ByteSize>,
    #[serde(default)]
    header_bytes: Option<ByteSize>,
    #[serde(default)]
    time: Option<Span>,
}

/// The most entries of each list: a grant is read by a person.
const MOST: usize = 64;

/// Headers that the host itself writes, or that would change where a message ends.
pub const HOSTS_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl TryFrom<Written> for HttpGrant {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let plaintext = written.plaintext;
        let ports = written.ports.unwrap_or_else(|| {
            let plain = plaintext.then_some(Ports::one(80));
            plain.into_iter().chain([Ports::one(443)]).collect()
        });
        let methods = written
            .methods
            .unwrap_or_else(|| vec!["GET".to_owned(), "HEAD".to_owned()]);
        for (list, length) in [
            ("hosts", written.hosts.len()),
            ("ports", ports.len()),
            ("methods", methods.len()),
        ] {
            if length == 0 || length > MOST {
                return Err(format!("`{list}` has 1 to {MOST} entries, not {length}"));
            }
        }
        for method in &methods {
            judge_method(method)?;
        }
        if written.secrets.len() > MOST {
            return Err(format!("`secrets` has at most {MOST} entries"));
        }
        let secrets = written
            .secrets
            .into_iter()
            .map(judge_secret)
            .collect::<Result<_, _>>()?;
        let (usual, most) = (HttpBudget::DEFAULT, HttpBudget::CEILING);
        Ok(Self {
            hosts: written.hosts,
            ports,
            methods,
            plaintext,
            secrets,
            budget: HttpBudget {
                calls: bounded("calls", written.calls, usual.calls, 1, most.calls)?,
                request_bytes: bounded(
                    "request_bytes",
                    written.request_bytes,
                    usual.request_bytes,
                    ByteSize(0),
                    most.request_bytes,
                )?,
                response_bytes: bounded(
                    "response_bytes",
                    written.response_bytes,
                    usual.response_bytes,
                    ByteSize(0),
                    most.response_bytes,
                )?,
                // Less than 8 KiB would refuse ordinary answers, and is less than the HTTP library's smallest buffer.
                header_bytes: bounded(
                    "header_bytes",
                    written.header_bytes,
                    usual.header_bytes,
                    ByteSize::kib(8),
                    most.header_bytes,
                )?,
                time: bounded("time", written.time, usual.time, Span::millis(1), most.time)?,
            },
        })
    }
}

fn bounded<T: PartialOrd + fmt::Display + Copy>(
    name: &str,
    value: Option<T>,
    usual: T,
    least: T,
    most: T,
) -> Result<T, String> {
    let value = value.unwrap_or(usual);
    if value < least || value > most {
        return Err(format!("`{name}` is from {least} to {most}, not {value}"));
    }
    Ok(value)
}

fn is_token(text: &str) -> bool {
    let special = |b: u8| b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || special(b))
}

fn judge_method(method: &str) -> Result<(), String> {
    let shown: String = method.chars().filter(|c| !c.is_control()).take(40).collect();
    if !is_token(method) || method.len() > 40 {
        return Err(format!("'{shown}' is no method: write GET, POST, …"));
    }
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        // RFC 9110: methods are case-sensitive, `get` would be another one.
        return Err(format!(
            "methods are written in capitals: {}",
            shown.to_uppercase()
        ));
    }
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(format!(
            "{method} cannot be granted: it makes of a server a way to others"
        ));
    }
    Ok(())
}

fn judge_secret(mut secret: HeaderSecret) -> Result<HeaderSecret, String> {
    secret.header.make_ascii_lowercase();
    let shown: String = secret
        .header
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    if !is_token(&secret.header) || secret.header.len() > 100 {
        return Err(format!("'{shown}' is not the name of a header"));
    }
    if HOSTS_HEADERS.contains(&secret.header.as_str()) {
        return Err(format!("the header '{shown}' is the host's own"));
    }
    if !is_secret_name(&secret.secret) {
        return Err(format!(
            "the header '{shown}' names no secret: {SECRET_NAME_RULE}"
        ));
    }
    Ok(secret)
}

/// How the name of a secret is written.
pub const SECRET_NAME_RULE: &str =
    "the name of a secret has 1 to 60 letters, digits, '-' and '_', and begins with a letter";

/// Whether a secret can be called that.
pub fn is_secret_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Why a request is not within a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ungranted {
    /// Without TLS.
    #[error("the grant does not allow http without TLS (`plaintext`)")]
    Plaintext,
    /// To another host.
    #[error("the grant does not name the host {0}")]
    Host(String),
    /// To another port.
    #[error("the grant does not name the port {0}")]
    Port(u16),
    /// By another method.
    #[error("the grant does not name the method {0}")]
    Method(String),
}

impl HttpGrant {
    /// How much in one call of the plugin.
    pub const fn budget(&self) -> &HttpBudget {
        &self.budget
    }

    /// Where to.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// Which secrets stand for which headers.
    pub fn secrets(&self) -> &[HeaderSecret] {
        &self.secrets
    }

    /// Whether it allows a request. `host` is as the URL standard writes it.
    ///
    /// # Errors
    /// What it does not allow, first of all.
    pub fn permits(
        &self,
        tls: bool,
        host: &url::Host<&str>,
        port: u16,
        method: &str,
    ) -> Result<(), Ungranted> {
        if !tls && !self.plaintext {
            return Err(Ungranted::Plaintext);
        }
        if !self.hosts.iter().any(|pattern| pattern.matches(host)) {
            return Err(Ungranted::Host(host.to_string()));
        }
        if !self.ports.iter().any(|ports| ports.contain(port)) {
            return Err(Ungranted::Port(port));
        }
        if !self.methods.iter().any(|granted| granted == method) {
            return Err(Ungranted::Method(method.chars().take(40).collect()));
        }
        Ok(())
    }
}

/// As a person reads it on a permission sheet.
impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: &[T]) -> String {
            items
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        }
        write!(
            f,
            "{} {} port {}",
            list(&self.methods),
            list(&self.hosts),
            list(&self.ports)
        )?;
        if self.plaintext {
            f.write_str(", also without TLS")?;
        }
        let b = &self.budget;
        write!(
            f,
            "; in one call at most {} requests, {} sent, {} received, {} of headers, {} each",
            b.calls, b.request_bytes, b.response_bytes, b.header_bytes, b.time
        )?;
        for secret in &self.secrets {
            write!(f, "; secret {} in {}", secret.secret, secret.header)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
