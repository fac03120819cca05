//! The command line, on one page.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use docmill_model::access::{Clearance, Role, Scope, UnknownWord};
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, PluginName};
use docmill_model::registry::VersionState;
use docmill_model::signature::PublicKey;
use semver::Version;

use crate::exit;

/// Document pipelines out of sandboxed WebAssembly plugins.
///
/// docmill reads what you give it, shows where every value came from, and answers with fields, checks and a verdict.
/// Without any settings everything is embedded: a private PostgreSQL, files in a directory, plugins and pipelines inside
/// this binary. `docmill demo` shows it; `docmill run YOUR.pdf` reads your own document.
#[derive(Debug, Parser)]
#[command(name = "docmill", version, after_long_help = exit::HELP, propagate_version = true)]
pub struct Arguments {
    /// Settings file [default: ./docmill.toml if it exists].
    #[arg(long, global = true, value_name = "FILE", env = "DOCMILL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where embedded data lives [setting: data_dir].
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Talk to this server instead of an embedded one; needs DOCMILL_KEY.
    #[arg(long, global = true, value_name = "URL", env = "DOCMILL_URL")]
    pub url: Option<String>,
    /// An API key for --url.
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "DOCMILL_KEY",
        hide_env_values = true
    )]
    pub key: Option<Secret>,
    #[command(subcommand)]
    pub command: Command,
}

/// A text that is sent and never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run sample documents of four formats through example pipelines and compare the results with the truth.
    Demo(Demo),
    /// Serve everything embedded, and reload plugins (*.wasm) and pipelines (*.yaml) of a directory when they change.
    Dev(Dev),
    /// Serve HTTP with the settings of docmill.toml and DOCMILL_*.
    Serve(Serve),
    /// Bring the database's schema up to date and exit.
    Migrate,
    /// Make, build, check and publish plugins.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Keep, list and forget secrets, which the host puts into what plugins send.
    #[command(subcommand)]
    Secret(Secrets),
    /// Set language models up, for plugins that ask them.
    #[command(subcommand)]
    Model(Models),
    /// Save, show and check pipelines.
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Save, show, and switch on and off presets: named configurations of plugins, which steps use as `preset/NAME@VERSION`.
    #[command(subcommand)]
    Preset(Preset),
    /// Run documents through a pipeline and show the result.
    Run(Run),
    /// Look at runs that are kept.
    #[command(subcommand)]
    Runs(Runs),
    /// Make, list, rotate and revoke API keys.
    #[command(subcommand)]
    Key(Key),
    /// Add, list, change and remove people.
    #[command(subcommand)]
    User(User),
    /// Make organisations; see and change the settings of one, and what it may use.
    #[command(subcommand)]
    Tenant(Tenant),
    /// See who did what, and whether the audit log is still what was written.
    #[command(subcommand)]
    Audit(Audit),
    /// Show what was used: runs, calls of plugins, CPU time, bytes, pages.
    Usage(Usage),
    /// Look at settings.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Args)]
pub struct Demo {
    /// What to show instead of sample documents.
    #[arg(value_enum)]
    pub subject: Option<Subject>,
    /// Keep serving afterwards.
    #[arg(long)]
    pub stay: bool,
    /// One JSON object per document, or per step of `demo plugin`, instead of text.
    #[arg(long)]
    pub json: bool,
    /// All sample documents instead of four.
    #[arg(long)]
    pub all: bool,
}

/// What `docmill demo` can show beside documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// A stranger uploads plugins that attack, while your runs go on and are timed.
    Hostile,
    /// A plugin's life, in Rust and in JavaScript: written, built, admitted, run, edited, and refused when it breaks a promise.
    Plugin,
}

