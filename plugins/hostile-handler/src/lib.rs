//! A plain `wasi:http` component, as any host of them runs: it knows nothing of docmill but the JSON that it is posted.
//! `config` says how it answers: `{"answer": "echo"}`, or with `status`, `headers` and `body`; or it attacks.
#![cfg(target_arch = "wasm32")]

mod attack;

use std::io::{Read as _, Write as _};

use serde_json::{Value as Json, json};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam,
    Scheme,
};

struct Handler;

wasip2::http::proxy::export!(Handler);

impl wasip2::exports::http::incoming_handler::Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let about = json!({
            "method": format!("{:?}", request.method()),
            "path": request.path_with_query(),
            "headers": request
                .headers()
                .entries()
                .into_iter()
                .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
                .collect::<std::collections::BTreeMap<_, _>>(),
        });
        let mut text = Vec::new();
        if let Ok(body) = request.consume()
            && let Ok(mut stream) = body.stream()
        {
            let _ = stream.read_to_end(&mut text);
        }
        let posted: Json = serde_json::from_slice(&text).unwrap_or_default();
        let config = posted["config"].clone();
        match config["answer"].as_str().unwrap_or("echo") {
            "echo" => {
                let body = json!({ "posted": posted, "request": about }).to_string();
                answer(out, 200, &[("content-type", "application/json")], body.as_bytes());
            }
            "given" => {
                let status = config["status"].as_u64().unwrap_or(200);
                let headers: Vec<(&str, &str)> = config["headers"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
                    .collect();
                let body = config["body"].as_str().unwrap_or_default();
                answer(out, u16::try_from(status).unwrap_or(0), &headers, body.as_bytes());
            }
            "fetch" => match fetch(config["authority"].as_str().unwrap_or_default()) {
                Ok(status) => answer(
                    out,
                    200,
                    &[("content-type", "application/json")],
                    json!({ "status": status }).to_string().as_bytes(),
                ),
                // What became of the request is what becomes of this one.
                Err(error) => ResponseOutparam::set(out, Err(error)),
            },
            attack => attack::run(attack, out, config["size"].as_u64().unwrap_or(0)),
        }
    }
}

fn response(status: u16, headers: &[(&str, &str)]) -> Option<OutgoingResponse> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).ok()?;
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).ok()?;
    Some(response)
}

/// As a well-behaved component does.
fn answer(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], text: &[u8]) {
    let Some(response) = response(status, headers) else {
        return ResponseOutparam::set(
            out,
            Err(ErrorCode::InternalError(Some("no such answer".to_owned()))),
        );
    };
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(mut stream) = body.write() {
        let _ = stream.write_all(text);
        let _ = stream.flush();
    }
    let _ = OutgoingBody::finish(body, None);
}

/// The status that somebody answers.
fn fetch(authority: &str) -> Result<u16, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some("/"));
    let pending = outgoing_handler::handle(request, None)?;
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(answered)) => answered.map(|answer| answer.status()),
        _ => Err(ErrorCode::InternalError(None)),
    }
}
