//! `docmill/openai`: asks language models that speak OpenAI's Chat Completions. README.md says what it does with
//! what the servers leave open.

mod answer;
mod config;
mod failure;
mod request;
mod stream;
pub mod transport;

use docmill_plugin::llm::{DeltaSink, Finish, Part, Request, Response};
use docmill_plugin::{Description, Error, LlmAdapter};

pub use config::Config;
use transport::{Exchange, Reply};

/// The plugin.
pub struct OpenAi;

impl LlmAdapter for OpenAi {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/openai",
            env!("CARGO_PKG_VERSION"),
            "Asks language models of servers that speak OpenAI's Chat Completions.",
        )
        .config_schema(include_str!("config.schema.json"))
    }

    fn complete(request: Request, sink: Option<DeltaSink>, config: Config) -> Result<Response, Error> {
        complete(request, sink, &config, transport::send)
    }
}

docmill_plugin::export_llm_adapter!(OpenAi);

/// The same over any way to a server.
///
/// # Errors
/// Whatever the server refuses, as a typed error; whatever the way there or the reader of the deltas answers.
pub fn complete<R: Reply>(
    request: Request,
    sink: Option<DeltaSink>,
    config: &Config,
    send: impl FnOnce(&Exchange<'_>) -> Result<R, Error>,
) -> Result<Response, Error> {
    let body = request::body(&request, config, sink.is_some())?;
    let (url, headers) = (config.url(), config.headers());
    let mut reply = send(&Exchange {
        url: &url,
        headers: &headers,
        body: body.as_bytes(),
        stream: sink.is_some(),
        timeout_ms: config.timeout_ms,
    })?;
    if !(200..300).contains(&reply.status()) {
        return Err(failure::of_reply(&mut reply));
    }
    let mut response = match sink {
        // A server that knows no streams answers whole: the reader gets it in one piece.
        Some(sink) if transport::is_event_stream(&reply) => stream::read(&mut reply, &sink),
        sink => answer::read(&mut reply, sink.as_ref()),
    }?;
    if response.model.is_empty() {
        // Then it is the one that was asked.
        response.model = request.model.unwrap_or_default();
    }
    if response.finish == Finish::Stop
        && response
            .content
            .iter()
            .any(|part| matches!(part, Part::ToolCall(_)))
    {
        // Some servers say `stop` when they wait for tools.
        response.finish = Finish::ToolCalls;
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
