//! Every setting on one page: name, unit, default and reason.
//!
//! What is not here is fixed on purpose and says why beside its value: `docmill_api::Settings`, `docmill_runs::Settings`,
//! `docmill_engine::Settings`, `docmill_store::Settings`.

/// A setting.
pub struct Setting {
    /// In docmill.toml.
    pub name: &'static str,
    /// Environment variables, the first one strongest.
    pub variables: &'static [&'static str],
    /// The value that nobody gave, as text.
    pub default: fn() -> String,
    /// Never printed.
    pub secret: bool,
    /// Unit and reason.
    pub about: &'static str,
}

macro_rules! settings {
    ($($name:literal, [$($variable:literal),+], $default:expr, $secret:literal, $about:literal;)*) => {
        /// All settings.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            variables: &[$($variable),+],
            default: || $default.to_string(),
            secret: $secret,
            about: $about,
        }),*];
    };
}

settings! {
    "listen", ["DOCMILL_LISTEN"], "127.0.0.1:7410", false,
        "address:port for HTTP; loopback until you decide otherwise";
    "data_dir", ["DOCMILL_DATA_DIR"], default_data_dir(), false,
        "directory of the embedded database, blobs and compiled code";
    "database_url", ["DOCMILL_DATABASE_URL", "DATABASE_URL"], "", true,
        "PostgreSQL 15 or newer; empty: a private server in data_dir";
    "database_direct_url", ["DOCMILL_DATABASE_DIRECT_URL", "DATABASE_DIRECT_URL"], "", true,
        "the same database without a pooler between, for migrations; empty: database_url";
    "database_pool", ["DOCMILL_DATABASE_POOL"], "16", false,
        "connections; commits wait on the disk, so several share one flush";
    "commit_runs_max", ["DOCMILL_COMMIT_RUNS_MAX"], "64", false,
        "runs of one tenant that one commit may write when they end together; 1: each by itself";
    "blobs", ["DOCMILL_BLOBS"], "directory", false,
        "`directory` or `s3`";
    "blob_dir", ["DOCMILL_BLOB_DIR"], "", false,
        "directory of blobs, one for all hosts of a database; empty: in data_dir, for one host";
    "s3_bucket", ["DOCMILL_S3_BUCKET"], "", false,
        "name of an existing bucket";
    "s3_prefix", ["DOCMILL_S3_PREFIX"], "", false,
        "what every key begins with; empty or ending in a slash";
    "s3_endpoint", ["DOCMILL_S3_ENDPOINT"], "", false,
        "URL of an S3 server; empty: AWS";
    "s3_region", ["DOCMILL_S3_REGION", "AWS_REGION"], "us-east-1", false,
        "the bucket's region";
    "s3_access_key_id", ["DOCMILL_S3_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"], "", false,
        "who asks";
    "s3_secret_access_key", ["DOCMILL_S3_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"], "", true,
        "its secret";
    "s3_timeout", ["DOCMILL_S3_TIMEOUT"], "10s", false,
        "time span; longest wait for one attempt";
    "redis_url", ["DOCMILL_REDIS_URL", "REDIS_URL"], "", true,
        "second cache tier, and counts of requests, shared by hosts; empty: memory alone, and PostgreSQL for counts of days";
    "oidc_issuer", ["DOCMILL_OIDC_ISSUER"], "", false,
        "URL of an OpenID Connect issuer, exactly as its tokens name it in `iss`; empty: keys and sessions alone";
    "oidc_audience", ["DOCMILL_OIDC_AUDIENCE"], "docmill", false,
        "what tokens for docmill name in `aud`";
    "oidc_tenant", ["DOCMILL_OIDC_TENANT"], "main", false,
        "name of the organisation whose users the issuer vouches for, by their e-mail addresses";
    "otlp_endpoint", ["DOCMILL_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"], "", false,
        "base URL of a collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318; empty: no traces";
    "otlp_headers", ["DOCMILL_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"], "", true,
        "headers for it, name=value separated by commas, such as a vendor's key; values percent-encoded where they hold a comma";
    "otlp_sample", ["DOCMILL_OTLP_SAMPLE"], "1", false,
        "share of traces that are kept, 0 to 1, where a caller's `traceparent` has not decided";
    "platform_key", ["DOCMILL_PLATFORM_KEY"], "", true,
        "64 hexadecimal digits; signs compiled code and seeds guests' random numbers, equal on all hosts; empty: made once in data_dir";
    "egress_networks", ["DOCMILL_EGRESS_NETWORKS"], "", false,
        "networks such as `10.1.0.0/16 fd00::/64` that plugins with a grant may reach although they are not on the internet; empty: none";
    "egress_roots", ["DOCMILL_EGRESS_ROOTS"], "", false,
        "file with certificates (PEM) of authorities that plugins' requests trust beside those of the system";
    "guests", ["DOCMILL_GUESTS"], "0", false,
        "guests that run at once; 0: one for each core, so that deadlines hold among spinners";
    "guest_memory", ["DOCMILL_GUEST_MEMORY"], "4GiB", false,
        "bytes of linear memory of all guests together; a run whose guest would pass it is told to come back (503)";
    "instances_max", ["DOCMILL_INSTANCES_MAX"], "128", false,
        "guests that exist at once, those that wait for a turn included; their address space is set aside at the start";
    "step_memory_max", ["DOCMILL_STEP_MEMORY_MAX"], "512MiB", false,
        "bytes; a pipeline may ask for less, not for more";
    "step_timeout_max", ["DOCMILL_STEP_TIMEOUT_MAX"], "120s", false,
        "time span; longest wall time of one attempt";
    "step_cpu_max", ["DOCMILL_STEP_CPU_MAX"], "60s", false,
        "time span; longest CPU time of one attempt";
    "code_disk", ["DOCMILL_CODE_DISK"], "8GiB", false,
        "bytes of compiled code in data_dir; what was not loaded for the longest time makes room, and is pulled or made again";
    "compile_memory", ["DOCMILL_COMPILE_MEMORY"], "4GiB", false,
        "bytes of address space of a compiler, which reads what strangers upload";
    "compile_timeout", ["DOCMILL_COMPILE_TIMEOUT"], "4m", false,
        "time span; longest wall time, and longest CPU time of all threads, in which a component must compile";
    "compiling_max", ["DOCMILL_COMPILING_MAX"], "1", false,
        "components compiled at once; more wait, because each compiler takes every core and compile_memory";
    "body_max", ["DOCMILL_BODY_MAX"], "64MiB", false,
        "bytes of a request's body; a document is held in memory while it is read";
    "body_timeout", ["DOCMILL_BODY_TIMEOUT"], "60s", false,
        "time span in which a body must have arrived; slow senders hold memory";
    "body_idle", ["DOCMILL_BODY_IDLE"], "10s", false,
        "time span; longest wait for the next byte of a body, so that a sender that stopped is not waited for";
    "body_memory", ["DOCMILL_BODY_MEMORY"], "512MiB", false,
        "bytes of all requests' bodies together; a request that would pass it is told to come back (503)";
    "head_timeout", ["DOCMILL_HEAD_TIMEOUT"], "10s", false,
        "time span in which a request's head must have arrived; slow senders hold connections";
    "connections_max", ["DOCMILL_CONNECTIONS_MAX"], "4096", false,
        "connections at once, each an open file, and of one address half as many; more wait to be accepted";
    "in_flight_max", ["DOCMILL_IN_FLIGHT_MAX"], "512", false,
        "runs at once, those that upload or wait included; more are told to come back (503)";
    "in_flight_max_per_tenant", ["DOCMILL_IN_FLIGHT_MAX_PER_TENANT"], "0", false,
        "the same of one tenant; 0: half of in_flight_max, so that one cannot take the whole host";
    "running_max", ["DOCMILL_RUNNING_MAX"], "0", false,
        "runs at once; 0: eight for each core; more wait";
    "queue_wait", ["DOCMILL_QUEUE_WAIT"], "10s", false,
        "time span that a run waits for its turn before it is told to come back (503)";
    "roles", ["DOCMILL_ROLES"], "api,worker", false,
        "what this host does, with commas between: `api` answers requests, `worker` works on queued runs; probes are answered by all";
    "worker_runs", ["DOCMILL_WORKER_RUNS"], "0", false,
        "queued runs that a worker has at once; 0: eight for each core";
    "worker_lease", ["DOCMILL_WORKER_LEASE"], "10s", false,
        "time span without a word after which a worker's runs are taken over; the same on every host";
    "run_attempts", ["DOCMILL_RUN_ATTEMPTS"], "5", false,
        "how often a queued run is begun that fails for a reason that passes, or whose worker goes away, before it fails for good";
    "tenant_requests_per_second", ["DOCMILL_TENANT_REQUESTS_PER_SECOND"], "", false,
        "requests a second of a tenant that has no limit of its own (`docmill tenant set`); more are told to come back (429); empty: not limited";
    "tenant_requests_burst", ["DOCMILL_TENANT_REQUESTS_BURST"], "", false,
        "requests that may come at once under that limit; empty: as many as in a second";
    "tenant_requests_per_day", ["DOCMILL_TENANT_REQUESTS_PER_DAY"], "", false,
        "requests of a day in the tenant's time zone, likewise; empty: not limited";
    "tenant_concurrent_runs", ["DOCMILL_TENANT_CONCURRENT_RUNS"], "", false,
        "runs of a tenant at work on each host; more wait for queue_wait, then are told to come back (429); empty: not limited";
    "tenant_cpu_ms_per_minute", ["DOCMILL_TENANT_CPU_MS_PER_MINUTE"], "", false,
        "milliseconds of CPU time that a tenant's guests may use in a minute on each host; then runs are delayed until there is some again, within their time; empty: not limited";
    "tenant_memory", ["DOCMILL_TENANT_MEMORY"], "", false,
        "bytes of memory that a call of a plugin may have at most, whatever its pipeline says; empty: step_memory_max";
    "tenant_stored_bytes", ["DOCMILL_TENANT_STORED_BYTES"], "", false,
        "bytes of kept documents and artifacts of a tenant; runs that would keep more are refused (429); empty: not limited";
    "tenant_subject_runs_per_minute", ["DOCMILL_TENANT_SUBJECT_RUNS_PER_MINUTE"], "", false,
        "runs a minute on behalf of one end user of a tenant (`Docmill-Subject`); more are told to come back (429); empty: not limited";
    "tenant_batch_size", ["DOCMILL_TENANT_BATCH_SIZE"], "", false,
        "runs that a batch of a tenant may have; empty: not limited";
    "tenant_allowed_plugins", ["DOCMILL_TENANT_ALLOWED_PLUGINS"], "", false,
        "`namespace/name` or `namespace/*`, separated by commas, that a tenant may use; empty: all that it has";
    "tenant_allowed_models", ["DOCMILL_TENANT_ALLOWED_MODELS"], "", false,
        "names of models, separated by commas, that a tenant may use; empty: all";
    "failed_keys_per_minute", ["DOCMILL_FAILED_KEYS_PER_MINUTE"], "600", false,
        "requests from one address in a minute with keys that are nobody's; then keys that this host has not seen are refused unseen (429), because each costs a question to the database; 0: not limited, as behind a proxy, which is one address";
    "run_timeout", ["DOCMILL_RUN_TIMEOUT"], "60s", false,
        "time span; longest a run takes, waiting included, if its pipeline states no `limits.timeout`";
    "run_timeout_max", ["DOCMILL_RUN_TIMEOUT_MAX"], "10m", false,
        "time span; the most that a pipeline's `limits.timeout` gives: a client waits, and a lost run is found after it";
    "inline_max", ["DOCMILL_INLINE_MAX"], "32KiB", false,
        "bytes; a document up to this is kept in its row, a larger one is put into the blob store first";
    "drain_timeout", ["DOCMILL_DRAIN_TIMEOUT"], "20s", false,
        "time span after SIGTERM in which running work may end before guests are interrupted";
    "cache_bytes", ["DOCMILL_CACHE_BYTES"], "128MiB", false,
        "bytes of results of pure steps held in memory";
    "log_format", ["DOCMILL_LOG_FORMAT"], "text", false,
        "`text` or `json`";
    "log_filter", ["DOCMILL_LOG", "RUST_LOG"], "warn,docmill=info", false,
        "which log lines are written, as in `warn,docmill=info`";
}

fn default_data_dir() -> String {
    // PostgreSQL does not run as root: its files lie where its own user can reach them.
    if rustix::process::geteuid().is_root() {
        return "/var/lib/docmill".to_owned();
    }
    let home = std::env::var("HOME").unwrap_or_else(|_| ".".to_owned());
    std::env::var("XDG_DATA_HOME").map_or_else(
        |_| format!("{home}/.local/share/docmill"),
        |data| format!("{data}/docmill"),
    )
}
