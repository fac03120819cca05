//! Gives the chunks that its configuration describes, right or wrong. The engine's tests call it, and nobody else should.
#![cfg(target_arch = "wasm32")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "docmill:plugin/chunker-plugin",
    generate_all,
});

use docmill::plugin::types::{Error, ErrorKind, Span, TextRange};
use exports::docmill::plugin::chunker::{Chunk, Guest, Reading};
use exports::docmill::plugin::manifest;

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Of the same chunk.
    count: usize,
    /// Letters; none: the text is left empty.
    text: String,
    /// Page, start, end.
    spans: Vec<(u32, u32, u32)>,
    /// How often the list of spans is given, one after the other.
    repeat: usize,
    headings: usize,
    heading_bytes: usize,
    metadata: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            count: 1,
            text: String::new(),
            spans: vec![(0, 0, 3)],
            repeat: 1,
            headings: 0,
            heading_bytes: 1,
            metadata: None,
        }
    }
}

struct Hostile;

impl manifest::Guest for Hostile {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile-chunker".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Gives what it is told.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl Guest for Hostile {
    fn split(_reading: Reading, config: String) -> Result<Vec<Chunk>, Error> {
        let wanted: Wanted = serde_json::from_str(&config).map_err(|error| Error {
            kind: ErrorKind::InvalidConfig,
            code: "config".to_owned(),
            message: error.to_string(),
            retry_after_ms: None,
        })?;
        let span = |(page, start, end): &(u32, u32, u32)| Span {
            page: *page,
            range: TextRange {
                start: *start,
                end: *end,
            },
        };
        let spans = std::iter::repeat_n(&wanted.spans, wanted.repeat)
            .flatten()
            .map(span);
        let chunk = Chunk {
            text: wanted.text.clone(),
            spans: spans.collect(),
            headings: vec!["h".repeat(wanted.heading_bytes); wanted.headings],
            metadata: wanted.metadata.clone(),
        };
        Ok(vec![chunk; wanted.count])
    }
}

export!(Hostile);
