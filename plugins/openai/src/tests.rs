#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod answers;
mod failures;
mod requests;
mod streams;

use std::collections::BTreeMap;

use docmill_plugin::Error;
use docmill_plugin::llm::{DeltaSink, Message, Request, Response};
use serde_json::{Value as Json, json};

use crate::transport::{Exchange, Reply};
use crate::{Config, complete};

/// An answer that comes in pieces.
struct Recorded {
    status: u16,
    headers: BTreeMap<&'static str, String>,
    pieces: std::vec::IntoIter<Vec<u8>>,
    /// Breaks off at the end.
    broken: bool,
}

impl Reply for Recorded {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.pieces.next() {
            Some(piece) => Ok(Some(piece)),
            None if self.broken => Err(Error::unavailable("connection", "It broke.", None)),
            None => Ok(None),
        }
    }
}

/// An answer, its body in pieces of `size` bytes.
fn recorded(status: u16, headers: &[(&'static str, &str)], body: &str, size: usize) -> Recorded {
    let pieces: Vec<Vec<u8>> = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
    Recorded {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        pieces: pieces.into_iter(),
        broken: false,
    }
}

fn ask() -> Request {
    Request {
        model: Some("gpt-x".to_owned()),
        ..Request::new([Message::user("Say hello.")])
    }
}

fn config(json: Json) -> Config {
    serde_json::from_value(json).unwrap()
}

/// What is sent for a request: the exchange's body, its headers and its address.
fn sent(
    request: Request,
    sink: Option<DeltaSink>,
    config: &Config,
) -> Result<(Json, BTreeMap<String, String>, String), Error> {
    let mut seen = None;
    let done = complete(request, sink, config, |exchange: &Exchange<'_>| {
        let body: Json = serde_json::from_slice(exchange.body).unwrap();
        seen = Some((body, exchange.headers.clone(), exchange.url.to_owned()));
        Ok(recorded(
            200,
            &[],
            &whole(json!({"content": "hello"}), "stop"),
            100,
        ))
    });
    done.map(|_| seen.unwrap())
}

/// A whole answer with this message.
fn whole(message: Json, finish: &str) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-x-2026-01-01",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish, "logprobs": null }],
        "usage": {
            "prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30,
            "prompt_tokens_details": { "cached_tokens": 16, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 4 },
        },
        "service_tier": "default",
    })
    .to_string()
}

fn answered(reply: Recorded) -> Result<Response, Error> {
    complete(ask(), None, &Config::default(), |_| Ok(reply))
}
