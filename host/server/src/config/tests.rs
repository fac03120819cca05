#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use docmill_api::codes::words;
use docmill_api::language::Language;
use docmill_model::failure::Code;

use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn flags_go_over_environment_over_file_over_default() {
    let file = std::env::temp_dir().join(format!("docmill-settings-{}.toml", std::process::id()));
    std::fs::write(&file, "listen = \"1.1.1.1:1\"\nguests = 3\nqueue_wait = \"7s\"\n")
        .expect("a temporary file");
    let environment = |name: &str| match name {
        "DOCMILL_GUESTS" => Some("5".to_owned()),
        "DOCMILL_QUEUE_WAIT" => Some("8s".to_owned()),
        "DATABASE_URL" => Some("postgres://customary".to_owned()),
        _ => None,
    };
    let resolved = resolve(Some(&file), &[("queue_wait", "9s".to_owned())], environment);
    std::fs::remove_file(&file).ok();
    let config = Config::typed(resolved.expect("settings")).expect("settings");
    assert_eq!(config.listen, "1.1.1.1:1".parse().expect("an address"));
    assert_eq!(config.guests, 5);
    assert_eq!(config.queue_wait, Duration::from_secs(9));
    assert_eq!(config.database_url.as_deref(), Some("postgres://customary"));
    assert_eq!(config.resolved["queue_wait"].1, Origin::Flag);
    assert_eq!(config.resolved["body_max"].1, Origin::Default);
}

#[test]
fn defaults_are_right_and_wrong_values_are_named_with_their_origin() {
    Config::typed(resolve(None, &[], nothing).expect("defaults")).expect("defaults");
    for (name, value) in [
        ("listen", "nowhere"),
        ("guests", "-1"),
        ("guests", "NaN"),
        ("database_pool", "0"),
        ("connections_max", "0"),
        ("running_max", "18446744073709551615"),
        ("body_max", "lots"),
        ("body_max", "1GiB"),
        ("head_timeout", "0s"),
        ("run_timeout", "11m"),
        ("queue_wait", "99999999999999999999s"),
        ("blobs", "ftp"),
        ("blobs", "s3"),
        ("log_format", "xml"),
        ("platform_key", "abc"),
        ("otlp_sample", "-0.1"),
        ("otlp_sample", "NaN"),
        ("otlp_headers", "no-value"),
        ("roles", ""),
        ("roles", "api,boss"),
        ("worker_lease", "100ms"),
        ("run_attempts", "0"),
    ] {
        let error = Config::typed(resolve(None, &[(name, value.to_owned())], nothing).expect("resolved"));
        let text = error.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(
            text.contains(name) || text.contains("s3_bucket"),
            "{name}={value}: {text}"
        );
    }
}

#[test]
fn a_secret_is_not_printed() {
    let bad =
        Config::typed(resolve(None, &[("platform_key", "hunter2".to_owned())], nothing).expect("resolved"));
    assert!(
        !bad.err()
            .map(|e| e.to_string())
            .unwrap_or_default()
            .contains("hunter2")
    );
}

#[test]
fn settings_are_shown_without_secrets() {
    const KEY: &str = "a1b2c3d4e5f60718a1b2c3d4e5f60718a1b2c3d4e5f60718a1b2c3d4e5f60718";
    let secret = |name: &str| match name {
        "platform_key" => KEY.to_owned(),
        "otlp_headers" => "x-key=hunter2".to_owned(),
        other => format!("hunter2-{other}"),
    };
    let others = [
        ("blobs", "s3"),
        ("s3_bucket", "documents"),
        ("s3_access_key_id", "somebody"),
    ];
    let others = others.map(|(name, value)| (name, value.to_owned()));
    let secrets = SETTINGS
        .iter()
        .filter(|s| s.secret)
        .map(|s| (s.name, secret(s.name)));
    let given: Vec<_> = others.into_iter().chain(secrets).collect();
    let config = Config::typed(resolve(None, &given, nothing).expect("resolved"))
        .map_err(|error| error.to_string())
        .expect("settings");
    // The fields that are made of them hold what was given.
    assert_eq!(config.database_url.as_deref(), Some("hunter2-database_url"));
    assert_eq!(
        config.platform_key.map(|key| key[..2].to_vec()),
        Some(vec![0xa1, 0xb2])
    );
    for shown in [format!("{config:?}"), format!("{config:#?}")] {
        for hidden in ["hunter2", KEY, "161, 178", "a1, b2"] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        assert!(
            shown.contains("documents") && shown.contains("(set, not shown)"),
            "{shown}"
        );
        for setting in SETTINGS {
            assert!(shown.contains(setting.name), "{}: {shown}", setting.name);
        }
    }
}

