//! What a guest returned, held against the contract: sizes, citations, JSON, names. What passes keeps every rule.

use std::time::{Duration, Instant};

use docmill_model::chunk::{self, Embeddings};
use docmill_model::evidence;
use docmill_model::failure::{Code, Failure};
use docmill_model::json::{Builder, ReadError};
use docmill_model::limits::{Limits, MAX_CHUNKS, MAX_VERSION_BYTES};
use docmill_model::llm;
use docmill_model::plugin::{FieldSpec, Manifest, is_media_type};
use docmill_model::reading::{Inputs, Reading};
use docmill_model::value::{Citation, MatchClass};
use wasmtime::component::Resource;

use crate::bindings::{self, Description, SplitChunk, Transformed, llm_types, types};
use crate::call::{self, Output};
use crate::classify::output_limit;
use crate::convert::{self, shown};
use crate::guest::{BuilderHandle, Guest};
use crate::threads::yield_now;

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidOutput, why)
}

/// Output that weighs more, in bytes, is settled on a guest thread: it may take longer than the caller's thread can be kept.
const SETTLE_HERE: usize = 64 << 10;

/// Leaves the caller's thread if what is to be settled weighs much.
pub(crate) async fn leave(bytes: usize) {
    if bytes > SETTLE_HERE {
        yield_now().await;
    }
}

/// What the fields or checks of a call weigh, which grows when the host fills in what a citation left out.
struct Weight {
    bytes: usize,
    most: u64,
}

impl Weight {
    fn of(bytes: usize, limits: &Limits) -> Result<Self, Failure> {
        let mut weight = Self {
            bytes: 0,
            most: limits.output.0,
        };
        weight.add(bytes)?;
        Ok(weight)
    }

    fn add(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes as u64 > self.most {
            return Err(output_limit(self.most));
        }
        Ok(())
    }
}

/// What is wrong with a guest's JSON; `what` says where it stood.
fn bad_json(what: &str, error: ReadError, limits: &Limits) -> Failure {
    match error {
        ReadError::TooLarge => {
            let most = limits.host_memory;
            let why = format!(
                "{what}: the JSON takes more than {most} of host memory once it is read; return less"
            );
            Failure::new(Code::HostMemoryLimit, why)
        }
        ReadError::Unreadable(why) => invalid(format!("{what}: it is not JSON: {why} (rule `json`)")),
    }
}

/// Work of the host on a guest's output yields like the guest itself, so that the guest's deadline holds there too.
pub(crate) struct Turn(Instant);

impl Turn {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) async fn spend(&mut self) {
        if self.0.elapsed() >= Duration::from_millis(1) {
            yield_now().await;
            self.0 = Instant::now();
        }
    }
}

fn citation_bytes(it: &types::Citation) -> usize {
    16 + it.quote.len() + it.reading.as_ref().map_or(0, String::len) + 16 * it.regions.len()
}

/// What the host adds to when it settles a citation.
const fn settled_bytes(it: &Citation) -> usize {
    it.quote.len() + 16 * it.regions.len()
}

fn value_bytes(it: &types::Value) -> usize {
    use types::Value as W;
    match it {
        W::Text(t) | W::Decimal(t) | W::Date(t) | W::DateTime(t) | W::Json(t) => t.len(),
        W::Boolean(_) => 1,
        W::Money(money) => money.amount.len() + money.currency.as_ref().map_or(0, String::len),
    }
}

/// What a field weighs.
pub(crate) fn field_bytes(it: &types::Field) -> usize {
    16 + it.path.len()
        + it.value.as_ref().map_or(0, value_bytes)
        + it.raw.as_ref().map_or(0, String::len)
        + it.citations.iter().map(citation_bytes).sum::<usize>()
}

/// What a check weighs.
pub(crate) fn check_bytes(it: &types::Check) -> usize {
    16 + it.code.len()
        + it.reason.len()
        + it.fields.iter().map(String::len).sum::<usize>()
        + it.citations.iter().map(citation_bytes).sum::<usize>()
}

fn within(bytes: usize, limits: &Limits) -> Result<(), Failure> {
    Weight::of(bytes, limits).map(drop)
}

/// Takes the finished reading out of the guest's hands.
pub(crate) fn reading(
    guest: &mut Guest,
    builder: Resource<BuilderHandle>,
    media_type: &str,
) -> Result<Output, Failure> {
    let builder = guest
        .table
        .delete(builder)
        .map_err(|_| invalid("the reading that the plugin returned does not exist"))?;
    let reading = builder.finish(media_type);
    within(reading_bytes(&reading), &guest.meter.limits)?;
    Ok(Output::Reading(reading))
}

