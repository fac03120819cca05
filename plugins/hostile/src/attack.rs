//! One function, one attack per name.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use crate::docmill::plugin::documents::{Inputs, ReadingBuilder};
use crate::docmill::plugin::types::{
    Block, BlockKind, Citation, Error, ErrorKind, Field, PageInfo, Span, TextOrigin, TextRange, Value,
};
use crate::state;

#[derive(Deserialize)]
struct Config {
    attack: String,
    /// How much or how often; 0: without end, where the attack has none of its own.
    #[serde(default)]
    size: usize,
    #[serde(default)]
    text: String,
}

pub(crate) fn field(path: &str, text: impl Into<String>) -> Field {
    Field {
        path: path.to_owned(),
        value: Some(Value::Text(text.into())),
        raw: None,
        confidence: None,
        citations: vec![],
    }
}

fn cited(quote: &str, range: Option<(u32, u32)>, reading: Option<&str>) -> Field {
    let range = range.map(|(start, end)| TextRange { start, end });
    let citation = Citation {
        reading: reading.map(str::to_owned),
        page: 0,
        range,
        quote: quote.to_owned(),
        regions: vec![],
    };
    Field {
        citations: vec![citation],
        ..field("cited", quote)
    }
}

pub(crate) fn error(kind: ErrorKind, code: &str) -> Error {
    Error {
        kind,
        code: code.to_owned(),
        message: "as asked to report".to_owned(),
        retry_after_ms: Some(7),
    }
}

pub(crate) fn page_of(size: usize) -> (PageInfo, Vec<Block>) {
    let info = PageInfo {
        label: None,
        size: None,
        origin: TextOrigin::Digital,
        warnings: vec![],
    };
    let block = Block {
        kind: BlockKind::Paragraph,
        text: "x".repeat(size),
        fragments: vec![],
        table: None,
        image: None,
        region: None,
        confidence: None,
        range: None,
    };
    (info, vec![block])
}

