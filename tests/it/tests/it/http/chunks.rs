//! Chunks and vectors of a document, over HTTP: cited exactly, the same when the run is asked for again, and refused with a
//! typed problem where they cannot be made.

use docmill_samples::verify::{PageText, verify_quotes};
use serde_json::{Value as Json, json};

use crate::support::Host;
use crate::support::client::Part;

const PIPELINE: &str = "
name: pieces
inputs: { file: { accept: [text/markdown] }, ask: { kind: text, min: 0 } }
steps:
  - { id: parse, use: docmill/text@0.1 }
  - { id: split, use: docmill/chunks@0.1, with: { max_chars: 60, overlap_chars: 20 } }
  - { id: embed, use: docmill/hashed-ngrams@0.1, with: { dimensions: 256 } }
  - { id: ask, use: docmill/hashed-ngrams@0.1, input: ask, with: { dimensions: 256 } }
output: { headings: \"${ chunks.map(c, c.headings) }\", made: \"${ steps.embed.output.count }\" }
";

const CONTRACT: &str = "# Договор\n\n## 1 Предмет\n\nПродавец передаёт товар. Покупатель платит за товар. \
    Срок — тридцать дней со дня подписания.\n\n## 2 Цена\n\nСто тысяч тенге 🇰🇿.\n";

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name}: {json}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_chunks_and_vectors() {
    let host = Host::with(&["text", "chunks", "hashed_ngrams"]).await;
    host.save(PIPELINE).await;
    let file = Part {
        media_type: Some("text/markdown"),
        ..Part::file("file", "contract.md", CONTRACT.as_bytes())
    };
    let ask = Part::param("ask", "Сколько дней срок?");
    let run = host.run("pieces").form(&[file, ask]).send().await.ok(200);
    let chunks = list(&run, "chunks");
    assert!(chunks.len() >= 3, "{run:#}");
    let document = format!("/v1/documents/{}", run["documents"][0]["id"].as_str().unwrap());
    let pages = PageText::from_document(&host.get(&document).send().await.ok(200));
    assert_eq!(verify_quotes(&run, &pages), Vec::<String>::new());
    for (n, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["id"], format!("split/{n}"));
        assert_eq!(chunk["origin"]["step"], "split");
        let text = chunk["text"].as_str().unwrap();
        assert!(text.chars().count() <= 60, "{text}");
        let quotes = list(chunk, "citations").iter().map(|citation| {
            assert_eq!(
                (&citation["match"], &citation["document"]),
                (&json!("exact"), &run["documents"][0]["id"])
            );
            citation["quote"].as_str().unwrap()
        });
        assert_eq!(quotes.collect::<Vec<_>>().join("\n"), text);
    }
    assert_eq!(run["output"]["headings"][0], json!(["Договор", "1 Предмет"]));
    let last = chunks.last().unwrap();
    assert_eq!(last["text"], "2 Цена\nСто тысяч тенге 🇰🇿.");
    assert_eq!(last["headings"], json!(["Договор", "2 Цена"]));

    assert_eq!(run["output"]["made"], chunks.len());
    let [made, asked] = list(&run, "embeddings") else {
        panic!("{run:#}")
    };
    assert_eq!(
        (&made["purpose"], &asked["purpose"]),
        (&json!("document"), &json!("query"))
    );
    assert_eq!(
        (&made["dimensions"], &made["model"]),
        (&json!(256), &asked["model"])
    );
    assert_eq!(list(asked, "vectors")[0]["of"], "ask[0]");
    let question = vector(&list(asked, "vectors")[0]);
    let mut near: Vec<(f64, &str)> = Vec::new();
    for (chunk, named) in chunks.iter().zip(list(made, "vectors")) {
        assert_eq!(named["of"], chunk["id"]);
        let vector = vector(named);
        assert_eq!(vector.len(), 256);
        let cosine = vector.iter().zip(&question).map(|(a, b)| a * b).sum();
        near.push((cosine, chunk["text"].as_str().unwrap()));
    }
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert!(near[0].1.contains("Срок"), "{near:?}");

    // The same again from what is kept, number by number.
    let kept = host
        .get(&format!("/v1/runs/{}", run["id"].as_str().unwrap()))
        .send()
        .await
        .ok(200);
    assert_eq!(
        (&kept["chunks"], &kept["embeddings"]),
        (&run["chunks"], &run["embeddings"])
    );
    // And from another run over the same bytes.
    let again = host.run("pieces").form(&[file, ask]).send().await.ok(200);
    let bare = |run: &Json| -> Vec<(Json, Json)> {
        list(run, "chunks")
            .iter()
            .map(|c| (c["text"].clone(), c["headings"].clone()))
            .collect()
    };
    assert_eq!(bare(&again), bare(&run));
    assert_eq!(again["embeddings"], run["embeddings"]);
}

