//! Presets: named, versioned configurations of a plugin. A step that says `use: preset/strict@3` uses the plugin of that preset
//! with its configuration, over which the step's own `with` is laid.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::definition::{Definition, Fallback, OnError, Problem, empty_object};
use crate::plugin::{PluginRef, is_name};
use crate::written::{self, MAX_WRITTEN_OUT_BYTES};

/// What references to presets begin with; no plugin's namespace.
pub const NAMESPACE: &str = "preset";
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 2_000;

/// A configuration of a plugin, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `docmill/rules@0.1`
    #[serde(rename = "use")]
    pub plugin: PluginRef,
    /// The plugin's configuration; `${…}` inside strings are expressions, as in a step.
    #[serde(default = "empty_object")]
    pub with: Json,
}

impl Preset {
    /// Reads YAML or JSON and judges what the text alone tells.
    ///
    /// # Errors
    /// Every rule that is broken, with place and fix.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let preset: Self = written::read(text, "preset")?;
        let mut problems = Vec::new();
        if !is_name(&preset.name) {
            let message = "write 1 to 60 lower-case letters, digits and dashes, beginning with a letter";
            problems.push(Problem::new("name", message));
        }
        if preset.description.chars().count() > MAX_DESCRIPTION {
            let message = format!("is longer than {MAX_DESCRIPTION} characters");
            problems.push(Problem::new("description", message));
        }
        if preset.plugin.name.namespace() == NAMESPACE {
            let message =
                "a preset is of a plugin, not of another preset: write the plugin that does the work";
            problems.push(Problem::new("use", message));
        }
        if !preset.with.is_object() {
            problems.push(Problem::new("with", "a configuration is an object"));
        }
        if problems.is_empty() {
            Ok(preset)
        } else {
            Err(problems)
        }
    }
}

/// A version of a preset as a step names it: `preset/strict@3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresetRef {
    /// Which preset.
    pub name: String,
    /// Which version of it, from 1: always one, so that a pipeline's version says all that its runs do.
    pub number: i32,
}

impl PresetRef {
    /// What the reference means, if it is one to a preset.
    ///
    /// # Errors
    /// What to write instead.
    pub fn of(reference: &PluginRef) -> Option<Result<Self, String>> {
        if reference.name.namespace() != NAMESPACE {
            return None;
        }
        let written = reference.to_string();
        let number = written
            .split_once('@')
            .and_then(|(_, number)| number.parse().ok());
        Some(match number.filter(|number| *number > 0) {
            Some(number) => Ok(Self {
                name: reference.name.name().to_owned(),
                number,
            }),
            None => Err(format!(
                "'{written}' names no version of the preset: write its number, as in preset/{}@1",
                reference.name.name()
            )),
        })
    }
}

