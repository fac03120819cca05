//! An engine with the real compile child, and the guests: built once by cargo from `plugins/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use docmill_engine::{Call, Context, Engine, Invocation, Output, Plugin, Settings};
use docmill_model::assemble::{NewBlock, ReadingBuilder};
use docmill_model::digest::Digest;
use docmill_model::failure::Code;
use docmill_model::limits::Limits;
use docmill_model::reading::{BlockKind, Inputs, PageInfo, Reading, Source, TextOrigin};
use docmill_model::value::{Field, Value};
use tempfile::TempDir;

/// Settings with the compile child of this crate.
pub fn settings(dir: &Path) -> Settings {
    Settings {
        compiler: Some(vec![env!("CARGO_BIN_EXE_docmill-compile").into()]),
        ..Settings::new(dir.to_owned(), [42; 32])
    }
}

pub fn engine_with(change: impl FnOnce(&mut Settings)) -> (Engine, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("code"));
    settings.pool_instances = 16;
    change(&mut settings);
    (Engine::new(settings).unwrap(), dir)
}

/// Most tests share one engine, and with it the compiled code.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<(Engine, TempDir)> = OnceLock::new();
    &ENGINE
        .get_or_init(|| engine_with(|settings| settings.pool_instances = 128))
        .0
}

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")
}

/// The component of a package of `plugins/`.
pub fn component(package: &str) -> Bytes {
    static BUILT: Mutex<Vec<(String, Bytes)>> = Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap();
    if let Some((_, bytes)) = built.iter().find(|(name, _)| name == package) {
        return bytes.clone();
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-wasip2",
            "-p",
            package,
        ])
        .current_dir(plugins());
    // The outer cargo's choices are not those of another workspace.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_") && name != "CARGO_HOME"
            || name == "RUSTFLAGS"
            || name == "LD_LIBRARY_PATH"
        {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().unwrap().success(), "{package} does not build");
    let file = plugins()
        .join("target/wasm32-wasip2/release")
        .join(format!("{}.wasm", package.replace('-', "_")));
    let bytes = Bytes::from(std::fs::read(file).unwrap());
    built.push((package.to_owned(), bytes.clone()));
    bytes
}

/// Runs a test again in a process of its own, because others of this one use CPU time and memory, too. True: this is that process.
pub fn alone(test: &str) -> bool {
    const ALONE: &str = "DOCMILL_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .status();
    assert!(status.unwrap().success(), "{test}, in a process of its own");
    false
}

/// A component without imports; it exports functions of the right names, whose types nobody gets to see.
pub fn component_of(modules: &str, instances: &str) -> Bytes {
    let text = format!(
        r#"(component
            {modules}
            (core module $f (func (export "f")))
            (core instance $f (instantiate $f))
            {instances}
            (func $lifted (canon lift (core func $f "f")))
            (instance $extractor (export "extract" (func $lifted)))
            (instance $manifest (export "describe" (func $lifted)))
            (export "docmill:plugin/extractor@0.1.0" (instance $extractor))
            (export "docmill:plugin/manifest@0.1.0" (instance $manifest)))"#
    );
    wat::parse_str(text).unwrap().into()
}

/// A component that makes 500 handles of a resource of its own, and keeps them.
pub fn handle_flood() -> Bytes {
    let flood = r#"
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m
            (import "" "new" (func $new (param i32) (result i32)))
            (func $flood (local $n i32)
                (loop $again
                    (drop (call $new (i32.const 1)))
                    (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 500)))))
            (start $flood))"#;
    let instance = r#"(core instance (instantiate $m (with "" (instance (export "new" (func $new))))))"#;
    component_of(flood, instance)
}

pub async fn load(engine: &Engine, component: Bytes) -> Plugin {
    engine
        .load(Digest::of(&component), || async { Ok(component) })
        .await
        .unwrap_or_else(|f| panic!("{f}"))
}

pub async fn plugin(package: &'static str) -> Plugin {
    let bytes = tokio::task::spawn_blocking(move || component(package))
        .await
        .unwrap();
    load(engine(), bytes).await
}

pub const CONTEXT: Context = Context {
    now: 1_750_000_000_123,
    seed: [5; 32],
    deadline: None,
};

pub fn source(media_type: &str, name: &str, bytes: impl Into<Bytes>) -> Arc<Source> {
    let bytes = bytes.into();
    Arc::new(Source {
        media_type: media_type.to_owned(),
        name: Some(name.to_owned()),
        digest: Digest::of(&bytes),
        bytes,
    })
}

/// A reading of one page with one paragraph.
pub fn reading(text: &str) -> Reading {
    let mut builder = ReadingBuilder::new(1 << 30);
    let info = PageInfo {
        label: None,
        size: None,
        origin: TextOrigin::Digital,
        warnings: vec!["low-resolution".into()],
    };
    let block = NewBlock {
        kind: BlockKind::Paragraph,
        text: text.to_owned(),
        fragments: vec![],
        table: None,
        image: None,
        region: None,
        confidence: None,
    };
    builder.add_page(info, vec![block]).unwrap();
    Reading {
        key: "main".into(),
        ..builder.finish("text/plain")
    }
}

pub fn inputs(text: &str) -> Arc<Inputs> {
    Arc::new(Inputs {
        main: Some(Arc::new(reading(text))),
        ..Inputs::default()
    })
}

pub fn attack(config: &str) -> Call {
    attack_on(config, inputs("one two\nthree"))
}

pub fn attack_on(config: &str, inputs: Arc<Inputs>) -> Call {
    let config = if config.starts_with('{') {
        config.to_owned()
    } else {
        format!(r#"{{"attack":"{config}"}}"#)
    };
    Call::Extract {
        inputs,
        config: config.into(),
    }
}

/// Limits under which a test ends soon.
pub fn tight() -> Limits {
    use docmill_model::{duration::Span, size::ByteSize};
    Limits {
        timeout: Span::seconds(20),
        cpu: Span::seconds(15),
        memory: ByteSize::mib(64),
        ..Limits::default()
    }
}

/// The hostile plugin's answer to an attack.
pub async fn hostile(config: &str, change: impl FnOnce(&mut Limits)) -> Invocation {
    let mut limits = tight();
    change(&mut limits);
    let plugin = plugin("docmill-hostile").await;
    engine().invoke(&plugin, attack(config), &limits, &CONTEXT).await
}

pub fn code(invocation: &Invocation) -> Code {
    match &invocation.result {
        Ok(output) => panic!("it succeeded: {output:?}"),
        Err(failure) => {
            assert!(
                failure.message.len() > 10 && failure.message.len() < 1_500,
                "{failure}"
            );
            failure.code
        }
    }
}

pub fn fields(invocation: &Invocation) -> &[Field] {
    match &invocation.result {
        Ok(Output::Fields(fields)) => fields,
        other => panic!("no fields: {other:?}"),
    }
}

/// The text of the first field.
pub fn text(invocation: &Invocation) -> &str {
    match fields(invocation).first().and_then(|f| f.value.as_ref()) {
        Some(Value::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}
