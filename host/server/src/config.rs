//! Settings: a flag goes over the environment, the environment over the file, the file over the default.

mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use docmill_model::duration::Span;
use docmill_model::size::ByteSize;

use crate::exit::ConfigError;
pub use settings::SETTINGS;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Every setting with its text and origin.
pub type Resolved = BTreeMap<&'static str, (String, Origin)>;

/// The settings, typed.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub database_url: Option<String>,
    pub database_direct_url: Option<String>,
    pub database_pool: u32,
    pub blobs: BlobConfig,
    pub redis_url: Option<String>,
    pub platform_key: Option<[u8; 32]>,
    pub guests: usize,
    pub step_memory_max: ByteSize,
    pub step_timeout_max: Span,
    pub step_cpu_max: Span,
    pub body_max: ByteSize,
    pub body_timeout: Duration,
    pub in_flight_max: usize,
    pub running_max: usize,
    pub queue_wait: Duration,
    pub run_timeout: Duration,
    pub drain_timeout: Duration,
    pub cache_bytes: ByteSize,
    pub log_format: LogFormat,
    pub log_filter: String,
    /// How everything above came to be, for `config show`.
    pub resolved: Resolved,
}

/// Where blobs are.
#[derive(Debug, Clone)]
pub enum BlobConfig {
    /// Files under the data directory.
    Directory,
    /// A bucket.
    S3(docmill_blob::S3Settings),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads file and environment; `flags` are settings that the command line gave.
    ///
    /// # Errors
    /// When the file cannot be read, has an unknown setting, or a value is wrong; the setting and its origin are named.
    pub fn load(file: Option<&Path>, flags: &[(&'static str, String)]) -> Result<Self, ConfigError> {
        let resolved = resolve(file, flags, |name| std::env::var(name).ok())?;
        Self::typed(resolved)
    }

    fn typed(resolved: Resolved) -> Result<Self, ConfigError> {
        let get = Values(&resolved);
        let blobs = match get.text("blobs").as_str() {
            "directory" => BlobConfig::Directory,
            "s3" => BlobConfig::S3(docmill_blob::S3Settings {
                bucket: get.required("s3_bucket", "blobs = \"s3\"")?,
                prefix: get.text("s3_prefix"),
                endpoint: get.optional("s3_endpoint"),
                region: get.text("s3_region"),
                access_key_id: get.required("s3_access_key_id", "blobs = \"s3\"")?,
                secret_access_key: get.required("s3_secret_access_key", "blobs = \"s3\"")?,
                timeout: get.parsed::<Span>("s3_timeout", "a time span such as 10s")?.0,
            }),
            _ => return Err(get.wrong("blobs", "`directory` or `s3`")),
        };
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let guests = match get.parsed::<usize>("guests", "a whole number; 0 means one for each core")? {
            0 => cores,
            n => n,
        };
        let span = |name| get.parsed::<Span>(name, "a time span such as 30s");
        let size = |name| get.parsed::<ByteSize>(name, "a size such as 64MiB");
        Ok(Self {
            listen: get.parsed("listen", "an address and port such as 127.0.0.1:7410")?,
            data_dir: PathBuf::from(get.text("data_dir")),
            database_url: get.optional("database_url"),
            database_direct_url: get.optional("database_direct_url"),
            database_pool: get.positive("database_pool")?,
            blobs,
            redis_url: get.optional("redis_url"),
            platform_key: get.key("platform_key")?,
            guests,
            step_memory_max: size("step_memory_max")?,
            step_timeout_max: span("step_timeout_max")?,
            step_cpu_max: span("step_cpu_max")?,
            body_max: size("body_max")?,
            body_timeout: span("body_timeout")?.0,
            in_flight_max: get.positive("in_flight_max")?,
            running_max: match get
                .parsed::<usize>("running_max", "a whole number; 0 means eight for each core")?
            {
                0 => cores.saturating_mul(8),
                n => n,
            },
            queue_wait: span("queue_wait")?.0,
            run_timeout: span("run_timeout")?.0,
            drain_timeout: span("drain_timeout")?.0,
            cache_bytes: size("cache_bytes")?,
            log_format: match get.text("log_format").as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(get.wrong("log_format", "`text` or `json`")),
            },
            log_filter: get.text("log_filter"),
            resolved,
        })
    }
}

fn resolve(
    file: Option<&Path>,
    flags: &[(&'static str, String)],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Resolved, ConfigError> {
    let mut resolved: Resolved = SETTINGS
        .iter()
        .map(|s| (s.name, ((s.default)(), Origin::Default)))
        .collect();
    let implied = Path::new("docmill.toml");
    if let Some(path) = file.or_else(|| implied.is_file().then_some(implied)) {
        for (name, value) in read_file(path)? {
            resolved.insert(name, (value, Origin::File(path.to_owned())));
        }
    }
    for setting in SETTINGS {
        // The setting's own variable goes over the customary one.
        for variable in setting.variables.iter().rev() {
            if let Some(value) = environment(variable).filter(|v| !v.is_empty()) {
                resolved.insert(setting.name, (value, Origin::Environment(variable)));
            }
        }
    }
    for (name, value) in flags {
        resolved.insert(name, (value.clone(), Origin::Flag));
    }
    Ok(resolved)
}

fn read_file(path: &Path) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError(format!("cannot read the settings file {shown}: {e}")))?;
    let table: toml::Table = text
        .parse()
        .map_err(|e| ConfigError(format!("the settings file {shown} is not TOML: {e}")))?;
    table
        .into_iter()
        .map(|(name, value)| {
            let setting = SETTINGS.iter().find(|s| s.name == name).ok_or_else(|| {
                ConfigError(format!(
                    "{shown}: there is no setting '{name}'; `docmill config show` lists them"
                ))
            })?;
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(value) => value.to_string(),
                other => {
                    return Err(ConfigError(format!(
                        "{shown}: {name} is a {}, not a text or number",
                        other.type_str()
                    )));
                }
            };
            Ok((setting.name, text))
        })
        .collect()
}

