//! Requests, one after the other.

use serde::Deserialize;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::docmill::plugin::types::Field;
use crate::field;

/// A request as the configuration writes it.
#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub struct Asked {
    pub method: Option<String>,
    /// `https` if it is left out.
    pub scheme: Option<String>,
    pub authority: String,
    pub path: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// One field for each: `200 the body`, or the error's name.
pub fn all(requests: &[Asked]) -> Vec<Field> {
    let mut fields = Vec::new();
    for (number, asked) in requests.iter().enumerate() {
        let said = match one(asked) {
            Ok((status, body)) => format!("{status} {body}"),
            Err(error) => error,
        };
        fields.push(field(&format!("r{number}"), said));
    }
    fields
}

/// The request, made but not sent.
pub fn request(asked: &Asked) -> Result<OutgoingRequest, String> {
    let fields = Fields::new();
    for (name, value) in &asked.headers {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| format!("header: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match asked.method.as_deref() {
        None | Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some(other) => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "method".to_owned())?;
    let scheme = match asked.scheme.as_deref() {
        None | Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        Some(other) => Scheme::Other(other.to_owned()),
    };
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| "scheme".to_owned())?;
    request
        .set_authority(Some(&asked.authority))
        .map_err(|()| "authority".to_owned())?;
    request
        .set_path_with_query(Some(asked.path.as_deref().unwrap_or("/")))
        .map_err(|()| "path".to_owned())?;
    Ok(request)
}

fn one(asked: &Asked) -> Result<(u16, String), String> {
    let response = send(asked)?;
    let status = response.status();
    let mut shown = String::new();
    for (name, value) in response.headers().entries() {
        if name != "content-length" && name != "date" {
            shown.push_str(&format!("[{name}: {}] ", String::from_utf8_lossy(&value)));
        }
    }
    let body = response.consume().map_err(|()| "no body".to_owned())?;
    Ok((status, shown + &String::from_utf8_lossy(&read(&body)?)))
}

/// Sends it and waits for the head of the answer.
pub fn send(asked: &Asked) -> Result<IncomingResponse, String> {
    let request = request(asked)?;
    let body = asked.body.as_ref().map(|_| request.body());
    let named = |error: ErrorCode| format!("{error:?}");
    let answer = outgoing_handler::handle(request, None).map_err(named)?;
    if let (Some(Ok(body)), Some(bytes)) = (body, &asked.body) {
        if let Ok(stream) = body.write() {
            let _ = stream.blocking_write_and_flush(bytes.as_bytes());
        }
        let _ = OutgoingBody::finish(body, None);
    }
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(error))) => Err(named(error)),
        Some(Err(())) | None => Err("no answer".to_owned()),
    }
}

pub fn read(body: &IncomingBody) -> Result<Vec<u8>, String> {
    let stream = body.stream().map_err(|()| "no stream".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(format!("after {} bytes: {code:?}", bytes.len()));
            }
        }
    }
}
