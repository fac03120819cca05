//! Compiling in the child, and compiled code on disk.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use docmill_engine::{Engine, Plugin, Settings};
use docmill_model::digest::Digest;
use docmill_model::failure::{Code, Failure};
use docmill_model::size::ByteSize;

use crate::support::*;

/// An engine of its own over a code directory.
fn over(dir: &Path, change: impl FnOnce(&mut Settings)) -> Engine {
    let mut settings = settings(dir);
    settings.pool_instances = 4;
    change(&mut settings);
    Engine::new(settings).unwrap()
}

/// Loads the hostile plugin and says whether its bytes were asked for.
async fn load_counting(engine: &Engine) -> (Result<Plugin, Failure>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let component = component("docmill-hostile");
    let digest = Digest::of(&component);
    let counter = Arc::clone(&asked);
    let plugin = engine
        .load(digest, || async move {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(component)
        })
        .await;
    (plugin, asked.load(Ordering::Relaxed))
}

async fn works(engine: &Engine, plugin: &Plugin) {
    assert_eq!(
        text(&engine.invoke(plugin, attack("nothing"), &tight(), &CONTEXT).await),
        "yes"
    );
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_once_and_mapped_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let code_dir = dir.path().join("a/b");
    let engine = over(&code_dir, |_| {});
    let (plugin, asked) = load_counting(&engine).await;
    let plugin = plugin.unwrap();
    assert_eq!(asked, 1);
    works(&engine, &plugin).await;
    assert_eq!((engine.stats().compiled, engine.stats().mapped), (1, 0));
    assert!(plugin.code_bytes() > 100_000);
    assert_eq!(
        std::fs::metadata(&code_dir).unwrap().permissions().mode() & 0o777,
        0o700
    );

    // The same engine again, while the plugin lives: from memory.
    assert_eq!(load_counting(&engine).await.1, 0);
    assert_eq!(engine.stats().mapped, 0);
    // A new host on the same disk: mapped, without the component.
    let engine = over(&code_dir, |_| {});
    let begun = Instant::now();
    let (plugin, asked) = load_counting(&engine).await;
    println!(
        "mapped {} bytes in {:?}",
        plugin.as_ref().unwrap().code_bytes(),
        begun.elapsed()
    );
    assert_eq!(asked, 0);
    works(&engine, &plugin.unwrap()).await;
    assert_eq!((engine.stats().compiled, engine.stats().mapped), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_code_is_refused_and_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let first = over(dir.path(), |_| {});
    load_counting(&first).await.0.unwrap();
    let file = only_file(dir.path());
    let good = std::fs::read(&file).unwrap();
    let tampered = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        bad
    };
    let cases = [
        ("its code is changed", tampered(good.len() / 2)),
        ("its header is changed", tampered(20)),
        ("its trailer is changed", tampered(good.len() - 100)),
        ("its MAC is changed", tampered(good.len() - 1)),
        ("it is cut", good[..good.len() - 4_096].to_vec()),
        ("it is empty", Vec::new()),
        ("it is something else", b"#!/bin/sh\n".repeat(100)),
    ];
    for (case, bad) in cases {
        // Another inode: the first engine has the old one mapped.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bad).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let engine = over(dir.path(), |_| {});
        let (plugin, asked) = load_counting(&engine).await;
        assert_eq!(asked, 1, "{case}");
        works(&engine, &plugin.unwrap()).await;
        let stats = engine.stats();
        assert_eq!((stats.refused, stats.compiled, stats.mapped), (1, 1, 0), "{case}");
        assert_eq!(
            std::fs::metadata(&file).unwrap().len(),
            good.len() as u64,
            "{case}: not rebuilt"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_under_another_key_or_for_another_engine_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    load_counting(&over(dir.path(), |_| {})).await.0.unwrap();
    let stranger = over(dir.path(), |settings| settings.platform_key = [43; 32]);
    assert_eq!(load_counting(&stranger).await.1, 1);
    assert_eq!(stranger.stats().refused, 1);

    // Code that another engine made, under the name of this one's.
    let file = only_file(dir.path());
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let (digest, _) = name.split_once('-').unwrap();
    let foreign = dir.path().join(format!("{digest}-0000000000000000.code"));
    std::fs::rename(&file, &foreign).unwrap();
    let engine = over(dir.path(), |_| {});
    assert_eq!(
        load_counting(&engine).await.1,
        1,
        "it is looked for under this engine's fingerprint"
    );
    assert!(foreign.exists(), "another engine's code is left to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_cause_one_load() {
    let dir = tempfile::tempdir().unwrap();
    let engine = over(dir.path(), |_| {});
    let loads = futures_util::future::join_all((0..16).map(|_| load_counting(&engine))).await;
    assert_eq!(loads.iter().map(|(_, asked)| asked).sum::<usize>(), 1);
    assert_eq!(engine.stats().compiled, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_on_disk_code_runs_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "not a directory").unwrap();
    let engine = over(&blocked, |_| {});
    let (plugin, _) = load_counting(&engine).await;
    works(&engine, &plugin.unwrap()).await;
}

/// `/dev/full` cannot stand in for a directory, so the disk is a tmpfs of 64 KiB where mounting is allowed.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_code_runs_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(dir.path())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("skipped: mounting a small tmpfs needs more rights than this test has");
        return;
    }
    let engine = over(dir.path(), |_| {});
    let (plugin, asked) = load_counting(&engine).await;
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(dir.path())
        .status();
    assert_eq!(asked, 1);
    works(&engine, &plugin.unwrap()).await;
    assert_eq!(left, 0, "nothing half-written stays");
    assert!(unmounted.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_another_digest_are_refused() {
    let failure = engine()
        .load(Digest::of(b"x"), || async { Ok(Bytes::from_static(b"y")) })
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::InvalidComponent);
    let away = Failure::new(Code::BlobUnavailable, "away");
    let failure = engine()
        .load(Digest::of(b"z"), || async { Err(away) })
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::BlobUnavailable);
}

async fn fails_to_compile(change: impl FnOnce(&mut Settings)) -> Failure {
    let dir = tempfile::tempdir().unwrap();
    let engine = over(&dir.path().join("code"), change);
    let failure = load_counting(&engine).await.0.unwrap_err();
    assert_eq!(
        std::fs::read_dir(dir.path().join("code")).unwrap().count(),
        0,
        "nothing is left behind"
    );
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compile_child_is_limited() {
    let slow = fails_to_compile(|s| s.compile.timeout = Duration::from_millis(20)).await;
    assert_eq!(slow.code, Code::CompileFailed, "{slow}");
    let greedy = fails_to_compile(|s| s.compile.memory = ByteSize::mib(60)).await;
    assert!(
        matches!(greedy.code, Code::CompileFailed | Code::Internal),
        "{greedy}"
    );
    let long = fails_to_compile(|s| s.compile.code = ByteSize::kib(64)).await;
    assert_eq!(long.code, Code::CompileFailed, "{long}");
    let missing = fails_to_compile(|s| s.compiler = Some(vec!["/nonexistent/compiler".into()])).await;
    assert_eq!(missing.code, Code::Internal, "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compile_child_s_cpu_time_is_limited() {
    // A child that does nothing but burn CPU time, under the very limits that ours takes.
    let program = component_of_many_functions();
    let dir = tempfile::tempdir().unwrap();
    let engine = over(dir.path(), |s| s.compile.cpu = Duration::from_secs(1));
    let begun = Instant::now();
    let failure = engine
        .load(Digest::of(&program), || async { Ok(program) })
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::CompileFailed, "{failure}");
    assert!(failure.message.contains("CPU"), "{failure}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// Takes several seconds to compile: one function after the other, each full of arithmetic.
fn component_of_many_functions() -> Bytes {
    let body = "(local.set 0 (i64.mul (i64.add (local.get 0) (i64.const 7)) (i64.xor (local.get 0) (i64.const 11))))".repeat(1_000);
    let functions = format!("(func (param i64) (result i64) {body} (local.get 0))").repeat(1_500);
    let text = format!(
        r#"(component
            (core module $m {functions} (func (export "f")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $i))
            (export "docmill:plugin/manifest@0.1.0" (instance $i)))"#
    );
    wat::parse_str(text).unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_validate_is_refused_by_the_child() {
    // Inspection does not read function bodies; the compiler does.
    let broken = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")) (func (result i32) unreachable drop drop i64.const 1))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "extract" (func $f)) (export "describe" (func $f)))
            (export "docmill:plugin/extractor@0.1.0" (instance $i))
            (export "docmill:plugin/manifest@0.1.0" (instance $i)))"#,
    );
    let broken = Bytes::from(broken.unwrap());
    assert!(Engine::inspect(&broken).is_ok());
    let failure = engine()
        .load(Digest::of(&broken), || async { Ok(broken) })
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::CompileFailed);
    assert!(failure.message.contains("type mismatch"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_host_is_ready_soon() {
    let component = component("docmill-pdf");
    let digest = Digest::of(&component);
    let dir = tempfile::tempdir().unwrap();
    let size = component.len();
    over(dir.path(), |_| {})
        .load(digest, || async { Ok(component) })
        .await
        .unwrap();
    let engine = over(dir.path(), |_| {});
    let begun = Instant::now();
    let plugin = engine
        .load(digest, || async {
            Err(Failure::new(Code::Internal, "not needed"))
        })
        .await
        .unwrap();
    let loaded = begun.elapsed();
    let call = docmill_engine::Call::Parse {
        source: source("application/pdf", "a.pdf", "no PDF"),
        config: "{}".into(),
    };
    let invocation = engine.invoke(&plugin, call, &tight(), &CONTEXT).await;
    println!(
        "a component of {size} bytes, {} of code: loaded in {loaded:?}, first call over after {:?}",
        plugin.code_bytes(),
        begun.elapsed()
    );
    assert!(invocation.result.is_err());
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[cfg(target_os = "linux")]
mod parent {
    use super::*;

    /// The child takes its limits before it reads a byte of the component.
    #[test]
    fn the_compile_child_can_open_nothing() {
        use std::io::Write;
        let job = r#"{"memory":1000000000,"cpu_seconds":7,"code":123456,"stack":524288}"#;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_docmill-compile"))
            .arg(job)
            .env_clear()
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(b"\0asm").unwrap();
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let mut limits = String::new();
        for _ in 0..200 {
            limits = std::fs::read_to_string(proc.join("limits")).unwrap();
            if limit(&limits, "Max open files") == "0" {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let network = |of: &Path| std::fs::read_link(of.join("ns/net")).unwrap();
        let apart = network(&proc) != network(Path::new("/proc/self"));
        drop(child.stdin.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(limit(&limits, "Max open files"), "0", "{limits}");
        assert_eq!(limit(&limits, "Max address space"), "1000000000");
        assert_eq!(limit(&limits, "Max cpu time"), "7");
        assert_eq!(limit(&limits, "Max file size"), "123456");
        assert_eq!(limit(&limits, "Max core file size"), "0");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        println!("the child has a network namespace of its own: {apart}");
        assert_eq!(ended.status.code(), Some(2), "four bytes are no component");
    }

    /// The hard limit of that name.
    fn limit<'a>(limits: &'a str, name: &str) -> &'a str {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap()
    }

    fn status(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn cpu() -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
    }

    #[test]
    fn compiling_moves_the_parent_by_almost_nothing() {
        let _ = component("docmill-pdf");
        if !alone("code::parent::compiling_moves_the_parent_by_almost_nothing") {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let engine = over(dir.path(), |_| {});
            // Everything that happens once has happened.
            load_counting(&engine).await.0.unwrap();
            let big = component("docmill-pdf");
            let digest = Digest::of(&big);
            let (cpu_before, memory_before) = (cpu(), status("VmRSS:"));
            let begun = Instant::now();
            let plugin = engine.load(digest, || async { Ok(big) }).await.unwrap();
            let (wall, cpu) = (begun.elapsed(), cpu() - cpu_before);
            let grown = status("VmRSS:").saturating_sub(memory_before);
            println!(
                "compiling {} bytes of code took {wall:?}; the parent used {cpu:?} of CPU time and {grown} KiB",
                plugin.code_bytes()
            );
            assert!(cpu < wall / 5 && cpu < Duration::from_millis(300), "{cpu:?} of {wall:?}");
            assert!(grown < 2_048 + 2 * plugin.code_bytes() / 1_024, "{grown} KiB");
        });
    }
}
