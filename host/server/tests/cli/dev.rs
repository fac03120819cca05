//! The stranger's walk: a plugin from the template, built, served, reloaded when it is saved.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Home, home, root, text};

const KINDS: [&str; 7] = [
    "parser",
    "extractor",
    "validator",
    "transformer",
    "chunker",
    "embedder",
    "llm-adapter",
];

/// Builds of all kinds share their dependencies.
fn target() -> PathBuf {
    root().join("target/test-plugins")
}

fn in_project(home: &Home, project: &Path, arguments: &[&str]) -> Command {
    let mut command = home.docmill(arguments);
    command.current_dir(project).env("CARGO_TARGET_DIR", target());
    command
}

#[test]
fn a_plugin_of_every_kind_builds_passes_its_test_and_is_reloaded_when_it_is_saved() {
    let home = home();
    let work = home.data.with_file_name("plugins");
    std::fs::create_dir_all(&work).unwrap();
    for kind in KINDS {
        let name = format!("acme/my-{kind}");
        let mut new = home.docmill(&["plugin", "new", &name, "--kind", kind]);
        assert!(new.current_dir(&work).output().unwrap().status.success());
        let project = work.join(format!("my-{kind}"));
        let tested = Command::new("cargo")
            .args(["test", "--quiet"])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap();
        assert!(
            tested.status.success(),
            "{}",
            String::from_utf8_lossy(&tested.stderr)
        );
        let built = in_project(&home, &project, &["plugin", "build"])
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&built.stdout);
        assert!(
            built.status.success(),
            "{report}\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        assert!(report.contains("can be published"), "{report}");
    }
    reloads(&home, &work);
}

fn reloads(home: &Home, work: &Path) {
    let watched = work.join("watched");
    std::fs::create_dir_all(&watched).unwrap();
    let mut dev = home.docmill(&["dev", text(&watched)]);
    let mut server = home.start(&mut dev);
    server.line("watching ");

    // The pipeline first: it waits for its plugin.
    let pipeline = "name: mine\nsteps:\n  - { id: parse, use: docmill/text@* }\n  - { id: fields, use: acme/my-extractor@* }\n";
    std::fs::write(watched.join("mine.yaml"), pipeline).unwrap();
    server.line("my-extractor");
    let component = target().join("wasm32-wasip2/release/my_extractor.wasm");
    let saved = Instant::now();
    std::fs::copy(&component, watched.join("my-extractor.wasm")).unwrap();
    server.line("✓ acme/my-extractor");
    server.line("✓ pipeline mine version 1");
    let plugin_took = saved.elapsed();

    let document = watched.join("note.txt");
    std::fs::write(&document, "Name: Ann\n").unwrap();
    server
        .ask(home, &["run", text(&document), "--pipeline=mine", "--json"])
        .ended(0);

    let saved = Instant::now();
    std::fs::write(
        watched.join("mine.yaml"),
        pipeline.replace("name: mine", "name: mine\ndescription: again"),
    )
    .unwrap();
    server.line("✓ pipeline mine version 2");
    let pipeline_took = saved.elapsed();
    // "In under a second after a save", with room for a machine that does something else meanwhile.
    for took in [plugin_took, pipeline_took] {
        assert!(took < Duration::from_secs(5), "{took:?}; {}", server.said());
    }
    // What is wrong is said, and the server goes on.
    std::fs::write(
        watched.join("broken.yaml"),
        "name: broken\nsteps:\n  - { id: a, use: acme/none@1 }\n",
    )
    .unwrap();
    server.line("acme/none");
    std::fs::write(watched.join("broken.wasm"), b"\0asm").unwrap();
    server.line("broken.wasm");
    server
        .ask(home, &["run", text(&document), "--pipeline=mine"])
        .ended(0);
    assert_eq!(server.terminate().0, 0);
}

