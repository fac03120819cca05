//! The way to a server: one POST. In a component it is `wasi:http`, natively whatever a test brings.

use std::collections::BTreeMap;

use docmill_plugin::Error;

use crate::failure;

#[cfg(target_arch = "wasm32")]
mod wasi;
#[cfg(target_arch = "wasm32")]
pub use wasi::send;

/// What is sent.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub url: &'a str,
    pub headers: &'a BTreeMap<String, String>,
    /// JSON.
    pub body: &'a [u8],
    /// Whether an event stream is wanted.
    pub stream: bool,
    /// Until the answer begins.
    pub timeout_ms: u32,
}

/// What comes back.
pub trait Reply {
    fn status(&self) -> u16;

    /// A header's value, if it is there and text; names are in lower case.
    fn header(&self, name: &str) -> Option<String>;

    /// More of the body; none at its end.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

/// Natively nobody is asked: tests bring their own way.
#[cfg(not(target_arch = "wasm32"))]
pub fn send(_exchange: &Exchange<'_>) -> Result<Nobody, Error> {
    Err(Error::unavailable(
        "no-network",
        "Only a component has a network.",
        None,
    ))
}

/// No reply.
#[cfg(not(target_arch = "wasm32"))]
pub enum Nobody {}

#[cfg(not(target_arch = "wasm32"))]
impl Reply for Nobody {
    fn status(&self) -> u16 {
        match *self {}
    }

    fn header(&self, _name: &str) -> Option<String> {
        match *self {}
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match *self {}
    }
}

pub fn is_event_stream(reply: &impl Reply) -> bool {
    reply.header("content-type").is_some_and(|value| {
        value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
    })
}

/// The whole body, if it has at most `most` bytes.
///
/// # Errors
/// Whatever the way answers; `failed` with code `too-large`.
pub fn whole(reply: &mut impl Reply, most: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = reply.next()? {
        if body.len() + piece.len() > most {
            return Err(failure::oversized());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