fn reading_bytes(reading: &Reading) -> usize {
    let nodes: usize = reading
        .pages
        .iter()
        .flat_map(|p| &p.blocks)
        .map(|b| 1 + b.fragments.len() + b.table.as_ref().map_or(0, |t| t.cells.len()))
        .sum();
    let said: usize = reading
        .pages
        .iter()
        .map(|page| {
            let kinds: usize = page.blocks.iter().map(|b| b.kind.name().len()).sum();
            let warnings: usize = page.info.warnings.iter().map(String::len).sum();
            page.info.label.as_ref().map_or(0, String::len) + warnings + kinds
        })
        .sum();
    reading.text_bytes()
        + 32 * nodes
        + said
        + reading
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
        + reading.images.iter().map(|i| i.data.len()).sum::<usize>()
        + reading
            .attachments
            .iter()
            .map(|a| a.name.len() + a.media_type.len() + a.content.len())
            .sum::<usize>()
}

/// Looks a list of citations up, one by one.
async fn citations(
    written: Vec<types::Citation>,
    inputs: &Inputs,
    at: &str,
    turn: &mut Turn,
    weight: &mut Weight,
) -> Result<Vec<Citation>, Failure> {
    let mut settled = Vec::with_capacity(written.len());
    for (index, citation) in written.into_iter().enumerate() {
        turn.spend().await;
        let citation = convert::citation_from(citation);
        debug_assert_eq!(citation.class, MatchClass::Unmatched);
        let weighed = settled_bytes(&citation);
        let citation =
            evidence::settle(citation, inputs, &format!("{at}, citation {index}")).map_err(Failure::from)?;
        // A quote of three letters may stand for megabytes of blanks between them.
        weight.add(settled_bytes(&citation).saturating_sub(weighed))?;
        settled.push(citation);
    }
    Ok(settled)
}

/// The fields of an extractor, each held against the contract.
pub(crate) async fn fields(
    written: Vec<types::Field>,
    inputs: &Inputs,
    limits: &Limits,
) -> Result<Output, Failure> {
    let mut weight = Weight::of(written.iter().map(field_bytes).sum(), limits)?;
    leave(weight.bytes).await;
    let mut json = Builder::in_memory(limits.host_memory.bytes());
    let mut turn = Turn::begin();
    let mut settled = Vec::with_capacity(written.len());
    for field in written {
        turn.spend().await;
        let path = shown(&field.path, 60);
        let (field, cited) = convert::field_from(field, &mut json)
            .map_err(|error| bad_json(&format!("field `{path}`"), error, limits))?;
        let mut field = evidence::settle_field(field, inputs).map_err(Failure::from)?;
        field.citations =
            citations(cited, inputs, &format!("field `{path}`"), &mut turn, &mut weight).await?;
        settled.push(field);
    }
    Ok(Output::Fields(settled))
}

/// The checks of a validator, each held against the contract.
pub(crate) async fn checks(
    written: Vec<types::Check>,
    inputs: &Inputs,
    limits: &Limits,
) -> Result<Output, Failure> {
    let mut weight = Weight::of(written.iter().map(check_bytes).sum(), limits)?;
    leave(weight.bytes).await;
    let mut turn = Turn::begin();
    let mut settled = Vec::with_capacity(written.len());
    for check in written {
        turn.spend().await;
        let (check, cited) = convert::check_from(check);
        let mut check = evidence::settle_check(check, inputs).map_err(Failure::from)?;
        let at = format!("check `{}`", check.code);
        check.citations = citations(cited, inputs, &at, &mut turn, &mut weight).await?;
        settled.push(check);
    }
    Ok(Output::Checks(settled))
}

/// What a transformer made.
pub(crate) async fn transformed(written: Transformed, limits: &Limits) -> Result<Output, Failure> {
    match written {
        Transformed::Json(text) => {
            within(text.len(), limits)?;
            leave(text.len()).await;
            let json = Builder::in_memory(limits.host_memory.bytes())
                .read(&text)
                .map_err(|error| bad_json("the output", error, limits))?;
            Ok(Output::Json(evidence::clean_json(json)))
        }
        Transformed::Artifact(written) => {
            within(written.content.len(), limits)?;
            let artifact = call::artifact(written);
            let name = &artifact.name;
            let fits = (1..=200).contains(&name.len())
                && !name.chars().any(|c| c == '/' || c == '\\' || c.is_control())
                && name != "."
                && name != "..";
            if !fits {
                return Err(invalid(
                    "an artifact's name is a file name without directories, 1 to 200 bytes (rule `artifact-name`)",
                ));
            }
            if !is_media_type(&artifact.media_type) {
                return Err(invalid(
                    "an artifact's media type is one of RFC 6838 (rule `artifact-media-type`)",
                ));
            }
            Ok(Output::Artifact(artifact))
        }
    }
}

