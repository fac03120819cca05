//! Where an artifact is, and who asks for it.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use docmill_model::digest::Digest;
use http_auth::parser::ChallengeParser;
use oci_client::Reference;
use oci_client::client::ClientProtocol;
use oci_client::secrets::RegistryAuth;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::error::{OciError, shown};
use super::read::{bounded, unreachable};
use crate::cli::Secret;

/// How a reference begins.
const SCHEME: &str = "oci://";
/// Longest answer that brings a token.
const MAX_TOKEN: u64 = 64 * 1024;

/// An artifact in a registry.
#[derive(Debug, Clone)]
pub struct Target {
    pub(super) reference: Reference,
    /// Without TLS.
    pub(super) plain: bool,
}

impl Target {
    /// `oci://HOST[:PORT]/REPOSITORY:TAG` or `…@sha256:DIGEST`. Without TLS only on this machine, or where that was asked for.
    pub fn parse(text: &str, plain: bool) -> Result<Self, OciError> {
        let wrong = |why: &str| OciError::Reference {
            text: shown(text),
            why: why.to_owned(),
        };
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (host, path) = rest
            .split_once('/')
            .ok_or_else(|| wrong("it names no repository"))?;
        // A name without a dot would be taken for a repository of somebody's favourite registry.
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(wrong("it names no registry"));
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        if !last.contains([':', '@']) {
            return Err(wrong("it has neither tag nor digest"));
        }
        let reference: Reference = rest.parse().map_err(|error| wrong(&format!("{error}")))?;
        if let Some(digest) = reference.digest()
            && sha256(digest).is_none()
        {
            return Err(wrong("its digest is no SHA-256"));
        }
        let plain = plain || is_this_machine(host);
        Ok(Self { reference, plain })
    }

    /// The registry, for people.
    pub fn registry(&self) -> String {
        self.reference.registry().to_owned()
    }

    /// What has to be there, if the reference says it.
    pub fn digest(&self) -> Option<Digest> {
        self.reference.digest().and_then(sha256)
    }

    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.reference.tag().filter(|_| self.reference.digest().is_none())
    }

    /// The same with that digest and without a tag.
    pub fn pinned(&self, digest: Digest) -> String {
        format!(
            "{SCHEME}{}/{}@sha256:{digest}",
            self.reference.registry(),
            self.reference.repository()
        )
    }

    pub(super) fn protocol(&self) -> ClientProtocol {
        if self.plain {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        }
    }

    /// `https://registry/v2/…`
    pub(super) fn url(&self, rest: &str) -> Result<Url, OciError> {
        let scheme = if self.plain { "http" } else { "https" };
        let text = format!("{scheme}://{}/v2/{rest}", self.reference.resolve_registry());
        Url::parse(&text).map_err(|error| OciError::Reference {
            text: self.registry(),
            why: error.to_string(),
        })
    }
}

/// A SHA-256 as registries write it.
pub(super) fn sha256(text: &str) -> Option<Digest> {
    let digest = text.strip_prefix("sha256:")?;
    // Only one way to write a digest, so that none is taken for another.
    digest
        .parse()
        .ok()
        .filter(|parsed: &Digest| parsed.to_string() == digest)
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Who asks.
#[derive(Debug)]
pub enum Credentials {
    Nobody,
    Basic(String, Secret),
}

impl Credentials {
    /// Those that were given, else those that `docker login` keeps for the registry, in a file or behind a helper.
    pub fn find(target: &Target, given: Option<(String, Secret)>) -> Result<Self, OciError> {
        if let Some((name, password)) = given {
            return Ok(Self::Basic(name, password));
        }
        let directory = match std::env::var_os("DOCKER_CONFIG") {
            Some(directory) => PathBuf::from(directory),
            None => match std::env::var_os("HOME") {
                Some(home) => PathBuf::from(home).join(".docker"),
                None => return Ok(Self::Nobody),
            },
        };
        let Ok(file) = File::open(directory.join("config.json")) else {
            return Ok(Self::Nobody);
        };
        let registry = target.registry();
        let name = match registry.as_str() {
            "docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        let unusable = |why: &str| OciError::Credentials {
            registry: registry.clone(),
            why: why.to_owned(),
        };
        match docker_credential::get_credential_from_reader(BufReader::new(file), name) {
            Ok(DockerCredential::UsernamePassword(name, password)) => Ok(Self::Basic(name, password.into())),
            Ok(DockerCredential::IdentityToken(_)) => Err(unusable("docker keeps an identity token for it")),
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(Self::Nobody),
            // What a helper says may hold what it keeps.
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
                Err(unusable(&format!("docker's helper '{}' fails", shown(&helper))))
            }
            Err(error) => Err(unusable(&shown(&error.to_string()))),
        }
    }
}

