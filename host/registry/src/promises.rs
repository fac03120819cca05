//! Semver honesty: what a version promises to those who use it, and whether the next one keeps it or says by its number that
//! it does not.

mod canonical;
mod schema;
mod types;

use docmill_model::plugin::{Kind, Manifest, media_type_fits};
use docmill_model::registry::Bump;
use semver::Version;
use serde_json::Value as Json;

/// Most breaks that are listed.
const MAX_LISTED: usize = 30;

/// What a version promises.
#[derive(Debug, Clone, Copy)]
pub struct Promise<'a> {
    /// What it does.
    pub kind: Kind,
    /// What it says of itself.
    pub manifest: &'a Manifest,
    /// Its imports, as they were seen.
    pub inspection: &'a Json,
}

/// How a version differs from an earlier one, as far as its users notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// What was promised and is kept no more.
    pub breaks: Vec<String>,
    /// What it asks for that the earlier one did not.
    pub asks: Vec<String>,
}

impl Differences {
    /// How far the number has to be raised at least.
    pub fn needs(&self) -> Bump {
        match (self.breaks.is_empty(), self.asks.is_empty()) {
            (false, _) => Bump::Major,
            (true, false) => Bump::Minor,
            (true, true) => Bump::Patch,
        }
    }

    /// Whether the step from `before` to `after` says what changed.
    ///
    /// # Errors
    /// What broke, and the least number that would be honest.
    pub fn judge(&self, before: &Version, after: &Version) -> Result<String, String> {
        let (needs, is) = (self.needs(), Bump::between(before, after));
        let changes = self.breaks.iter().chain(&self.asks);
        let mut listed: Vec<&str> = changes.clone().take(MAX_LISTED).map(String::as_str).collect();
        let more = format!("and {} more", changes.count().saturating_sub(MAX_LISTED));
        if !more.starts_with("and 0") {
            listed.push(&more);
        }
        if needs > is {
            let honest = needs.after(before);
            return Err(format!(
                "since {before}: {}; call it {honest} or higher, or keep what was promised",
                listed.join("; ")
            ));
        }
        Ok(match listed.as_slice() {
            [] => format!("keeps all that {before} promised"),
            some => format!("since {before}, as its number says: {}", some.join("; ")),
        })
    }
}

/// What `new` takes away from who used `old`, and what it asks for. Pure.
pub fn compare(old: Promise<'_>, new: Promise<'_>) -> Differences {
    let mut breaks = Vec::new();
    if old.kind != new.kind {
        breaks.push(format!("it was a {}, and is a {}", old.kind, new.kind));
    }
    breaks.extend(schema::narrowings(
        &old.manifest.config_schema,
        &new.manifest.config_schema,
    ));
    breaks.extend(media_types(&old.manifest.accepts, &new.manifest.accepts));
    breaks.extend(fields(old.manifest, new.manifest));
    let before = capabilities(old.inspection);
    let asks = capabilities(new.inspection)
        .into_iter()
        .filter(|import| !before.contains(import))
        .map(|import| format!("it asks for {import}"))
        .collect();
    Differences { breaks, asks }
}

/// Media types that were taken and are not any more.
fn media_types(old: &[String], new: &[String]) -> Vec<String> {
    let taken = |wanted: &&String| {
        let pattern_is_covered = |pattern: &String| {
            if wanted.ends_with("/*") {
                pattern == "*/*" || pattern.eq_ignore_ascii_case(wanted)
            } else {
                media_type_fits(wanted, pattern)
            }
        };
        new.iter().any(pattern_is_covered)
    };
    // No list is no promise, and takes everything.
    if new.is_empty() {
        return Vec::new();
    }
    let dropped = old.iter().filter(|wanted| !taken(wanted));
    dropped
        .map(|dropped| format!("the media type {dropped} is taken no more"))
        .collect()
}

/// Fields that were declared and are not any more, or in another kind.
fn fields(old: &Manifest, new: &Manifest) -> Vec<String> {
    let lost = |field: &docmill_model::plugin::FieldSpec| match new
        .fields
        .iter()
        .find(|other| other.name == field.name)
    {
        None => Some(format!("the field {} is declared no more", field.name)),
        Some(other) if other.kind != field.kind => Some(format!(
            "the field {} was {}, and is {}",
            field.name, field.kind, other.kind
        )),
        Some(_) => None,
    };
    old.fields.iter().filter_map(lost).collect()
}

