//! `docmill plugin export | import` over a real registry (docker-registry): what is exported by one organisation is imported by
//! another, byte by byte, and what was tampered with on the way is not.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docmill_model::digest::Digest;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Done, Home, Server, home, root, text, with_input};

/// Who may use the registry: `anna`, with this password, which has a colon. Hashed by bcrypt.
const PASSWORD: &str = "letmein pa:ss";
const HTPASSWD: &str = "anna:$2b$04$abcdefghijklmnopqrstuupv4FoGGCrWkt4JLr8xLyORMDhlVvXOu\n";
/// `anna:` and the password, as docker's configuration has it.
const ENCODED: &str = "YW5uYTpsZXRtZWluIHBhOnNz";
const VERSION: &str = "acmeinc/text@1.2.3";

/// docker-registry on a port of its own, in a directory that goes with it.
struct Registry {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Registry {
    /// None: it is not installed, and nobody says that it has to be.
    fn start() -> Option<Self> {
        let there = Command::new("docker-registry")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            let required = std::env::var_os("DOCMILL_REQUIRE_REGISTRY").is_some();
            assert!(
                !required,
                "docker-registry is not installed, and DOCMILL_REQUIRE_REGISTRY is set"
            );
            eprintln!("skipped: docker-registry is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let directory = TempDir::with_prefix("docmill-registry").unwrap();
        let at = directory.path();
        std::fs::write(at.join("htpasswd"), HTPASSWD).unwrap();
        let config = json!({
            "version": "0.1",
            "log": { "level": "error" },
            "storage": { "filesystem": { "rootdirectory": at.join("storage") } },
            "http": { "addr": format!("127.0.0.1:{port}"), "secret": "not much of one" },
            "auth": { "htpasswd": { "realm": "test", "path": at.join("htpasswd") } },
        });
        // JSON is YAML.
        std::fs::write(at.join("config.yml"), config.to_string()).unwrap();
        let login = json!({ "auths": { format!("127.0.0.1:{port}"): { "auth": ENCODED } } });
        std::fs::write(at.join("config.json"), login.to_string()).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(at.join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            child,
            port,
            directory,
        })
    }

    fn reference(&self, rest: &str) -> String {
        format!("oci://127.0.0.1:{}/acme/text{rest}", self.port)
    }

    /// Where a blob lies in the registry's storage.
    fn blob(&self, digest: &str) -> PathBuf {
        let storage = self
            .directory
            .path()
            .join("storage/docker/registry/v2/blobs/sha256");
        storage.join(digest.get(..2).unwrap()).join(digest).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Somebody at a command line: with a key of an organisation, and with what `docker login` keeps.
struct Person<'a> {
    home: &'a Home,
    server: &'a Server,
    registry: &'a Registry,
    key: String,
}

impl Person<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.server.client(self.home, arguments);
        command
            .env("DOCMILL_KEY", &self.key)
            .env("DOCKER_CONFIG", self.registry.directory.path());
        command
    }

    fn does(&self, arguments: &[&str]) -> Done {
        with_input(self.command(arguments), b"")
    }

    /// The version, as it is shown.
    fn version(&self) -> Json {
        let shown = self
            .does(&["plugin", "show", "acmeinc/text", "--json"])
            .ended(0)
            .json();
        shown["versions"][0].clone()
    }
}

/// `docmill/text` under another name, with a sample, an SBOM and a provenance beside it.
fn project(at: &Path) -> (PathBuf, Digest) {
    let mut bytes = std::fs::read(root().join("plugins/dist/text.wasm")).unwrap();
    let (before, after) = (b"docmill/text0.1.0", b"acmeinc/text1.2.3");
    let place = bytes
        .windows(before.len())
        .position(|window| window == before)
        .unwrap();
    bytes.splice(place..place + after.len(), after.iter().copied());
    let component = at.join("text.wasm");
    std::fs::write(&component, &bytes).unwrap();
    std::fs::create_dir(at.join("samples")).unwrap();
    std::fs::write(at.join("samples/note.txt"), b"Total due: 12").unwrap();
    let sample = json!({ "document": "note.txt", "expect": { "pages": ["Total due: 12"] } });
    std::fs::write(at.join("samples/note.sample.json"), sample.to_string()).unwrap();
    let sbom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [] });
    std::fs::write(at.join("sbom.json"), sbom.to_string()).unwrap();
    let provenance = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1", "predicate": {},
        "subject": [{ "name": "text.wasm", "digest": { "sha256": Digest::of(&bytes) } }],
    });
    std::fs::write(at.join("provenance.json"), provenance.to_string()).unwrap();
    (component, Digest::of(&bytes))
}