/// What a request carries.
#[derive(Clone)]
pub(super) enum Authorization {
    Nothing,
    Basic(String, Secret),
    Bearer(Secret),
}

impl Authorization {
    pub(super) fn on(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Nothing => request,
            Self::Basic(name, password) => request.basic_auth(name, Some(password.expose())),
            Self::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }

    pub(super) fn for_client(&self) -> RegistryAuth {
        match self {
            Self::Nothing => RegistryAuth::Anonymous,
            Self::Basic(name, password) => RegistryAuth::Basic(name.clone(), password.expose().to_owned()),
            Self::Bearer(token) => RegistryAuth::Bearer(token.expose().to_owned()),
        }
    }
}

/// Asks the registry how it wants to be asked, and gets a token if it wants one. `actions`: `pull` or `pull,push`.
pub(super) async fn authorize(
    http: &reqwest::Client,
    target: &Target,
    credentials: &Credentials,
    actions: &str,
) -> Result<Authorization, OciError> {
    let registry = target.registry();
    let answer = http.get(target.url("")?).send().await;
    let answer = answer.map_err(|error| unreachable(&registry, "the registry", &error))?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        // It asks nobody, or does not even speak the protocol, which the next request tells.
        return Ok(Authorization::Nothing);
    }
    let headers = answer.headers().get_all(WWW_AUTHENTICATE);
    for challenge in headers.iter().filter_map(|value| value.to_str().ok()) {
        for challenge in ChallengeParser::new(challenge).map_while(Result::ok) {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return match credentials {
                    Credentials::Basic(name, password) => {
                        Ok(Authorization::Basic(name.clone(), password.clone()))
                    }
                    Credentials::Nobody => Err(OciError::Unauthorized { registry }),
                };
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let parameter = |name: &str| {
                    let mut found = challenge.params.iter();
                    let found = found.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let (realm, service) = (parameter("realm").unwrap_or_default(), parameter("service"));
                return token(http, target, credentials, &realm, service.as_deref(), actions).await;
            }
        }
    }
    Err(OciError::Malformed {
        what: format!("what {registry} asks for"),
        why: "it names neither Basic nor Bearer".to_owned(),
    })
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

async fn token(
    http: &reqwest::Client,
    target: &Target,
    credentials: &Credentials,
    realm: &str,
    service: Option<&str>,
    actions: &str,
) -> Result<Authorization, OciError> {
    let registry = target.registry();
    let what = "a token";
    let malformed = |why: String| OciError::Malformed {
        what: format!("the token of {registry}"),
        why,
    };
    let mut url = Url::parse(realm).map_err(|error| malformed(format!("its realm is no URL: {error}")))?;
    if !(url.scheme() == "https" || target.plain && url.scheme() == "http") {
        return Err(malformed("its realm is not reached by TLS".to_owned()));
    }
    {
        let mut query = url.query_pairs_mut();
        query.append_pair(
            "scope",
            &format!("repository:{}:{actions}", target.reference.repository()),
        );
        if let Some(service) = service {
            query.append_pair("service", service);
        }
    }
    let mut request = http.get(url);
    if let Credentials::Basic(name, password) = credentials {
        request = request.basic_auth(name, Some(password.expose()));
    }
    let answer = request.send().await;
    let answer = answer.map_err(|error| unreachable(&registry, what, &error))?;
    if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(OciError::Unauthorized { registry });
    }
    let bytes = bounded(answer, &registry, what, MAX_TOKEN, |_| {}).await?;
    let read: Token = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    let token = read.token.or(read.access_token).unwrap_or_default();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(malformed(
            "there is none in the answer that fits a header".to_owned(),
        ));
    }
    Ok(Authorization::Bearer(token.into()))
}
