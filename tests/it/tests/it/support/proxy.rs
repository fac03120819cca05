//! PostgreSQL behind a door that a test can close and open.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A door.
pub struct Door {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    /// Connections are there, and nothing comes through them.
    Stalled,
    Closed,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Door {
    /// An open door before the server at `url`.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State::Open));
        let (url, sender) = (url.to_owned(), state.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let changes = sender.subscribe();
                if *changes.borrow() != State::Closed {
                    tokio::spawn(carry(client, url.clone(), changes));
                }
            }
        });
        Self { address, state }
    }

    /// Cuts every connection and refuses new ones.
    pub fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Lets nothing through any more, and tells nobody.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    pub fn open(&self) {
        self.state.send_replace(State::Open);
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

/// One connection, until it ends or the door closes.
async fn carry(mut client: TcpStream, url: String, mut changes: watch::Receiver<State>) {
    if changes.wait_for(|state| *state != State::Stalled).await.is_err() {
        return;
    }
    let Some(mut server) = connect(&url).await else {
        return;
    };
    let mut copying = pin!(copy_bidirectional(&mut client, &mut server));
    loop {
        let state = *changes.borrow_and_update();
        tokio::select! {
            _ = &mut copying, if state == State::Open => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        if *changes.borrow() == State::Closed {
            return;
        }
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