impl Definition {
    /// The presets that steps and fallbacks use, each once.
    ///
    /// # Errors
    /// Every reference that cannot be one.
    pub fn presets(&self) -> Result<Vec<PresetRef>, Vec<Problem>> {
        let mut found = Vec::new();
        let mut problems = Vec::new();
        for step in &self.steps {
            let fallback = match &step.on_error {
                OnError::Fallback(fallback) => Some(("on_error.fallback", fallback.plugin())),
                OnError::Fail | OnError::Skip => None,
            };
            for (part, reference) in std::iter::once(("use", &step.plugin)).chain(fallback) {
                match PresetRef::of(reference) {
                    None => {}
                    Some(Ok(preset)) => found.push(preset),
                    Some(Err(message)) => {
                        problems.push(Problem::new(format!("steps.{}.{part}", step.id), message));
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        if problems.is_empty() {
            Ok(found)
        } else {
            Err(problems)
        }
    }

    /// The definition with every preset written out. `preset` gives the one that a reference means.
    ///
    /// # Errors
    /// What `preset` says, with the place of the reference.
    pub fn written_out<'a>(
        mut self,
        preset: impl Fn(&PresetRef) -> Result<&'a Preset, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        // One large preset could be used by every step.
        let mut room = MAX_WRITTEN_OUT_BYTES;
        let mut fits = |with: &Json| {
            let bytes = with.to_string().len();
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let mut meant = |reference: &PluginRef, at: String| -> Option<&'a Preset> {
            let found = PresetRef::of(reference)?.and_then(|reference| preset(&reference));
            found
                .map_err(|message| problems.push(Problem::new(at, message)))
                .ok()
        };
        for step in &mut self.steps {
            if let Some(preset) = meant(&step.plugin, format!("steps.{}.use", step.id)) {
                step.plugin = preset.plugin.clone();
                step.with = overlaid(&preset.with, &step.with);
                if !fits(&step.with) {
                    return Err(too_large(&step.id));
                }
            }
            let OnError::Fallback(fallback) = &mut step.on_error else {
                continue;
            };
            if let Some(preset) = meant(fallback.plugin(), format!("steps.{}.on_error.fallback", step.id)) {
                let with = match fallback {
                    // Named alone, it is used as it is.
                    Fallback::Plugin(_) => preset.with.clone(),
                    Fallback::Configured { with, .. } => overlaid(&preset.with, with),
                };
                if !fits(&with) {
                    return Err(too_large(&step.id));
                }
                *fallback = Fallback::Configured {
                    plugin: preset.plugin.clone(),
                    with,
                };
            }
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(problems)
        }
    }
}

fn too_large(step: &str) -> Vec<Problem> {
    let message =
        format!("with its presets written out, the definition is larger than {MAX_WRITTEN_OUT_BYTES} bytes");
    vec![Problem::new(format!("steps.{step}.use"), message)]
}

/// `over` laid over `base` as RFC 7396 merges: members of objects one by one, `null` takes one away, all else is replaced.
fn overlaid(base: &Json, over: &Json) -> Json {
    let Json::Object(over) = over else {
        return over.clone();
    };
    let mut merged = base.as_object().cloned().unwrap_or_default();
    for (name, value) in over {
        if value.is_null() {
            merged.remove(name);
        } else {
            let laid = overlaid(merged.get(name).unwrap_or(&Json::Null), value);
            merged.insert(name.clone(), laid);
        }
    }
    Json::Object(merged)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strict() -> Preset {
        Preset::parse(
            "name: strict\nuse: docmill/rules@0.1\nwith: { rules: [1, 2], limits: { low: 1, high: 9 } }\n",
        )
        .unwrap()
    }

    #[test]
    fn a_preset_is_read_strictly() {
        assert_eq!(strict().plugin.to_string(), "docmill/rules@0.1");
        let places = |text: &str| -> Vec<String> {
            let problems = Preset::parse(text).unwrap_err();
            problems.into_iter().map(|problem| problem.at).collect()
        };
        assert_eq!(
            places("name: A\nuse: preset/a@1\nwith: 3\n"),
            ["name", "use", "with"]
        );
        assert_eq!(places("name: a\nuse: docmill/rules\n"), ["use"]);
        assert_eq!(places("name: a\n"), ["preset"]);
        assert_eq!(places("name: a\nuse: a/b@1\nextra: 1\n"), ["extra"]);
        assert_eq!(places("name: a\nname: b\nuse: a/b@1\n"), ["preset"]);
        assert_eq!(
            places(&format!(
                "name: a\nuse: a/b@1\ndescription: {}\n",
                "x".repeat(2_001)
            )),
            ["description"]
        );
    }

    #[test]
    fn a_reference_names_one_version() {
        let of = |text: &str| PresetRef::of(&text.parse().unwrap());
        assert_eq!(of("docmill/pdf@1"), None);
        let three = PresetRef {
            name: "strict".into(),
            number: 3,
        };
        assert_eq!(of("preset/strict@3"), Some(Ok(three)));
        for vague in [
            "preset/strict@*",
            "preset/strict@0",
            "preset/strict@^3",
            "preset/strict@1.2",
            "preset/strict@9999999999",
        ] {
            let refused = of(vague).unwrap().unwrap_err();
            assert!(refused.contains("preset/strict@1"), "{refused}");
        }
    }

    #[test]
    fn steps_and_fallbacks_are_written_out() {
        let text = "
            name: a
            steps:
              - { id: one, use: preset/strict@1 }
              - { id: two, use: preset/strict@1, with: { rules: [3], limits: { high: null, new: { x: null, y: 1 } } } }
              - { id: three, use: a/b@1, on_error: { fallback: preset/strict@1 } }
              - { id: four, use: a/b@1, on_error: { fallback: { use: preset/strict@1, with: { rules: null } } } }
        ";
        let (definition, preset) = (Definition::parse(text).unwrap(), strict());
        assert_eq!(definition.presets().unwrap().len(), 1);
        let out = definition.clone().written_out(|_| Ok(&preset)).unwrap();
        let with = |step: usize| &out.steps[step].with;
        assert_eq!(
            with(0),
            &json!({"rules": [1, 2], "limits": {"low": 1, "high": 9}})
        );
        assert_eq!(
            with(1),
            &json!({"rules": [3], "limits": {"low": 1, "new": {"y": 1}}})
        );
        let fallback = |step: usize| match &out.steps[step].on_error {
            OnError::Fallback(Fallback::Configured { plugin, with }) => (plugin.to_string(), with.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(fallback(2), ("docmill/rules@0.1".into(), preset.with.clone()));
        assert_eq!(fallback(3).1, json!({"limits": {"low": 1, "high": 9}}));
        assert!(out.presets().unwrap().is_empty());
        let large = Preset {
            with: json!({ "text": "x".repeat(MAX_WRITTEN_OUT_BYTES / 3) }),
            ..strict()
        };
        let refused = definition.clone().written_out(|_| Ok(&large)).unwrap_err();
        assert_eq!(refused[0].at, "steps.three.use", "two thirds fit");
        let refused = definition
            .written_out(|_| Err("is not active".into()))
            .unwrap_err();
        let places: Vec<&str> = refused.iter().map(|problem| problem.at.as_str()).collect();
        assert_eq!(
            places,
            [
                "steps.one.use",
                "steps.two.use",
                "steps.three.on_error.fallback",
                "steps.four.on_error.fallback"
            ]
        );
    }
}
