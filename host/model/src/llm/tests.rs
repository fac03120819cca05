#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

use super::*;

fn ask(text: &str) -> Request {
    Request {
        model: Some("default".to_owned()),
        messages: vec![Message {
            role: Role::User,
            content: vec![Part::Text(text.to_owned())],
        }],
        ..Request::default()
    }
}

fn call(arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: "1".to_owned(),
        name: "look".to_owned(),
        arguments: arguments.to_owned(),
    })
}

#[test]
fn questions_keep_the_rules() {
    assert_eq!(ask("hello").check(), Ok(()));
    let image = |media_type: &str, data: Vec<u8>| {
        Part::Image(Image {
            media_type: media_type.to_owned(),
            data,
            resolution: None,
        })
    };
    let part = |part: Part| Request {
        messages: vec![Message {
            role: Role::User,
            content: vec![part],
        }],
        ..ask("")
    };
    let tool = |name: &str, parameters: &str| Request {
        tools: vec![Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters: parameters.to_owned(),
        }],
        ..ask("")
    };
    let mut many = ask("a");
    many.messages = vec![many.messages[0].clone(); MAX_LLM_MESSAGES + 1];
    let long = format!("\"{}\"", "x".repeat(MAX_LLM_JSON_BYTES));
    for (request, rule) in [
        (
            Request {
                messages: vec![],
                ..ask("")
            },
            "llm-messages",
        ),
        (many, "llm-messages"),
        (
            Request {
                stop: vec!["a".to_owned(); MAX_LLM_STOPS + 1],
                ..ask("")
            },
            "llm-count",
        ),
        (
            Request {
                stop: vec![String::new()],
                ..ask("")
            },
            "llm-name",
        ),
        (part(image("image/png", vec![])), "llm-image"),
        (part(image("image/svg+xml", vec![1])), "llm-image"),
        (part(call("{")), "llm-json"),
        (part(call(&long)), "llm-json"),
        (part(call(&"[".repeat(100))), "llm-json"),
        (tool("", "{}"), "llm-name"),
        (tool("a", "[]"), "llm-json"),
        (
            Request {
                schema: Some("true".to_owned()),
                ..ask("")
            },
            "llm-json",
        ),
        (
            Request {
                extra: Some("{]".to_owned()),
                ..ask("")
            },
            "llm-json",
        ),
        (
            Request {
                temperature: Some(f32::NAN),
                ..ask("")
            },
            "llm-temperature",
        ),
        (
            Request {
                max_output_tokens: Some(0),
                ..ask("")
            },
            "llm-tokens",
        ),
    ] {
        let broken = request.check().unwrap_err().to_string();
        assert!(broken.contains(rule), "{rule}: {broken}");
    }
}

#[test]
fn answers_keep_the_rules() {
    let response = |content: Vec<Part>| Response {
        content,
        finish: Finish::Stop,
        model: " m ".to_owned(),
        usage: Usage::default(),
    };
    let settled = settle(response(vec![Part::Text("a\0b".to_owned()), call("{}")])).unwrap();
    assert_eq!(settled.content[0], Part::Text("a\u{fffd}b".to_owned()));
    assert_eq!((settled.model.as_str(), settled.only_text()), ("m", None));
    let texts = settle(response(vec![
        Part::Text("a".to_owned()),
        Part::Text("b".to_owned()),
    ]));
    assert_eq!(texts.unwrap().only_text().as_deref(), Some("ab"));
    let result = Part::ToolResult(ToolResult {
        id: "1".to_owned(),
        content: String::new(),
        is_error: false,
    });
    let usage = |cached_input, reasoning| Response {
        usage: Usage {
            input: 5,
            cached_input,
            output: 5,
            reasoning,
        },
        ..response(vec![])
    };
    for (written, rule) in [
        (response(vec![result]), "llm-response-part"),
        (response(vec![call("{")]), "llm-json"),
        (response(vec![call("{}"); MAX_LLM_TOOLS + 1]), "llm-count"),
        (
            response(vec![Part::Text(String::new()); MAX_LLM_PARTS + 1]),
            "llm-parts",
        ),
        (
            Response {
                model: String::new(),
                ..response(vec![])
            },
            "model",
        ),
        (
            Response {
                model: "a\u{1b}[1m".to_owned(),
                ..response(vec![])
            },
            "model",
        ),
        (usage(6, 0), "llm-usage"),
        (usage(0, 6), "llm-usage"),
    ] {
        let broken = settle(written).unwrap_err().to_string();
        assert!(broken.contains(rule), "{rule}: {broken}");
    }
}

