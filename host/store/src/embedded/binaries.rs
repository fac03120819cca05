//! Finding PostgreSQL's programs: `$PG_BIN`, PATH, then where Debian, Fedora, Homebrew and Postgres.app put them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;
use crate::connect::MIN_VERSION;

/// How to get it, on this system.
pub const INSTALL: &str = if cfg!(target_os = "macos") {
    "Install it with `brew install postgresql@17`"
} else {
    "Install it with `apt-get install -y postgresql` (Debian, Ubuntu) or your system's package `postgresql-server`"
};

/// A directory with `postgres` and `initdb` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }
}

/// The binaries to use: those that fit the data, if there are data; the first that are new enough, otherwise.
pub(super) fn find(data: &Path) -> Result<Binaries, EmbeddedError> {
    let wanted = fs::read_to_string(data.join("PG_VERSION"))
        .ok()
        .and_then(|v| v.trim().parse().ok());
    choose(
        candidates().filter_map(|directory| probe(&directory)),
        data,
        wanted,
    )
}

fn choose(
    found: impl Iterator<Item = Binaries>,
    data: &Path,
    wanted: Option<u32>,
) -> Result<Binaries, EmbeddedError> {
    let found: Vec<Binaries> = found.collect();
    let fits = |b: &&Binaries| b.major >= MIN_VERSION && wanted.is_none_or(|major| b.major == major);
    if let Some(binaries) = found.iter().find(fits) {
        return Ok(binaries.clone());
    }
    let Some(newest) = found.iter().max_by_key(|b| b.major) else {
        return Err(EmbeddedError::Missing);
    };
    match wanted {
        Some(major) if major >= MIN_VERSION => {
            let mut majors: Vec<String> = found.iter().map(|b| b.major.to_string()).collect();
            majors.dedup();
            Err(EmbeddedError::OtherVersion {
                directory: data.to_owned(),
                data: major,
                found: majors.join(", "),
            })
        }
        _ => Err(EmbeddedError::TooOld {
            directory: newest.directory.clone(),
            found: newest.major,
        }),
    }
}

/// Directories to look into, best first.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let named = env::var_os("PG_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = env::split_paths(&path).filter(|p| p.is_absolute()).collect();
    let versioned = [
        "/usr/lib/postgresql",
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/usr",
        "/Applications/Postgres.app/Contents/Versions",
    ];
    named.into_iter().chain(path).chain(
        versioned
            .into_iter()
            .flat_map(|base| versions_below(Path::new(base))),
    )
}

/// `15/bin`, `postgresql@17/bin`, `pgsql-16/bin` below a directory, highest first.
fn versions_below(base: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version_of(&entry.file_name())?, entry.path().join("bin"))))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn version_of(name: &OsStr) -> Option<u32> {
    let name = name.to_str()?;
    ["postgresql@", "pgsql-", ""]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix)?.parse().ok())
}

/// The version of the programs in a directory; none if they are not both there or do not run.
fn probe(directory: &Path) -> Option<Binaries> {
    // A link in PATH leads to where the programs' own files are.
    let postgres = directory.join("postgres").canonicalize().ok()?;
    let directory = postgres.parent()?.to_owned();
    if !directory.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Binaries { directory, major })
}

/// The major version out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(major: u32) -> Binaries {
        Binaries {
            directory: format!("/pg/{major}").into(),
            major,
        }
    }

    #[test]
    fn reads_versions() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("something else 3"), None);
        assert_eq!(version_of(OsStr::new("postgresql@17")), Some(17));
        assert_eq!(version_of(OsStr::new("pgsql-16")), Some(16));
        assert_eq!(version_of(OsStr::new("15")), Some(15));
        assert_eq!(version_of(OsStr::new("local")), None);
    }

    #[test]
    fn chooses_the_version_of_the_data() {
        let data = Path::new("/data");
        let choose = |majors: &[u32], wanted| choose(majors.iter().map(|m| binaries(*m)), data, wanted);
        assert_eq!(choose(&[14, 17, 15], None).unwrap().major, 17);
        assert_eq!(choose(&[14, 17, 15], Some(15)).unwrap().major, 15);
        assert!(matches!(
            choose(&[17], Some(15)),
            Err(EmbeddedError::OtherVersion { data: 15, .. })
        ));
        assert!(matches!(
            choose(&[13], None),
            Err(EmbeddedError::TooOld { found: 13, .. })
        ));
        let missing = choose(&[], None).unwrap_err();
        assert!(
            cfg!(target_os = "macos") || missing.to_string().contains("apt-get install -y postgresql"),
            "{missing}"
        );
    }
}
