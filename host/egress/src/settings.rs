//! The way out, as the operator sets it up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::reach::Network;
use crate::resolve::{Resolver, system};

/// What the operator says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Networks that may be reached although they do not lie on the internet: services on the premises.
    pub networks: Vec<Network>,
    /// Authorities that are trusted beside the system's: those of the premises.
    pub roots: Vec<CertificateDer<'static>>,
    /// Requests of all plugins under way at once; more wait, within their time.
    pub at_once: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            roots: Vec::new(),
            at_once: 256,
        }
    }
}

/// The certificates of a PEM file.
///
/// # Errors
/// When it cannot be read, or holds none.
pub fn read_roots(file: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all.map_err(std::io::Error::other)? {
        none if none.is_empty() => Err(std::io::Error::other("there is no certificate in it")),
        some => Ok(some),
    }
}

pub(crate) struct Shared {
    pub(crate) networks: Vec<Network>,
    pub(crate) resolver: Resolver,
    pub(crate) tls: TlsConnector,
    pub(crate) places: Arc<Semaphore>,
}

/// The way out; cheap to clone.
#[derive(Clone)]
pub struct Egress(pub(crate) Arc<Shared>);

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("networks", &self.0.networks)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// With the system's resolver and its trusted authorities, which are read from disk now.
    ///
    /// # Errors
    /// When TLS cannot be set up, or one of `settings.roots` is no certificate.
    pub fn new(settings: Settings) -> Result<Self, rustls::Error> {
        Self::with_resolver(settings, system())
    }

    /// The same with another resolver.
    ///
    /// # Errors
    /// When TLS cannot be set up, or one of `settings.roots` is no certificate.
    pub fn with_resolver(settings: Settings, resolver: Resolver) -> Result<Self, rustls::Error> {
        Ok(Self(Arc::new(Shared {
            networks: settings.networks,
            resolver,
            tls: connector(settings.roots)?,
            places: Arc::new(Semaphore::new(settings.at_once.max(1))),
        })))
    }
}

fn connector(own: Vec<CertificateDer<'static>>) -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    for root in own {
        roots.add(root)?;
    }
    if taken == 0 {
        tracing::warn!(
            "this system trusts no authority: plugins reach no server over TLS but those of `egress_roots`"
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