fn keys_of(done: &Done) -> String {
    let word = done.out.split_whitespace().find(|word| word.starts_with("dm_"));
    word.unwrap_or_else(|| panic!("no key in {done:#?}")).to_owned()
}

#[test]
fn what_one_organisation_exports_another_imports() {
    let Some(registry) = Registry::start() else { return };
    let home = home();
    let server = home.start(&mut home.docmill(&["serve"]));
    let person = |key: String| Person {
        home: &home,
        server: &server,
        registry: &registry,
        key,
    };
    let author = person(server.key.clone());
    let beta = person(keys_of(
        &home.run(&["tenant", "create", "Registry Beta"]).ended(0),
    ));
    let gamma = person(keys_of(
        &home.run(&["tenant", "create", "Registry Gamma"]).ended(0),
    ));

    // Signed for two organisations by one key, which both trust.
    let work = TempDir::new().unwrap();
    let at = work.path();
    let (component, digest) = project(at);
    let key_file = at.join("release.key");
    let public = author.does(&["plugin", "keygen", text(&key_file)]).ended(0).out;
    for who in [&author, &beta] {
        who.does(&["plugin", "trust", "registry-release", public.trim()])
            .ended(0);
    }
    beta.does(&["tenant", "set", "--require-signatures", "true"])
        .ended(0);
    let sign = |tenant: &str| {
        let with = [
            "plugin",
            "sign",
            text(&component),
            "--with",
            text(&key_file),
            "--tenant",
            tenant,
        ];
        author.does(&with).ended(0);
    };
    let id = |who: &Person<'_>| {
        let shown = who.does(&["tenant", "show", "--json"]).ended(0).json();
        shown["id"].as_str().unwrap().to_owned()
    };
    let signature = at.join("text.wasm.sig");
    sign(&id(&beta));
    let for_beta = at.join("beta.sig");
    std::fs::rename(&signature, &for_beta).unwrap();
    sign(&id(&author));
    let (sbom, provenance) = (at.join("sbom.json"), at.join("provenance.json"));
    author
        .does(&[
            "plugin",
            "push",
            text(&component),
            "--sbom",
            text(&sbom),
            "--provenance",
            text(&provenance),
        ])
        .ended(0);
    let pushed = author.version();
    let shown = author.does(&["plugin", "show", "acmeinc/text"]).ended(0);
    assert!(
        shown.out.contains("CycloneDX 1.6") && shown.out.contains("slsa.dev/provenance/v1"),
        "{shown:#?}"
    );

    // Nobody gets in without credentials, and wrong ones do not help.
    let to = registry.reference(":1.2.3");
    let mut stranger = author.command(&["plugin", "export", VERSION, &to]);
    stranger.env("DOCKER_CONFIG", at);
    let refused = with_input(stranger, b"").ended(1);
    assert!(refused.err.contains("docker login"), "{refused:#?}");
    let login = ["--username", "anna", "--password-stdin"];
    let by_hand = |password: &str, arguments: &[&str]| {
        let mut command = author.command(&[arguments, &login].concat());
        command.env("DOCKER_CONFIG", at);
        with_input(command, password.as_bytes())
    };
    let export = [
        "plugin",
        "export",
        VERSION,
        &to,
        "--signature",
        text(&for_beta),
        "--json",
    ];
    let wrong = by_hand("wrong\n", &export).ended(1);
    assert!(wrong.err.contains("refuses these credentials"), "{wrong:#?}");
    let exported = by_hand(&format!("{PASSWORD}\n"), &export).ended(0);
    assert!(!exported.err.contains(PASSWORD), "{exported:#?}");
    let exported = exported.json();
    assert_eq!(exported["digest"], json!(digest));
    let kinds: Vec<&str> = exported["extras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "signature",
            "document",
            "provenance",
            "sample",
            "sbom",
            "signature"
        ]
    );
    // The same version is the same artifact, whenever it is exported, and takes what the first one took if it is told to.
    let again = author.does(&export).ended(0).json();
    assert_eq!(
        (&again["manifest"], &again["extras_manifest"]),
        (&exported["manifest"], &exported["extras_manifest"])
    );
    // What others read: one layer with the component's digest.
    let manifest = std::fs::read(
        registry.blob(
            exported["manifest"]
                .as_str()
                .unwrap()
                .trim_start_matches("sha256:"),
        ),
    )
    .unwrap();
    let manifest: Json = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["digest"], json!(format!("sha256:{digest}")));
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );

    // The other organisation takes only what is signed for it, and it is: bytes, signature, samples and statements are there.
    let pinned = exported["pinned"].as_str().unwrap();
    let imported = beta.does(&["plugin", "import", pinned, "--json"]).ended(0).json();
    assert_eq!(
        (&imported["created"], &imported["state"]),
        (&json!(true), &json!("published"))
    );
    let lines = imported["report"]["lines"].as_array().unwrap();
    let said = |check: &str| {
        let line = lines.iter().find(|line| line["check"] == check).unwrap();
        assert_eq!(line["pass"], true, "{line}");
        line["detail"].as_str().unwrap().to_owned()
    };
    assert!(
        said("signature").contains("registry-release"),
        "{}",
        said("signature")
    );
    assert_eq!(said("sample"), "note comes out as it should");
    assert_eq!(said("sbom"), "CycloneDX 1.6");
    let there = beta.version();
    assert_eq!(
        (&there["digest"], &there["attachments"]),
        (&pushed["digest"], &pushed["attachments"])
    );
    assert_eq!(there["signed_by"], pushed["signed_by"]);
    let twice = beta.does(&["plugin", "import", &to]).ended(0);
    assert!(twice.out.contains("already with the same bytes"), "{twice:#?}");
    // A third one has no signature, and is told so.
    let unsigned = gamma.does(&["plugin", "import", &to, "--admit-only"]).ended(0);
    assert!(unsigned.err.contains("plugin sign --tenant"), "{unsigned:#?}");
    assert_eq!(
        (&gamma.version()["signed_by"], &gamma.version()["state"]),
        (&Json::Null, &json!("admitted"))
    );

    // What is not there, and what was tampered with where it lay.
    let missing = gamma
        .does(&["plugin", "import", &registry.reference(":9")])
        .ended(1);
    assert!(missing.err.contains("has no"), "{missing:#?}");
    let nothing = author
        .does(&["plugin", "export", "acmeinc/text@9.9.9", &to])
        .ended(1);
    assert!(nothing.err.contains("acmeinc/text@9.9.9"), "{nothing:#?}");
    for blob in [
        &digest.to_string(),
        there["attachments"][0]["digest"].as_str().unwrap(),
    ] {
        let file = registry.blob(blob);
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bad).unwrap();
        let refused = gamma.does(&["plugin", "import", &to]).ended(1);
        assert!(
            refused.err.contains("is not what its digest says"),
            "{refused:#?}"
        );
        std::fs::write(&file, good).unwrap();
    }
    let manifest = exported["manifest"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:");
    let file = registry.blob(manifest);
    let changed = String::from_utf8(std::fs::read(&file).unwrap())
        .unwrap()
        .replace("1.2.3", "1.2.4");
    std::fs::write(&file, changed).unwrap();
    for reference in [pinned, &to] {
        let refused = gamma.does(&["plugin", "import", reference]).ended(1);
        assert!(!refused.err.is_empty(), "{refused:#?}");
    }
}
