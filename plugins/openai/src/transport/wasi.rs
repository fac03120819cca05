//! Over `wasi:http`: what the host grants, and nothing else.

use docmill_plugin::Error;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, InputStream, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use super::{Exchange, Reply};
use crate::failure;

/// Bytes that are read at once.
const PIECE: u64 = 16 << 10;
/// Bytes that a stream surely takes at once.
const WRITE: usize = 4 << 10;

/// An answer that is being read. Fields are dropped in this order: a stream before its body, a body before its response.
pub struct Response {
    status: u16,
    stream: InputStream,
    _body: IncomingBody,
    response: IncomingResponse,
}

/// Sends a request and waits for the head of the answer.
///
/// # Errors
/// `denied` where the host lets nobody go, `unavailable` where the server cannot be reached.
pub fn send(exchange: &Exchange<'_>) -> Result<Response, Error> {
    let (scheme, authority, path) = parts(exchange.url)?;
    let headers = Fields::new();
    let append = |name: &str, value: &str| {
        headers
            .append(name, value.as_bytes())
            .map_err(|_| Error::invalid_config("header", format!("The header {name} cannot be sent.")))
    };
    let accept = if exchange.stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    append("content-type", "application/json")?;
    append("accept", accept)?;
    append("content-length", &exchange.body.len().to_string())?;
    for (name, value) in exchange.headers {
        append(name, value)?;
    }
    let request = OutgoingRequest::new(headers);
    let url = || Error::invalid_config("base-url", "base_url is not the address of a server.");
    request.set_method(&Method::Post).map_err(|()| url())?;
    request.set_scheme(Some(&scheme)).map_err(|()| url())?;
    request.set_authority(Some(authority)).map_err(|()| url())?;
    request.set_path_with_query(Some(path)).map_err(|()| url())?;
    let body = request.body().map_err(|()| broken("the request has no body"))?;
    let options = RequestOptions::new();
    // A host that does not know it has limits of its own.
    options
        .set_first_byte_timeout(Some(u64::from(exchange.timeout_ms) * 1_000_000))
        .ok();
    let future = outgoing_handler::handle(request, Some(options)).map_err(|code| refused(&code))?;
    write(body, exchange.body)?;
    future.subscribe().block();
    let response = future
        .get()
        .ok_or_else(|| broken("there is no answer"))?
        .map_err(|()| broken("the answer was taken already"))?
        .map_err(|code| refused(&code))?;
    let status = response.status();
    let body = response
        .consume()
        .map_err(|()| broken("the answer has no body"))?;
    let stream = body
        .stream()
        .map_err(|()| broken("the answer's body cannot be read"))?;
    Ok(Response {
        status,
        stream,
        _body: body,
        response,
    })
}

/// Scheme, authority and path of an address.
fn parts(url: &str) -> Result<(Scheme, &str, &str), Error> {
    let wrong = || {
        Error::invalid_config(
            "base-url",
            "base_url begins with https:// or http:// and a server's name.",
        )
    };
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err(wrong()),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    if authority.is_empty() {
        return Err(wrong());
    }
    Ok((scheme, authority, path))
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let whole = {
        let stream = body
            .write()
            .map_err(|()| broken("the request cannot be written"))?;
        bytes
            .chunks(WRITE)
            .all(|piece| stream.blocking_write_and_flush(piece).is_ok())
    };
    if !whole {
        // A host that refuses, or a server that answers before it has read everything, closes the stream: the answer says why.
        drop(body);
        return Ok(());
    }
    OutgoingBody::finish(body, None).map_err(|code| refused(&code))
}

fn broken(why: &str) -> Error {
    Error::unavailable(
        "connection",
        format!("The connection to the server broke: {why}."),
        None,
    )
}

fn refused(code: &ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::denied(
            "egress",
            "The host does not let this plugin ask that server: its grant for http names host, port, POST and the secret's \
             header; the log says what was missing.",
        ),
        ErrorCode::HttpRequestBodySize(_) => Error::exhausted(
            "too-large",
            "The request is larger than the grant for http allows.",
        ),
        ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionReadTimeout => {
            Error::unavailable("timeout", "The server did not answer in time.", None)
        }
        ErrorCode::HttpRequestUriInvalid => {
            Error::invalid_config("base-url", "base_url is not the address of a server.")
        }
        ErrorCode::HttpResponseBodySize(_) => failure::oversized(),
        other => broken(&format!("{other:?}")),
    }
}

impl Reply for Response {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        let value = self.response.headers().get(name).into_iter().next()?;
        String::from_utf8(value).ok()
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.stream.blocking_read(PIECE) {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(match wasip2::http::types::http_error_code(&error) {
                        Some(code) => refused(&code),
                        // Some hosts have no code here, and say it in words alone.
                        None if error.to_debug_string().contains("response body size") => {
                            failure::oversized()
                        }
                        None => broken("its answer cannot be read on"),
                    });
                }
            }
        }
    }
}
