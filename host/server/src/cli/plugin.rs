//! The command line of `docmill plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use docmill_model::id::TenantId;
use docmill_model::plugin::{Kind, PluginName};
use docmill_model::registry::VersionState;
use docmill_model::signature::PublicKey;
use semver::Version;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Js,
    Ts,
    Python,
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
