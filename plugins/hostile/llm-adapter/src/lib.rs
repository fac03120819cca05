//! Gives the answer that its configuration describes, right or wrong. Tests of the host call it, and nobody else should.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "docmill:plugin/llm-adapter-plugin",
    generate_all,
});

use docmill::plugin::deltas::DeltaSink;
use docmill::plugin::llm_types::{Delta, Finish, Part, Request, Response, Role, ToolCall, ToolResult, Usage};
use docmill::plugin::types::{Error, ErrorKind, Image};
use exports::docmill::plugin::llm_adapter::Guest;
use exports::docmill::plugin::manifest;

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// The answer's texts; `request` gives the request's own text back, `system` what stands before it.
    texts: Vec<String>,
    /// Bytes of one more text.
    filler: usize,
    /// A part that no answer may have: `image` or `tool-result`.
    part: Option<String>,
    /// Calls of tools: id, name, arguments.
    calls: Vec<(String, String, String)>,
    model: Option<String>,
    /// input, cached, output, reasoning
    usage: (u32, u32, u32, u32),
    /// How often a delta is pushed, each with its number; 0: never.
    push: usize,
    /// Bytes of each delta beside its number.
    push_bytes: usize,
    /// Go on when nobody reads any more.
    stubborn: bool,
    /// Fail with this code.
    fail: Option<String>,
    retry_after_ms: Option<u32>,
    /// Never end.
    spin: bool,
    trap: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            texts: vec!["request".to_owned()],
            filler: 0,
            part: None,
            calls: Vec::new(),
            model: None,
            usage: (10, 4, 5, 1),
            push: 0,
            push_bytes: 0,
            stubborn: false,
            fail: None,
            retry_after_ms: None,
            spin: false,
            trap: false,
        }
    }
}

struct Hostile;

impl manifest::Guest for Hostile {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-llm-adapter".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Answers what it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

fn failed(kind: ErrorKind, code: &str, message: &str) -> Error {
    Error {
        kind,
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after_ms: None,
    }
}

/// The last text of somebody.
fn said(request: &Request, role: Role) -> String {
    let messages = request
        .messages
        .iter()
        .rev()
        .filter(|message| message.role == role);
    let texts = messages
        .flat_map(|message| &message.content)
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.clone()),
            _ => None,
        });
    texts.into_iter().next().unwrap_or_default()
}

impl Guest for Hostile {
    fn complete(request: Request, sink: Option<DeltaSink>, config: String) -> Result<Response, Error> {
        let wanted: Wanted = serde_json::from_str(&config)
            .map_err(|error| failed(ErrorKind::InvalidConfig, "config", &error.to_string()))?;
        if wanted.spin {
            let mut n = 0_u64;
            while std::hint::black_box(n) != u64::MAX {
                n = n.wrapping_add(1);
            }
        }
        if wanted.trap {
            std::process::abort();
        }
        for n in 0..wanted.push {
            let text = format!("{n}{}", "x".repeat(wanted.push_bytes));
            if let Some(Err(error)) = sink.as_ref().map(|sink| sink.push(&Delta::Text(text)))
                && !wanted.stubborn
            {
                return Err(error);
            }
        }
        if let Some(code) = &wanted.fail {
            let kind = match code.as_str() {
                "exhausted" => ErrorKind::Exhausted,
                "unavailable" => ErrorKind::Unavailable,
                "denied" => ErrorKind::Denied,
                _ => ErrorKind::Failed,
            };
            return Err(Error {
                retry_after_ms: wanted.retry_after_ms,
                ..failed(kind, code, "As it was told.")
            });
        }
        let mut content: Vec<Part> = wanted
            .texts
            .iter()
            .map(|text| match text.as_str() {
                "request" => Part::Text(said(&request, Role::User)),
                "system" => Part::Text(said(&request, Role::System)),
                other => Part::Text(other.to_owned()),
            })
            .collect();
        if wanted.filler > 0 {
            content.push(Part::Text("x".repeat(wanted.filler)));
        }
        match wanted.part.as_deref() {
            Some("image") => content.push(Part::Image(Image {
                media_type: "image/png".to_owned(),
                data: vec![1],
                resolution: None,
            })),
            Some(_) => content.push(Part::ToolResult(ToolResult {
                id: "1".to_owned(),
                content: String::new(),
                is_error: false,
            })),
            None => {}
        }
        content.extend(
            wanted
                .calls
                .into_iter()
                .map(|(id, name, arguments)| Part::ToolCall(ToolCall { id, name, arguments })),
        );
        let (input, cached_input, output, reasoning) = wanted.usage;
        Ok(Response {
            content,
            finish: Finish::Stop,
            model: wanted.model.or(request.model).unwrap_or_default(),
            usage: Usage {
                input,
                cached_input,
                output,
                reasoning,
            },
        })
    }
}

export!(Hostile);
