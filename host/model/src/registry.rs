//! Where a version of a plugin stands, what it is held to, and the channels that name versions.

use std::fmt;
use std::str::FromStr;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::plugin::is_name;

/// Where a version stands. What is uploaded and not admitted leaves nothing behind, so it has no word here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// It holds every rule, and no plan uses it yet.
    Admitted,
    /// Plans use it.
    Published,
    /// The same, with a warning to who uses it.
    Deprecated,
    /// Pipelines that use it go on; no new one may.
    Yanked,
}

impl VersionState {
    /// All of them, in the order of a version's life.
    pub const ALL: [Self; 4] = [Self::Admitted, Self::Published, Self::Deprecated, Self::Yanked];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Published => "published",
            Self::Deprecated => "deprecated",
            Self::Yanked => "yanked",
        }
    }

    /// Whether new plans may use it.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Published | Self::Deprecated)
    }

    /// Whether a version may go from here to `next`. Nothing that was published becomes unpublished; what was yanked or
    /// deprecated by mistake comes back.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Admitted, Self::Published | Self::Yanked)
                | (Self::Published, Self::Deprecated | Self::Yanked)
                | (Self::Deprecated, Self::Published | Self::Yanked)
                | (Self::Yanked, Self::Published | Self::Deprecated)
        )
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for VersionState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| "a state is one of admitted, published, deprecated, yanked".to_owned())
    }
}

/// Names one version of a plugin at a time: `stable`, `beta`. 1 to 60 of lower-case letters, digits and dashes, beginning with a
/// letter, and not to be taken for a range (`x`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ChannelName(String);

impl ChannelName {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_name(text) && VersionReq::parse(text).is_err() {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        Err(format!(
            "'{shown}' is not a channel's name: write a word such as stable or beta, in lower-case letters, digits and dashes"
        ))
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether it is what `docmill dev` makes of every save: `1.2.0+dev.1795229591120`. Nobody relies on one.
pub fn is_development(version: &Version) -> bool {
    version.build.starts_with("dev.")
}

/// The version that `next` is held to: the greatest one below it that plans use. Pre-releases and development builds promise
/// nothing, so they are none.
pub fn basis_of<'a>(
    versions: impl IntoIterator<Item = (&'a Version, VersionState)>,
    next: &Version,
) -> Option<&'a Version> {
    versions
        .into_iter()
        .filter(|(version, state)| {
            state.is_usable()
                && version.pre.is_empty()
                && !is_development(version)
                && version.cmp_precedence(next).is_lt()
        })
        .map(|(version, _)| version)
        .max()
}

/// How far a version is from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// Only corrections: `1.2.3` → `1.2.4`.
    Patch,
    /// Something is added: `1.2.3` → `1.3.0`.
    Minor,
    /// Something may be taken away: `1.2.3` → `2.0.0`, `0.2.3` → `0.3.0`, `0.0.3` → `0.0.4`.
    Major,
}

impl Bump {
    /// From `before` to `after`, which is greater.
    pub fn between(before: &Version, after: &Version) -> Self {
        let (b, a) = (before, after);
        if a.major != b.major || (a.major == 0 && a.minor != b.minor) {
            return Self::Major;
        }
        if a.major == 0 && a.minor == 0 {
            return if a.patch == b.patch {
                Self::Patch
            } else {
                Self::Major
            };
        }
        if a.minor == b.minor {
            Self::Patch
        } else {
            Self::Minor
        }
    }

    /// The least version above `before` that goes so far.
    pub fn after(self, before: &Version) -> Version {
        let (major, minor, patch) = (before.major, before.minor, before.patch);
        match (self, major, minor) {
            (Self::Major, 0, 0) => Version::new(0, 0, patch.saturating_add(1)),
            (Self::Major | Self::Minor, 0, _) => Version::new(0, minor.saturating_add(1), 0),
            (Self::Major, ..) => Version::new(major.saturating_add(1), 0, 0),
            (Self::Minor, ..) => Version::new(major, minor.saturating_add(1), 0),
            (Self::Patch, ..) => Version::new(major, minor, patch.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn states_come_one_after_the_other() {
        use VersionState as S;
        for state in S::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert!(!state.may_become(state));
            assert!(!state.may_become(S::Admitted), "what was published stays seen");
        }
        assert!(S::Admitted.may_become(S::Published) && !S::Admitted.may_become(S::Deprecated));
        assert!(S::Yanked.may_become(S::Published) && S::Deprecated.may_become(S::Yanked));
        assert!("gone".parse::<S>().is_err());
    }

    #[test]
    fn a_channel_is_no_range() {
        for good in ["stable", "beta", "team-7"] {
            assert!(good.parse::<ChannelName>().is_ok(), "{good}");
        }
        for bad in ["", "x", "X", "*", "1", "Beta", "a b", "ä", &"a".repeat(61)] {
            assert!(bad.parse::<ChannelName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_is_held_to_the_greatest_below_it_that_is_used() {
        use VersionState::{Admitted, Deprecated, Published, Yanked};
        let all = [
            ("1.0.0", Published),
            ("1.2.0", Deprecated),
            ("1.3.0", Yanked),
            ("1.4.0", Admitted),
            ("1.5.0-beta.1", Published),
            ("1.5.0+dev.7", Published),
            ("2.0.0", Published),
        ]
        .map(|(text, state)| (version(text), state));
        let basis =
            |next: &str| basis_of(all.iter().map(|(v, s)| (v, *s)), &version(next)).map(ToString::to_string);
        assert_eq!(basis("1.6.0").as_deref(), Some("1.2.0"));
        assert_eq!(basis("1.1.0").as_deref(), Some("1.0.0"));
        assert_eq!(basis("1.0.0"), None);
        assert_eq!(basis("1.0.0+other"), None);
        assert_eq!(basis("3.0.0-alpha").as_deref(), Some("2.0.0"));
    }

    #[test]
    fn bumps() {
        for (before, after, bump) in [
            ("1.2.3", "1.2.4", Bump::Patch),
            ("1.2.3", "1.3.0", Bump::Minor),
            ("1.2.3", "1.3.0-beta", Bump::Minor),
            ("1.2.3", "2.0.0", Bump::Major),
            ("0.2.3", "0.2.4", Bump::Patch),
            ("0.2.3", "0.3.0", Bump::Major),
            ("0.0.3", "0.0.4", Bump::Major),
            ("0.9.0", "1.0.0", Bump::Major),
        ] {
            assert_eq!(
                Bump::between(&version(before), &version(after)),
                bump,
                "{before} → {after}"
            );
        }
        for text in ["1.2.3", "0.2.3", "0.0.3"] {
            for bump in [Bump::Patch, Bump::Minor, Bump::Major] {
                let after = bump.after(&version(text));
                assert!(Bump::between(&version(text), &after) >= bump, "{text} → {after}");
            }
        }
    }
}
