//! A provider of language models: real HTTP over loopback, with requests and answers as such servers write them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with the next request.
#[derive(Clone)]
pub enum Act {
    /// Status, more headers, body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// Says nothing, ever.
    Hang,
    /// Begins to answer, and never ends.
    Endless,
    /// Closes in the middle of its answer.
    Cut,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST /v1/chat/completions HTTP/1.1`
    pub line: String,
    /// Lines of the head.
    pub head: Vec<String>,
    pub body: Json,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| {
            line.split_once(": ")
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.len())
        };
        self.head
            .iter()
            .find_map(|line| of(line).map(|length| &line[line.len() - length..]))
    }
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    asked: Vec<Asked>,
}

/// A server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Provider {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

/// A whole answer with this text.
pub fn answer(text: &str) -> Act {
    answer_with(
        json!({ "role": "assistant", "content": text, "refusal": null }),
        120,
        30,
    )
}

pub fn answer_with(message: Json, input: u32, output: u32) -> Act {
    let body = json!({
        "id": "chatcmpl-9x", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-x-2026-01-01",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" }],
        "usage": {
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            "prompt_tokens_details": { "cached_tokens": 20, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 5 },
        },
        "service_tier": "default", "system_fingerprint": null,
    });
    Act::Answer(200, vec![("content-type", "application/json")], body.to_string())
}

pub fn refusal(status: u16, headers: Vec<(&'static str, &'static str)>, code: &str, message: &str) -> Act {
    let body = json!({ "error": { "message": message, "type": "requests", "param": null, "code": code } });
    Act::Answer(status, headers, body.to_string())
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { drop(serving.serve(stream).await) });
            }
        });
        provider
    }

    /// What it does with the next requests, one by one; after that it answers `hello`.
    pub fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().acts.extend(acts);
    }

    /// What it was asked since the last look.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut read = Vec::new();
        let (head, length) = loop {
            if let Some(end) = read.windows(4).position(|part| part == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&read[..end]).into_owned();
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse::<usize>()
                        .ok()
                });
                break (head, (end + 4, length));
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let (from, length) = length;
        // The host may send a body in chunks; these servers take both.
        let whole = |read: &[u8]| match length {
            Some(length) => read.len() >= from + length,
            None => read.ends_with(b"0\r\n\r\n"),
        };
        while !whole(&read) {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let body = match length {
            Some(length) => read[from..from + length].to_vec(),
            None => unchunked(&read[from..]),
        };
        let act = {
            let mut state = self.state.lock().unwrap();
            let mut lines = head.lines().map(str::to_owned);
            state.asked.push(Asked {
                line: lines.next().unwrap_or_default(),
                head: lines.collect(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            });
            state.acts.pop_front()
        };
        match act.unwrap_or_else(|| answer("hello")) {
            Act::Answer(status, headers, body) => {
                let mut head = format!(
                    "HTTP/1.1 {status} As Recorded\r\ncontent-length: {}\r\n",
                    body.len()
                );
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream.write_all(format!("{head}\r\n{body}").as_bytes()).await
            }
            Act::Hang => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Ok(())
            }
            Act::Endless => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                let chunk = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
                loop {
                    stream.write_all(chunk.as_bytes()).await?;
                }
            }
            Act::Cut => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"choices\": [")
                    .await
            }
        }
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|part| part == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        match size {
            Some(size) if size > 0 && rest.len() >= end + 4 + size => {
                body.extend_from_slice(&rest[end + 2..end + 2 + size]);
                rest = &rest[end + 4 + size..];
            }
            _ => break,
        }
    }
    body
}
