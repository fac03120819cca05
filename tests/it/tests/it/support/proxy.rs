//! PostgreSQL behind a door that a test can close and open.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A door.
pub struct Door {
    address: SocketAddr,
    open: Arc<watch::Sender<bool>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Door {
    /// An open door before the server at `url`.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(watch::Sender::new(true));
        let (url, state) = (url.to_owned(), open.clone());
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut changes = state.subscribe();
                if !*changes.borrow_and_update() {
                    continue;
                }
                let url = url.clone();
                tokio::spawn(async move {
                    let Some(mut server) = connect(&url).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = changes.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { address, open }
    }

    /// Cuts every connection and refuses new ones.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// `url` by way of the door.
    pub fn through(&self, url: &str) -> String {
        let (base, _) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = base.split_once("://").unwrap();
        let (user, rest) = rest.split_once('@').unwrap_or(("postgres", rest));
        let database = rest.split_once('/').unwrap().1;
        format!("{scheme}://{user}@{}/{database}", self.address)
    }
}

/// The server's own socket, as its address says: a directory in `host`, or host and port.
async fn connect(url: &str) -> Option<Box<dyn Stream>> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let host = query.split('&').find_map(|pair| pair.strip_prefix("host="));
    if let Some(directory) = host {
        let directory = directory.replace("%2F", "/").replace("%2f", "/");
        let stream = UnixStream::connect(format!("{directory}/.s.PGSQL.5432"))
            .await
            .ok()?;
        return Some(Box::new(stream));
    }
    let rest = base.split_once("://")?.1;
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let stream = TcpStream::connect(rest.split_once('/')?.0).await.ok()?;
    Some(Box::new(stream))
}
