//! Modules made by hand to hurt whoever validates, compiles or starts them. Each is refused or stopped, soon, with a typed answer,
//! and the host's memory does not move.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use docmill_engine::Engine;
use docmill_model::digest::Digest;
use docmill_model::failure::Code;

use crate::malformed::resident;
use crate::support::*;

/// How long one may keep the host busy.
const SOON: Duration = Duration::from_secs(5);
/// How far one may move the host's resident memory.
const MOVED: usize = 50 << 20;

/// One module: what it is, its component, and whether it is a harmless one that may also be taken.
struct Made {
    what: &'static str,
    bytes: Bytes,
}

fn many(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        let _ = write!(all, "{}", each(n));
        all
    })
}

/// A component around one core module, which is instantiated.
fn module(body: &str) -> Bytes {
    component_of(
        &format!("(core module $m {body})"),
        "(core instance (instantiate $m))",
    )
}

/// A component's head, then sections as they are told: number, claimed length, bytes.
fn raw(sections: &[(u8, u32, &[u8])]) -> Bytes {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (number, claimed, content) in sections {
        bytes.push(*number);
        leb(&mut bytes, *claimed);
        bytes.extend_from_slice(content);
    }
    bytes.into()
}

fn leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A core module inside a component whose section of this number claims to have so many items.
fn claims(number: u8, items: u32) -> Bytes {
    let mut count = Vec::new();
    leb(&mut count, items);
    let mut core = b"\0asm\x01\0\0\0".to_vec();
    core.push(number);
    leb(&mut core, u32::try_from(count.len()).unwrap());
    core.extend(count);
    raw(&[(1, u32::try_from(core.len()).unwrap(), &core)])
}

/// Those that wait for nobody: bytes that promise more than there is.
fn promises() -> Vec<Made> {
    let mut all = vec![
        Made {
            what: "a section of 4 GiB in a file of 20 bytes",
            bytes: raw(&[(1, u32::MAX, b"ab")]),
        },
        Made {
            what: "a custom section of 60 MiB of nothing",
            bytes: raw(&[(0, 60 << 20, &vec![0; 60 << 20])]),
        },
        Made {
            what: "more than a component may have",
            bytes: raw(&[(0, 65 << 20, &vec![0; 65 << 20])]),
        },
        Made {
            what: "a thousand components, each in the next",
            bytes: nested(1_000),
        },
    ];
    for (what, number) in [
        ("4 billion types", 1),
        ("4 billion imports", 2),
        ("4 billion functions", 3),
        ("4 billion globals", 6),
        ("4 billion exports", 7),
        ("4 billion elements", 9),
        ("4 billion bodies", 10),
        ("4 billion data segments", 11),
    ] {
        all.push(Made {
            what,
            bytes: claims(number, u32::MAX),
        });
    }
    all
}

fn nested(depth: usize) -> Bytes {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..depth {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        leb(&mut outer, u32::try_from(bytes.len()).unwrap());
        outer.extend(bytes);
        bytes = outer;
    }
    bytes.into()
}

