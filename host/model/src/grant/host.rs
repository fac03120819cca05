//! Hosts that a grant names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

/// One host, or all below a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This name: A-labels, lower case, no trailing dot.
    Name(String),
    /// Every name of one or more labels before this one (`*.example.org` is `a.example.org` and `a.b.example.org`, and not
    /// `example.org`): who wants the name itself says so.
    Below(String),
    /// This address. Names that resolve to it are not meant.
    Address(IpAddr),
}

/// It is no host, or one that can be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{shown}' {why}")]
pub struct InvalidHost {
    shown: String,
    why: String,
}

impl HostPattern {
    /// Whether it means that host, as the URL standard writes it. One trailing dot of a name does not count.
    pub fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Name(name), Host::Domain(asked)) => name == plain(asked),
            (Self::Below(name), Host::Domain(asked)) => plain(asked)
                .strip_suffix(name.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty() && labels.split('.').all(|label| !label.is_empty())),
            (Self::Address(address), Host::Ipv4(asked)) => *address == IpAddr::V4(*asked),
            (Self::Address(address), Host::Ipv6(asked)) => *address == IpAddr::V6(*asked),
            _ => false,
        }
    }
}

fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        parse(text).map_err(|why| InvalidHost {
            shown: text.chars().filter(|c| !c.is_control()).take(80).collect(),
            why,
        })
    }
}

fn parse(text: &str) -> Result<HostPattern, String> {
    if text.is_empty() {
        return Err("is empty: write a host name such as api.example.org".to_owned());
    }
    if text.len() > 1_000 {
        return Err("is too long for the name of a host".to_owned());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has blanks in it".to_owned());
    }
    if text.contains("://") || text.contains(['/', '\\', '?', '#']) {
        return Err("is more than a host: leave scheme and path out".to_owned());
    }
    if text.contains('@') {
        return Err("has a user in it: write the host alone".to_owned());
    }
    if text.contains('%') {
        return Err(
            "has a percent sign in it: write the letters themselves, and addresses without a zone".to_owned(),
        );
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
        return match address.to_ipv4_mapped() {
            Some(v4) => Err(format!("is an IPv4 address in disguise: write {v4}")),
            None => Ok(HostPattern::Address(IpAddr::V6(address))),
        };
    }
    if text.contains([':', '[', ']']) {
        return Err("has a port in it, or is no address: ports stand in `ports`".to_owned());
    }
    match text.strip_prefix("*.") {
        Some(rest) => below(rest),
        None if text.contains('*') => {
            Err("has an asterisk that is not `*.` at its beginning: that is the only wildcard".to_owned())
        }
        None => one(text),
    }
}

fn below(rest: &str) -> Result<HostPattern, String> {
    if rest.contains('*') {
        return Err("has more than one asterisk".to_owned());
    }
    match one(rest)? {
        HostPattern::Name(name) if name.contains('.') => Ok(HostPattern::Below(name)),
        HostPattern::Name(_) => Err(
            "is a wildcard over a whole top-level domain: name at least two labels, as in *.example.org"
                .to_owned(),
        ),
        _ => Err("is a wildcard over an address: name addresses one by one".to_owned()),
    }
}

fn one(text: &str) -> Result<HostPattern, String> {
    match Host::parse(text) {
        Ok(Host::Ipv4(address)) => address_as_written(address, text),
        Ok(Host::Ipv6(_)) => Err("is no name".to_owned()),
        Ok(Host::Domain(name)) => name_of(&name),
        Err(_) => Err("is not the name of a host".to_owned()),
    }
}

/// `127.1`, `0x7f000001` and `2130706433` are all 127.0.0.1 to some programs, and names to others.
fn address_as_written(address: Ipv4Addr, text: &str) -> Result<HostPattern, String> {
    if address.to_string() == text {
        Ok(HostPattern::Address(IpAddr::V4(address)))
    } else {
        Err(format!("is an address in another spelling: write {address}"))
    }
}

fn name_of(name: &str) -> Result<HostPattern, String> {
    let name = plain(name);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err("is not the name of a host: 1 to 63 letters, digits and hyphens between dots".to_owned());
    }
    Ok(HostPattern::Name(name.to_owned()))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