fn vector(named: &Json) -> Vec<f64> {
    list(named, "vector")
        .iter()
        .map(|n| n.as_f64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_run_that_is_not_kept_are_in_its_answer() {
    let host = Host::with(&["text", "chunks"]).await;
    let definition = "name: loose\nretain: none\nsteps:\n  - { id: parse, use: docmill/text@0.1 }\n  - { id: split, use: docmill/chunks@0.1 }\n";
    host.save(definition).await;
    let run = host
        .run("loose")
        .body("text/plain", "One.\n\nTwo.")
        .send()
        .await
        .ok(200);
    assert_eq!(list(&run, "chunks")[0]["text"], "One.\nTwo.");
    // What cannot be read is not split.
    let empty = host.run("loose").body("text/plain", " \n").send().await;
    empty.problem(422, "invalid-input");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_split_is_a_typed_problem() {
    let host = Host::with(&["text", "chunks", "hashed_ngrams", "patterns"]).await;
    for (steps, at, said) in [
        (
            "{id: split, use: docmill/chunks@0.1}",
            "steps.split.use",
            "put a parser first",
        ),
        (
            "{id: p, use: docmill/text@0.1}, {id: split, use: docmill/chunks@0.1, with: {max_chars: 3}}",
            "steps.split.with.max_chars",
            "20",
        ),
        (
            "{id: p, use: docmill/text@0.1}, {id: e, use: docmill/hashed-ngrams@0.1}",
            "steps.e.use",
            "put a chunker first",
        ),
        (
            "{id: p, use: docmill/text@0.1}, {id: f, use: docmill/patterns@0.1, purpose: query, with: {fields: []}}",
            "steps.f.purpose",
            "only embedders",
        ),
    ] {
        let definition = format!("{{name: bad, steps: [{steps}]}}");
        let call = host
            .call("PUT", "/v1/pipelines/bad")
            .body("application/yaml", &definition);
        let problem = call.send().await.problem(422, "invalid-definition");
        let problems = problem["problems"].to_string();
        assert!(problems.contains(at) && problems.contains(said), "{problems}");
    }
    // A configuration that only the plugin can judge is its own refusal.
    let steps = "{id: p, use: docmill/text@0.1}, {id: split, use: docmill/chunks@0.1, with: {max_chars: 20, overlap_chars: 15}}";
    host.save(&format!("{{name: wide, steps: [{steps}]}}")).await;
    let problem = host.run("wide").body("text/plain", "text").send().await;
    assert_eq!(problem.problem(422, "invalid-config")["reason"], "overlap");
    // More chunks than the host takes of one reading.
    let steps = "{id: p, use: docmill/text@0.1}, {id: split, use: docmill/chunks@0.1, with: {max_chars: 20}}";
    host.save(&format!("{{name: many, steps: [{steps}]}}")).await;
    let words = "слово слово слово слово ".repeat(110_000);
    let problem = host.run("many").body("text/plain", words).send().await;
    assert_eq!(problem.problem(422, "plugin-bound")["reason"], "too-many-chunks");
}
