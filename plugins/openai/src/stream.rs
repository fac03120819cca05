//! An answer as an event stream (text/event-stream): pieces are pushed as they come, and put together.

use docmill_plugin::Error;
use docmill_plugin::llm::{Delta, DeltaSink, Part, Response};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::answer::{Counted, MAX_BYTES, finish, tool_call};
use crate::failure;
use crate::transport::Reply;

/// Calls of tools in one answer.
const MAX_CALLS: usize = 128;

#[derive(Deserialize)]
struct Chunk {
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counted>,
    error: Option<Json>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Piece,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    #[serde(default)]
    index: usize,
    id: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

/// The events of a stream, line by line. An event of this API is one `data` line.
struct Events<'a, R> {
    reply: &'a mut R,
    bytes: Vec<u8>,
    /// Where the first line that was not read yet begins.
    at: usize,
    /// As far as that line was looked through for its end.
    seen: usize,
    received: usize,
}

impl<R: Reply> Events<'_, R> {
    /// The data of the next event; none at the end.
    fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            let from = self.at.max(self.seen);
            let rest = self.bytes.get(from..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|b| *b == b'\n').map(|end| from + end) {
                let line = self.bytes.get(self.at..end).unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                self.at = end + 1;
                // Comments keep the connection open; other fields mean nothing here.
                if let Some(data) = line.strip_prefix("data:") {
                    return Ok(Some(data.trim().to_owned()));
                }
                continue;
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            self.seen = self.bytes.len();
            let Some(piece) = self.reply.next()? else {
                return Ok(None);
            };
            self.received += piece.len();
            if self.received > MAX_BYTES {
                return Err(failure::oversized());
            }
            self.bytes.extend_from_slice(&piece);
        }
    }
}

#[derive(Default)]
struct Gathered {
    model: String,
    text: String,
    refusal: String,
    calls: Vec<OpenCall>,
    finish: Option<String>,
    usage: Counted,
}

#[derive(Default)]
struct OpenCall {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

pub fn read<R: Reply>(reply: &mut R, sink: &DeltaSink) -> Result<Response, Error> {
    let mut events = Events {
        reply,
        bytes: Vec::new(),
        at: 0,
        seen: 0,
        received: 0,
    };
    let mut gathered = Gathered::default();
    let mut done = false;
    while let Some(data) = events.next()? {
        if data == "[DONE]" {
            done = true;
            break;
        }
        let chunk: Chunk =
            serde_json::from_str(&data).map_err(|error| failure::unreadable(&error.to_string()))?;
        gathered.add(chunk, sink)?;
    }
    if !done && gathered.finish.is_none() {
        let message = "The server's answer broke off in the middle.";
        return Err(Error::unavailable("cut-off", message, None));
    }
    gathered.end(sink)
}

impl Gathered {
    fn add(&mut self, chunk: Chunk, sink: &DeltaSink) -> Result<(), Error> {
        if let Some(error) = chunk.error {
            return Err(failure::in_stream(&error));
        }
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.model = model;
        }
        if let Some(usage) = chunk.usage {
            self.usage = usage;
        }
        // Only one was asked for.
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(());
        };
        for (piece, whole) in [
            (choice.delta.content, &mut self.text),
            (choice.delta.refusal, &mut self.refusal),
        ] {
            if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
                whole.push_str(&piece);
                sink.push(&Delta::Text(piece))?;
            }
        }
        for piece in choice.delta.tool_calls.into_iter().flatten() {
            self.add_call(piece)?;
        }
        if let Some(reason) = choice.finish_reason {
            self.finish = Some(reason);
        }
        Ok(())
    }

    /// Calls come one after the other, or mixed: each is whole at the end alone.
    fn add_call(&mut self, piece: CallPiece) -> Result<(), Error> {
        let known = self.calls.iter().position(|call| call.index == piece.index);
        let place = match known {
            Some(place) => place,
            None if self.calls.len() == MAX_CALLS => {
                return Err(failure::unreadable("it calls too many tools"));
            }
            None => {
                self.calls.push(OpenCall {
                    index: piece.index,
                    ..OpenCall::default()
                });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(place) else {
            return Ok(());
        };
        // Some servers say it again with each piece.
        if let Some(id) = piece.id.filter(|_| call.id.is_empty()) {
            call.id = id;
        }
        if let Some(function) = piece.function {
            if let Some(name) = function.name.filter(|_| call.name.is_empty()) {
                call.name = name;
            }
            call.arguments.push_str(&function.arguments.unwrap_or_default());
        }
        Ok(())
    }

    fn end(self, sink: &DeltaSink) -> Result<Response, Error> {
        let refused = !self.refusal.is_empty();
        let text = if refused { self.refusal } else { self.text };
        let mut content: Vec<Part> = Some(text)
            .filter(|text| !text.is_empty())
            .map(Part::Text)
            .into_iter()
            .collect();
        for (n, call) in self.calls.iter().enumerate() {
            let call = call.finished(n)?;
            sink.push(&Delta::ToolCall(call.clone()))?;
            content.push(Part::ToolCall(call));
        }
        Ok(Response {
            content,
            finish: finish(self.finish.as_deref(), refused),
            model: self.model,
            usage: self.usage.usage(),
        })
    }
}

impl OpenCall {
    fn finished(&self, n: usize) -> Result<docmill_plugin::llm::ToolCall, Error> {
        tool_call(n, self.id.clone(), self.name.clone(), self.arguments.clone())
    }
}
