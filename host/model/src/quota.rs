//! Of what a tenant may have only so much, and how much each may have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plugin::{PluginName, is_name};
use crate::size::ByteSize;

/// What is done with a request that would pass a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It is refused at once.
    Reject,
    /// It is delayed until there is some left again, or its time is over; then it is refused.
    Throttle,
    /// It waits a little while, in the order of arrival; then it is refused.
    Queue,
}

/// A named resource of which there is only so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Requests with the tenant's keys and sessions, of any second.
    RequestsPerSecond,
    /// The same of a day of the tenant's time zone.
    RequestsPerDay,
    /// Runs at work, on each host.
    ConcurrentRuns,
    /// CPU time of guests in milliseconds, of any minute, on each host.
    CpuMsPerMinute,
    /// Bytes of kept documents and artifacts.
    StoredBytes,
    /// Runs on behalf of one end user (`Docmill-Subject`), of any minute.
    SubjectRunsPerMinute,
    /// Keys and sessions that are nobody's, from one address: guesses. Of the address, not of a tenant.
    FailedKeysPerMinute,
}

impl Quota {
    /// Every quota, in this order.
    pub const ALL: [Self; 7] = [
        Self::RequestsPerSecond,
        Self::RequestsPerDay,
        Self::ConcurrentRuns,
        Self::CpuMsPerMinute,
        Self::StoredBytes,
        Self::SubjectRunsPerMinute,
        Self::FailedKeysPerMinute,
    ];

