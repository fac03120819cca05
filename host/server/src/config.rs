//! Settings: a flag goes over the environment, the environment over the file, the file over the default.

mod parts;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use docmill_egress::Network;
use docmill_model::duration::Span;
use docmill_model::quota::{Allowance, LISTS, NUMBERS};
use docmill_model::size::ByteSize;
use percent_encoding::percent_decode_str;

use crate::exit::ConfigError;
pub use settings::{SETTINGS, Setting};

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
#[derive(Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub database_url: Option<String>,
    pub database_direct_url: Option<String>,
    pub database_pool: u32,
    /// Most runs written by one commit.
    pub commit_runs_max: usize,
    pub blobs: BlobConfig,
    pub blob_dir: Option<PathBuf>,
    pub redis_url: Option<String>,
    pub oidc_issuer: Option<String>,
    pub oidc_audience: String,
    pub oidc_tenant: String,
    pub otlp_endpoint: Option<String>,
    pub otlp_headers: Vec<(String, String)>,
    pub otlp_sample: f64,
    pub platform_key: Option<[u8; 32]>,
    pub egress_networks: Vec<Network>,
    pub egress_roots: Option<PathBuf>,
    pub guests: usize,
    pub guest_memory: ByteSize,
    pub instances_max: u32,
    pub step_memory_max: ByteSize,
    pub step_timeout_max: Span,
    pub step_cpu_max: Span,
    pub code_disk: ByteSize,
    pub compile_memory: ByteSize,
    pub compile_timeout: Duration,
    pub compiling_max: usize,
    pub body_max: ByteSize,
    pub body_timeout: Duration,
    pub body_idle: Duration,
    pub body_memory: ByteSize,
    pub head_timeout: Duration,
    pub connections_max: usize,
    pub in_flight_max: usize,
    pub in_flight_max_per_tenant: usize,
    pub running_max: usize,
    pub queue_wait: Duration,
    pub roles: Roles,
    pub worker_runs: usize,
    pub worker_lease: Duration,
    pub run_attempts: u32,
    /// What a tenant may use that has no limits of its own.
    pub tenant: Allowance,
    /// 0: not limited.
    pub failed_keys_per_minute: u64,
    pub run_timeout: Span,
    pub run_timeout_max: Span,
    pub inline_max: ByteSize,
    pub drain_timeout: Duration,
    pub cache_bytes: ByteSize,
    pub log_format: LogFormat,
    pub log_filter: String,
    /// How everything above came to be.
    pub resolved: Resolved,
}

/// What a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It answers requests.
    pub api: bool,
    /// It works on queued runs.
    pub worker: bool,
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

/// What may be shown of every setting: of a secret, whether it is set. Made of the texts, so that no field can be forgotten.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |setting: &'static Setting| self.shown(setting).map(|(text, _)| (setting.name, text));
        f.debug_map().entries(SETTINGS.iter().filter_map(shown)).finish()
    }
}

