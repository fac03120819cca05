//! Runs over HTTP.

mod asked;
pub mod later;
mod view;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use docmill_model::access::Scope;
use docmill_model::definition::{Definition, Retain};
use docmill_model::failure::{Code, Failure};
use docmill_model::id::{ArtifactId, RunId};
use docmill_model::run::Status;
use docmill_model::value::Verdict;
use docmill_runs::{Acting, Answer};
use docmill_store::run::{Committed, RunFilter};
use serde::Serialize;

use crate::answer::{file, id_of, json, limit};
use crate::caller::Caller;
use crate::permission::{InvokeRuns, May, ReadRuns};
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::ApiState;
use crate::time;
use crate::upload::{self, Uploaded};

pub(crate) use asked::Asked;
pub use view::{RunBody, SummaryBody};

/// Run a pipeline on a document.
///
/// Send a form (`multipart/form-data`: a part with the name of an input is that input, every other part is a param, the
/// part `params` is a JSON object of them) or one document as the body with its Content-Type. The answer leaves when the
/// run is durable. A run that failed is answered as a problem; unless the pipeline says `retain: none`, it is kept, too, and the
/// problem has its id. Who is not cleared for the run's tier gets this answer all the same, and cannot read the run again.
#[utoipa::path(
    post, path = "/v1/pipelines/{name}/runs", tag = "runs", security(("key" = ["runs:invoke"])),
    params(
        ("name" = String, Path, description = "The pipeline's name"),
        ("role" = Option<String>, Query, description = "Which input a raw body is; may be left out if there is one only"),
        ("name" = Option<String>, Query, description = "File name of a raw body"),
        ("param.*" = Option<String>, Query, description = "A param: `?param.currency=KZT`"),
        ("Docmill-Tier" = Option<String>, Header, description = "What the run and the documents that come with it demand of those who look at them: S, A, B, C or D. Raises what the pipeline says, never lowers it"),
        ("Docmill-Subject" = Option<String>, Header, description = "On whose behalf: an end user of your own product, by the name that you have for them; 1 to 200 bytes of visible characters"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: the run is kept and worked on later, the answer is 202 with its address in `Location`; `respond-async, wait=10`: the answer waits so many seconds (60 at most) for it"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters: sent again within 24 hours with the same key, the same request is carried out once, and its first answer given again"),
        ("Docmill-Priority" = Option<i32>, Header, description = "Of a run that waits for a worker, within your organisation: from -100 to 100, higher first"),
        ("Docmill-Delay" = Option<String>, Header, description = "Puts the start of a run that waits for a worker off: `30s`, `2h`, up to 366 days"),
    ),
    request_body(description = "A form, or a document as it is", content(
        (Object = "multipart/form-data"), (String = "application/octet-stream"), (String = "text/plain")
    )),
    responses(
        (status = 200, body = RunBody),
        (status = 202, description = "It is kept and waits for a worker", body = RunBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn invoke(
    State(state): State<ApiState>,
    caller: May<InvokeRuns>,
    Path(name): Path<String>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(request.headers())?;
    let wait = asked.wait;
    let done = carry_out(&state, &caller, &name, asked, async |definition| {
        upload::read(&state, definition, query, request).await
    });
    let (answer, seen) = match done.await? {
        Done::Now(answer, seen) => (answer, seen),
        Done::Kept { run, replayed } => return later::answered(&state, &caller, run, wait, replayed).await,
    };
    let mut response = json(&RunBody::of_answer(&answer, seen))?;
    let location = kept(&answer)
        .filter(|_| seen)
        .map(|id| HeaderValue::try_from(format!("/v1/runs/{id}")));
    if let Some(Ok(location)) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// What is not kept can be found nowhere.
pub(crate) fn kept(answer: &Answer) -> Option<RunId> {
    (answer.head.retain != Retain::None).then_some(answer.head.id)
}

/// What became of a request to run a pipeline.
pub(crate) enum Done {
    /// It was run. The second: whether the caller may see it when it is kept.
    Now(Box<Answer>, bool),
    /// It is kept: accepted, to be worked on later, or the run that came with the same key before.
    Kept {
        /// Which run.
        run: RunId,
        /// It came with the same key before.
        replayed: bool,
    },
}

/// Runs a pipeline on what `uploaded` reads for its definition, now or later, once for each key.
pub(crate) async fn carry_out(
    state: &ApiState,
    caller: &May<InvokeRuns>,
    name: &str,
    asked: Asked,
    uploaded: impl AsyncFnOnce(&Definition) -> Result<Uploaded, Problem>,
) -> Result<Done, Problem> {
    let runs = state.runs();
    if let Some(subject) = &asked.subject {
        let limiter = runs.quotas().limiter();
        limiter
            .subject(caller.quota(), subject)
            .await
            .map_err(Failure::from)?;
    }
    // Admission comes before the body: a host that is full does not read what it will not work on.
    let admission = runs.admit(caller.quota())?;
    let snapshot = runs.snapshot(caller.tenant(), name).await?;
    let mut uploaded = uploaded(snapshot.definition()).await?;
    if !uploaded.request.documents.is_empty() {
        // What is kept is read.
        caller.must(Scope::DocumentsRead)?;
    }
    uploaded.request.tier = asked.tier;
    let key = later::key(name, &asked, &uploaded.request);
    if let Some(key) = &key
        && let Some(run) = later::used(state, caller, key).await?
    {
        return Ok(Done::Kept { run, replayed: true });
    }
    uploaded.request.key = key.clone();
    let acting = Acting {
        subject: asked.subject,
        ..caller.acting()
    };
    let answer = match asked.later {
        Some(later) => {
            let accepted = runs
                .accept(admission, &snapshot, acting, uploaded.request, later)
                .await;
            accepted.map(|accepted| Err(accepted.head.id))
        }
        None => {
            let answer = runs.invoke(admission, &snapshot, acting, uploaded.request).await;
            answer.map(Ok)
        }
    };
    drop((uploaded.reader, uploaded.budget));
    let answer = match answer {
        Err(refused) if refused.failure.code == Code::KeyInUse => {
            // The same key came at the same time, and was first.
            let used = match &key {
                Some(key) => later::used(state, caller, key).await?,
                None => None,
            };
            let run = used.ok_or_else(|| Problem::from(refused.failure))?;
            return Ok(Done::Kept { run, replayed: true });
        }
        Err(refused) => return Err(Problem::from(refused.failure).of_run(refused.run)),
        Ok(Err(run)) => return Ok(Done::Kept { run, replayed: false }),
        Ok(Ok(answer)) => answer,
    };
    let mut answer = answer;
    caller.context().set_ended(&answer, snapshot);
    let seen = caller.who().clearance.sees(answer.head.tier);
    if !seen {
        // Which documents and readings there were before is not the caller's to know.
        answer.committed = Committed::default();
    }
    if answer.outcome.status == Status::Failed {
        let failure = answer
            .outcome
            .error
            .clone()
            .unwrap_or_else(|| Failure::new(Code::Internal, "the run failed without saying why"));
        return Err(Problem::from(failure).of_run(kept(&answer)));
    }
    Ok(Done::Now(Box::new(answer), seen))
}

/// A page of runs.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RunList {
    /// Newest first.
    items: Vec<SummaryBody>,
    /// Pass it as `cursor` for those that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Find runs.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", security(("key" = ["runs:read"])),
    params(
        ("lookup.*" = Option<String>, Query, description = "By a look-up: `?lookup.fio=Иванов+Иван`. Order of words, case and ё/е do not matter"),
        ("pipeline" = Option<String>, Query, description = "Of this pipeline"),
        ("status" = Option<String>, Query, description = "queued, running, succeeded, failed or cancelled"),
        ("verdict" = Option<String>, Query, description = "pass, fail or undecided"),
        ("error" = Option<String>, Query, description = "Failed with this code"),
        ("document" = Option<String>, Query, description = "Over this document"),
        ("key" = Option<String>, Query, description = "Of this key: key_…"),
        ("user" = Option<String>, Query, description = "Of this user's keys and sessions: usr_…"),
        ("subject" = Option<String>, Query, description = "On behalf of this end user, as `Docmill-Subject` named them"),
        ("since" = Option<String>, Query, description = "Admitted at this time or later: RFC 3339; without an offset, or a date alone, in the tenant's time zone"),
        ("until" = Option<String>, Query, description = "Admitted before this time"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = RunList), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: May<ReadRuns>,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = filter(&mut query, &caller)?;
    query.finish()?;
    let page = state
        .store()
        .list_runs(caller.sight(), &filter)
        .await
        .map_err(|e| e.failure())?;
    json(&RunList {
        items: page.items.iter().map(SummaryBody::new).collect(),
        next: page.next.map(|id| id.to_string()),
    })
}

/// Which runs a query asks for.
pub(crate) fn filter(query: &mut Query, caller: &Caller) -> Result<RunFilter, Problem> {
    let time = |query: &mut Query, name: &str| {
        let text = query.take(name)?;
        text.map(|text| time::parse(name, &text, &caller.who().timezone))
            .transpose()
    };
    Ok(RunFilter {
        pipeline: query.take("pipeline")?,
        status: word(query, "status", &Status::ALL, |s| s.as_str())?,
        verdict: word(
            query,
            "verdict",
            &[Verdict::Pass, Verdict::Fail, Verdict::Undecided],
            |v| v.as_str(),
        )?,
        error: query.parsed("error", "a code; GET /errors lists them")?,
        document: query.parsed("document", "a document's id: doc_…")?,
        key: query.parsed("key", "a key's id: key_…")?,
        user: query.parsed("user", "a user's id: usr_…")?,
        subject: query.take("subject")?,
        lookups: query.prefixed("lookup."),
        since: time(query, "since")?,
        until: time(query, "until")?,
        cursor: query.parsed("cursor", "the `next` of the page before")?,
        limit: limit(query)?,
    })
}

/// One run with everything that is kept of it.
///
/// With `Prefer: wait=10` (or `?wait=10`) the answer waits so many seconds, 60 at most, for a run that is not over yet.
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs", security(("key" = ["runs:read"])),
    params(
        ("id" = String, Path, description = "run_…"),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for the run's end; the same as `Prefer: wait=…`"),
        ("Prefer" = Option<String>, Header, description = "`wait=10`: the answer waits so many seconds for the run's end"),
    ),
    responses((status = 200, body = RunBody), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub async fn show(
    State(state): State<ApiState>,
    caller: May<ReadRuns>,
    Path(id): Path<String>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: RunId = id_of(&id)?;
    let asked = query
        .take("wait")?
        .map(|text| asked::seconds(&text))
        .transpose()?;
    query.finish()?;
    let wait = asked.or(asked::Preferred::of(&headers)?.wait).unwrap_or_default();
    later::wait(&state, caller.sight(), id, wait).await?;
    let found = state
        .store()
        .get_run(caller.sight(), id)
        .await
        .map_err(|e| e.failure())?;
    let run = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no run {id}")))?;
    json(&RunBody::of_stored(&run))
}

/// A file that a run produced.
#[utoipa::path(
    get, path = "/v1/runs/{id}/artifacts/{artifact}", tag = "runs", security(("key" = ["runs:read"])),
    params(("id" = String, Path, description = "run_…"), ("artifact" = String, Path, description = "art_…")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub async fn artifact(
    State(state): State<ApiState>,
    caller: May<ReadRuns>,
    Path((id, artifact)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (run, artifact): (RunId, ArtifactId) = (id_of(&id)?, id_of(&artifact)?);
    let found = state
        .store()
        .get_artifact(caller.sight(), run, artifact)
        .await
        .map_err(|e| e.failure())?;
    let record =
        found.ok_or_else(|| Problem::new(Code::NotFound, format!("the run has no artifact {artifact}")))?;
    let bytes = state
        .blobs()
        .get(caller.tenant(), record.digest)
        .await
        .map_err(|e| e.failure())?;
    Ok(file(
        Some(&record.name),
        &record.media_type,
        &record.digest.to_string(),
        bytes,
    ))
}

/// One of a closed set of words.
fn word<T: Copy>(
    query: &mut Query,
    name: &str,
    all: &[T],
    text: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(given) = query.take(name)? else {
        return Ok(None);
    };
    let found = all.iter().copied().find(|one| text(*one) == given);
    found.map(Some).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| text(*one)).collect();
        Problem::malformed(format!(
            "the query parameter '{name}' is one of: {}",
            words.join(", ")
        ))
    })
}
