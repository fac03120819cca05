//! The command line, on one page.

mod plugin;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use docmill_model::access::{Clearance, Role, Scope, UnknownWord};

use crate::exit;
pub use plugin::{Address, Language, Plugin, RegistryAccess};

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
    /// Show who works on queued runs, on what, and how full the queue is; on the machine itself.
    Workers {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
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
    /// Of `demo crash`: how many.
    #[arg(long, default_value_t = 2000)]
    pub documents: usize,
}

/// What `docmill demo` can show beside documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// Workers are killed while they work on documents; in the end every document was worked on once.
    Crash,
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
    /// What this host does: api, worker, or both with a comma between [setting: roles].
    #[arg(long = "role", value_name = "ROLES")]
    pub roles: Option<String>,
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
        /// queued, running, succeeded, failed or cancelled.
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
        /// Wait so many seconds for its end, 60 at most.
        #[arg(long, default_value_t = 0)]
        wait: u32,
        #[arg(long)]
        json: bool,
    },
    /// End a queued run at once, whether it waits or is at work.
    Cancel {
        /// `run_…`
        id: String,
    },
    /// Queue another run over what one was given that is over.
    Redrive {
        /// `run_…`
        id: String,
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
