//! What the resources of HTTP may cost the host.

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingRequest};
use wasip2::io::poll::poll;

use crate::docmill::plugin::types::{Error, Field};
use crate::fetch::{self, Asked};
use crate::{failed, field};

pub fn run(attack: &str, requests: &[Asked], size: usize) -> Result<Vec<Field>, Error> {
    let first = requests.first().cloned().unwrap_or_default();
    let times = if size == 0 { usize::MAX } else { size };
    Ok(match attack {
        // One set of headers without end: how many bytes were taken.
        "fields" => {
            let fields = Fields::new();
            let value = vec![b'x'; 1_000];
            let taken = (0..times).take_while(|n| fields.append(&format!("n{n}"), &value).is_ok());
            vec![field("taken", taken.count().to_string())]
        }
        // As many full sets of headers as there can be.
        "all-fields" => {
            let mut kept = Vec::new();
            let value = vec![b'x'; 15_000];
            for _ in 0..times {
                let fields = Fields::new();
                let _ = fields.append("x", &value);
                kept.push(fields);
            }
            vec![field("kept", kept.len().to_string())]
        }
        // A method as long as memory.
        "method" => {
            let request = OutgoingRequest::new(Fields::new());
            let taken = request.set_method(&Method::Other("M".repeat(times))).is_ok();
            vec![field("taken", taken.to_string())]
        }
        // Requests without end, whose answers nobody reads.
        "requests" => {
            let mut kept = Vec::new();
            for _ in 0..times {
                if let Ok(request) = fetch::request(&first) {
                    kept.push(outgoing_handler::handle(request, None));
                }
            }
            vec![field("kept", kept.len().to_string())]
        }
        // Answers that are kept and never read.
        "hoard" => {
            let mut kept = Vec::new();
            let mut refused = String::new();
            for _ in 0..times {
                match fetch::send(&first) {
                    Ok(answer) => kept.push(answer),
                    Err(error) => refused = error,
                }
            }
            vec![field("kept", kept.len().to_string()), field("refused", refused)]
        }
        // A body without end.
        "body" => {
            let request = fetch::request(&first).map_err(|error| failed("request", error))?;
            let body = request.body().map_err(|()| failed("body", ""))?;
            let answer =
                outgoing_handler::handle(request, None).map_err(|e| failed("sent", format!("{e:?}")))?;
            let stream = body.write().map_err(|()| failed("stream", ""))?;
            let chunk = vec![b'x'; 4_096];
            let written = (0..times)
                .take_while(|_| stream.blocking_write_and_flush(&chunk).is_ok())
                .count();
            drop(stream);
            drop(body);
            answer.subscribe().block();
            let said = match answer.get() {
                Some(Ok(Err(error))) => format!("{error:?}"),
                _ => "answered".to_owned(),
            };
            vec![field("written", written.to_string()), field("said", said)]
        }
        // Waits for an answer, but no longer than it wants: real time passes meanwhile.
        "impatient" => {
            let request = fetch::request(&first).map_err(|error| failed("request", error))?;
            let answer =
                outgoing_handler::handle(request, None).map_err(|e| failed("sent", format!("{e:?}")))?;
            let timer = monotonic_clock::subscribe_duration(times as u64 * 1_000_000);
            let ready = poll(&[&answer.subscribe(), &timer]);
            vec![field(
                "first",
                if ready.contains(&0) { "answer" } else { "timer" },
            )]
        }
        // Spins as soon as the answer is on its way.
        "spin" => {
            let request = fetch::request(&first).map_err(|error| failed("request", error))?;
            let answer = outgoing_handler::handle(request, None);
            loop {
                std::hint::black_box(&answer);
            }
        }
        other => return Err(failed("no-attack", other)),
    })
}