fn with(name: &'static str, value: &str) -> Config {
    let resolved = resolve(None, &[(name, value.to_owned())], nothing).expect("resolved");
    Config::typed(resolved)
        .map_err(|error| error.to_string())
        .expect(name)
}

/// What the parts of the platform are told.
fn told(config: &Config) -> [String; 5] {
    let engine = config.engine(PathBuf::new(), [0; 32]);
    [
        format!("{engine:?}"),
        format!("{:?}", config.runs()),
        format!("{:?}", config.api()),
        format!("{:?}", config.quotas()),
        format!("{:?}", config.worker()),
    ]
}

/// Settings that the platform itself reads.
const OF_THE_PLATFORM: &[&str] = &[
    "listen",
    "data_dir",
    "database_url",
    "database_direct_url",
    "database_pool",
    "commit_runs_max",
    "blobs",
    "blob_dir",
    "s3_bucket",
    "s3_prefix",
    "s3_endpoint",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "s3_timeout",
    "redis_url",
    "oidc_issuer",
    "oidc_audience",
    "oidc_tenant",
    "otlp_endpoint",
    "otlp_headers",
    "otlp_sample",
    "egress_networks",
    "egress_roots",
    "platform_key",
    "drain_timeout",
    "cache_bytes",
    "log_format",
    "log_filter",
];

#[test]
fn every_other_setting_reaches_a_part() {
    let default = told(&Config::typed(resolve(None, &[], nothing).expect("defaults")).expect("defaults"));
    for setting in SETTINGS.iter().filter(|s| !OF_THE_PLATFORM.contains(&s.name)) {
        let value = match (setting.default)() {
            number if number.parse::<u32>().is_ok() => "77",
            size if size.ends_with('B') => "100MiB",
            none if none.is_empty() => match setting.name {
                "tenant_memory" => "100MiB",
                "tenant_allowed_plugins" => "acme/*",
                _ => "77",
            },
            roles if roles.contains("worker") => "api",
            _ => "70s",
        };
        assert!(
            told(&with(setting.name, value)) != default,
            "nobody reads {}",
            setting.name
        );
    }
}

/// What a host does that nobody configured is what its parts do by themselves, in the tests for example. Of a call's memory
/// and time the engine's own ceiling is that of a call which nobody limits.
#[test]
fn defaults_are_those_of_the_parts() {
    let config = Config::typed(resolve(None, &[], nothing).expect("defaults")).expect("defaults");
    let mut engine = docmill_engine::Settings::new(PathBuf::new(), [0; 32]);
    engine.ceiling = config.engine(PathBuf::new(), [0; 32]).ceiling;
    let runs = docmill_runs::Settings {
        concurrent: config.running_max,
        ..Default::default()
    };
    let api = docmill_api::Settings::default();
    // Whose name and cores those are is the machine's to say.
    let worker = docmill_runs::queue::WorkerSettings {
        places: config.worker_runs,
        host: config.worker().expect("a worker").host,
        ..Default::default()
    };
    // Tests guess keys from one address all day.
    let quotas = docmill_quota::Settings {
        failed_keys: config.failed_keys_per_minute,
        ..Default::default()
    };
    assert_eq!(
        told(&config),
        [
            format!("{engine:?}"),
            format!("{runs:?}"),
            format!("{api:?}"),
            format!("{quotas:?}"),
            format!("{:?}", Some(worker))
        ]
    );
}

