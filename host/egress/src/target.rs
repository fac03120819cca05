//! Where a request goes: a URL that can be read in one way only.

use docmill_model::grant::HttpGrant;
use url::{Host, Url};

use crate::error::EgressError;

/// Bytes of a URL; servers rarely take more.
const LONGEST: usize = 8 << 10;

/// A URL that a request can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// A name without a trailing dot, or an address.
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    /// Whether the scheme means that port already.
    usual_port: bool,
    /// Path and query, as they stand in the first line.
    pub(crate) path: String,
}

impl Target {
    /// Reads a URL by the rules of the URL standard, and refuses what these repair silently: what one program repairs,
    /// another reads differently.
    pub(crate) fn parse(written: &str) -> Result<Self, EgressError> {
        let invalid = EgressError::Url;
        if written.len() > LONGEST {
            return Err(invalid("it is too long"));
        }
        if written
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
        {
            return Err(invalid("it has blanks, control characters or backslashes in it"));
        }
        let (scheme, rest) = written
            .split_once("://")
            .ok_or(invalid("it is no absolute URL with a host"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("its scheme is neither https nor http")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(invalid("it names no host"));
        }
        if authority.contains('@') {
            return Err(invalid("it has a user in it"));
        }
        let url = Url::parse(written).map_err(|_| invalid("it cannot be read"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) => Host::Domain(plain_name(name)?),
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            None => return Err(invalid("it names no host")),
        };
        let port = url.port_or_known_default().filter(|port| *port > 0);
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            tls,
            host,
            port: port.ok_or(invalid("its port is 0"))?,
            usual_port: url.port().is_none(),
            path,
        })
    }

    /// Whether the grant allows it.
    pub(crate) fn judge(&self, grant: &HttpGrant, method: &str) -> Result<(), EgressError> {
        Ok(grant.permits(self.tls, &self.borrowed(), self.port, method)?)
    }

    pub(crate) fn borrowed(&self) -> Host<&str> {
        match &self.host {
            Host::Domain(name) => Host::Domain(name),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        }
    }

    /// The value of `Host`.
    pub(crate) fn authority(&self) -> String {
        if self.usual_port {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// For people.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

fn plain_name(name: &str) -> Result<String, EgressError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    if name.len() > 253 || !name.split('.').all(fits) {
        return Err(EgressError::Url("its host is not the name of a host"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_what_is_sent() {
        for (written, origin, authority, path) in [
            (
                "https://Api.Example.org",
                "https://api.example.org:443",
                "api.example.org",
                "/",
            ),
            (
                "HTTPS://api.example.org.:443/a?b#c",
                "https://api.example.org:443",
                "api.example.org",
                "/a?b",
            ),
            (
                "http://api.example.org:8080/ü?ü",
                "http://api.example.org:8080",
                "api.example.org:8080",
                "/%C3%BC?%C3%BC",
            ),
            (
                "https://пример.рф/../x",
                "https://xn--e1afmkfd.xn--p1ai:443",
                "xn--e1afmkfd.xn--p1ai",
                "/x",
            ),
            ("https://0x7f.1/", "https://127.0.0.1:443", "127.0.0.1", "/"),
            (
                "https://2130706433:444/",
                "https://127.0.0.1:444",
                "127.0.0.1:444",
                "/",
            ),
            ("https://[::0001]/", "https://[::1]:443", "[::1]", "/"),
            ("https://１２７.0.0.1", "https://127.0.0.1:443", "127.0.0.1", "/"),
        ] {
            let target = Target::parse(written).unwrap();
            assert_eq!(
                (
                    target.origin().as_str(),
                    target.authority().as_str(),
                    target.path.as_str()
                ),
                (origin, authority, path)
            );
        }
    }

    #[test]
    fn urls_that_two_programs_read_differently_are_refused() {
        for bad in [
            "",
            "example.org",
            "//example.org/",
            "https:example.org",
            "https:/example.org",
            "https:///example.org",
            "https:////example.org/",
            "https://",
            "https://?x",
            "https://user@example.org",
            "https://user:secret@example.org",
            "https://@example.org",
            "https://example.org@10.0.0.1/",
            "https://example.org\\@10.0.0.1/",
            "https:\\\\example.org",
            "https://exam ple.org",
            "https://exam\tple.org",
            "https://exam\nple.org/",
            " https://example.org",
            "https://example.org:0/",
            "https://example.org:65536/",
            "https://example.org:4a3/",
            "https://a..b.org/",
            "https://.example.org/",
            "https://example.org../",
            "https://1.2.3.4.5/",
            "https://0x100000000/",
            "https://256.256.256.256/",
            "https://[::1",
            "https://[fe80::1%25eth0]/",
            "https://ex*mple.org/",
            "https://exa%00mple.org/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org:70/",
            "data:text/plain,x",
            "javascript://example.org/%0a",
        ] {
            assert!(matches!(Target::parse(bad), Err(EgressError::Url(_))), "{bad}");
        }
        assert!(Target::parse(&format!("https://example.org/{}", "x".repeat(9_000))).is_err());
    }
}
