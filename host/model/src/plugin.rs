//! Plugins: names, kinds, references as pipelines write them, and what a plugin says of itself.

use std::fmt;
use std::str::FromStr;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::limits::MAX_MEDIA_TYPE_BYTES;
use crate::registry::ChannelName;

/// What a plugin does; decided by the one docmill interface that it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// source → reading
    Parser,
    /// inputs → fields
    Extractor,
    /// inputs → checks
    Validator,
    /// inputs → JSON or an artifact
    Transformer,
    /// reading → chunks
    Chunker,
    /// texts → vectors
    Embedder,
    /// a question to a language model → its answer; called for models, never by a step
    LlmAdapter,
}

impl Kind {
    /// All kinds that the contract has.
    pub const ALL: [Self; 7] = [
        Self::Parser,
        Self::Extractor,
        Self::Validator,
        Self::Transformer,
        Self::Chunker,
        Self::Embedder,
        Self::LlmAdapter,
    ];

    /// All of them, for people.
    pub const LISTED: &str = "parser, extractor, validator, transformer, chunker, embedder or llm-adapter";

    /// The stable word; also the name of the interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parser => "parser",
            Self::Extractor => "extractor",
            Self::Validator => "validator",
            Self::Transformer => "transformer",
            Self::Chunker => "chunker",
            Self::Embedder => "embedder",
            Self::LlmAdapter => "llm-adapter",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a kind: {}", Self::LISTED))
    }
}

/// The namespace of what comes with docmill itself. It is the operator's: nobody publishes in it over HTTP, and what is in it
/// needs no signature.
pub const OPERATOR_NAMESPACE: &str = "docmill";

/// `namespace/name`: each 1 to 60 of lower-case letters, digits and dashes, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginName {
    namespace: String,
    name: String,
}

impl PluginName {
    /// What stands before the slash.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What stands behind the slash.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Whether `text` can name a pipeline, a step's namespace or a plugin: 1 to 60 of lower-case letters, digits and dashes,
/// beginning with a letter.
pub fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl FromStr for PluginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('/')
            .filter(|(namespace, name)| is_name(namespace) && is_name(name))
            .map(|(namespace, name)| Self { namespace: namespace.to_owned(), name: name.to_owned() })
            .ok_or_else(|| {
                let shown: String = text.chars().take(80).collect();
                format!("'{shown}' is not a plugin's name: write namespace/name in lower-case letters, digits and dashes")
            })
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A plugin as a step names it: `docmill/pdf@1`, `acme/fields@^2.1`, `acme/x@1.2.3`, `acme/x@beta`. A bare number means the
/// newest compatible version, as in Cargo; a word is a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginRef {
    /// Which plugin.
    pub name: PluginName,
    /// Which versions will do.
    pub wanted: Wanted,
    written: String,
}

impl PluginRef {
    /// A reference to this version and no other, build metadata included.
    pub fn exactly(plugin: &PinnedPlugin) -> Self {
        Self {
            written: format!("{}@={}", plugin.name, plugin.version),
            name: plugin.name.clone(),
            wanted: Wanted::Exactly(plugin.version.clone()),
        }
    }
}

/// What a reference asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// The newest version of a range.
    Range(VersionReq),
    /// Whatever version the channel stands for.
    Channel(ChannelName),
    /// This one, build metadata included, which ranges pass over: `=1.2.3+dev.4`.
    Exactly(Version),
}

impl FromStr for PluginRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, range)) = text.split_once('@') else {
            return Err(format!("'{text}' names no version: write it as in docmill/pdf@1"));
        };
        let wanted = match (range.parse(), whole_version(range)) {
            (Ok(channel), _) => Wanted::Channel(channel),
            (Err(_), Some(version)) => Wanted::Exactly(version),
            (Err(_), None) => Wanted::Range(VersionReq::parse(range).map_err(|error| {
                format!(
                    "'{range}' is neither a version or range such as 1, ^2.1 or =1.2.3 nor a channel's name such as stable: {error}"
                )
            })?),
        };
        Ok(Self {
            name: name.parse()?,
            wanted,
            written: text.to_owned(),
        })
    }
}