struct Values<'a>(&'a Resolved);

impl Values<'_> {
    fn text(&self, name: &str) -> String {
        self.0.get(name).map(|(text, _)| text.clone()).unwrap_or_default()
    }

    fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn required(&self, name: &str, because: &str) -> Result<String, ConfigError> {
        self.optional(name).ok_or_else(|| {
            ConfigError(format!(
                "{name} is needed by {because}; set it in docmill.toml or as DOCMILL_{}",
                name.to_uppercase()
            ))
        })
    }

    fn wrong(&self, name: &str, expected: &str) -> ConfigError {
        let secret = SETTINGS.iter().any(|s| s.name == name && s.secret);
        let (text, origin) = self
            .0
            .get(name)
            .cloned()
            .unwrap_or((String::new(), Origin::Default));
        let shown = if secret {
            "the value".to_owned()
        } else {
            format!("'{text}'")
        };
        ConfigError(format!(
            "{name}: {shown} (from {origin}) is not right; write {expected}"
        ))
    }

    fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, ConfigError> {
        self.text(name)
            .trim()
            .parse()
            .map_err(|_| self.wrong(name, expected))
    }

    fn positive<T: FromStr + Default + PartialEq>(&self, name: &str) -> Result<T, ConfigError> {
        let expected = "a whole number above 0";
        let value: T = self.parsed(name, expected)?;
        if value == T::default() {
            Err(self.wrong(name, expected))
        } else {
            Ok(value)
        }
    }

    fn key(&self, name: &str) -> Result<Option<[u8; 32]>, ConfigError> {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        let digest: Result<docmill_model::digest::Digest, _> = text.trim().parse();
        digest
            .map(|d| Some(*d.as_bytes()))
            .map_err(|_| self.wrong(name, "64 hexadecimal digits (32 random bytes)"))
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test that cannot go on panics")]
mod tests {
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
            ("body_max", "lots"),
            ("queue_wait", "99999999999999999999s"),
            ("blobs", "ftp"),
            ("blobs", "s3"),
            ("log_format", "xml"),
            ("platform_key", "abc"),
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
        let bad = Config::typed(
            resolve(None, &[("platform_key", "hunter2".to_owned())], nothing).expect("resolved"),
        );
        assert!(
            !bad.err()
                .map(|e| e.to_string())
                .unwrap_or_default()
                .contains("hunter2")
        );
    }
}
