//! Whole answers.

use docmill_plugin::llm::{Delta, Finish, Part, ToolCall, Usage};

use super::*;

#[test]
fn an_answer_is_read_with_its_usage() {
    let reply = recorded(
        200,
        &[],
        &whole(
            json!({"role": "assistant", "content": "Hello!", "refusal": null}),
            "stop",
        ),
        7,
    );
    let response = answered(reply).unwrap();
    assert_eq!(
        response,
        Response {
            content: vec![Part::Text("Hello!".to_owned())],
            finish: Finish::Stop,
            model: "gpt-x-2026-01-01".to_owned(),
            usage: Usage {
                input: 21,
                cached_input: 16,
                output: 9,
                reasoning: 4
            },
        }
    );
}

#[test]
fn why_it_ended_is_told() {
    let call = json!({"content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": 1}"}},
        {"type": "function", "function": {"name": "sleep", "arguments": ""}},
    ]});
    for (message, said, finish) in [
        (json!({"content": "Hel"}), "length", Finish::Length),
        (json!({"content": ""}), "content_filter", Finish::Refused),
        (
            json!({"content": null, "refusal": "I cannot."}),
            "stop",
            Finish::Refused,
        ),
        (call.clone(), "tool_calls", Finish::ToolCalls),
        (call.clone(), "stop", Finish::ToolCalls),
        (json!({"content": "a"}), "something_new", Finish::Stop),
    ] {
        let response = answered(recorded(200, &[], &whole(message, said), 1_000)).unwrap();
        assert_eq!(response.finish, finish, "{said}");
    }
    let response = answered(recorded(200, &[], &whole(call, "tool_calls"), 1_000)).unwrap();
    let calls = [("c1", "look", "{\"at\": 1}"), ("call_1", "sleep", "{}")].map(|(id, name, arguments)| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    });
    assert_eq!(response.content, calls);
}

#[test]
fn what_a_server_leaves_out_or_gets_wrong_is_borne() {
    let bare = r#"{"choices": [{"message": {"content": "a"}}]}"#;
    let response = answered(recorded(200, &[], bare, 1_000)).unwrap();
    assert_eq!((response.model.as_str(), response.usage.input), ("gpt-x", 0));
    let wrong = json!({"choices": [{"message": {"content": "a"}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 50}, "completion_tokens_details": {"reasoning_tokens": 20}}});
    let usage = answered(recorded(200, &[], &wrong.to_string(), 1_000))
        .unwrap()
        .usage;
    assert_eq!(
        usage,
        Usage {
            input: 5,
            cached_input: 5,
            output: 2,
            reasoning: 2
        }
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"choices": []}"#,
        r#"{"choices": [{"message": {"tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}}]}"#,
        r#"{"choices": [{"message": {"tool_calls": [{"function": {"name": "", "arguments": "{}"}}]}}]}"#,
        r#"{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": -1}}"#,
        r#"{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": 99999999999}}"#,
    ] {
        let error = answered(recorded(200, &[], body, 1_000)).unwrap_err();
        assert_eq!(error.code, "bad-answer", "{body}");
    }
    let endless = "x".repeat(17 << 20);
    assert_eq!(
        answered(recorded(200, &[], &endless, 64 << 10)).unwrap_err().code,
        "oversized-answer"
    );
    let mut cut = recorded(200, &[], &whole(json!({"content": "Hello!"}), "stop"), 7);
    cut.broken = true;
    assert_eq!(answered(cut).unwrap_err().code, "connection");
}

#[test]
fn who_wants_pieces_of_a_server_without_streams_gets_one() {
    let sink = DeltaSink::new();
    // The server answers whole, whatever it was asked.
    let body = whole(json!({"content": "Hello!"}), "stop");
    let mut reply = recorded(200, &[("content-type", "application/json")], &body, 100);
    let response = crate::answer::read(&mut reply, Some(&sink)).unwrap();
    assert_eq!(response.text(), "Hello!");
    assert_eq!(sink.pushed(), [Delta::Text("Hello!".to_owned())]);
}