    /// Its name, in settings, problems and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::RequestsPerDay => "requests_per_day",
            Self::ConcurrentRuns => "concurrent_runs",
            Self::CpuMsPerMinute => "cpu_ms_per_minute",
            Self::StoredBytes => "stored_bytes",
            Self::SubjectRunsPerMinute => "subject_runs_per_minute",
            Self::FailedKeysPerMinute => "failed_keys_per_minute",
        }
    }

    /// What it is counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::RequestsPerSecond | Self::RequestsPerDay | Self::FailedKeysPerMinute => "requests",
            Self::ConcurrentRuns | Self::SubjectRunsPerMinute => "runs",
            Self::CpuMsPerMinute => "ms",
            Self::StoredBytes => "bytes",
        }
    }

    /// What is done with who would pass it.
    pub const fn policy(self) -> Policy {
        match self {
            Self::ConcurrentRuns => Policy::Queue,
            Self::CpuMsPerMinute => Policy::Throttle,
            Self::RequestsPerSecond
            | Self::RequestsPerDay
            | Self::StoredBytes
            | Self::SubjectRunsPerMinute
            | Self::FailedKeysPerMinute => Policy::Reject,
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which quota was passed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceeded {
    /// Its name.
    pub quota: Quota,
    /// How much there is.
    pub value: u64,
}

/// What a tenant may have. What is none is as the host's settings say; there, it is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    /// See [`Quota::RequestsPerSecond`].
    pub requests_per_second: Option<u64>,
    /// How many of them may come at once; none: as many as in a second.
    pub requests_burst: Option<u64>,
    /// See [`Quota::RequestsPerDay`].
    pub requests_per_day: Option<u64>,
    /// See [`Quota::ConcurrentRuns`].
    pub concurrent_runs: Option<u64>,
    /// See [`Quota::CpuMsPerMinute`].
    pub cpu_ms_per_minute: Option<u64>,
    /// Bytes of memory that a call of a plugin may have at most.
    pub memory: Option<u64>,
    /// See [`Quota::StoredBytes`].
    pub stored_bytes: Option<u64>,
    /// See [`Quota::SubjectRunsPerMinute`]; as many may come at once.
    pub subject_runs_per_minute: Option<u64>,
    /// Runs that a batch may have.
    pub batch_size: Option<u64>,
    /// `namespace/name` or `namespace/*`; none: all.
    pub allowed_plugins: Option<Vec<String>>,
    /// Names of models; none: all.
    pub allowed_models: Option<Vec<String>>,
}

/// A setting of an [`Allowance`] that is a number.
pub struct NumberSetting {
    /// Its name.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// The least that makes sense.
    pub least: u64,
    /// The most that can be counted.
    pub most: u64,
    get: fn(&Allowance) -> Option<u64>,
    place: fn(&mut Allowance) -> &mut Option<u64>,
}

impl NumberSetting {
    /// What it is in `allowance`.
    pub fn of(&self, allowance: &Allowance) -> Option<u64> {
        (self.get)(allowance)
    }

    fn parse(&self, text: &str) -> Result<u64, InvalidSetting> {
        let number = match self.unit {
            "bytes" => text.parse::<ByteSize>().ok().map(|size| size.0),
            _ => text.parse::<u64>().ok(),
        };
        let number = number.filter(|n| (self.least..=self.most).contains(n));
        number.ok_or_else(|| {
            let written = if self.unit == "bytes" {
                ", also written as in 64MiB"
            } else {
                ""
            };
            InvalidSetting(format!(
                "{} is a whole number from {} to {} ({}{written}), or `default`; '{}' is none",
                self.name,
                self.least,
                self.most,
                self.unit,
                shown(text)
            ))
        })
    }
}

macro_rules! numbers {
    ($($name:ident, $unit:literal, $least:expr, $most:expr;)*) => {
        /// Every setting that is a number, with unit and range.
        pub const NUMBERS: &[NumberSetting] = &[$(NumberSetting {
            name: stringify!($name),
            unit: $unit,
            least: $least,
            most: $most,
            get: |allowance| allowance.$name,
            place: |allowance| &mut allowance.$name,
        }),*];
    };
}

numbers! {
    requests_per_second, "requests", 1, 1_000_000;
    requests_burst, "requests", 1, 1_000_000;
    requests_per_day, "requests", 1, 1_000_000_000_000;
    concurrent_runs, "runs", 1, 100_000;
    cpu_ms_per_minute, "ms", 1, 600_000_000;
    memory, "bytes", 1 << 20, 4 << 30;
    stored_bytes, "bytes", 1, 1 << 50;
    subject_runs_per_minute, "runs", 1, 1_000_000;
    batch_size, "runs", 1, 1_000_000;
}

/// Settings that are lists of patterns.
pub const LISTS: [&str; 2] = ["allowed_plugins", "allowed_models"];
/// Most patterns of a list.
pub const MAX_PATTERNS: usize = 200;
/// Longest name of a model, in bytes.
const MAX_MODEL: usize = 200;

/// What is wrong with a setting; names it and its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(pub String);

impl Allowance {
    /// Changes the setting `name` to what `text` says; `default` takes it away. Lists are separated by commas.
    ///
    /// # Errors
    /// When there is no such setting, or `text` is none of its values.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), InvalidSetting> {
        let text = text.trim();
        let taken_away = text == "default";
        if let Some(setting) = NUMBERS.iter().find(|setting| setting.name == name) {
            let number = if taken_away {
                None
            } else {
                Some(setting.parse(text)?)
            };
            *(setting.place)(self) = number;
            return Ok(());
        }
        let list = match name {
            "allowed_plugins" => &mut self.allowed_plugins,
            "allowed_models" => &mut self.allowed_models,
            _ => {
                let numbers = NUMBERS.iter().map(|setting| setting.name);
                let names: Vec<&str> = numbers.chain(LISTS).collect();
                return Err(InvalidSetting(format!(
                    "there is no setting '{}'; there are {}",
                    shown(name),
                    names.join(", ")
                )));
            }
        };
        *list = if taken_away {
            None
        } else {
            Some(patterns(name, text)?)
        };
        Ok(())
    }

    /// What holds: what is said here, and else what `defaults` say.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        let mut whole = self.clone();
        for setting in NUMBERS {
            let place = (setting.place)(&mut whole);
            *place = place.or(setting.of(defaults));
        }
        if self.requests_per_second.is_some() && self.requests_burst.is_none() {
            // A burst belongs to the rate that it was made for.
            whole.requests_burst = None;
        }
        whole.allowed_plugins = whole.allowed_plugins.or_else(|| defaults.allowed_plugins.clone());
        whole.allowed_models = whole.allowed_models.or_else(|| defaults.allowed_models.clone());
        whole
    }

    /// How many requests may come at once, if their rate is limited.
    pub fn burst(&self) -> Option<u64> {
        let rate = self.requests_per_second?;
        Some(self.requests_burst.unwrap_or(rate))
    }

    /// Whether the plugin may be used: `namespace/name`.
    pub fn allows_plugin(&self, name: &str) -> bool {
        let Some(patterns) = &self.allowed_plugins else {
            return true;
        };
        patterns.iter().any(|pattern| match pattern.strip_suffix("/*") {
            Some(namespace) => name.split_once('/').is_some_and(|(of, _)| of == namespace),
            None => pattern == name,
        })
    }
}

impl Allowance {
    /// Whether the model may be asked, by the provider's name of it.
    pub fn allows_model(&self, name: &str) -> bool {
        let allowed = self.allowed_models.as_ref();
        allowed.is_none_or(|names| names.iter().any(|allowed| allowed == name))
    }
}

