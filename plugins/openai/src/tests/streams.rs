//! Answers in pieces.

use docmill_plugin::llm::{Delta, Finish, Part, ToolCall, Usage};

use super::*;
use crate::stream;

fn events(chunks: &[Json], done: bool) -> String {
    let mut body: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    if done {
        body.push_str("data: [DONE]\n\n");
    }
    body
}

fn piece(delta: Json, finish: Json) -> Json {
    json!({"id": "1", "object": "chat.completion.chunk", "model": "gpt-x-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null})
}

fn used() -> Json {
    json!({"id": "1", "model": "gpt-x-1", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 1}}})
}

fn read(body: &str, size: usize, sink: &DeltaSink) -> Result<Response, Error> {
    stream::read(&mut recorded(200, &[], body, size), sink)
}

#[test]
fn pieces_are_pushed_in_order_however_they_arrive() {
    let body = events(
        &[
            piece(json!({"role": "assistant", "content": ""}), Json::Null),
            piece(json!({"content": "При"}), Json::Null),
            piece(json!({"content": "вет"}), Json::Null),
            piece(json!({}), json!("stop")),
            used(),
        ],
        true,
    );
    // Comments and other line ends, as proxies write them.
    let proxied = format!(": keep-alive\n\nevent: x\n{}", body.replace('\n', "\r\n"));
    for body in [&body, &proxied] {
        for size in [1, 2, 3, 7, 64, 10_000] {
            let sink = DeltaSink::new();
            let response = read(body, size, &sink).unwrap();
            assert_eq!(
                sink.pushed(),
                ["При", "вет"].map(|text| Delta::Text(text.to_owned()))
            );
            assert_eq!(
                response,
                Response {
                    content: vec![Part::Text("Привет".to_owned())],
                    finish: Finish::Stop,
                    model: "gpt-x-1".to_owned(),
                    usage: Usage {
                        input: 8,
                        cached_input: 4,
                        output: 3,
                        reasoning: 1
                    },
                }
            );
        }
    }
}

#[test]
fn calls_of_tools_are_put_together_also_if_they_are_mixed() {
    let call = |index: usize, id: Json, name: Json, arguments: &str| {
        piece(
            json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}),
            Json::Null,
        )
    };
    let body = events(
        &[
            call(0, json!("c0"), json!("look"), ""),
            call(0, Json::Null, Json::Null, "{\"at\""),
            call(1, json!("c1"), json!("sleep"), "{}"),
            call(0, json!("c0"), json!("look"), ":1}"),
            piece(json!({}), json!("tool_calls")),
        ],
        true,
    );
    let sink = DeltaSink::new();
    let response = read(&body, 50, &sink).unwrap();
    let calls = [("c0", "look", "{\"at\":1}"), ("c1", "sleep", "{}")].map(|(id, name, arguments)| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    });
    assert_eq!(sink.pushed(), calls.clone().map(Delta::ToolCall));
    assert_eq!(
        (response.content, response.finish),
        (calls.map(Part::ToolCall).to_vec(), Finish::ToolCalls)
    );
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let begun = events(&[piece(json!({"content": "Hel"}), Json::Null)], false);
    let sink = DeltaSink::new();
    assert_eq!(read(&begun, 100, &sink).unwrap_err().code, "cut-off");
    assert_eq!(sink.pushed().len(), 1, "what came was pushed");
    // Without [DONE], but with an end: some servers leave it out.
    let ended = events(&[piece(json!({"content": "Hello"}), json!("stop"))], false);
    assert_eq!(read(&ended, 100, &DeltaSink::new()).unwrap().text(), "Hello");
    let error = json!({"error": {"message": "overloaded", "type": "server_error", "code": null}});
    let failed = events(&[piece(json!({"content": "Hel"}), Json::Null), error], false);
    assert_eq!(read(&failed, 100, &DeltaSink::new()).unwrap_err().code, "server");
    let limited = events(&[json!({"error": {"code": "rate_limit_exceeded"}})], false);
    let error = read(&limited, 100, &DeltaSink::new()).unwrap_err();
    assert!(
        error.code == "rate-limit" && error.retry_after_ms.is_some(),
        "{error:?}"
    );
    assert_eq!(
        read("data: {oops\n\n", 100, &DeltaSink::new()).unwrap_err().code,
        "bad-answer"
    );
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let body = events(
        &[
            piece(json!({"content": "a"}), Json::Null),
            piece(json!({"content": "b"}), Json::Null),
        ],
        false,
    );
    let endless = body.repeat(1_000);
    let sink = DeltaSink::leaving_after(3);
    let mut reply = recorded(200, &[], &endless, 10);
    assert_eq!(stream::read(&mut reply, &sink).unwrap_err().code, "nobody-reads");
    assert!(reply.pieces.len() > 1_000, "the rest was not read");
}

#[test]
fn a_stream_without_end_or_lines_is_given_up() {
    let line = "x".repeat(17 << 20);
    assert_eq!(
        read(&line, 64 << 10, &DeltaSink::new()).unwrap_err().code,
        "oversized-answer"
    );
    let one = events(&[piece(json!({"content": "x".repeat(1_000)}), Json::Null)], false);
    let error = read(&one.repeat((17 << 20) / one.len()), 64 << 10, &DeltaSink::new()).unwrap_err();
    assert_eq!(error.code, "oversized-answer");
    let calls: Vec<Json> = (0..200)
        .map(|index| {
            piece(
                json!({"tool_calls": [{"index": index, "function": {"name": "a"}}]}),
                Json::Null,
            )
        })
        .collect();
    assert_eq!(
        read(&events(&calls, true), 1_000, &DeltaSink::new())
            .unwrap_err()
            .code,
        "bad-answer"
    );
}
