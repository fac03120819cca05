//! What answers and readings say is so.

use serde_json::json;

use super::{NOTE, TEXT};
use crate::support::Host;
use crate::support::client::Part;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_kept_is_not_said_to_be() {
    let host = Host::with(&["text", "patterns"]).await;
    for (name, retain) in [("kept", "result"), ("fleeting", "none")] {
        host.save(&NOTE.replace("name: note\n", &format!("name: {name}\nretain: {retain}\n")))
            .await;
        let kept = retain == "result";
        let good = host.run(name).body("text/plain", TEXT).send().await;
        let run = good.ok(200);
        let at = format!("/v1/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(good.header("location"), kept.then_some(at.as_str()));
        let found = host.get(&at).send().await.status;
        assert_eq!(found, if kept { 200 } else { 404 });
        // A parser that finds no text.
        let bad = host.run(name).body("text/plain", "\n \n").send().await;
        let problem = bad.problem(422, "invalid-input");
        assert_eq!(problem["run"].is_string(), kept, "{problem}");
        assert_eq!(bad.header("location"), None);
    }
}

/// Needs no encoding to be named.
const WORDS: &str = "Итого по накладной";

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_read_in_the_encoding_that_its_sender_names() {
    let host = Host::with(&["text"]).await;
    host.save(
        "
name: words
inputs: { file: { accept: [text/plain] } }
steps:
  - { id: parse, use: docmill/text@0.1, when: \"input.media_type == 'text/plain' && inputs.file.media_type == 'text/plain'\" }
output: { text: \"${ reading.pages[0].text }\", media_type: \"${ reading.media_type }\" }
",
    )
    .await;
    let latin: Vec<u8> = vec![0xC9, 0xF4, 0xE9];
    for (media_type, text) in [
        ("text/plain; charset=windows-1252", "Éôé"),
        ("text/plain; charset=koi8-r", "иТИ"),
        ("text/plain; charset=\"windows-1251\"", "Йфй"),
    ] {
        let part = Part {
            media_type: Some(media_type),
            ..Part::file("file", "a.txt", &latin)
        };
        for call in [
            host.run("words").form(&[part]),
            host.run("words").body(media_type, &latin),
        ] {
            let run = call.send().await.ok(200);
            // The same bytes before, under another name of the encoding, are no answer.
            assert_eq!(
                run["output"],
                json!({"text": text, "media_type": "text/plain"}),
                "{media_type}"
            );
        }
    }
    // Who names none, or the one that bytes show, has said nothing about it.
    let run = host.run("words").body("text/plain; charset=utf-8", WORDS);
    let run = run.send().await.ok(200);
    assert_eq!(run["output"]["text"], WORDS);
    assert_eq!(run["documents"][0]["media_type"], "text/plain");
}