/// Those that ask for much before anything runs.
fn greedy() -> Vec<Made> {
    let of = |what, body: &str| Made {
        what,
        bytes: module(body),
    };
    vec![
        of("a memory of 4 GiB", "(memory 65536)"),
        of("five memories", &"(memory 1)".repeat(5)),
        of("a table of 4 billion", "(table 4294967295 funcref)"),
        of("a thousand tables", &"(table 1 funcref)".repeat(1_000)),
        of(
            "data beyond its memory",
            r#"(memory 1) (data (i32.const 65530) "0123456789")"#,
        ),
        of(
            "elements beyond its table",
            "(table 1 funcref) (func $f) (elem (i32.const 9) $f)",
        ),
        Made {
            what: "a thousand instances of a module",
            bytes: component_of(
                "(core module $m (memory 1))",
                &"(core instance (instantiate $m))".repeat(1_000),
            ),
        },
        Made {
            what: "types that double thirty times",
            bytes: component_of(
                &format!(
                    "(type $t0 (tuple u8 u8)) {}",
                    many(30, |n| format!("(type $t{} (tuple $t{n} $t{n}))", n + 1))
                ),
                "",
            ),
        },
        Made {
            what: "an import with a name of a megabyte",
            bytes: component_of(
                &format!(
                    r#"(core module $m (import "{}" "f" (func)))"#,
                    "x".repeat(1 << 20)
                ),
                "",
            ),
        },
        of(
            "100 000 exports",
            &format!(
                "(func $f) {}",
                many(100_000, |n| format!(r#"(export "e{n}" (func $f))"#))
            ),
        ),
        of(
            "60 000 locals",
            &format!("(func (local {}))", "i64 ".repeat(60_000)),
        ),
        of(
            "a thousand and one parameters",
            &format!("(func (param {}))", "i32 ".repeat(1_001)),
        ),
    ]
}

/// Those that validate, and are hard to compile.
fn laborious() -> Vec<Made> {
    let of = |what, body: &str| Made {
        what,
        bytes: module(body),
    };
    let blocks =
        |depth: usize, inner: &str| format!("{}{inner}{}", "(block ".repeat(depth), ")".repeat(depth));
    vec![
        of(
            "10 000 functions",
            &many(10_000, |n| format!("(func (result i32) (i32.const {n}))")),
        ),
        of(
            "500 blocks deep, left from everywhere",
            &format!(
                "(func (param i32) {})",
                blocks(500, &many(500, |n| format!("(br_if {n} (local.get 0))")))
            ),
        ),
        of(
            "a jump table of 60 000 places",
            &format!(
                "(func (param i32) {})",
                blocks(
                    50,
                    &format!(
                        "(br_table {} 0 (local.get 0))",
                        many(60_000, |n| format!("{} ", n % 50))
                    )
                )
            ),
        ),
        of(
            "5 000 values alive at once",
            &format!(
                "(func (param i64) (result i64) {} {})",
                "(i64.mul (local.get 0) (i64.const 3)) ".repeat(5_000),
                "i64.add ".repeat(4_999)
            ),
        ),
        of(
            "40 000 locals, each used",
            &format!(
                "(func (local {}) {})",
                "i64 ".repeat(40_000),
                many(40_000, |n| format!(
                    "(local.set {n} (i64.add (local.get {}) (i64.const 1)))",
                    (n * 7_919) % 40_000
                ))
            ),
        ),
        of(
            "2 000 loops, each in the next ten",
            &many(200, |_| {
                format!(
                    "(func (param i32) {} (br_if 0 (local.get 0)) {})",
                    "(loop ".repeat(10),
                    ")".repeat(10)
                )
            }),
        ),
    ]
}

/// Those that run as soon as they are there.
fn starters() -> Vec<Made> {
    let of = |what, body: &str| Made {
        what,
        bytes: module(body),
    };
    vec![
        of("a start that never ends", "(func $s (loop (br 0))) (start $s)"),
        of("a start that calls itself", "(func $s (call $s)) (start $s)"),
        of("a start that traps", "(func $s unreachable) (start $s)"),
        of(
            "a start that takes all memory",
            "(memory 1) (func $s (loop (drop (memory.grow (i32.const 64))) (br 0))) (start $s)",
        ),
        of(
            "a start that takes all elements",
            "(table 1 funcref) (func $s (loop (drop (table.grow (ref.null func) (i32.const 100000))) (br 0))) (start $s)",
        ),
        of(
            "a start that fills memory for ever",
            "(memory 256) (func $s (loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br 0))) (start $s)",
        ),
        of(
            "a start that copies memory for ever",
            "(memory 256) (func $s (loop (memory.copy (i32.const 0) (i32.const 8388608) (i32.const 8388608)) (br 0))) (start $s)",
        ),
        of(
            "a start in the middle of a jump into itself",
            "(table 1 funcref) (elem (i32.const 0) $s) (func $s (call_indirect (i32.const 0))) (start $s)",
        ),
    ]
}

/// Takes it as an upload is taken, and starts it as `describe` does.
async fn tried(engine: &Engine, bytes: &Bytes) -> Result<(), Code> {
    let given = bytes.clone();
    let size = engine.component_size().0;
    if bytes.len() as u64 > size {
        return Err(Code::InvalidComponent);
    }
    // Where the registry does it: on a thread that may block.
    let inspected = tokio::task::spawn_blocking(move || Engine::inspect(&given).map(drop));
    inspected.await.unwrap().map_err(|failure| failure.code)?;
    let plugin = engine.try_out(Digest::of(bytes), bytes.clone()).await;
    let plugin = plugin.map_err(|failure| failure.code)?;
    engine
        .describe(&plugin)
        .await
        .map(drop)
        .map_err(|failure| failure.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_or_stopped_soon() {
    if !alone("handmade::each_is_refused_or_stopped_soon") {
        return;
    }
    let (engine, _dir) = engine_with(|settings| settings.compile.timeout = Duration::from_secs(4));
    let all: Vec<Made> = [promises(), greedy(), laborious(), starters()]
        .into_iter()
        .flatten()
        .collect();
    assert!(all.len() >= 30, "{}", all.len());
    for Made { what, bytes } in all {
        let before = resident();
        let began = Instant::now();
        let answer = tried(&engine, &bytes).await;
        let took = began.elapsed();
        let moved = resident().saturating_sub(before);
        println!(
            "{what}: {} bytes, {answer:?}, {took:?}, {} KiB",
            bytes.len(),
            moved >> 10
        );
        // None of them describes itself, so none is a plugin.
        let code = answer.unwrap_err();
        let typed = matches!(
            code,
            Code::InvalidComponent
                | Code::CompileFailed
                | Code::Trap
                | Code::StackOverflow
                | Code::CpuLimit
                | Code::Timeout
                | Code::MemoryLimit
                | Code::TableLimit
                | Code::InvalidOutput
        );
        assert!(typed, "{what}: {code}");
        assert!(took < SOON, "{what}: {took:?}");
        assert!(moved < MOVED, "{what}: {moved} bytes");
    }
    // And the engine works as before.
    let plugin = load(&engine, component("docmill-hostile")).await;
    let fine = engine
        .invoke(&plugin, attack("nothing"), &tight(), &CONTEXT)
        .await;
    assert_eq!(text(&fine), "yes");
}
