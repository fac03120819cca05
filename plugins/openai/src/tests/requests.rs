//! What is asked.

use docmill_plugin::Image;
use docmill_plugin::llm::{Part, Role, Tool, ToolCall, ToolResult};

use super::*;

#[test]
fn a_request_is_what_the_api_documents() {
    let request = Request {
        max_output_tokens: Some(200),
        temperature: Some(0.2),
        seed: Some(7),
        stop: vec!["END".to_owned()],
        extra: Some(r#"{"reasoning_effort": "low"}"#.to_owned()),
        ..Request::new([
            Message::system("Be short."),
            Message::user("Say hello."),
            Message::assistant("hi"),
        ])
    }
    .model("gpt-x");
    let (body, headers, url) = sent(request, None, &config(json!({"secret": "openai"}))).unwrap();
    assert_eq!(url, "https://api.openai.com/v1/chat/completions");
    assert_eq!(
        headers.into_iter().collect::<Vec<_>>(),
        [("authorization".to_owned(), "Bearer {{secret:openai}}".to_owned())]
    );
    assert_eq!(
        body,
        json!({
            "model": "gpt-x",
            "messages": [
                { "role": "system", "content": "Be short." },
                { "role": "user", "content": "Say hello." },
                { "role": "assistant", "content": "hi" },
            ],
            "max_completion_tokens": 200,
            "temperature": 0.2,
            "seed": 7,
            "stop": ["END"],
            "reasoning_effort": "low",
        })
    );
}

#[test]
fn a_configuration_names_another_server() {
    let other = config(json!({
        "base_url": "http://127.0.0.1:8080/v1/", "organization": "org-1", "project": "p", "max_tokens_field": "max_tokens",
        "headers": { "Api-Key": "{{secret:other}}" },
    }));
    let request = ask().max_output_tokens(5);
    let (body, headers, url) = sent(request, None, &other).unwrap();
    assert_eq!(url, "http://127.0.0.1:8080/v1/chat/completions");
    assert_eq!(body["max_tokens"], 5);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("api-key", "{{secret:other}}"),
            ("openai-organization", "org-1"),
            ("openai-project", "p")
        ]
    );
}

#[test]
fn the_schema_of_the_configuration_is_json_and_knows_every_member() {
    let schema: Json = serde_json::from_str(include_str!("../config.schema.json")).unwrap();
    let known: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let defaults: serde_json::Map<String, Json> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    let read = config(Json::Object(defaults));
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
    assert_eq!(known.len(), 9);
}

#[test]
fn a_schema_is_asked_for_as_the_server_knows_it() {
    let schema = json!({"type": "object", "properties": {"total": {"type": "string"}}});
    let request = || ask().schema(&schema);
    let (body, ..) = sent(request(), None, &Config::default()).unwrap();
    assert_eq!(
        body["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}})
    );
    let (body, ..) = sent(request(), None, &config(json!({"schema": "json_object"}))).unwrap();
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert!(
        body["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains(&schema.to_string())
    );
    let (body, ..) = sent(request(), None, &config(json!({"schema": "message"}))).unwrap();
    assert_eq!(body.get("response_format"), None);
    assert_eq!(
        (&body["messages"][0]["role"], &body["messages"][1]["role"]),
        (&json!("system"), &json!("user"))
    );
}

#[test]
fn pictures_and_tools_are_said_in_the_servers_way() {
    let image = Image {
        media_type: "image/png".to_owned(),
        data: vec![1, 2, 3, 250],
        resolution: None,
    };
    let request = Request {
        messages: vec![
            Message::user("What is it?").with_image(image),
            Message {
                role: Role::Assistant,
                content: vec![Part::ToolCall(ToolCall {
                    id: "c1".to_owned(),
                    name: "look".to_owned(),
                    arguments: r#"{"at":1}"#.to_owned(),
                })],
            },
            Message {
                role: Role::Tool,
                content: vec![
                    Part::ToolResult(ToolResult {
                        id: "c1".to_owned(),
                        content: "a cat".to_owned(),
                        is_error: false,
                    }),
                    Part::ToolResult(ToolResult {
                        id: "c2".to_owned(),
                        content: "dark".to_owned(),
                        is_error: true,
                    }),
                ],
            },
        ],
        tools: vec![Tool {
            name: "look".to_owned(),
            description: "Looks.".to_owned(),
            parameters: r#"{"type":"object"}"#.to_owned(),
        }],
        ..ask()
    };
    let (body, ..) = sent(request, None, &Config::default()).unwrap();
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": [
                { "type": "text", "text": "What is it?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AQID+g==" } },
            ]},
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{\"at\":1}" } },
            ]},
            { "role": "tool", "tool_call_id": "c1", "content": "a cat" },
            { "role": "tool", "tool_call_id": "c2", "content": "Error: dark" },
        ])
    );
    assert_eq!(
        body["tools"],
        json!([{ "type": "function", "function": {
            "name": "look", "description": "Looks.", "parameters": { "type": "object" } } }])
    );
}

#[test]
fn who_wants_pieces_asks_for_a_stream_and_for_its_usage() {
    let sink = || Some(DeltaSink::new());
    let (body, ..) = sent(ask(), sink(), &Config::default()).unwrap();
    assert_eq!(
        (&body["stream"], &body["stream_options"]),
        (&json!(true), &json!({"include_usage": true}))
    );
    let (body, ..) = sent(ask(), sink(), &config(json!({"stream_usage": false}))).unwrap();
    assert_eq!(body.get("stream_options"), None);
    let (body, ..) = sent(ask(), None, &Config::default()).unwrap();
    assert_eq!(body.get("stream"), None);
}

#[test]
fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    let part = |role, part| Request {
        messages: vec![Message {
            role,
            content: vec![part],
        }],
        ..ask()
    };
    let call = || {
        Part::ToolCall(ToolCall {
            id: "1".into(),
            name: "a".into(),
            arguments: "{}".into(),
        })
    };
    let result = || {
        Part::ToolResult(ToolResult {
            id: "1".into(),
            content: "a".into(),
            is_error: false,
        })
    };
    let image = || {
        Part::Image(Image {
            media_type: "image/png".into(),
            data: vec![1],
            resolution: None,
        })
    };
    for (request, code) in [
        (Request { model: None, ..ask() }, "no-model"),
        (
            Request {
                schema: Some("{".into()),
                ..ask()
            },
            "not-json",
        ),
        (
            Request {
                schema: Some("[]".into()),
                ..ask()
            },
            "not-json",
        ),
        (
            Request {
                extra: Some("1".into()),
                ..ask()
            },
            "not-json",
        ),
        (
            Request {
                extra: Some(r#"{"stream": true}"#.into()),
                ..ask()
            },
            "extra",
        ),
        (
            Request {
                extra: Some(r#"{"n": 100}"#.into()),
                ..ask()
            },
            "extra",
        ),
        (
            Request {
                extra: Some(r#"{"max_tokens": 1000000}"#.into()),
                ..ask()
            },
            "extra",
        ),
        (part(Role::System, image()), "part"),
        (part(Role::User, call()), "part"),
        (part(Role::Assistant, image()), "part"),
        (part(Role::Assistant, result()), "part"),
        (part(Role::Tool, Part::Text("a".into())), "part"),
    ] {
        let refused = complete(
            request,
            None,
            &Config::default(),
            |_| -> Result<Recorded, Error> { panic!("{code} was sent") },
        );
        assert_eq!(refused.unwrap_err().code, code);
    }
}