/// The chunks of a chunker, each held against the contract and cited.
pub(crate) async fn chunks(
    written: Vec<SplitChunk>,
    reading: &Reading,
    limits: &Limits,
) -> Result<Output, Failure> {
    if written.len() > MAX_CHUNKS {
        let count = written.len();
        return Err(invalid(format!(
            "{count} chunks of one reading; at most {MAX_CHUNKS} are taken (rule `chunk-count`)"
        )));
    }
    let mut weight = Weight::of(written.iter().map(chunk_bytes).sum(), limits)?;
    leave(weight.bytes).await;
    let mut json = Builder::in_memory(limits.host_memory.bytes());
    let mut turn = Turn::begin();
    let mut settled = Vec::with_capacity(written.len());
    for (index, written) in written.into_iter().enumerate() {
        turn.spend().await;
        let at = format!("chunk {index}");
        let written =
            convert::chunk_from(written, &mut json).map_err(|error| bad_json(&at, error, limits))?;
        settled.push(chunk::settle(written, reading, &at, |bytes| weight.add(bytes))?);
    }
    Ok(Output::Chunks(settled))
}

/// What a chunk weighs before its spans are looked up.
fn chunk_bytes(it: &SplitChunk) -> usize {
    16 + it.text.len()
        + 16 * it.spans.len()
        + it.headings
            .iter()
            .map(|heading| 16 + heading.len())
            .sum::<usize>()
        + it.metadata.as_ref().map_or(0, String::len)
}

/// The vectors of an embedder, held against the contract.
pub(crate) async fn embeddings(
    written: bindings::Embeddings,
    texts: usize,
    limits: &Limits,
) -> Result<Output, Failure> {
    let vectors = written.vectors.iter();
    let bytes: usize = vectors.map(|vector| 16 + size_of::<f32>() * vector.len()).sum();
    within(bytes + written.model.len(), limits)?;
    leave(bytes).await;
    let written = Embeddings {
        model: written.model,
        vectors: written.vectors,
    };
    Ok(Output::Embeddings(chunk::settle_embeddings(written, texts)?))
}

/// The answer of an llm-adapter, held against the contract.
pub(crate) async fn completion(written: llm_types::Response, limits: &Limits) -> Result<Output, Failure> {
    let written = llm::Response::from(written);
    let bytes = written.weight();
    within(bytes, limits)?;
    leave(bytes).await;
    Ok(Output::Completion(llm::settle(written)?))
}

/// Memory that a configuration's schema may take once it is read: several times what real ones of 256 KiB do.
const MAX_SCHEMA_MEMORY: usize = 16 << 20;

/// What a plugin says of itself, as far as its shape goes; the registry checks the schema.
pub(crate) fn manifest(it: Description) -> Result<Manifest, Failure> {
    let wrong = |what: &str, why: String| {
        Failure::new(
            Code::InvalidComponent,
            format!("`manifest.describe`: {what}: {}", shown(&why, 300)),
        )
    };
    let list = |what: &str, entries: usize| match entries {
        0..=1_000 => Ok(()),
        _ => Err(wrong(what, format!("{entries} entries; at most 1000"))),
    };
    if it.version.len() > MAX_VERSION_BYTES {
        let why = format!(
            "'{}' has more than {MAX_VERSION_BYTES} bytes",
            shown(&it.version, 60)
        );
        return Err(wrong("version", why));
    }
    list("accepts", it.accepts.len())?;
    list("fields", it.fields.len())?;
    if it.config_schema.len() > 1 << 20 {
        return Err(wrong("config-schema", "larger than 1 MiB".to_owned()));
    }
    Ok(Manifest {
        name: it.name.parse().map_err(|why| wrong("name", why))?,
        version: it.version.parse::<semver::Version>().map_err(|why| {
            wrong(
                "version",
                format!("'{}' is not a semantic version: {why}", shown(&it.version, 60)),
            )
        })?,
        summary: shown(&it.summary, 500),
        config_schema: Builder::in_memory(MAX_SCHEMA_MEMORY)
            .read(&it.config_schema)
            .map_err(|why| wrong("config-schema", format!("is not JSON that can be taken: {why}")))?,
        accepts: it.accepts.iter().map(|a| shown(a, 200)).collect(),
        fields: it
            .fields
            .into_iter()
            .map(|f| FieldSpec {
                name: shown(&f.name, 200),
                kind: shown(&f.kind, 60),
                description: shown(&f.description, 1_000),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_a_schema_are_bounded() {
        let described = |version: &str, config_schema: String| {
            manifest(Description {
                name: "a/b".to_owned(),
                version: version.to_owned(),
                summary: String::new(),
                config_schema,
                accepts: vec![],
                fields: vec![],
            })
        };
        let schema = || r#"{"type":"object"}"#.to_owned();
        let version = |bytes: usize| format!("1.0.0+{}", "b".repeat(bytes - 6));
        assert!(described(&version(MAX_VERSION_BYTES), schema()).is_ok());
        let refused = described(&version(MAX_VERSION_BYTES + 1), schema()).unwrap_err();
        assert!(refused.message.contains("more than 100 bytes"), "{refused}");
        for bad in [
            "[".repeat(70) + &"]".repeat(70),
            format!("[{}0]", "0,".repeat(400_000)),
        ] {
            let refused = described("1.0.0", bad).unwrap_err();
            assert_eq!(refused.code, Code::InvalidComponent);
            assert!(refused.message.contains("config-schema"), "{refused}");
        }
    }
}
