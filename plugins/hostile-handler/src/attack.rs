//! Answers that break the rules of `wasi:http`, or try what they cost the host.

use std::io::Write as _;

use wasip2::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::{answer, response};

const JSON: (&str, &str) = ("content-type", "application/json");

pub fn run(attack: &str, out: ResponseOutparam, size: u64) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    match attack {
        "silent" => drop(out),
        "leak" => core::mem::forget(out),
        "error" => ResponseOutparam::set(
            out,
            Err(ErrorCode::InternalError(Some("no\u{1b}[31mgood\0".repeat(200)))),
        ),
        // The handle is used again after it was given away.
        "twice" => {
            let again = unsafe { ResponseOutparam::from_handle(out.handle()) };
            answer(out, 204, &[], b"");
            answer(again, 204, &[], b"");
        }
        // `size` bytes; 0: without end.
        "endless" => body(out, |stream| {
            let chunk = [b'x'; 4096];
            let mut written = 0;
            while size == 0 || written < size {
                if stream.write_all(&chunk).is_err() {
                    return;
                }
                written += chunk.len();
            }
        }),
        // The body is begun and kept.
        "unfinished" => {
            let Some(response) = response(200, &[JSON]) else {
                return;
            };
            let Ok(body) = response.body() else { return };
            ResponseOutparam::set(out, Ok(response));
            if let Ok(mut stream) = body.write() {
                let _ = stream.write_all(b"{}");
                let _ = stream.flush();
                core::mem::forget(stream);
            }
            core::mem::forget(body);
        }
        // The body is begun and dropped.
        "dropped" => {
            let Some(response) = response(200, &[JSON]) else {
                return;
            };
            let Ok(body) = response.body() else { return };
            ResponseOutparam::set(out, Ok(response));
            if let Ok(mut stream) = body.write() {
                let _ = stream.write_all(b"{}");
                let _ = stream.flush();
            }
            drop(body);
        }
        // It says ten bytes and has two.
        "short" => {
            let Some(response) = response(200, &[JSON, ("content-length", "10")]) else {
                return;
            };
            let Ok(body) = response.body() else { return };
            ResponseOutparam::set(out, Ok(response));
            if let Ok(mut stream) = body.write() {
                let _ = stream.write_all(b"{}");
                let _ = stream.flush();
            }
            let _ = OutgoingBody::finish(body, None);
        }
        "trailers" => {
            let Some(response) = response(200, &[JSON]) else {
                return;
            };
            let Ok(body) = response.body() else { return };
            ResponseOutparam::set(out, Ok(response));
            if let Ok(mut stream) = body.write() {
                let _ = stream.write_all(br#"{"with":"trailers"}"#);
                let _ = stream.flush();
            }
            let trailers = Fields::new();
            let _ = trailers.append("x-after", b"all");
            let _ = OutgoingBody::finish(body, Some(trailers));
        }
        "headers" => {
            let fields = Fields::new();
            let value = vec![b'x'; 1_000];
            for number in 0..size {
                if fields.append(&format!("n{number}"), &value).is_err() {
                    break;
                }
            }
            let response = OutgoingResponse::new(fields);
            let body = response.body();
            ResponseOutparam::set(out, Ok(response));
            if let Ok(body) = body {
                let _ = OutgoingBody::finish(body, None);
            }
        }
        // The answer is complete, and the guest is not.
        "spin" => {
            answer(out, 200, &[JSON], b"{}");
            let mut number = 1_u64;
            loop {
                number = core::hint::black_box(number.wrapping_mul(3));
            }
        }
        "trap" => {
            answer(out, 200, &[JSON], b"{}");
            core::arch::wasm32::unreachable()
        }
        // What it sees of the host.
        "world" => {
            let files = std::fs::read_dir("/").is_ok();
            let variables = std::env::vars().count() + std::env::args().count();
            let text = format!(r#"{{"files":{files},"variables":{variables}}}"#);
            println!("said on standard output");
            answer(out, 200, &[JSON], text.as_bytes());
        }
        other => answer(out, 400, &[], format!("there is no attack {other}").as_bytes()),
    }
}

fn body(out: ResponseOutparam, write: impl FnOnce(&mut wasip2::io::streams::OutputStream)) {
    let Some(response) = response(200, &[JSON]) else {
        return;
    };
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(mut stream) = body.write() {
        write(&mut stream);
    }
    let _ = OutgoingBody::finish(body, None);
}
