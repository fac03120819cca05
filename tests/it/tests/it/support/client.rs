//! A client that writes what it is told, byte by byte: well-behaved ones cannot say what these tests have to say.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time that a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The problem of this code, checked for everything that every problem has.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Json {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["type"], format!("/errors/{code}"));
        assert_eq!(body["status"], status);
        assert!(body["title"].as_str().is_some_and(|t| !t.is_empty()));
        assert!(body["detail"].as_str().is_some_and(|t| t.len() > 5), "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"));
        body
    }
}

/// A request in the making.
#[derive(Clone)]
pub struct Call {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Call {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Authorization", format!("Bearer {key}"))
    }

    /// With more in the query.
    pub fn query(mut self, more: &str) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{joint}{more}", self.path);
        self
    }

    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.header("Content-Type", content_type)
    }

    /// A form of parts: name, file name and media type of a file, bytes.
    pub fn form(self, parts: &[Part<'_>]) -> Self {
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(b"--XyZ\r\nContent-Disposition: form-data");
            if let Some(name) = part.name {
                body.extend_from_slice(format!("; name=\"{name}\"").as_bytes());
            }
            if let Some(file) = part.file {
                body.extend_from_slice(format!("; filename=\"{file}\"").as_bytes());
            }
            if let Some(media_type) = part.media_type {
                body.extend_from_slice(format!("\r\nContent-Type: {media_type}").as_bytes());
            }
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(part.bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XyZ--\r\n");
        self.body("multipart/form-data; boundary=XyZ", body)
    }

    /// The head as it goes out, without Content-Length.
    fn head(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path).into_bytes();
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.extend_from_slice(format!("Host: {}\r\n", self.address).as_bytes());
        }
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head
    }

    /// Sends it and waits for the answer.
    pub async fn send(self) -> Reply {
        let mut bytes = self.head();
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        let mut stream = self.connect().await;
        stream.write_all(&bytes).await.unwrap();
        read(&mut stream).await
    }

    /// Sends the head with further header lines, then nothing; the connection is the caller's.
    pub async fn begin(&self, more: &str) -> TcpStream {
        let mut bytes = self.head();
        bytes.extend_from_slice(more.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        let mut stream = self.connect().await;
        stream.write_all(&bytes).await.unwrap();
        stream
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// A part of a form.
#[derive(Clone, Copy, Default)]
pub struct Part<'a> {
    pub name: Option<&'a str>,
    pub file: Option<&'a str>,
    pub media_type: Option<&'a str>,
    pub bytes: &'a [u8],
}

impl<'a> Part<'a> {
    pub fn file(name: &'a str, file: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name: Some(name),
            file: Some(file),
            media_type: None,
            bytes,
        }
    }

    pub fn param(name: &'a str, value: &'a str) -> Self {
        Self {
            name: Some(name),
            file: None,
            media_type: None,
            bytes: value.as_bytes(),
        }
    }
}

/// Reads one answer.
pub async fn read(stream: &mut TcpStream) -> Reply {
    let whole = tokio::time::timeout(PATIENCE, async {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some(reply) = whole(&bytes) {
                return reply;
            }
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            assert!(count > 0, "the host hung up: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..count]);
        }
    });
    whole.await.expect("an answer in time")
}

/// The answer in `bytes`, if it is there in full. Every answer of the host states its length.
fn whole(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if status == 100 {
        return whole(&bytes[end + 4..]);
    }
    let reply = Reply {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    let length: usize = reply.header("content-length").map_or(0, |l| l.parse().unwrap());
    (reply.body.len() >= length).then_some(reply)
}
