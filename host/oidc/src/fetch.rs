//! Asking the issuer: bounded in time and size, and nowhere else than where it says.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The issuer's address is not one that can be asked safely.
#[derive(Debug, thiserror::Error)]
#[error(
    "the issuer {0} is not an address such as https://login.example.org (http is for this machine alone)"
)]
pub struct InvalidIssuer(String);

#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    http: Client,
    name: String,
    discovery: Url,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(crate) fn new(name: &str, patience: Duration) -> Result<Self, InvalidIssuer> {
        let wrong = || InvalidIssuer(name.chars().take(200).collect());
        // OpenID Connect Discovery 1.0, section 4.
        let discovery = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let discovery = Url::parse(&discovery).ok().filter(is_safe).ok_or_else(wrong)?;
        let http = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(patience)
            .build()
            .map_err(|_| wrong())?;
        Ok(Self {
            http,
            name: name.to_owned(),
            discovery,
        })
    }

    /// Its keys as they are now; or what went wrong, for the log and for people.
    pub(crate) async fn keys(&self) -> Result<JwkSet, String> {
        let found: Discovery = self.get(&self.discovery).await?;
        if found.issuer != self.name {
            return Err(format!(
                "it says that it is {}, not {}",
                shown(&found.issuer),
                self.name
            ));
        }
        let keys = Url::parse(&found.jwks_uri).ok().filter(is_safe);
        let keys =
            keys.ok_or_else(|| format!("its keys are at no safe address: {}", shown(&found.jwks_uri)))?;
        self.get(&keys).await
    }

    async fn get<T: DeserializeOwned>(&self, url: &Url) -> Result<T, String> {
        let asked = async {
            let mut answer = self.http.get(url.clone()).send().await?.error_for_status()?;
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > MAX_ANSWER {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(bytes)
        };
        let bytes = asked.await.map_err(|error| {
            let why = if error.is_timeout() {
                "it does not answer in time"
            } else {
                "it does not answer as it should"
            };
            format!("{why} ({error})")
        })?;
        if bytes.len() > MAX_ANSWER {
            return Err(format!("{url} answers with more than {MAX_ANSWER} bytes"));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("{url} does not answer with what it should: {error}"))
    }
}

/// TLS, or this very machine: whoever stands in between could hand out keys of their own.
fn is_safe(url: &Url) -> bool {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && local)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_asked_over_tls_or_on_this_machine() {
        let fine = |name: &str| Issuer::new(name, Duration::from_secs(1)).is_ok();
        for name in [
            "https://login.example.org",
            "https://login.example.org/realms/a/",
            "http://127.0.0.1:81",
            "http://localhost",
        ] {
            assert!(fine(name), "{name}");
        }
        for name in [
            "http://login.example.org",
            "http://127.0.0.1.example.org",
            "file:///etc/passwd",
            "login.example.org",
            "",
        ] {
            assert!(!fine(name), "{name}");
        }
    }
}