#[test]
fn a_javascript_project_is_written_whole() {
    let home = home();
    let work = home.data.with_file_name("js");
    std::fs::create_dir_all(&work).unwrap();
    for kind in KINDS {
        let name = format!("js-{kind}");
        let mut new = home.docmill(&["plugin", "new", &name, "--kind", kind, "--lang", "js"]);
        assert!(new.current_dir(&work).output().unwrap().status.success());
        let project = work.join(&name);
        assert!(project.join("wit/plugin.wit").is_file() && project.join("package.json").is_file());
        let mut again = home.docmill(&["plugin", "new", &name, "--kind", kind, "--lang", "js"]);
        assert!(
            !again.current_dir(&work).output().unwrap().status.success(),
            "nothing is overwritten"
        );
    }
}

/// What npm installs for such a project, which `cargo xtask examples` fetched for the example. None if it was not, which is a
/// failure where somebody says that it was.
fn node_modules() -> Option<PathBuf> {
    let place = root().join("plugins/examples/ts/node_modules");
    if !place.is_dir() {
        let required = std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_some();
        assert!(!required, "plugins/examples/ts/node_modules is missing");
        println!("skipped: plugins/examples/ts/node_modules is missing (cargo xtask examples)");
    }
    place.is_dir().then_some(place)
}

#[test]
fn a_typescript_project_of_every_kind_builds_and_passes_its_test() {
    let Some(modules) = node_modules() else { return };
    let read =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let tools = read(&root().join("plugins/examples/ts/package.json"))["devDependencies"].clone();
    let home = home();
    let work = home.data.with_file_name("ts");
    std::fs::create_dir_all(&work).unwrap();
    for kind in KINDS {
        let name = format!("acme/ts-{kind}");
        let mut new = home.docmill(&["plugin", "new", &name, "--kind", kind, "--lang", "ts"]);
        assert!(new.current_dir(&work).output().unwrap().status.success());
        let project = work.join(format!("ts-{kind}"));
        assert_eq!(read(&project.join("package.json"))["devDependencies"], tools);
        std::os::unix::fs::symlink(&modules, project.join("node_modules")).unwrap();
        let tested = Command::new("npm")
            .args(["test", "--silent"])
            .current_dir(&project)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tested.stdout);
        assert!(
            tested.status.success() && !said.contains("# pass 0"),
            "{said}\n{}",
            String::from_utf8_lossy(&tested.stderr)
        );
        let built = in_project(&home, &project, &["plugin", "build"])
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&built.stdout);
        assert!(
            built.status.success() && report.contains("can be published"),
            "{report}\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
    }
    // What its types forbid is not built.
    let project = work.join("ts-validator");
    std::fs::write(
        project.join("src/wrong.ts"),
        "export const text: string = fetch(1);\n",
    )
    .unwrap();
    let built = in_project(&home, &project, &["plugin", "build"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(
        !built.status.success() && said.contains("Cannot find name 'fetch'"),
        "{said}"
    );
}

/// The components that such projects make are exercised by the examples in Python; here, that the project is whole and that
/// what can be tested without a host passes.
#[test]
fn a_python_project_is_written_whole_and_passes_its_test() {
    let home = home();
    let work = home.data.with_file_name("python");
    std::fs::create_dir_all(&work).unwrap();
    for kind in KINDS {
        let name = format!("acme/py-{kind}");
        let mut new = home.docmill(&["plugin", "new", &name, "--kind", kind, "--lang", "python"]);
        assert!(new.current_dir(&work).output().unwrap().status.success());
        let project = work.join(format!("py-{kind}"));
        assert!(project.join("wit/plugin.wit").is_file());
        let build = std::fs::read_to_string(project.join("build.py")).unwrap();
        assert!(build.contains(&format!("{kind}-plugin")) && build.contains(&format!("py-{kind}.wasm")));
        let tested = Command::new("python3")
            .args(["-m", "unittest"])
            .current_dir(&project)
            .output();
        let Ok(tested) = tested else {
            assert!(
                std::env::var_os("DOCMILL_REQUIRE_EXAMPLES").is_none(),
                "python3 is missing"
            );
            println!("skipped: python3 is missing");
            return;
        };
        assert!(
            tested.status.success(),
            "{}",
            String::from_utf8_lossy(&tested.stderr)
        );
        for left in walk(&project) {
            let text = std::fs::read_to_string(&left).unwrap_or_default();
            assert!(
                !text.contains("{{"),
                "{} has a place that was not filled in",
                left.display()
            );
        }
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|e| e == "py" || e == "md"))
        .collect()
}
