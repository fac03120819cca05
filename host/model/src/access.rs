//! Who may do what: roles, scopes and clearances.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not one of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is none of: {words}")]
pub struct UnknownWord {
    /// What was given, shortened.
    pub text: String,
    /// Those that there are.
    pub words: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| UnknownWord {
                    text: text.chars().filter(|c| !c.is_control()).take(60).collect(),
                    words: Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

words! {
    /// What a principal is to its organisation; see [`Role::scopes`].
    Role {
        /// May do everything in the organisation.
        Owner = "owner",
        /// Makes pipelines and publishes plugins.
        Developer = "developer",
        /// Runs pipelines and reads what they came to.
        Invoker = "invoker",
        /// Reads.
        Viewer = "viewer",
    }
}

words! {
    /// A right to use some of the operations.
    Scope {
        /// Run pipelines.
        RunsInvoke = "runs:invoke",
        /// Read runs, their results and their files.
        RunsRead = "runs:read",
        /// Read documents and their bytes.
        DocumentsRead = "documents:read",
        /// Give documents another tier.
        DocumentsWrite = "documents:write",
        /// Read pipelines.
        PipelinesRead = "pipelines:read",
        /// Save pipelines, and have definitions judged.
        PipelinesWrite = "pipelines:write",
        /// See plugins.
        PluginsRead = "plugins:read",
        /// Publish plugins, and have components checked.
        PluginsWrite = "plugins:write",
        /// Grant plugins capabilities, and withdraw them.
        GrantsWrite = "grants:write",
        /// Keep, list and forget secrets. Nobody reads them.
        SecretsWrite = "secrets:write",
        /// See users and their sessions.
        UsersRead = "users:read",
        /// Invite, change and remove users; end their sessions.
        UsersWrite = "users:write",
        /// See keys.
        KeysRead = "keys:read",
        /// Make, rotate and revoke keys.
        KeysWrite = "keys:write",
        /// See the organisation's settings.
        TenantRead = "tenant:read",
        /// Change them.
        TenantWrite = "tenant:write",
        /// See what was used.
        UsageRead = "usage:read",
        /// Read the audit log.
        AuditRead = "audit:read",
    }
}

words! {
    /// What a principal may see, and what a document or a record demands: from S, the highest, to D.
    Clearance {
        /// Sees everything.
        S = "S",
        /// Everything but S.
        A = "A",
        /// From B down.
        B = "B",
        /// From C down.
        C = "C",
        /// What is for everybody in the organisation.
        D = "D",
    }
}

impl Clearance {
    /// Whether it sees what demands `tier`.
    pub fn sees(self, tier: Self) -> bool {
        self <= tier
    }

    /// The higher of two tiers: what holds both demands it.
    #[must_use]
    pub fn raised_to(self, tier: Self) -> Self {
        self.min(tier)
    }

    /// The tier of what says nothing: everybody in the organisation sees it.
    pub const fn everybody() -> Self {
        Self::D
    }

    /// Whether it is [`everybody`](Self::everybody)'s.
    pub fn is_everybody(&self) -> bool {
        *self == Self::everybody()
    }
}

impl Role {
    /// What the role may.
    pub fn scopes(self) -> Scopes {
        const VIEWER: &[Scope] = &[
            Scope::RunsRead,
            Scope::DocumentsRead,
            Scope::PipelinesRead,
            Scope::PluginsRead,
            Scope::TenantRead,
            Scope::UsageRead,
        ];
        const INVOKER: &[Scope] = &[
            Scope::RunsInvoke,
            Scope::RunsRead,
            Scope::DocumentsRead,
            Scope::PipelinesRead,
            Scope::PluginsRead,
            Scope::TenantRead,
        ];
        const DEVELOPER: &[Scope] = &[
            Scope::RunsInvoke,
            Scope::DocumentsWrite,
            Scope::PipelinesWrite,
            Scope::PluginsWrite,
            Scope::KeysRead,
            Scope::UsersRead,
        ];
        match self {
            Self::Owner => Scopes::of(Scope::ALL),
            Self::Developer => Scopes::of(VIEWER) | Scopes::of(DEVELOPER),
            Self::Invoker => Scopes::of(INVOKER),
            Self::Viewer => Scopes::of(VIEWER),
        }
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u32);

impl Scopes {
    /// These.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, scope| set | 1 << (*scope as u32)))
    }

    /// Whether it is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << (scope as u32)) != 0
    }

    /// Whether all of `others` are among them.
    pub const fn covers(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }
}

impl std::ops::BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitAnd for Scopes {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
            assert_eq!(serde_json::json!(scope), scope.as_str());
        }
        let unknown = "root\n".parse::<Role>().map_err(|error| error.to_string());
        let said = "'root' is none of: owner, developer, invoker, viewer";
        assert_eq!(unknown, Err(said.to_owned()));
    }

    #[test]
    fn nobody_but_an_owner_changes_who_may_what() {
        for role in Role::ALL {
            let scopes = role.scopes();
            let owner = *role == Role::Owner;
            for guarded in [
                Scope::UsersWrite,
                Scope::KeysWrite,
                Scope::TenantWrite,
                Scope::AuditRead,
            ] {
                assert_eq!(scopes.has(guarded), owner, "{role} {guarded}");
            }
            assert!(Role::Owner.scopes().covers(scopes));
            assert!(scopes.has(Scope::RunsRead) && scopes.has(Scope::TenantRead));
        }
        assert!(!Role::Viewer.scopes().has(Scope::RunsInvoke));
        assert!(Role::Invoker.scopes().has(Scope::RunsInvoke));
        assert!(!Role::Invoker.scopes().covers(Role::Viewer.scopes()));
    }

    #[test]
    fn who_is_cleared_sees_what_is_below() {
        assert!(Clearance::S.sees(Clearance::S) && Clearance::S.sees(Clearance::D));
        assert!(Clearance::C.sees(Clearance::D) && !Clearance::C.sees(Clearance::B));
        assert_eq!(Clearance::D.raised_to(Clearance::B), Clearance::B);
        assert_eq!(Clearance::S.raised_to(Clearance::B), Clearance::S);
        let seen = |c: &Clearance| Clearance::ALL.iter().filter(|tier| c.sees(**tier)).count();
        assert_eq!(
            Clearance::ALL.iter().map(seen).collect::<Vec<_>>(),
            [5, 4, 3, 2, 1]
        );
    }
}