/// The version of `=1.2.3` or `=1.2.3+dev.4`, where it is written out.
fn whole_version(range: &str) -> Option<Version> {
    Version::parse(range.strip_prefix('=')?.trim_start()).ok()
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(PluginName, PluginRef);

/// A field that an extractor may produce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSpec {
    /// Its path.
    pub name: String,
    /// A case of `types.value`.
    pub kind: String,
    /// For people.
    pub description: String,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `namespace/name`
    pub name: PluginName,
    /// Semantic version.
    pub version: Version,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of the configuration.
    pub config_schema: serde_json::Value,
    /// Media types that a parser takes.
    pub accepts: Vec<String>,
    /// Fields that an extractor can produce; empty if they depend on the configuration.
    pub fields: Vec<FieldSpec>,
}

/// A version of a plugin as plans pin it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PinnedPlugin {
    /// Which plugin.
    pub name: PluginName,
    /// Which version.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
    /// What it does.
    pub kind: Kind,
}

impl fmt::Display for PinnedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// A media type without its parameters: `text/csv; charset=cp866` → `text/csv`.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

/// Whether a text is a media type (RFC 6838), with or without parameters, of at most [`MAX_MEDIA_TYPE_BYTES`].
pub fn is_media_type(text: &str) -> bool {
    text.len() <= MAX_MEDIA_TYPE_BYTES
        && !text.starts_with(' ')
        && text.bytes().all(|b| (0x20..0x7f).contains(&b))
        && essence(text)
            .split_once('/')
            .is_some_and(|(group, name)| is_token(group) && is_token(name))
}

/// Whether a text is a pattern that media types can fit: `*/*`, `text/*` or a media type without parameters.
pub fn is_media_pattern(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(group, name)| text == "*/*" || (is_token(group) && (name == "*" || is_token(name))))
}

/// Whether a media type fits a pattern: `text/*`, `*/*`, or itself. Parameters and case do not matter.
pub fn media_type_fits(media_type: &str, pattern: &str) -> bool {
    let bare = |t: &str| essence(t).to_ascii_lowercase();
    let (media_type, pattern) = (bare(media_type), bare(pattern));
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(group) => media_type.split_once('/').is_some_and(|(g, _)| g == group),
        None => media_type == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let reference: PluginRef = "docmill/pdf@1".parse().unwrap_or_else(|e| panic!("{e}"));
        let Wanted::Range(range) = &reference.wanted else {
            panic!("{reference:?}")
        };
        assert!(range.matches(&Version::new(1, 4, 0)) && !range.matches(&Version::new(2, 0, 0)));
        let channel: PluginRef = "acme/x@beta".parse().unwrap_or_else(|e| panic!("{e}"));
        assert!(
            matches!(&channel.wanted, Wanted::Channel(name) if name.as_str() == "beta"),
            "{channel:?}"
        );
        assert_eq!(reference.to_string(), "docmill/pdf@1");
        for bad in [
            "docmill/pdf",
            "pdf@1",
            "a/b@1.x.2",
            "A/b@1",
            "a/b/c@1",
            "a/@1",
            "../x@1",
            "a/b@",
        ] {
            assert!(bad.parse::<PluginRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn media_types() {
        assert!(media_type_fits("Text/Plain; charset=utf-8", "text/*"));
        assert!(media_type_fits("application/pdf", "application/pdf"));
        assert!(media_type_fits("image/png", "*/*"));
        assert!(!media_type_fits("application/pdf", "text/*"));
        for good in ["text/csv; charset=cp866", "application/vnd.a-b+xml"] {
            assert!(is_media_type(good), "{good}");
        }
        let long = format!("a/{}", "b".repeat(200));
        for bad in [
            "text",
            "/",
            "text/",
            " text/csv",
            "text/c v",
            "text/*",
            "text/csv;\n",
            "tеxt/csv",
            &long,
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
        for good in ["*/*", "text/*", "text/csv"] {
            assert!(is_media_pattern(good), "{good}");
        }
        for bad in [
            "*",
            "*/csv",
            "text/",
            "text/c*",
            "text/csv; charset=utf-8",
            "text/csv/x",
        ] {
            assert!(!is_media_pattern(bad), "{bad}");
        }
        assert_eq!(essence("text/csv; charset=cp866"), "text/csv");
        assert_eq!(essence("text/csv"), "text/csv");
    }
}
