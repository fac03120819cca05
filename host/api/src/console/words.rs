//! Sentences of the console, in one place, so that they can be told in other languages one day. Labels of one word stand where
//! they are used.

pub const WHAT_DOCMILL_IS: &str =
    "docmill reads documents with plugins that cannot hurt you, and shows where every value came from.";
pub const SIGN_IN: &str = "Sign in";
pub const SIGN_OUT: &str = "Sign out";
pub const WHERE_A_KEY_IS: &str = "The first key of an organisation is printed when docmill starts for the first time; \
    `docmill key create NAME` makes another.";
pub const HOW_LONG: &str = "You stay signed in for 24 hours, until you sign out, or until the key is revoked. The key itself is \
    not kept in the browser.";
pub const A_SESSION_BEGINS_NO_OTHER: &str =
    "this is the secret of a session, and a session begins no other; sign in with a key (dm_…)";
pub const SKIP: &str = "Skip to the content";

pub const NO_PIPELINES: &str = "There is no pipeline yet. A pipeline is a few lines of YAML: which plugins read a document, one \
    after the other or side by side.";
pub const NO_PIPELINES_NEXT: &str = "Save one with `PUT /v1/pipelines/{name}`, or keep it in a directory and let `docmill dev` \
    load it.";
pub const NO_RUNS: &str = "No run is kept here yet.";
pub const NO_RUNS_NEXT: &str = "Choose a pipeline, and run it on a file of yours.";
pub const NO_RUNS_FOUND: &str = "No run fits these filters.";
pub const NO_DOCUMENTS: &str = "No document is kept yet. Each file that a pipeline reads is kept with its pages, unless the \
    pipeline says `retain: none`.";
pub const NO_DOCUMENTS_FOUND: &str = "No document has a page with all of these words.";
pub const NO_FIELDS: &str =
    "The run found no fields. A pipeline that only reads gives pages; add an extractor to get fields.";
pub const FAILED_BEFORE_FIELDS: &str = "The run failed before it found any.";
pub const NO_USAGE: &str = "Nothing was used in this time.";
pub const NO_ENTRIES: &str = "No entry fits these filters.";
pub const NOT_KEPT: &str = "This pipeline keeps nothing (retain: none): this page is all there is of the run, and it is gone \
    when you leave it.";
pub const STILL_RUNNING: &str = "The run is under way. Load the page again in a moment.";
pub const SHOWN_ONCE: &str = "Copy the key now. It is shown this once; docmill keeps a hash of it only.";
pub const REVOKING: &str = "Programs and sessions that use this key are refused at once on this host, within 5 seconds on \
    others. A revoked key cannot be brought back.";
pub const PAGES_LEFT_OUT: &str = "Only some pages are shown here: those that are cited, and the first ones.";
pub const PAGE_CUT: &str = "The page is longer than what is shown here.";
pub const NO_DOCUMENTS_SCOPE: &str = "The pages are not shown: your key has no scope documents:read.";
pub const CHAIN_INTACT: &str = "Every entry's hash was computed again, and each leads to the next.";
pub const CHAIN_KEEP_HEAD: &str = "Keep the head elsewhere: `docmill audit verify --head` tells later whether the log was cut \
    off or written anew.";

pub const NO_PLUGINS: &str = "There is no plugin yet.";
pub const NO_PLUGINS_FOUND: &str = "No plugin fits these filters.";
pub const NO_PERMISSIONS: &str = "It asks for none: it sees its inputs and reaches no network.";
pub const HOW_TO_GRANT: &str = "An owner grants it: `docmill plugin grant NAME http --host api.example.org`";
pub const NO_CHANNELS: &str = "It has none. A step names a channel as `use: acme/x@stable`.";
pub const CHANNELS: &str = "`stable`, `beta` or a word of your own. Pipelines that name it follow at once.";
pub const NO_REPORT: &str = "The version is older than reports.";
pub const MOVING: &str = "Who saves a pipeline with a deprecated version is warned. A yanked one goes on in pipelines that were \
    saved before, and is in no new one. Both can be published again.";
pub const UPLOADING: &str = "A WebAssembly component of docmill's contract (.wasm). Its name and version are those that it gives \
    itself; nothing is kept of what is refused.";
pub const BUNDLING: &str = "What `cosign sign-blob --bundle` wrote.";
pub const NO_ATTACHMENTS: &str = "Nothing but the component.";
pub const ATTACHMENTS: &str = "What an SBOM says is its author's word. Of a provenance it was checked that it is about this component, \
    and not who states it.";
pub const SIGNING: &str = "What `docmill plugin sign` wrote.";