#[derive(Debug, Args)]
pub struct Dev {
    /// The directory to watch.
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// Where to listen [setting: listen].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen [setting: listen].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Write a plugin project that builds and passes its own test at once.
    New {
        /// The plugin's name, as in `acme/invoice-fields`; without a namespace it belongs to `local`.
        name: String,
        /// What it does.
        #[arg(long, value_parser = parse_kind, value_name = "parser|extractor|validator|transformer|chunker|embedder|llm-adapter")]
        kind: Kind,
        /// The language to write it in.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        lang: Language,
    },
    /// Build the plugin project of a directory to a component, and check it.
    Build {
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Check a component: imports, exports, contract version, description, configuration schema.
    Check {
        /// The component (.wasm).
        file: PathBuf,
        /// Where it is to be published, as `namespace/name@version`: for a plain `wasi:http` component, which does not say.
        #[arg(long = "as", value_name = "NAME@VERSION", value_parser = parse_address)]
        address: Option<Address>,
        /// The report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Upload a component under the name and version that it says it has, with its golden samples and its signature.
    Push {
        /// The component (.wasm). `FILE.sig` beside it is its signature.
        file: PathBuf,
        /// Where it is to be published, as `namespace/name@version`: for a plain `wasi:http` component, which does not say.
        #[arg(long = "as", value_name = "NAME@VERSION", value_parser = parse_address)]
        address: Option<Address>,
        /// The directory of golden samples: `*.sample.json` and the documents that they name [default: `samples` beside the
        /// component or beside the project's Cargo.toml or package.json, if there is one].
        #[arg(long, value_name = "DIRECTORY")]
        samples: Option<PathBuf>,
        /// A Sigstore bundle, as `cosign sign-blob --bundle` writes it [default: `FILE.sigstore.json` beside the component].
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// What the component is made of: CycloneDX or SPDX in JSON.
        #[arg(long, value_name = "FILE")]
        sbom: Option<PathBuf>,
        /// How it came to be: a statement of in-toto (SLSA) about this component, in JSON.
        #[arg(long, value_name = "FILE")]
        provenance: Option<PathBuf>,
        /// Have it admitted, and publish it later: `docmill plugin publish`.
        #[arg(long)]
        admit_only: bool,
    },
    /// Bring a version to an OCI registry, with its samples, its signature, its SBOM and its provenance.
    Export {
        #[arg(value_name = "NAME@VERSION")]
        plugin: String,
        /// oci://REGISTRY/REPOSITORY:TAG
        #[arg(value_name = "REFERENCE")]
        to: String,
        /// A signature for another organisation, made by `docmill plugin sign --tenant`, to take along; may be repeated.
        #[arg(long = "signature", value_name = "FILE")]
        signatures: Vec<PathBuf>,
        #[command(flatten)]
        access: RegistryAccess,
        #[arg(long)]
        json: bool,
    },
    /// Upload what is in an OCI registry: a version that was exported, or any WebAssembly artifact that is a plugin.
    Import {
        /// oci://REGISTRY/REPOSITORY:TAG, or …@sha256:DIGEST for exactly that
        #[arg(value_name = "REFERENCE")]
        from: String,
        /// Where it is to be published, as `namespace/name@version`: for a plain `wasi:http` component, which does not say.
        #[arg(long = "as", value_name = "NAME@VERSION", value_parser = parse_address)]
        address: Option<Address>,
        /// Have it admitted, and publish it later: `docmill plugin publish`.
        #[arg(long)]
        admit_only: bool,
        #[command(flatten)]
        access: RegistryAccess,
        #[arg(long)]
        json: bool,
    },
    /// List plugins.
    List {
        /// Only those with this in their name or summary.
        text: Option<String>,
        #[arg(long, value_parser = parse_kind, value_name = "parser|extractor|validator|transformer|chunker|embedder|llm-adapter")]
        kind: Option<Kind>,
        /// Only those with a version that is admitted, published, deprecated or yanked.
        #[arg(long, value_parser = parse_state)]
        state: Option<VersionState>,
        #[arg(long)]
        json: bool,
    },
    /// Show a plugin: versions, states, channels, sizes, what it asks for and was granted, its configuration; of one version,
    /// what its admission found.
    Show {
        /// `namespace/name`, or `namespace/name@version`
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Publish a version that was admitted, deprecated or yanked.
    Publish {
        #[arg(id = "plugin_version", value_name = "NAME@VERSION")]
        version: String,
    },
    /// Warn whoever uses a version.
    Deprecate {
        #[arg(id = "plugin_version", value_name = "NAME@VERSION")]
        version: String,
        /// What to use instead.
        #[arg(long)]
        note: Option<String>,
    },
    /// Take a version out of use: pipelines that have it go on, new ones cannot take it.
    Yank {
        #[arg(id = "plugin_version", value_name = "NAME@VERSION")]
        version: String,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Let a channel stand for a version: `docmill plugin channel acme/x beta 1.3.0`, for steps that say `acme/x@beta`.
    Channel {
        /// `namespace/name`
        name: String,
        /// `stable`, `beta` or a word of your own.
        channel: String,
        /// Left out: the channel is closed.
        #[arg(id = "plugin_version", value_name = "VERSION")]
        version: Option<String>,
    },
    /// Make a key for signing plugins; prints its public half.
    Keygen {
        /// Where the private half is written, readable by you alone.
        file: PathBuf,
    },
    /// Sign a component for an organisation; writes `FILE.sig`.
    Sign {
        /// The component (.wasm).
        file: PathBuf,
        /// Where it is to be published, as `namespace/name@version`: for a plain `wasi:http` component, which does not say.
        #[arg(long = "as", value_name = "NAME@VERSION", value_parser = parse_address)]
        address: Option<Address>,
        /// What `docmill plugin keygen` wrote.
        #[arg(long = "with", value_name = "FILE")]
        private_key: PathBuf,
        /// For which organisation: `ten_…` [default: that of your key].
        #[arg(long, value_name = "TEN_…")]
        tenant: Option<TenantId>,
    },
    /// Trust a key's signatures. `docmill tenant set --require-signatures true` runs nothing else any more.
    Trust {
        /// What to call it.
        name: String,
        /// Its public half, as `docmill plugin keygen` printed it.
        public_key: PublicKey,
        /// Until when: a date, or a time with an offset.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Trust a key no more.
    Distrust { name: String },
    /// Trust somebody's Sigstore bundles: an identity that an OpenID Connect issuer vouches for, or a key of cosign's.
    TrustIdentity {
        /// What to call them.
        name: String,
        /// Who: the e-mail address or URI in their certificates.
        #[arg(long, requires = "issuer", conflicts_with_all = ["subject_prefix", "public_key"])]
        subject: Option<String>,
        /// How the URI in their certificates begins: https://github.com/acme/
        #[arg(long, requires = "issuer", conflicts_with = "public_key")]
        subject_prefix: Option<String>,
        /// Who vouches for them: https://token.actions.githubusercontent.com
        #[arg(long, value_name = "URL")]
        issuer: Option<String>,
        /// A public key (PEM, as `cosign generate-key-pair` writes it) instead.
        #[arg(long, value_name = "FILE", required_unless_present_any = ["subject", "subject_prefix"])]
        public_key: Option<PathBuf>,
        /// The root of a Sigstore of your own (JSON) [default: that of the public one].
        #[arg(long, value_name = "FILE")]
        trusted_root: Option<PathBuf>,
        /// Until when: a date, or a time with an offset.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Trust somebody's Sigstore bundles no more.
    DistrustIdentity { name: String },
    /// Whose Sigstore bundles are trusted, or were.
    Identities {
        #[arg(long)]
        json: bool,
    },
    /// Keys whose signatures are trusted, or were.
    Keys {
        #[arg(long)]
        json: bool,
    },
    /// Let a plugin use a capability, in all its versions, within these bounds alone.
    Grant {
        /// `namespace/name`
        name: String,
        /// `http`, `keyvalue` or `llm`
        capability: String,
        /// Of http: where to: a name, `*.name` (one label or more before it) or an address; may be repeated.
        #[arg(long = "host", required_if_eq("capability", "http"))]
        hosts: Vec<String>,
        /// On which port or ports, as in 8000-8099; may be repeated [default: 443].
        #[arg(long = "port")]
        ports: Vec<String>,
        /// By which method; may be repeated [default: GET and HEAD].
        #[arg(long = "method")]
        methods: Vec<String>,
        /// Also without TLS.
        #[arg(long)]
        plaintext: bool,
        /// A secret that the host puts into a header in the place of `{{secret:NAME}}`; may be repeated.
        #[arg(long = "secret", value_name = "HEADER=NAME")]
        secrets: Vec<String>,
        /// Of keyvalue: what its keys begin with; may be repeated [default: any].
        #[arg(long = "prefix")]
        prefixes: Vec<String>,
        /// Of keyvalue: it may change nothing.
        #[arg(long)]
        read_only: bool,
        /// Of llm: which models may be asked, by their aliases; may be repeated.
        #[arg(long = "model", value_name = "ALIAS", required_if_eq("capability", "llm"))]
        models: Vec<String>,
        /// Of llm: what one call of the plugin may spend, as in "0.10 USD".
        #[arg(long, value_name = "AMOUNT CURRENCY", required_if_eq("capability", "llm"))]
        cost: Option<String>,
        /// Another bound; may be repeated. Of http, in one call: calls, request_bytes, response_bytes, header_bytes, time. Of
        /// keyvalue: keys, bytes, value_bytes, and calls in one call. Of llm, in one call: calls, input_bytes, output_tokens.
        #[arg(long = "bound", value_name = "NAME=VALUE")]
        bounds: Vec<String>,
    },
    /// Withdraw a capability: pipelines whose plugin asks for it run no more.
    Revoke {
        /// `namespace/name`
        name: String,
        /// `http`, `keyvalue` or `llm`
        capability: String,
    },
    /// Show how much a plugin keeps between its calls, or remove all of it.
    Values {
        /// `namespace/name`
        name: String,
        /// Remove everything.
        #[arg(long)]
        clear: bool,
    },
}

/// How an OCI registry is spoken to.
#[derive(Debug, Args)]
pub struct RegistryAccess {
    /// Who asks [default: what `docker login` keeps for the registry].
    #[arg(long, requires = "password_stdin")]
    pub username: Option<String>,
    /// The password is what standard input says.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Without TLS. A registry on this machine is spoken to without it anyway.
    #[arg(long)]
    pub plain_http: bool,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// Set a model up: who is asked, as what, and what it costs. All of it: what is left out is not kept from before.
    Set {
        /// What to call it: `default` is what plugins ask for that name none.
        alias: String,
        /// The llm-adapter, as a step would name it: docmill/openai@0.1
        #[arg(
            long = "use",
            value_name = "NAME@VERSION",
            default_value = "docmill/openai@0.1"
        )]
        plugin: String,
        /// What the provider calls the model.
        #[arg(long)]
        model: String,
        /// The adapter's configuration, as JSON.
        #[arg(long = "with", value_name = "JSON")]
        config: Option<String>,
        /// What a million tokens of questions cost: a decimal.
        #[arg(long, value_name = "AMOUNT", requires = "output_price", requires = "currency")]
        input_price: Option<String>,
        /// The same of those that the provider had cached [default: as others].
        #[arg(long, value_name = "AMOUNT", requires = "input_price")]
        cached_price: Option<String>,
        /// What a million tokens of answers cost.
        #[arg(long, value_name = "AMOUNT", requires = "input_price")]
        output_price: Option<String>,
        /// The prices' currency, as in USD.
        #[arg(long, value_name = "CODE", requires = "input_price")]
        currency: Option<String>,
        /// Tokens of an answer at most, whatever a plugin asks for.
        #[arg(long, value_name = "TOKENS")]
        max_output_tokens: Option<u32>,
    },
    /// List models.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show a model, as JSON.
    Show { alias: String },
    /// Remove a model: plugins that ask for it are refused.
    Remove { alias: String },
}

#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Keep a secret; its value is what standard input says. A plugin's grant names it for a header.
    Set {
        /// Letters, digits, '-' and '_'.
        name: String,
        /// Where it may go: a name, `*.name` or an address; may be repeated.
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
    },
    /// List secrets, without their values.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Forget a secret.
    Rm { name: String },
    /// Seal the secrets of all organisations anew, on the machine itself.
    RotateKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Js,
    Ts,
    Python,
}

#[derive(Debug, Subcommand)]
pub enum Pipeline {
    /// Check a definition (YAML or JSON) and save it as a new version.
    Apply { file: PathBuf },
    /// Show a pipeline's newest definition.
    Show {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// List pipelines.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Check a definition without saving it.
    Validate { file: PathBuf },
}

#[derive(Debug, Subcommand)]
pub enum Preset {
    /// Check a preset (YAML or JSON with `name`, `use`, `with`) and save it as a new version.
    Apply { file: PathBuf },
    /// Show a preset in its newest version, or in one: `docmill preset show strict@3`.
    Show {
        #[arg(value_name = "NAME[@VERSION]")]
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// List presets.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Let a preset be used again.
    Activate { name: String },
    /// Pipelines that use the preset run no more until it is activated again.
    Deactivate { name: String },
}

#[derive(Debug, Args)]
pub struct Run {
    /// The document, in the role `file`; `-` reads standard input. Several, if the pipeline takes several. None, if it takes
    /// parameters alone.
    #[arg(value_name = "FILE", required_unless_present_any = ["inputs", "pipeline"])]
    pub files: Vec<PathBuf>,
    /// A document, text or record in a role of its own, as in `--file contract=signed.pdf`; may be repeated. `docmill
    /// pipeline show` tells a pipeline's roles (`inputs`).
    #[arg(long = "file", short = 'f', value_name = "ROLE=PATH", value_parser = parse_input)]
    pub inputs: Vec<RoleFile>,
    /// The pipeline [default: the organisation's (`docmill tenant set --default-pipeline`), or `read`, which shows a document's
    /// text and tables, page by page].
    #[arg(long, short)]
    pub pipeline: Option<String>,
    /// A parameter of the run, as in `--param fio="Семёнов Пётр"`; JSON values are understood.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// The media type of FILE, if neither its bytes nor its name tell.
    #[arg(long, value_name = "TYPE")]
    pub media_type: Option<String>,
    /// The whole answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A file and the role that it has in the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFile {
    pub role: String,
    pub path: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Runs {
    /// Newest first.
    List {
        /// Only of this pipeline.
        #[arg(long)]
        pipeline: Option<String>,
        /// running, succeeded or failed.
        #[arg(long)]
        status: Option<String>,
        /// pass, fail or undecided.
        #[arg(long)]
        verdict: Option<String>,
        /// By a look-up, as in `--lookup fio="Семенов Петр"`.
        #[arg(long = "lookup", value_name = "NAME=VALUE")]
        lookups: Vec<String>,
        /// Only of this key.
        #[arg(long, value_name = "KEY_…")]
        of_key: Option<String>,
        /// Only of this user's keys and sessions.
        #[arg(long, value_name = "USR_…")]
        user: Option<String>,
        /// Only on behalf of this end user.
        #[arg(long)]
        subject: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// One run with its fields, checks and steps.
    Show {
        /// `run_…`
        id: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make another API key; it is printed once.
    Create {
        /// What it is for.
        name: String,
        /// What it may: owner, developer, invoker or viewer; left out: what the key that makes it may.
        #[arg(long, value_parser = parse_word::<Role>)]
        role: Option<Role>,
        /// Only this of what the role may, as in `runs:invoke`; may stand more than once.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = parse_word::<Scope>)]
        scopes: Vec<Scope>,
        /// What it may see: S, A, B, C or D.
        #[arg(long, value_parser = parse_word::<Clearance>)]
        clearance: Option<Clearance>,
        /// Whose it is; left out: a service's.
        #[arg(long, value_name = "USR_…")]
        user: Option<String>,
        /// When it stops working: a date, or a time with an offset.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Keys, newest first, without their secrets.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Make a key that takes the place of another one; it is printed once.
    Rotate {
        /// `key_…`
        id: String,
        /// Seconds that the old one goes on working.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap: u32,
    },
    /// End a key, at once on this host and within seconds on others.
    Revoke {
        /// `key_…`
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add somebody. They come in with a key of theirs: `docmill key create NAME --user USR_…`.
    Add {
        /// Where they are written to.
        email: String,
        /// For people; left out: the address.
        #[arg(long)]
        name: Option<String>,
        /// What they may: owner, developer, invoker or viewer.
        #[arg(long, value_parser = parse_word::<Role>, default_value = "viewer")]
        role: Role,
        /// What they may see: S, A, B, C or D.
        #[arg(long, value_parser = parse_word::<Clearance>, default_value = "D")]
        clearance: Clearance,
    },
    /// People, newest first.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Change what somebody may and sees, or let them in no more for now.
    Set {
        /// `usr_…`
        id: String,
        #[arg(long, value_parser = parse_word::<Role>)]
        role: Option<Role>,
        #[arg(long, value_parser = parse_word::<Clearance>)]
        clearance: Option<Clearance>,
        /// `active` or `suspended`
        #[arg(long)]
        status: Option<String>,
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove somebody for good, with their keys and sessions.
    Remove {
        /// `usr_…`
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Make another organisation, with plugins and pipelines of its own; its first key is printed once. On the machine itself.
    Create {
        /// Its name; no two have the same.
        name: String,
    },
    /// All organisations. On the machine itself.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show its settings, what it may use and what it has used.
    Show {
        /// Another organisation, by name or id: on the machine itself. If left out, that of your key.
        name: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Change its settings; what another one may use, on the machine itself.
    Set {
        /// An organisation, by name or id, with what it may use from now on, as in `docmill tenant set acme
        /// requests_per_second=50 edition=pro`: on the machine itself.
        #[arg(requires = "limits", conflicts_with_all = ["timezone", "locale", "default_pipeline", "require_signatures"])]
        name: Option<String>,
        /// requests_per_second, requests_burst, requests_per_day, concurrent_runs, cpu_ms_per_minute, memory, stored_bytes,
        /// batch_size, allowed_plugins, allowed_models, edition; `=default` takes one away.
        #[arg(value_name = "SETTING=VALUE")]
        limits: Vec<String>,
        /// Where dates without an offset are taken to be: an IANA name, as in `Asia/Almaty`.
        #[arg(long, value_name = "NAME", required_unless_present_any = ["name", "locale", "default_pipeline", "require_signatures"])]
        timezone: Option<String>,
        /// The language of messages for which nobody asks in another: `en`, `ru` or `kk`, or with a region, as in `kk-KZ`.
        #[arg(long, value_name = "TAG")]
        locale: Option<String>,
        /// What `docmill run` takes if no pipeline is named.
        #[arg(long, value_name = "PIPELINE")]
        default_pipeline: Option<String>,
        /// Whether only versions of plugins run that are signed by a key of `docmill plugin keys`.
        #[arg(long, value_name = "true|false")]
        require_signatures: Option<bool>,
    },
}

#[derive(Debug, Args)]
pub struct Usage {
    /// Runs admitted at this time or later, as in `2026-11-01`, which is midnight in the organisation's time zone [default: the
    /// first of the month].
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Runs admitted before this time [default: now].
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What is told apart: day, pipeline, plugin, key, or several with commas in between.
    #[arg(long, value_name = "WORDS", default_value = "day")]
    pub by: String,
    /// Only of this pipeline.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Only calls of this plugin: `namespace/name`, or `namespace/name@version`.
    #[arg(long, value_name = "NAME")]
    pub plugin: Option<String>,
    /// Only of this key, by its id: `key_…`.
    #[arg(long, value_name = "ID")]
    pub of_key: Option<String>,
    /// The whole answer as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Newest first.
    List {
        /// What was done: `key.create`, `document.read`, `run.finish`.
        #[arg(long)]
        action: Option<String>,
        /// To what: an id, or the name of a pipeline or plugin.
        #[arg(long)]
        subject: Option<String>,
        /// By this key (`key_…`).
        #[arg(long = "by", value_name = "KEY")]
        by: Option<String>,
        /// At this time or later, as in `2026-11-21` or `2026-11-21T10:00:00Z`.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Before this time.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Compute the hash of every entry again; prints the head of the log, and fails at the first entry that was changed, removed
    /// or moved.
    Verify {
        /// A head that was printed earlier and kept elsewhere: tells whether the log was cut off or written anew since.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Every setting with its value and where it came from; secrets are not shown.
    Show {
        #[arg(long)]
        json: bool,
    },
}

fn parse_word<T: FromStr<Err = UnknownWord>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: UnknownWord| error.to_string())
}

fn parse_state(text: &str) -> Result<VersionState, String> {
    text.parse()
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    text.parse()
}

/// A plugin's name and version.
pub type Address = (PluginName, Version);

fn parse_address(text: &str) -> Result<Address, String> {
    let (name, version) = text
        .split_once('@')
        .ok_or("write the name and the version, as in acme/invoice-fields@1.2.3")?;
    let version = version
        .parse()
        .map_err(|error| format!("'{version}' is not a version like 1.2.3: {error}"))?;
    Ok((name.parse()?, version))
}

/// The path may hold further equals signs.
fn parse_input(text: &str) -> Result<RoleFile, String> {
    match text.split_once('=') {
        Some((role, path)) if !role.is_empty() && !path.is_empty() => Ok(RoleFile {
            role: role.to_owned(),
            path: PathBuf::from(path),
        }),
        _ => Err("write the role, an equals sign and the file, as in contract=signed.pdf".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is wrong with a command is found when it is called, and not all are called by tests.
    #[test]
    fn every_command_can_be_called() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_key_is_not_shown() -> Result<(), clap::Error> {
        let arguments = Arguments::try_parse_from(["docmill", "--key", "hunter2", "runs", "list"])?;
        assert_eq!(arguments.key.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{arguments:?}").contains("hunter2"));
        Ok(())
    }
}
