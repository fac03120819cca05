//! A collector of traces: takes OTLP over HTTP, reads it with OpenTelemetry's own types, and can be told to hang.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A span as it came.
#[derive(Debug, Clone)]
pub struct Span {
    pub name: String,
    /// Hexadecimal, as all ids.
    pub trace: String,
    pub id: String,
    /// Empty: a root.
    pub parent: String,
    /// As in the protocol: 1 internal, 2 server.
    pub kind: i32,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    /// 2: an error.
    pub status: i32,
    pub attributes: BTreeMap<String, String>,
}

/// A collector on this machine; it ends with the test's runtime.
#[derive(Clone)]
pub struct Collector {
    /// Its endpoint.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    heads: Arc<Mutex<Vec<String>>>,
    hangs: Arc<AtomicBool>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            spans: Arc::default(),
            heads: Arc::default(),
            hangs: Arc::default(),
        };
        let own = collector.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(socket).await });
            }
        });
        collector
    }

    /// From now on nothing is answered.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Release);
    }

    /// What came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// Request lines and headers of what came so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    async fn serve(&self, mut socket: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        loop {
            let at = loop {
                if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
                (socket.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
            };
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let lower = head.to_ascii_lowercase();
            let length: usize = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))?
                .trim()
                .parse()
                .ok()?;
            while bytes.len() < at + length {
                (socket.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
            }
            if self.hangs.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
            self.take(head, &bytes[at..at + length]);
            bytes.drain(..at + length);
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn take(&self, head: String, body: &[u8]) {
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        let message = ExportTraceServiceRequest::decode(body).unwrap();
        self.heads.lock().unwrap().push(head);
        let resources = message.resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans).map(span);
        self.spans.lock().unwrap().extend(spans);
    }
}

fn span(span: opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = span.attributes.into_iter();
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        status: span.status.map_or(0, |status| status.code),
        attributes: attributes
            .map(|a| (a.key, text(a.value.and_then(|v| v.value))))
            .collect(),
        name: span.name,
    }
}