fn patterns(name: &str, text: &str) -> Result<Vec<String>, InvalidSetting> {
    let list: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
    let fits = |pattern: &String| match name {
        "allowed_plugins" => match pattern.strip_suffix("/*") {
            Some(namespace) => is_name(namespace),
            None => pattern.parse::<PluginName>().is_ok(),
        },
        _ => (1..=MAX_MODEL).contains(&pattern.len()) && pattern.bytes().all(|b| b.is_ascii_graphic()),
    };
    if let Some(bad) = list.iter().find(|pattern| !fits(pattern)) {
        let form = if name == "allowed_plugins" {
            "`namespace/name` or `namespace/*`"
        } else {
            "names of models, without blanks"
        };
        let said = format!(
            "{name} is a list of {form}, separated by commas, or `default`; '{}' is none",
            shown(bad)
        );
        return Err(InvalidSetting(said));
    }
    if list.len() > MAX_PATTERNS {
        return Err(InvalidSetting(format!(
            "{name} is a list of at most {MAX_PATTERNS}"
        )));
    }
    Ok(list)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    #[test]
    fn settings_are_judged_by_name_and_range() {
        let mut it = Allowance::default();
        it.set("requests_per_second", "50").unwrap();
        it.set("memory", "64MiB").unwrap();
        it.set("allowed_plugins", "docmill/*, acme/rules").unwrap();
        assert_eq!((it.requests_per_second, it.memory), (Some(50), Some(64 << 20)));
        let before = it.clone();
        for (name, text) in [
            ("requests_per_second", "-1"),
            ("requests_per_second", "0"),
            ("requests_per_second", "NaN"),
            ("requests_per_second", "1.5"),
            ("requests_per_second", "1e3"),
            ("requests_per_second", "inf"),
            ("requests_per_second", ""),
            ("requests_per_second", "1000001"),
            ("requests_per_day", "99999999999999999999999999"),
            ("concurrent_runs", "ten"),
            ("cpu_ms_per_minute", "10ms"),
            ("memory", "1KiB"),
            ("memory", "8GiB"),
            ("stored_bytes", "18446744073709551615TiB"),
            ("allowed_plugins", ""),
            ("allowed_plugins", "*"),
            ("allowed_plugins", "docmill/te*"),
            ("allowed_plugins", "docmill/text,,"),
            ("allowed_models", "a b"),
        ] {
            let said = it.set(name, text).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
            assert_eq!(it, before, "{name}={text}");
        }
        let said = it.set("request_per_second", "5").unwrap_err().to_string();
        assert!(
            said.contains("requests_per_second") && said.contains("allowed_models"),
            "{said}"
        );
        it.set("memory", "default").unwrap();
        it.set("allowed_plugins", "default").unwrap();
        assert_eq!((it.memory, it.allowed_plugins), (None, None));
    }

    #[test]
    fn what_a_tenant_does_not_say_is_as_the_host_says() {
        let mut host = Allowance::default();
        for (name, text) in [
            ("requests_per_second", "100"),
            ("requests_burst", "500"),
            ("memory", "1MiB"),
        ] {
            host.set(name, text).unwrap();
        }
        let own = Allowance::default();
        assert_eq!(own.or(&host), host);
        assert_eq!((host.burst(), own.burst()), (Some(500), None));
        let mut own = own;
        own.set("requests_per_second", "10").unwrap();
        let whole = own.or(&host);
        assert_eq!((whole.burst(), whole.memory), (Some(10), Some(1 << 20)));
    }

    #[test]
    fn plugins_are_allowed_by_name_or_namespace() {
        let mut it = Allowance::default();
        assert!(it.allows_plugin("any/thing"));
        it.set("allowed_plugins", "docmill/*,acme/rules").unwrap();
        assert!(it.allows_plugin("docmill/text") && it.allows_plugin("acme/rules"));
        assert!(
            !it.allows_plugin("acme/rules-2")
                && !it.allows_plugin("docmillx/text")
                && !it.allows_plugin("docmill")
        );
    }

    #[test]
    fn an_allowance_is_read_as_it_was_written_and_from_another_release() {
        let it: Allowance = serde_json::from_str(r#"{"requests_per_day": 5, "of_later": 7}"#).unwrap();
        assert_eq!(it.requests_per_day, Some(5));
        let text = serde_json::to_string(&it).unwrap();
        assert_eq!(serde_json::from_str::<Allowance>(&text).unwrap(), it);
    }
}