impl Config {
    /// A setting's value as it may be shown, and where it came from.
    pub fn shown(&self, setting: &Setting) -> Option<(&str, &Origin)> {
        let (text, origin) = self.resolved.get(setting.name)?;
        let text = match (setting.secret, text.is_empty()) {
            (_, true) => "(not set)",
            (true, false) => "(set, not shown)",
            (false, false) => text,
        };
        Some((text, origin))
    }

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
        let any_span = |name| get.parsed::<Span>(name, "a time span such as 30s");
        let any_size = |name| get.parsed::<ByteSize>(name, "a size such as 64MiB");
        let span = |name| get.above_zero::<Span>(name, "a time span above 0 such as 30s");
        let size = |name| get.above_zero::<ByteSize>(name, "a size above 0 such as 64MiB");
        let (body_max, body_memory) = (size("body_max")?, size("body_memory")?);
        if body_max > body_memory {
            return Err(get.wrong("body_max", &format!("no more than body_memory ({body_memory})")));
        }
        let (run_timeout, run_timeout_max) = (span("run_timeout")?, span("run_timeout_max")?);
        if run_timeout > run_timeout_max {
            return Err(get.wrong(
                "run_timeout",
                &format!("no more than run_timeout_max ({run_timeout_max})"),
            ));
        }
        let in_flight_max = get.count("in_flight_max", None)?;
        Ok(Self {
            listen: get.parsed("listen", "an address and port such as 127.0.0.1:7410")?,
            data_dir: PathBuf::from(get.text("data_dir")),
            database_url: get.optional("database_url"),
            database_direct_url: get.optional("database_direct_url"),
            database_pool: get.count_u32("database_pool")?,
            commit_runs_max: get.count("commit_runs_max", None)?,
            blobs,
            blob_dir: get.optional("blob_dir").map(PathBuf::from),
            redis_url: get.optional("redis_url"),
            oidc_issuer: get.optional("oidc_issuer"),
            oidc_audience: get.text("oidc_audience"),
            oidc_tenant: get.text("oidc_tenant"),
            otlp_endpoint: get.optional("otlp_endpoint"),
            otlp_headers: get.headers("otlp_headers")?,
            otlp_sample: get.share("otlp_sample")?,
            platform_key: get.key("platform_key")?,
            egress_networks: get.networks("egress_networks")?,
            egress_roots: get.optional("egress_roots").map(PathBuf::from),
            guests: get.count("guests", Some(cores))?,
            guest_memory: size("guest_memory")?,
            instances_max: get.count_u32("instances_max")?,
            step_memory_max: size("step_memory_max")?,
            step_timeout_max: span("step_timeout_max")?,
            step_cpu_max: span("step_cpu_max")?,
            code_disk: size("code_disk")?,
            compile_memory: size("compile_memory")?,
            compile_timeout: span("compile_timeout")?.0,
            compiling_max: get.count("compiling_max", None)?,
            body_max,
            body_timeout: span("body_timeout")?.0,
            body_idle: span("body_idle")?.0,
            body_memory,
            head_timeout: span("head_timeout")?.0,
            connections_max: get.count("connections_max", None)?,
            in_flight_max,
            in_flight_max_per_tenant: get
                .count("in_flight_max_per_tenant", Some(in_flight_max.div_ceil(2)))?,
            running_max: get.count("running_max", Some(cores.saturating_mul(8)))?,
            queue_wait: any_span("queue_wait")?.0,
            roles: get.roles("roles")?,
            worker_runs: get.count("worker_runs", Some(cores.saturating_mul(8)))?,
            worker_lease: get.lease("worker_lease")?,
            run_attempts: get.count_u32("run_attempts")?,
            tenant: get.allowance()?,
            failed_keys_per_minute: get.parsed("failed_keys_per_minute", "a whole number, or 0")?,
            run_timeout,
            run_timeout_max,
            inline_max: any_size("inline_max")?,
            drain_timeout: any_span("drain_timeout")?.0,
            cache_bytes: any_size("cache_bytes")?,
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

/// Of threads, connections, runs: beyond it a number is a slip, and semaphores have a largest number.
const MAX_COUNT: usize = 1_000_000;

struct Values<'a>(&'a Resolved);

impl Values<'_> {
    fn text(&self, name: &str) -> String {
        self.0.get(name).map(|(text, _)| text.clone()).unwrap_or_default()
    }

    fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn roles(&self, name: &str) -> Result<Roles, ConfigError> {
        let text = self.text(name);
        let mut roles = Roles {
            api: false,
            worker: false,
        };
        for role in text.split(',').map(str::trim) {
            match role {
                "api" => roles.api = true,
                "worker" => roles.worker = true,
                _ => return Err(self.wrong(name, "`api`, `worker` or both, with a comma between")),
            }
        }
        Ok(roles)
    }

    /// A worker says eight times in a lease that it is there, over a network and to a database that may be busy.
    fn lease(&self, name: &str) -> Result<Duration, ConfigError> {
        let lease = self.parsed::<Span>(name, "a time span such as 10s")?.0;
        let fits = (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&lease);
        fits.then_some(lease)
            .ok_or_else(|| self.wrong(name, "a time span from 1s to 10m"))
    }

    /// Networks, with blanks or commas between them. None holds everything: what is refused is refused for a reason.
    fn networks(&self, name: &str) -> Result<Vec<Network>, ConfigError> {
        let text = self.text(name);
        let each = text.split([' ', ',']).filter(|network| !network.is_empty());
        each.map(|network| {
            network
                .parse::<Network>()
                .ok()
                .filter(|network| network.prefix_len() > 0)
        })
        .collect::<Option<_>>()
        .ok_or_else(|| self.wrong(name, "networks such as 10.1.0.0/16, with blanks between them"))
    }

    /// The settings that begin with `tenant_`.
    fn allowance(&self) -> Result<Allowance, ConfigError> {
        let mut allowance = Allowance::default();
        for name in NUMBERS.iter().map(|setting| setting.name).chain(LISTS) {
            let setting = format!("tenant_{name}");
            if let Some(text) = self.optional(&setting) {
                let set = allowance.set(name, &text);
                set.map_err(|error| ConfigError(format!("{setting}: {error}")))?;
            }
        }
        Ok(allowance)
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

    fn above_zero<T: FromStr + Default + PartialEq>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<T, ConfigError> {
        let value: T = self.parsed(name, expected)?;
        if value == T::default() {
            Err(self.wrong(name, expected))
        } else {
            Ok(value)
        }
    }

    /// How many of something; `zero`: what 0 means, if it means anything.
    fn count(&self, name: &str, zero: Option<usize>) -> Result<usize, ConfigError> {
        let expected = match zero {
            None => format!("a whole number from 1 to {MAX_COUNT}"),
            Some(_) => format!("a whole number up to {MAX_COUNT}, or 0 to leave it to docmill"),
        };
        match (self.parsed(name, &expected)?, zero) {
            (0, Some(count)) => Ok(count),
            (count @ 1..=MAX_COUNT, _) => Ok(count),
            _ => Err(self.wrong(name, &expected)),
        }
    }

    fn count_u32(&self, name: &str) -> Result<u32, ConfigError> {
        // Nothing is lost: no count is that large.
        self.count(name, None)
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn share(&self, name: &str) -> Result<f64, ConfigError> {
        let expected = "a share from 0 to 1 such as 0.05";
        let share: f64 = self.parsed(name, expected)?;
        if (0.0..=1.0).contains(&share) {
            Ok(share)
        } else {
            Err(self.wrong(name, expected))
        }
    }

    /// `name=value,name=value`, values percent-encoded as OpenTelemetry's variables have them.
    fn headers(&self, name: &str) -> Result<Vec<(String, String)>, ConfigError> {
        let text = self.text(name);
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let read = |pair: &str| {
            let (header, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!header.trim().is_empty()).then(|| (header.trim().to_owned(), value.into_owned()))
        };
        let headers: Option<Vec<_>> = pairs.map(read).collect();
        headers.ok_or_else(|| self.wrong(name, "name=value, separated by commas"))
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
mod tests;