/// Words of problems and definitions that error pages put between backticks; whatever else stands there alone is a setting.
const NO_SETTINGS: &[&str] = &[
    "detail",
    "fallback",
    "inputs",
    "limits",
    "limits.cpu",
    "limits.memory",
    "limits.output",
    "limits.timeout",
    "params",
    "problems",
    "quota",
    "reason",
    "request_id",
    "retry",
    "timeout",
    "unit",
    "value",
    "with",
];

/// Names between backticks, such as `body_max` or `limits.cpu`; not commands, headers, values.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
    })
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name)
}

#[test]
fn every_setting_that_an_error_page_names_exists() {
    let mut seen = 0;
    for code in Code::ALL {
        for language in Language::ALL {
            let page = words(*code, language);
            for name in [page.title, page.cause, page.fix].into_iter().flat_map(names) {
                seen += usize::from(is_setting(name));
                assert!(
                    is_setting(name) || NO_SETTINGS.contains(&name),
                    "{code} in {language:?}: there is no setting {name}"
                );
            }
        }
    }
    assert!(seen > 0, "no page names a setting any more");
}

/// The document's own names (members, parameters) may be named; every other name of several words is a setting.
#[test]
fn every_setting_that_the_open_api_document_names_exists() {
    let document: serde_json::Value = serde_json::from_str(docmill_api::openapi()).expect("JSON");
    let (mut own, mut texts) = (BTreeSet::new(), Vec::new());
    collect(&document, &mut own, &mut texts);
    assert!(
        own.contains("tenant_name") && texts.len() > 100,
        "{} texts",
        texts.len()
    );
    // Members of items that are described in words only, a field's path, and actions of the audit log.
    own.extend([
        "created_at",
        "revoked_at",
        "updated_at",
        "last_used_at",
        "rotated_to",
        "client_ip",
        "user_agent",
        "seller.tax_id",
        "key.create",
        "document.read",
        "run.finish",
        "detail.runs",
        // Members of a grant's bounds.
        "request_bytes",
        "response_bytes",
        "header_bytes",
        "value_bytes",
        "input_bytes",
        "output_tokens",
        "cached_input",
        "max_output_tokens",
        "media_type",
        // Members of queues and queued runs.
        "oldest_ms",
        "ready_at",
        "last_error",
        // Members of plugins and their versions.
        "config_schema",
        "calls_30d",
        "state_at",
        "signed_by",
        "changed_at",
    ]);
    for name in texts
        .iter()
        .copied()
        .flat_map(names)
        .filter(|name| name.contains(['_', '.']))
    {
        assert!(
            is_setting(name) || own.contains(name),
            "there is no setting {name}"
        );
    }
}

fn collect<'a>(value: &'a serde_json::Value, own: &mut BTreeSet<&'a str>, texts: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, own, texts)),
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("description" | "summary", serde_json::Value::String(text)) => texts.push(text),
                    ("properties", serde_json::Value::Object(properties)) => {
                        own.extend(properties.keys().map(String::as_str));
                    }
                    _ => {}
                }
                collect(member, own, texts);
            }
        }
        _ => {}
    }
}

#[test]
fn every_variable_and_setting_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let arguments = crate::cli::Arguments::command();
    let of_commands: Vec<_> = arguments.get_arguments().filter_map(clap::Arg::get_env).collect();
    let known = |name: &str| {
        let mut variables = SETTINGS.iter().flat_map(|s| s.variables.iter());
        // `DOCMILL_S3_*` is all that begin so.
        variables.any(|v| *v == name || (name.ends_with('_') && v.starts_with(name)))
            || of_commands.iter().any(|variable| *variable == name)
    };
    for file in [
        "README.md",
        "deploy/README.md",
        "deploy/compose.yaml",
        "deploy/Containerfile",
    ] {
        let text = std::fs::read_to_string(root.join(file)).expect(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("DOCMILL_") && *word != "DOCMILL_") {
            assert!(known(name), "{file}: there is no variable {name}");
        }
        // Roles of the database are called docmill_….
        for name in names(&text).filter(|name| name.contains('_') && !name.starts_with("docmill_")) {
            assert!(is_setting(name), "{file}: there is no setting {name}");
        }
    }
}
