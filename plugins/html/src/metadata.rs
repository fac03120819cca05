//! Title, author, dates, language: from `<meta>`, `<title>`, `<link>` and JSON-LD.

use dom_query::{Document, NodeRef};
use serde_json::Value;

use crate::dom::{attribute, text_of};
use crate::limits::{MAX_JSON_BYTES, MAX_VALUE_BYTES};

/// What a page says of itself.
#[derive(Debug, Default)]
pub struct Metadata {
    /// BCP 47, the primary tag only.
    pub language: Option<String>,
    /// Names in lower case with dashes.
    pub values: Vec<(String, String)>,
}

/// Our names and, in order of preference, theirs (`name`, `property` or `itemprop` of `<meta>`).
const NAMES: [(&str, &[&str]); 9] = [
    (
        "title",
        &[
            "og:title",
            "twitter:title",
            "dc.title",
            "dcterms.title",
            "citation_title",
        ],
    ),
    (
        "author",
        &[
            "author",
            "article:author",
            "dc.creator",
            "dcterms.creator",
            "citation_author",
            "parsely-author",
        ],
    ),
    (
        "date",
        &[
            "article:published_time",
            "datepublished",
            "dc.date",
            "dcterms.date",
            "dcterms.created",
            "citation_publication_date",
            "parsely-pub-date",
            "date",
        ],
    ),
    (
        "modified",
        &[
            "article:modified_time",
            "datemodified",
            "dcterms.modified",
            "last-modified",
            "og:updated_time",
        ],
    ),
    (
        "description",
        &["description", "og:description", "dc.description"],
    ),
    ("keywords", &["keywords", "news_keywords"]),
    ("site", &["og:site_name", "application-name"]),
    ("url", &["og:url"]),
    ("generator", &["generator"]),
];

impl Metadata {
    fn add(&mut self, name: &str, value: &str) {
        let mut value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        value.truncate(value.floor_char_boundary(MAX_VALUE_BYTES));
        if !value.is_empty() && !self.values.iter().any(|(known, _)| known == name) {
            self.values.push((name.to_owned(), value));
        }
    }
}

/// Reads what there is.
pub fn read(document: &Document) -> Metadata {
    let mut metadata = Metadata::default();
    let mut said: Vec<(String, String)> = Vec::new();
    let mut title = None;
    let mut canonical = None;
    let mut linked = Vec::new();
    for node in document.root().descendants_it() {
        let Some(name) = node.node_name() else { continue };
        match &*name {
            "meta" => said.extend(meta(&node)),
            "title" if title.is_none() && !node.parent().is_some_and(|parent| parent.has_name("svg")) => {
                title = Some(text_of(&node))
            }
            "link" if attribute(&node, "rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical")) => {
                canonical = canonical.or_else(|| attribute(&node, "href"));
            }
            "script"
                if attribute(&node, "type")
                    .is_some_and(|kind| kind.eq_ignore_ascii_case("application/ld+json")) =>
            {
                linked.extend(Some(node.text()).filter(|text| text.len() <= MAX_JSON_BYTES));
            }
            "html" => {
                metadata.language = attribute(&node, "lang")
                    .or_else(|| attribute(&node, "xml:lang"))
                    .and_then(|tag| primary(&tag))
            }
            _ => {}
        }
    }
    let of = |theirs: &str| {
        said.iter()
            .find(|(name, _)| name == theirs)
            .map(|(_, value)| value.as_str())
    };
    for (ours, theirs) in NAMES {
        // A page's own title is the best one; the rest is what others should show.
        if let Some(title) = title.as_deref().filter(|_| ours == "title") {
            metadata.add(ours, title);
        }
        for value in theirs.iter().filter_map(|theirs| of(theirs)) {
            // Some write the address of the author's page here.
            if ours != "author" || !value.starts_with("http") {
                metadata.add(ours, value);
            }
        }
    }
    for text in linked {
        if let Ok(value) = serde_json::from_str(&text) {
            from_json(&value, &mut metadata);
        }
    }
    if let Some(address) = canonical {
        metadata.add("url", &address);
    }
    metadata.language = metadata.language.or_else(|| {
        of("content-language")
            .or_else(|| of("og:locale"))
            .and_then(primary)
    });
    metadata
}

fn meta(node: &NodeRef<'_>) -> Option<(String, String)> {
    let name = ["property", "name", "itemprop", "http-equiv"]
        .iter()
        .find_map(|key| attribute(node, key))?;
    Some((name.to_ascii_lowercase(), attribute(node, "content")?))
}

/// Schema.org: an article, alone, in a list or in a `@graph`.
fn from_json(value: &Value, metadata: &mut Metadata) {
    let list = value
        .as_array()
        .or_else(|| value.get("@graph").and_then(Value::as_array));
    if let Some(list) = list {
        list.iter()
            .filter(|item| item.is_object())
            .take(100)
            .for_each(|item| from_json(item, metadata));
        return;
    }
    let kind = value.get("@type").map(Value::to_string).unwrap_or_default();
    if !["Article", "Posting", "Report", "WebPage", "Blog", "Review"]
        .iter()
        .any(|known| kind.contains(known))
    {
        return;
    }
    for (ours, theirs) in [
        ("title", "headline"),
        ("date", "datePublished"),
        ("modified", "dateModified"),
        ("description", "description"),
    ] {
        if let Some(text) = value.get(theirs).and_then(Value::as_str) {
            metadata.add(ours, text);
        }
    }
    let names = |value: &Value| {
        value
            .as_str()
            .or_else(|| value.get("name").and_then(Value::as_str))
            .map(str::to_owned)
    };
    let authors = match value.get("author") {
        Some(Value::Array(list)) => list
            .iter()
            .take(20)
            .filter_map(names)
            .collect::<Vec<_>>()
            .join(", "),
        Some(author) => names(author).unwrap_or_default(),
        None => String::new(),
    };
    metadata.add("author", &authors);
}

fn primary(tag: &str) -> Option<String> {
    let primary = tag
        .split(['-', '_', ','])
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    ((2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase())).then_some(primary)
}
