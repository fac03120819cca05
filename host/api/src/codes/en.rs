//! English.

use docmill_model::failure::Code;

use super::Words;

const fn say(title: &'static str, cause: &'static str, fix: &'static str) -> Words {
    Words { title, cause, fix }
}

pub(super) const fn words(code: Code) -> Words {
    match code {
        Code::Unauthenticated => say(
            "Who are you?",
            "The request has no API key, or the key is unknown, revoked or expired.",
            "Send the header `Authorization: Bearer dm_…` with a valid key. A key holder makes another with POST /v1/keys.",
        ),
        Code::Forbidden => say(
            "Not for this key",
            "The key or session is valid, but its role or its scopes do not include this operation; `detail` names what is missing.",
            "Use a key that has the scope. An owner makes one with POST /v1/keys, or changes the user’s role.",
        ),
        Code::NotFound => say(
            "Not found",
            "There is nothing under this path or id, or it belongs to somebody else.",
            "Check the path and the id. GET / lists the routes; lists such as GET /v1/runs give ids.",
        ),
        Code::MethodNotAllowed => say(
            "Method not allowed",
            "The path exists, but not for this HTTP method.",
            "Use one of the methods in the answer's `Allow` header.",
        ),
        Code::MalformedRequest => say(
            "Malformed request",
            "A part of the request cannot be read: a header, a query parameter, a form part or the JSON in it.",
            "Correct the part that `detail` names and send the request again.",
        ),
        Code::EmptyBody => say(
            "The body is empty",
            "The request, or the file in it, has no bytes.",
            "Send the document: `curl -F file=@invoice.pdf …`, or the bytes as the body with their Content-Type.",
        ),
        Code::TruncatedBody => say(
            "The body is not whole",
            "The connection or the form ended before the whole body had arrived.",
            "Send the request again. If it repeats, look at proxies and at the Content-Length that the client announces.",
        ),
        Code::BodyTooLarge => say(
            "The body is too large",
            "The body is larger than this host takes; `detail` names the limit.",
            "Split the document or compress its pictures. The limit of documents is the setting `body_max`; those of components and definitions are fixed.",
        ),
        Code::UnsupportedMediaType => say(
            "This request body is not understood",
            "The route reads other kinds of bodies than the Content-Type says.",
            "Send the kind of body that `detail` names.",
        ),
        Code::SlowBody => say(
            "The body comes too slowly",
            "No bytes came for some seconds, or the whole body took too long.",
            "Send the request again over a better connection; the limits are the settings `body_idle` and `body_timeout`.",
        ),
        Code::Conflict => say(
            "Conflict",
            "The same thing exists with other content, or somebody changed it at the same time.",
            "Read the present state, decide, and send the request again.",
        ),
        Code::KeyInUse => say(
            "The key is in use",
            "The first request with this Idempotency-Key is still being worked on.",
            "Send it again in a moment: then its answer is given again.",
        ),
        Code::KeyReused => say(
            "The key was used for something else",
            "This Idempotency-Key came with another request within the last 24 hours.",
            "Use a new key for a new request.",
        ),
        Code::NotQueued => say(
            "Nothing to cancel",
            "The run is over already, or somebody waits for its answer.",
            "Read the run to see what it came to.",
        ),
        Code::KeepsNothing => say(
            "Nothing is kept",
            "What was asked needs a run that is kept, and the pipeline says `retain: none`.",
            "Leave it out, or write `retain: result` in the pipeline.",
        ),
        Code::LastOwner => say(
            "The last owner",
            "After this change no key would be left that lasts and may do everything: of a service, or of an active owner cleared for S.",
            "Make such a key first: POST /v1/keys with the role owner, without scopes and without an end.",
        ),
        Code::PreconditionFailed => say(
            "It has changed meanwhile",
            "`If-Match` or `If-None-Match` names another version than the newest one.",
            "Read it again, put your change on top and send the new ETag.",
        ),
        Code::Overloaded => say(
            "Too much at once",
            "The host, or your share of it, is busy; the request was refused before any work was done.",
            "Wait as long as `Retry-After` says and try again, with fewer requests at the same time.",
        ),
        Code::QuotaExceeded => say(
            "A quota is used up",
            "The organisation, or the address that asks, has used what it may have of a resource: `quota` names it, `value` and `unit` say how much that is.",
            "Wait as long as `Retry-After` says, or ask the operator for more; GET /v1/quotas shows what is left of each.",
        ),
        Code::RequestTimeout => say(
            "The request took too long",
            "The request did not get its turn or did not end within its time.",
            "Try again later; if it repeats, send smaller documents or raise the limit that `detail` names.",
        ),
        Code::UnknownPipeline => say(
            "Unknown pipeline",
            "There is no pipeline of this name.",
            "GET /v1/pipelines lists the names; PUT /v1/pipelines/{name} makes one.",
        ),
        Code::InputNotAccepted => say(
            "This kind of document is not accepted",
            "The pipeline does not take documents of this media type. The type is found from the bytes; what the client says counts only where bytes do not tell.",
            "Send a document of a type that the pipeline accepts, or add the type to `inputs.….accept` of its definition.",
        ),
        Code::MissingInput => say(
            "An input is missing",
            "The pipeline needs an input for a role that the request does not give.",
            "Add a form part with the role's name: `-F file=@invoice.pdf`.",
        ),
        Code::DuplicateInput => say(
            "Too many inputs",
            "One role got more inputs than the pipeline takes.",
            "Send as many as the pipeline's `inputs.….max` says.",
        ),
        Code::UnknownInput => say(
            "Unknown input",
            "The request gives a file for a role that the pipeline does not have.",
            "Use one of the roles in the pipeline's `inputs`; `detail` lists them.",
        ),
        Code::InvalidParams => say(
            "The params do not fit",
            "The parameters of the run do not fit the pipeline's `params` schema.",
            "Correct the parameter that `detail` names; GET /v1/pipelines/{name} shows the schema.",
        ),
        Code::InvalidDefinition => say(
            "The definition is not valid",
            "The pipeline's definition breaks a rule.",
            "Correct what `problems` lists; each names the place and what to write instead.",
        ),
        Code::UnknownPlugin => say(
            "Unknown plugin",
            "There is no plugin of this name, or no version of it that fits.",
            "GET /v1/plugins lists names and versions; `docmill plugin push` publishes one.",
        ),
        Code::PluginNotAllowed => say(
            "The plugin is not allowed here",
            "The pipeline uses a plugin that is not among those that the organisation may use.",
            "Use another plugin, or ask the operator to allow it; GET /v1/tenant lists those that are allowed.",
        ),
        Code::InvalidComponent => say(
            "Not a component that docmill can run",
            "The bytes are no WebAssembly component, or one of another world than docmill:plugin@0.1.0.",
            "Run `docmill plugin check FILE.wasm`: it names every rule. `docmill plugin new` writes a project that fits.",
        ),
        Code::CompileFailed => say(
            "The component does not compile",
            "Compiling the component failed or needed more memory or time than it may.",
            "Make the component smaller (release build, fewer large functions) and check it with `docmill plugin check`; the limits are the settings `compile_memory` and `compile_timeout`.",
        ),
        Code::VersionExists => say(
            "This version exists already",
            "The plugin's version was published with other bytes; versions never change.",
            "Raise the version in the plugin's manifest and publish again.",
        ),
        Code::DigestMismatch => say(
            "The digest does not match",
            "The header Repr-Digest or Content-Digest names another SHA-256 than that of the bytes that arrived.",
            "Send the file again; if it fails again, compute the digest anew: nothing was kept.",
        ),
        Code::ReservedNamespace => say(
            "The namespace is the operator’s",
            "Plugins of the namespace docmill come with docmill itself; nobody publishes them over HTTP.",
            "Publish the plugin under a namespace of your own.",
        ),
        Code::BreakingChange => say(
            "A breaking change without a new number",
            "The version takes away or narrows something that an earlier one promised: a property, a type, a media type, a field. The report lists what broke.",
            "Keep what was promised, or raise the number: the major one, below 1.0 the minor one.",
        ),
        Code::SampleFailed => say(
            "A golden sample failed",
            "The plugin does not give for a sample what its author says it should; the report names the sample and the first difference.",
            "Correct the plugin or the sample, and upload both again.",
        ),
        Code::SignatureRefused => say(
            "The signature is not trusted",
            "The version is not signed, or its signature is false, of a key that is unknown, revoked or expired, or made for something else; `reason` says which.",
            "Sign the component for this organisation with a key that it trusts: `docmill plugin sign`.",
        ),
        Code::VersionYanked => say(
            "The version was yanked",
            "The version of the plugin was taken out of use; pipelines that had it go on, new ones cannot take it.",
            "Use the newest version that `detail` names, or another range.",
        ),
        Code::Unsupported => say(
            "The plugin does not handle this input",
            "The plugin said that it does not handle this kind of document.",
            "Choose a plugin for this kind of document, or give the step an `on_error: { fallback: … }`.",
        ),
        Code::InvalidInput => say(
            "The document cannot be read",
            "The document is broken, encrypted, empty or contradicts itself; `reason` says which.",
            "Open the document in its own program, save it again without a password and send that.",
        ),
        Code::InvalidConfig => say(
            "The step's configuration is wrong",
            "The plugin refused its configuration, or the configuration does not fit the plugin's schema once expressions are filled in.",
            "Correct the step's `with`; GET /v1/plugins/{namespace}/{name} shows the schema.",
        ),
        Code::PluginUnavailable => say(
            "The plugin lacks something for now",
            "Something that the plugin needs does not answer at the moment.",
            "Try again later; give the step a `retry` if this happens often.",
        ),
        Code::Denied => say(
            "The capability was refused",
            "The plugin asked for something that it has no grant for.",
            "Ask an administrator to grant it, or use a plugin that does without.",
        ),
        Code::InputTooLarge => say(
            "The document is too large for the plugin",
            "The document, or what it unpacks to, is larger than the plugin takes; `detail` names the bound.",
            "Split the document or leave out what is not needed; the same document is refused every time. A step's `limits` do not change a plugin's own bound.",
        ),
        Code::PluginBound => say(
            "A bound of the plugin is reached",
            "What the plugin was given is beyond a bound that it keeps for itself: too deeply nested, too many parts or too many steps of work. `reason` and `detail` say which.",
            "Simplify or split the document, or shorten what the step's `with` asks for; the same request fails every time.",
        ),
        Code::Exhausted => say(
            "A budget is spent",
            "A budget or quota of calls, bytes or money is used up until it is filled again.",
            "Wait as long as `Retry-After` says or have the budget raised.",
        ),
        Code::PluginFailed => say(
            "The plugin failed",
            "The plugin reported a fault of its own.",
            "Tell the plugin's author `reason`, `detail` and the run's id; `retain: debug` keeps the step's log.",
        ),
        Code::Trap => say(
            "The plugin crashed",
            "The plugin's code trapped: a panic, an unreachable instruction or an access outside its memory. The host is unharmed.",
            "Tell the plugin's author the run's id; the failed step keeps its log. A `fallback` keeps the pipeline going.",
        ),
        Code::Timeout => say(
            "Time is up",
            "The step or the run reached its wall-time limit and was stopped.",
            "Send a smaller document, or raise `timeout` of the step or `limits.timeout` of the pipeline, up to the settings `step_timeout_max` and `run_timeout_max`.",
        ),
        Code::CpuLimit => say(
            "The CPU time is used up",
            "The plugin used more CPU time than it may and was stopped.",
            "Raise `limits.cpu` of the step, up to the setting `step_cpu_max`, if the document is worth it; otherwise look for an endless loop in the plugin.",
        ),
        Code::MemoryLimit => say(
            "The memory is used up",
            "The plugin asked for more memory than it may have.",
            "Raise `limits.memory` of the step, up to the setting `step_memory_max`, or send a smaller document.",
        ),
        Code::TableLimit => say(
            "The tables are too large",
            "The plugin asked for larger function tables than it may have.",
            "Build the plugin with fewer functions; ordinary toolchains stay far below this limit.",
        ),
        Code::InstanceLimit => say(
            "Too many instances",
            "The component creates more instances, memories or tables than it may.",
            "Compose the component from fewer parts.",
        ),
        Code::StackOverflow => say(
            "The stack is full",
            "The plugin called itself too deeply: endless recursion, most often on deeply nested documents.",
            "Tell the plugin's author; the document may be nested on purpose to do harm.",
        ),
        Code::HostMemoryLimit => say(
            "The result in the making is too large",
            "The host holds as much memory for the plugin as it may: a reading or value of enormous size.",
            "Send a smaller document, or have the plugin return less.",
        ),
        Code::OutputLimit => say(
            "The result is too large",
            "The plugin returned more bytes than it may.",
            "Have the plugin return less, or raise `limits.output` of the step if the definition lowers it.",
        ),
        Code::HandleLimit => say(
            "Too many handles",
            "The plugin holds more host objects at once than it may.",
            "The plugin must drop readings and builders that it no longer needs; tell its author.",
        ),
        Code::HostCallLimit => say(
            "Too many host calls",
            "The plugin made more host calls, or moved more bytes by them, than it may.",
            "The plugin should read pages once and keep them; tell its author.",
        ),
        Code::InvalidOutput => say(
            "The result breaks the contract",
            "What the plugin returned breaks a rule of the contract; `detail` names rule and place.",
            "Tell the plugin's author; wit/plugin.wit states the rules.",
        ),
        Code::ExpressionFailed => say(
            "An expression failed",
            "An expression of the definition could not be computed with this run's values.",
            "Guard it: `has(params.x) ? params.x : \"\"`; `detail` names step and expression.",
        ),
        Code::Cancelled => say(
            "The step was left out",
            "A step that this one needs failed, so it was not started.",
            "Look at the failure of the earlier step.",
        ),
        Code::Interrupted => say(
            "Interrupted",
            "The host was stopped, or the client went away, before the run was done.",
            "Send the request again; nothing of the run was kept but this failure.",
        ),
        Code::StoreUnavailable => say(
            "The database does not answer",
            "PostgreSQL cannot be reached at the moment, or does not answer. If it fell silent while something was being written, that may be there later: `detail` says so.",
            "Try again after `Retry-After`; the host recovers by itself when PostgreSQL is back.",
        ),
        Code::IdentityUnavailable => say(
            "The identity provider does not answer",
            "The keys of the OpenID Connect issuer cannot be fetched, so nobody can tell whether the token is a good one.",
            "Try again after `Retry-After`, or send an API key; an operator looks at the setting `oidc_issuer` and the log.",
        ),
        Code::BlobUnavailable => say(
            "The blob store does not answer",
            "The store of documents and components cannot be reached at the moment.",
            "Try again after `Retry-After`; an operator looks at S3 or the blob directory.",
        ),
        Code::StorageFull => say(
            "No space is left",
            "The blob directory or bucket takes no more bytes. The run was not kept.",
            "An operator frees or adds space; then send the request again.",
        ),
        Code::Internal => say(
            "A fault of docmill",
            "Something went wrong inside docmill that should not.",
            "Tell the operator the `request_id`: the log line of that request has the cause.",
        ),
    }
}