#[test]
fn a_digest_is_that_of_what_is_asked_and_not_of_who_is() {
    let one = ask("hello");
    assert_eq!(
        one.digest(),
        Request {
            model: None,
            ..one.clone()
        }
        .digest()
    );
    let schema = |text: &str| Request {
        schema: Some(text.to_owned()),
        ..one.clone()
    };
    assert_eq!(
        schema(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#).digest(),
        schema(r#"{"b":{"d":3,"c":2},"a":1}"#).digest()
    );
    let changed = [
        ask("hello "),
        schema("{}"),
        Request {
            temperature: Some(0.1),
            ..one.clone()
        },
        Request {
            seed: Some(1),
            ..one.clone()
        },
        Request {
            max_output_tokens: Some(1),
            ..one.clone()
        },
        Request {
            stop: vec!["a".to_owned()],
            ..one.clone()
        },
        Request {
            extra: Some("{}".to_owned()),
            ..one.clone()
        },
    ];
    let mut digests: Vec<_> = changed.iter().map(Request::digest).collect();
    digests.push(one.digest());
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), changed.len() + 1);
}

#[test]
fn tokens_are_never_more_than_was_thought() {
    let request = ask(&"ы".repeat(1_000));
    assert!(request.input_bytes() >= 2_000 && request.most_input_tokens() > request.input_bytes());
    let mut picture = ask("");
    picture.messages[0].content.push(Part::Image(Image {
        media_type: "image/png".to_owned(),
        data: vec![1],
        resolution: None,
    }));
    assert!(picture.most_input_tokens() > 10_000);
}

#[test]
fn amounts_are_exact_and_unambiguous() {
    for (text, micros) in [
        ("0", 0),
        ("0.000001", 1),
        ("0.25", 250_000),
        ("12", 12_000_000),
        ("1000000", 1_000_000_000_000),
        ("2.500000", 2_500_000),
    ] {
        let amount: Amount = text.parse().unwrap();
        assert_eq!(amount.as_micros(), micros, "{text}");
        assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
    }
    assert_eq!("2.500000".parse::<Amount>().unwrap().to_string(), "2.5");
    for bad in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "1,5",
        "0.0000001",
        "1000001",
        "99999999",
        " 1",
        "1 ",
        "٣",
        "NaN",
    ] {
        assert!(bad.parse::<Amount>().is_err(), "{bad}");
    }
    assert_eq!("0.25 USD".parse::<Cost>().unwrap().to_string(), "0.25 USD");
    for bad in [
        "0.25",
        "0.25USD",
        "0.25 usd",
        "0.25  USD",
        "0.25 USDT",
        "USD 0.25",
        "0.25 €",
    ] {
        assert!(bad.parse::<Cost>().is_err(), "{bad}");
    }
}

#[test]
fn costs_are_computed_exactly() {
    let prices: Prices = serde_json::from_str(
        r#"{"currency": "USD", "input": "2.5", "cached_input": "1.25", "output": "10"}"#,
    )
    .unwrap();
    let usage = Usage {
        input: 1_000,
        cached_input: 400,
        output: 200,
        reasoning: 50,
    };
    // 600 × 2.5 + 400 × 1.25 + 200 × 10 = 4000 millionths.
    assert_eq!(prices.of(&usage).as_micros(), 4_000);
    // Less than a millionth costs one.
    let little = Usage {
        input: 1,
        ..Usage::default()
    };
    let cheap = Prices {
        input: "0.000001".parse().unwrap(),
        cached_input: None,
        ..prices
    };
    assert_eq!(cheap.of(&little).as_micros(), 1);
    assert_eq!(prices.of(&Usage::default()).as_micros(), 0);
    assert!(prices.at_most(1_000, 200) >= prices.of(&usage));
    let all = Usage {
        input: u32::MAX,
        cached_input: u32::MAX,
        output: u32::MAX,
        reasoning: u32::MAX,
    };
    let dearest = Prices {
        input: "1000000".parse().unwrap(),
        cached_input: Some("1000000".parse().unwrap()),
        output: "1000000".parse().unwrap(),
        ..prices
    };
    assert_eq!(dearest.of(&all).as_micros(), 2 * u64::from(u32::MAX) * 1_000_000);
    assert_eq!(dearest.at_most(u64::MAX, u64::MAX).as_micros(), u64::MAX);
}
