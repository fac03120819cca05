//! Servers that are really listened on, and grants as generous as they can be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use docmill_egress::{Egress, EgressError, Network, Request, RequestBody, Resolver, Secret, Settings};
use docmill_model::grant::HttpGrant;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// No request of these tests lasts longer, whatever is wrong.
pub const SOON: Duration = Duration::from_secs(20);

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Listens on one port of every address of the machine, and notes at which one somebody came.
pub struct Sink {
    pub port: u16,
    came: Arc<Mutex<Vec<IpAddr>>>,
}

impl Sink {
    pub async fn new() -> Self {
        // Where there is IPv6, this hears both.
        let all = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).await;
        let listener = match all {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(accept(listener, Arc::clone(&came)));
        Self { port, came }
    }

    /// At which of its addresses somebody came so far.
    pub fn came(&self) -> Vec<IpAddr> {
        self.came.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, came: Arc<Mutex<Vec<IpAddr>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        came.lock()
            .unwrap()
            .push(stream.local_addr().unwrap().ip().to_canonical());
        tokio::spawn(async move {
            head(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            // What is still on its way does not turn the answer into a reset.
            while stream.read(&mut [0; 1_024]).await.is_ok_and(|read| read > 0) {}
        });
    }
}

/// A server that answers the first bytes of every connection with `answer`, and hands over what it was sent.
pub async fn server<F>(answer: impl Fn(String, TcpStream) -> F + Send + Sync + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let head = head(&mut stream).await;
                answer(head, stream).await;
            });
        }
    });
    port
}

/// The head of a request.
pub async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut bytes = [0; 1_024];
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(n) => read.extend_from_slice(&bytes[..n]),
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Answers names from a table: the first time the first of its lists, then the next, then the last for ever.
pub fn names(table: &[(&str, &[&[&str]])]) -> Resolver {
    let parse = |lists: &&[&[&str]]| -> Vec<Vec<IpAddr>> {
        let addresses = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        lists.iter().map(addresses).collect()
    };
    let table: HashMap<String, Vec<Vec<IpAddr>>> = table
        .iter()
        .map(|(name, lists)| ((*name).to_owned(), parse(lists)))
        .collect();
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    Arc::new(move |name| {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry(name.clone()).or_default();
        let found = table
            .get(&name)
            .map(|lists| lists[(*times).min(lists.len() - 1)].clone());
        *times += 1;
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    })
}

/// Answers every name with these addresses.
pub fn always(addresses: Vec<IpAddr>) -> Resolver {
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

pub fn egress(networks: &[&str], resolver: Resolver) -> Egress {
    let networks: Vec<Network> = networks.iter().map(|network| network.parse().unwrap()).collect();
    let settings = Settings {
        networks,
        ..Settings::default()
    };
    Egress::with_resolver(settings, resolver).unwrap()
}

/// Everything to these hosts, as far as a grant can go.
pub fn grant(hosts: &[&str]) -> Arc<HttpGrant> {
    bounded(hosts, json!({"calls": 1_000, "time": "5s"}))
}

pub fn bounded(hosts: &[&str], with: serde_json::Value) -> Arc<HttpGrant> {
    let mut json = json!({
        "hosts": hosts, "ports": ["1-65535"], "plaintext": true,
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    });
    let (Some(json_fields), Some(with)) = (json.as_object_mut(), with.as_object()) else {
        panic!()
    };
    json_fields.extend(with.clone());
    Arc::new(serde_json::from_value(json).unwrap())
}

pub fn body(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub fn get(url: &str) -> Request {
    Request {
        method: http::Method::GET,
        url: url.to_owned(),
        headers: http::HeaderMap::new(),
        body: body(""),
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

/// Sends one request in a call of its own and reads the whole answer.
pub async fn send(egress: &Egress, grant: &Arc<HttpGrant>, request: Request) -> Result<Answer, EgressError> {
    send_with(egress, grant, Vec::new(), request).await
}

pub async fn send_with(
    egress: &Egress,
    grant: &Arc<HttpGrant>,
    secrets: Vec<Secret>,
    request: Request,
) -> Result<Answer, EgressError> {
    let session = egress.session(Arc::clone(grant), secrets, None);
    let sent = async {
        let (head, body) = session.send(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    };
    tokio::time::timeout(SOON, sent)
        .await
        .expect("a request hung past its time")
}