#[inline(never)]
fn recurse(left: usize) -> u64 {
    if black_box(left) == 0 {
        0
    } else {
        recurse(left - 1).wrapping_add(black_box(1))
    }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

pub fn run(inputs: &Inputs, config: &str) -> Result<Vec<Field>, Error> {
    let config: Config = match serde_json::from_str(config) {
        Ok(config) => config,
        Err(_) => return Err(error(ErrorKind::InvalidConfig, "no-attack")),
    };
    let size = config.size;
    let times = if size == 0 { usize::MAX } else { size };
    Ok(match config.attack.as_str() {
        "nothing" => vec![field("done", "yes")],
        "spin" => spin(),
        "poison" => state::poison(&config.text),
        "look" => state::look(&config.text),
        "poison-and-look" => {
            state::poison(&config.text);
            state::look(&config.text)
        }
        "burn" => {
            // Each round needs the one before, so that no optimiser can shorten it.
            let mut n = 1_u64;
            for _ in 0..size {
                n ^= n << 13;
                n ^= n >> 7;
                n ^= n << 17;
            }
            let path = if config.text.is_empty() {
                "done"
            } else {
                &config.text
            };
            vec![field(path, n.to_string())]
        }
        "allocate" => {
            let mut kept = Vec::new();
            for _ in 0..times {
                kept.push(vec![1_u8; 1 << 20]);
                black_box(&kept);
            }
            vec![field("done", "yes")]
        }
        "recurse" => vec![field("depth", recurse(times).to_string())],
        "panic" => panic!("as asked"),
        "exit" => std::process::exit(3),
        "log" => {
            let line = "z".repeat(1_023);
            for _ in 0..size {
                println!("{line}");
            }
            vec![field("done", "yes")]
        }
        "log-escape" => {
            let _ = std::io::stderr().write_all(b"\x1b[31mred\x07\xff\n");
            vec![field("done", "yes")]
        }
        "output" => vec![field("big", "o".repeat(size))],
        "fields" => (0..size).map(|n| field(&format!("n{n}"), "")).collect(),
        "handles" => {
            let mut kept = Vec::new();
            for _ in 0..times {
                kept.push(ReadingBuilder::new());
            }
            vec![field("done", "yes")]
        }
        "handles-dropped" => {
            for _ in 0..size {
                drop(ReadingBuilder::new());
            }
            vec![field("done", "yes")]
        }
        "forged-handle" => {
            // SAFETY: there is no such handle, which is the point.
            let inputs = unsafe { Inputs::from_handle(123_456) };
            vec![field("done", inputs.params())]
        }
        "host-calls" => {
            for _ in 0..times {
                black_box(inputs.params());
            }
            vec![field("done", "yes")]
        }
        "host-calls-wasi" => loop {
            let _ = black_box(std::net::UdpSocket::bind("127.0.0.1:0"));
        },
        "host-bytes" => {
            for _ in 0..times {
                black_box(
                    inputs
                        .main()
                        .map(|main| main.text(0).map(|text| text.len()))
                        .transpose()?,
                );
            }
            vec![field("done", "yes")]
        }
        "huge-argument" => {
            let needle = "n".repeat(size);
            let hits = inputs
                .main()
                .map(|main| main.find(0, &needle, 0, 1))
                .transpose()?;
            vec![field("hits", format!("{hits:?}"))]
        }
        "builder" => {
            let builder = ReadingBuilder::new();
            for _ in 0..times {
                let (info, blocks) = page_of(1 << 20);
                builder.add_page(&info, &blocks)?;
            }
            vec![field("done", "yes")]
        }
        "builders" => {
            let mut kept = Vec::new();
            loop {
                let builder = ReadingBuilder::new();
                let (info, blocks) = page_of(1 << 20);
                builder.add_page(&info, &blocks)?;
                kept.push(builder);
            }
        }
        "builder-undaunted" => {
            let builder = ReadingBuilder::new();
            let refused = (0..size).filter(|_| {
                let (info, blocks) = page_of(1 << 20);
                builder.add_page(&info, &blocks).is_err()
            });
            vec![field("refused", refused.count().to_string())]
        }
        "broken-page" => {
            let (info, mut blocks) = page_of(4);
            blocks[0].confidence = Some(f32::NAN);
            ReadingBuilder::new().add_page(&info, &blocks)?;
            vec![field("done", "yes")]
        }
        "search" => loop {
            black_box(
                inputs
                    .main()
                    .map(|main| main.find(0, "nowhere", 0, 1))
                    .transpose()?,
            );
        },
        "citations" => {
            let citations = (0..size).map(|n| Citation {
                reading: None,
                page: 0,
                range: None,
                quote: format!("nowhere {n}"),
                regions: vec![],
            });
            vec![Field {
                citations: citations.collect(),
                ..field("cited", "")
            }]
        }
        "wait" => {
            let before = Instant::now();
            std::thread::sleep(Duration::from_secs(3_600));
            vec![field("waited", before.elapsed().as_secs().to_string())]
        }
        "wait-only" => {
            std::thread::sleep(Duration::from_secs(3_600));
            vec![field("done", "yes")]
        }
        "clock" => {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            vec![field("now", now.as_millis().to_string())]
        }
        "random" => {
            let map: HashMap<u32, ()> = (0..20).map(|n| (n, ())).collect();
            let order: Vec<String> = map.keys().map(u32::to_string).collect();
            vec![
                field("hash", RandomState::new().hash_one(1).to_string()),
                field("order", order.join(" ")),
            ]
        }
        "nan" => {
            let bits = [
                black_box(0.0_f64) / black_box(0.0),
                black_box(f64::from_bits(0xfff8_dead_beef_0001)) + black_box(1.0),
            ];
            vec![field(
                "bits",
                format!("{:x} {:x}", bits[0].to_bits(), bits[1].to_bits()),
            )]
        }
        "escape" => {
            let mut got = Vec::new();
            got.push(format!("file: {}", std::fs::read("/etc/passwd").is_ok()));
            got.push(format!(
                "write: {}",
                std::fs::write("/tmp/docmill-hostile", "x").is_ok()
            ));
            got.push(format!("dir: {}", std::fs::read_dir("/").is_ok()));
            got.push(format!("env: {}", std::env::vars().count()));
            got.push(format!("args: {}", std::env::args().count()));
            got.push(format!(
                "tcp: {}",
                std::net::TcpStream::connect("127.0.0.1:1")
                    .map_or_else(|e| format!("{:?}", e.kind()), |_| "open".into())
            ));
            got.push(format!(
                "listen: {}",
                std::net::TcpListener::bind("127.0.0.1:0").is_ok()
            ));
            got.push(format!(
                "udp: {}",
                std::net::UdpSocket::bind("127.0.0.1:0").is_ok()
            ));
            got.push(format!(
                "name: {}",
                std::net::ToSocketAddrs::to_socket_addrs("localhost:1").is_ok()
            ));
            got.push(format!(
                "stdin: {}",
                std::io::read_to_string(std::io::stdin()).map_or(0, |s| s.len())
            ));
            vec![field("got", got.join(", "))]
        }
        "report" => {
            let kind = match config.text.as_str() {
                "unsupported" => ErrorKind::Unsupported,
                "invalid-input" => ErrorKind::InvalidInput,
                "invalid-config" => ErrorKind::InvalidConfig,
                "unavailable" => ErrorKind::Unavailable,
                "denied" => ErrorKind::Denied,
                "exhausted" => ErrorKind::Exhausted,
                _ => ErrorKind::Failed,
            };
            return Err(error(kind, "own-code"));
        }
        "bad-utf8" => {
            // SAFETY: none; the host must find out.
            let text = unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe, 0x80]) };
            vec![field("bad", text)]
        }
        "bad-path" => vec![field("not a path", "x")],
        "bad-json" => vec![Field {
            value: Some(Value::Json("{".to_owned())),
            ..field("json", "")
        }],
        "deep-json" => vec![Field {
            value: Some(Value::Json("[".repeat(size))),
            ..field("json", "")
        }],
        "bad-decimal" => vec![Field {
            value: Some(Value::Decimal("1e9".to_owned())),
            ..field("n", "")
        }],
        "bad-confidence" => vec![Field {
            confidence: Some(f32::NAN),
            ..field("n", "")
        }],
        "wrong-quote" => vec![cited("not there", Some((0, 4)), None)],
        "wrong-range" => vec![cited("x", Some((0, 4_000_000_000)), None)],
        "wrong-reading" => vec![cited("x", None, Some("another"))],
        "quote" => vec![cited(&config.text, None, None)],
        "slice" => {
            let main = inputs
                .main()
                .ok_or_else(|| error(ErrorKind::Failed, "no-reading"))?;
            let at = Span {
                page: 0,
                range: TextRange {
                    start: size as u32,
                    end: size as u32 + 1,
                },
            };
            vec![field("slice", main.slice(at)?)]
        }
        "wrong-page" => {
            let main = inputs
                .main()
                .ok_or_else(|| error(ErrorKind::Failed, "no-reading"))?;
            vec![field("text", main.text(u32::MAX)?)]
        }
        "everything" => {
            let main = inputs
                .main()
                .ok_or_else(|| error(ErrorKind::Failed, "no-reading"))?;
            let span = main.find(0, &config.text, 0, 1)?.into_iter().next();
            let seen = [
                main.id(),
                main.source_media_type(),
                format!("{:?}", main.language()),
                format!("{:?}", main.metadata()),
                main.page_count().to_string(),
                main.page(0)?.warnings.join("+"),
                main.blocks(0)?.len().to_string(),
                inputs.params(),
                inputs.texts("notes").join("+"),
                inputs.records("rows").join("+"),
                inputs.readings("others").len().to_string(),
                inputs.fields().len().to_string(),
                inputs.checks().len().to_string(),
                main.attachments().len().to_string(),
                span.map(|at| main.slice(at)).transpose()?.unwrap_or_default(),
                span.map(|at| main.regions(at))
                    .transpose()?
                    .map_or(0, |r| r.len())
                    .to_string(),
                span.map(|at| main.fragments(at))
                    .transpose()?
                    .map_or(0, |f| f.len())
                    .to_string(),
            ];
            vec![field("seen", seen.join("|"))]
        }
        other => return crate::flood::run(other, size),
    })
}