/// Interfaces that somebody has to grant.
fn capabilities(inspection: &Json) -> Vec<&str> {
    let imports = inspection.get("imports").and_then(Json::as_array);
    imports
        .into_iter()
        .flatten()
        .filter(|import| import.get("purpose").and_then(Json::as_str) == Some("capability"))
        .filter_map(|import| import.get("interface").and_then(Json::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use docmill_model::plugin::FieldSpec;
    use serde_json::json;

    use super::*;

    fn manifest(schema: Json, accepts: &[&str], fields: &[(&str, &str)]) -> Manifest {
        Manifest {
            name: "acme/x".parse().unwrap(),
            version: Version::new(1, 0, 0),
            summary: String::new(),
            config_schema: schema,
            accepts: accepts.iter().map(ToString::to_string).collect(),
            fields: fields
                .iter()
                .map(|(name, kind)| FieldSpec {
                    name: (*name).into(),
                    kind: (*kind).into(),
                    description: String::new(),
                })
                .collect(),
        }
    }

    fn asking(interfaces: &[&str]) -> Json {
        let imports = interfaces
            .iter()
            .map(|name| json!({"interface": name, "purpose": "capability"}));
        let contract = json!({"interface": "docmill:plugin/types@0.1.0", "purpose": "contract"});
        json!({ "imports": imports.chain([contract]).collect::<Vec<_>>() })
    }

    fn differences(old: (&Manifest, &Json), new: (&Manifest, &Json)) -> Differences {
        let promise = |(manifest, inspection)| Promise {
            kind: Kind::Parser,
            manifest,
            inspection,
        };
        compare(promise(old), promise(new))
    }

    #[test]
    fn what_was_taken_declared_and_granted_is_kept() {
        let old = manifest(
            json!({}),
            &["text/*", "application/pdf"],
            &[("total", "money"), ("date", "date")],
        );
        let new = manifest(
            json!({}),
            &["text/plain", "application/*"],
            &[("total", "decimal"), ("more", "text")],
        );
        let (few, many) = (asking(&[]), asking(&["wasi:http/outgoing-handler@0.2.0"]));
        let found = differences((&old, &few), (&new, &many));
        assert_eq!(
            found.breaks,
            [
                "the media type text/* is taken no more",
                "the field total was money, and is decimal",
                "the field date is declared no more",
            ]
        );
        assert_eq!(found.asks, ["it asks for wasi:http/outgoing-handler@0.2.0"]);
        assert_eq!(differences((&old, &many), (&old, &few)), Differences::default());
        let wider = manifest(
            json!({}),
            &["*/*"],
            &[("date", "date"), ("total", "money"), ("a", "text")],
        );
        assert_eq!(differences((&old, &few), (&wider, &few)), Differences::default());
    }

    #[test]
    fn the_number_says_how_much_changed() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let breaking = Differences {
            breaks: vec!["a is gone".into()],
            asks: vec![],
        };
        let asking = Differences {
            breaks: vec![],
            asks: vec!["it asks for b".into()],
        };
        for (found, before, after, honest) in [
            (&breaking, "1.2.3", "1.3.0", Err("2.0.0")),
            (&breaking, "1.2.3", "2.0.0", Ok(())),
            (&breaking, "0.2.3", "0.2.4", Err("0.3.0")),
            (&breaking, "0.2.3", "0.3.0", Ok(())),
            (&breaking, "0.0.3", "0.0.4", Ok(())),
            (&asking, "1.2.3", "1.2.4", Err("1.3.0")),
            (&asking, "1.2.3", "1.3.0", Ok(())),
            (&asking, "0.2.3", "0.2.4", Err("0.3.0")),
            (&Differences::default(), "1.2.3", "1.2.4", Ok(())),
        ] {
            let judged = found.judge(&version(before), &version(after));
            match honest {
                Ok(()) => assert!(judged.is_ok(), "{before} → {after}: {judged:?}"),
                Err(least) => assert!(judged.unwrap_err().contains(least), "{before} → {after}"),
            }
        }
        let many = Differences {
            breaks: (0..100).map(|n| format!("{n}")).collect(),
            asks: vec![],
        };
        let said = many.judge(&version("1.0.0"), &version("1.0.1")).unwrap_err();
        assert!(said.contains("and 70 more"), "{said}");
    }
}
