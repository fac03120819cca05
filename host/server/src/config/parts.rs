//! The settings as each part of the platform takes them.

use std::path::PathBuf;

use super::Config;

impl Config {
    /// What the engine is told; compiled code is kept in `code_dir`, under the platform's key.
    pub fn engine(&self, code_dir: PathBuf, platform_key: [u8; 32]) -> docmill_engine::Settings {
        let mut settings = docmill_engine::Settings::new(code_dir, platform_key);
        settings.code_disk = self.code_disk;
        settings.guests = self.guests;
        settings.ceiling.memory = self.step_memory_max;
        settings.ceiling.timeout = self.step_timeout_max;
        settings.ceiling.cpu = self.step_cpu_max;
        settings.pool_memory = self.guest_memory;
        settings.pool_instances = self.instances_max;
        settings.pool_nested = self.instances_max.div_ceil(4);
        settings.compile.memory = self.compile_memory;
        settings.compile.timeout = self.compile_timeout;
        settings.compile.cpu = self.compile_timeout;
        settings.compile.children = self.compiling_max;
        settings
    }

    /// What runs may take.
    pub fn runs(&self) -> docmill_runs::Settings {
        docmill_runs::Settings {
            in_flight: self.in_flight_max,
            per_tenant: self.in_flight_max_per_tenant,
            concurrent: self.running_max,
            queue: self.queue_wait,
            timeout: self.run_timeout,
            longest: self.run_timeout_max,
            inline: self.inline_max,

            ..Default::default()
        }
    }

    /// What the worker is told, if this host has one.
    pub fn worker(&self) -> Option<docmill_runs::queue::WorkerSettings> {
        self.roles.worker.then(|| docmill_runs::queue::WorkerSettings {
            places: self.worker_runs,
            lease: self.worker_lease,
            attempts: self.run_attempts,
            host: hostname(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        })
    }

    /// What tenants may use that have no limits of their own.
    pub fn quotas(&self) -> docmill_quota::Settings {
        docmill_quota::Settings {
            defaults: self.tenant.clone(),
            failed_keys: self.failed_keys_per_minute,
        }
    }

    /// What the HTTP side is told.
    pub fn api(&self) -> docmill_api::Settings {
        docmill_api::Settings {
            body: self.body_max,
            body_memory: self.body_memory,
            body_idle: self.body_idle,
            body_total: self.body_timeout,
            head: self.head_timeout,
            connections: self.connections_max,
            serves: self.roles.api,
            ..Default::default()
        }
    }
}

/// What people call this machine.
fn hostname() -> String {
    let said = std::env::var("HOSTNAME").ok();
    let known = said.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    let name = known.map(|name| name.trim().to_owned());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
