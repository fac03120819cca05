//! From a target to a connection: look up, check every address, dial one of exactly those.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use crate::error::EgressError;
use crate::reach::{is_let, reachable};
use crate::settings::Shared;
use crate::target::Target;

/// Addresses of one name that are tried.
const TRIED: usize = 4;
/// How long one address is tried while there are others.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to the target: TCP, or TLS over it.
pub(crate) async fn connect(shared: &Shared, target: &Target) -> Result<Pin<Box<dyn Stream>>, EgressError> {
    let addresses = addresses(shared, target).await?;
    let tcp = dial(&addresses, target.port).await?;
    // Small requests are sent at once.
    let _ = tcp.set_nodelay(true);
    if !target.tls {
        return Ok(Box::pin(tcp));
    }
    let name = match &target.host {
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|_| EgressError::Url("its host is not the name of a host"))?,
        Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
    };
    match shared.tls.connect(name, tcp).await {
        Ok(tls) => Ok(Box::pin(tls)),
        Err(error) => Err(EgressError::Tls(error.to_string())),
    }
}

/// Every address of the target, if all may be dialled. One that may not spoils the others: whoever mixes them tries
/// something.
async fn addresses(shared: &Shared, target: &Target) -> Result<Vec<IpAddr>, EgressError> {
    let found = match &target.host {
        Host::Ipv4(address) => vec![IpAddr::V4(*address)],
        Host::Ipv6(address) => vec![IpAddr::V6(*address)],
        Host::Domain(name) => (shared.resolver)(name.clone())
            .await
            .map_err(|_| EgressError::UnknownName)?,
    };
    if found.is_empty() {
        return Err(EgressError::UnknownName);
    }
    for address in &found {
        if !is_let(*address, &shared.networks) {
            reachable(*address).map_err(EgressError::Address)?;
        }
    }
    // What is meant is what is dialled: an IPv4 address in disguise is one.
    Ok(found.into_iter().map(|address| address.to_canonical()).collect())
}

async fn dial(addresses: &[IpAddr], port: u16) -> Result<TcpStream, EgressError> {
    let tried = addresses.len().min(TRIED);
    for (number, address) in addresses.iter().take(TRIED).enumerate() {
        let dialled = TcpStream::connect(SocketAddr::new(*address, port));
        // The last one has all the time that is left; the request's own time ends it.
        let connected = if number + 1 == tried {
            dialled.await.ok()
        } else {
            timeout(PATIENCE, dialled).await.ok().and_then(Result::ok)
        };
        if let Some(stream) = connected {
            return Ok(stream);
        }
    }
    Err(EgressError::Refused)
}
