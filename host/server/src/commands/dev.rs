//! `docmill dev`: everything embedded, plugins and pipelines of a directory reloaded when they are saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use docmill_model::digest::Digest;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::cli::{Arguments, Dev};
use crate::commands::serve;
use crate::platform::{Platform, Start};
use crate::{commands, exit};

/// Editors and compilers write in several goes; this long nothing must happen before a file is read.
const QUIET: Duration = Duration::from_millis(80);
/// A change is not held back longer than this by further ones.
const PATIENCE: Duration = Duration::from_millis(400);

/// Serves and reloads until Ctrl-C.
pub async fn dev(arguments: &Arguments, options: &Dev) -> Result<u8> {
    let directory = options
        .directory
        .canonicalize()
        .with_context(|| format!("there is no directory {}", options.directory.display()))?;
    let config = commands::load_config(arguments, &[("listen", options.listen.clone())])?;
    let platform = Platform::start(
        config,
        Start {
            public: true,
            ..Start::for_command()
        },
    )
    .await?;
    serve::announce(&platform);
    let (changes, mut changed) = mpsc::unbounded_channel::<PathBuf>();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        for path in event
            .into_iter()
            .filter(|e| !e.kind.is_access())
            .flat_map(|e| e.paths)
        {
            // The receiver lives as long as this command.
            changes.send(path).ok();
        }
    })?;
    watcher
        .watch(&directory, RecursiveMode::Recursive)
        .with_context(|| format!("cannot watch {}", directory.display()))?;

    let mut reload = Reload {
        platform: &platform,
        directory: &directory,
        seen: BTreeMap::new(),
        waiting: BTreeSet::new(),
    };
    let mut present = Vec::new();
    find(&directory, &directory, 0, &mut present);
    reload.all(present).await;
    eprintln!(
        "watching {} for *.wasm and *.yaml; try:\n\n    {}\n",
        directory.display(),
        try_it(&platform)
    );

    let stop = serve::until_told_to_stop();
    tokio::pin!(stop);
    loop {
        let first = tokio::select! {
            () = &mut stop => break,
            path = changed.recv() => path,
        };
        let started = Instant::now();
        let mut paths: BTreeSet<PathBuf> = first.into_iter().collect();
        while started.elapsed() < PATIENCE {
            match tokio::time::timeout(QUIET, changed.recv()).await {
                Ok(Some(path)) => paths.insert(path),
                _ => break,
            };
        }
        reload.all(paths.into_iter().collect()).await;
    }
    drop(watcher);
    platform.stop().await;
    Ok(exit::OK)
}

/// The key stays in its file.
fn try_it(platform: &Platform) -> String {
    format!(
        "curl -H \"Authorization: Bearer $(cat '{}')\" -F file=@YOUR.pdf {}/v1/pipelines/read/runs",
        platform.key_file().display(),
        platform.url()
    )
}

struct Reload<'a> {
    platform: &'a Platform,
    /// What is watched.
    directory: &'a Path,
    /// What each file held when it was last loaded: a touched file is not a changed one.
    seen: BTreeMap<PathBuf, Digest>,
    /// Pipelines that did not fit yet: a plugin that comes later may cure them.
    waiting: BTreeSet<PathBuf>,
}

impl Reload<'_> {
    async fn all(&mut self, paths: Vec<PathBuf>) {
        let (plugins, rest): (Vec<_>, Vec<_>) = paths
            .into_iter()
            .filter(|p| !in_build_directory(p, self.directory))
            .partition(|p| has_extension(p, &["wasm"]));
        let mut pipelines: BTreeSet<PathBuf> = rest
            .into_iter()
            .filter(|p| has_extension(p, &["yaml", "yml"]))
            .collect();
        let mut published = false;
        for path in plugins {
            published |= self.plugin(&path).await;
        }
        if published {
            pipelines.append(&mut self.waiting);
        }
        for path in pipelines {
            self.pipeline(&path).await;
        }
    }

    /// The file's bytes, if they are there and new.
    fn changed(&mut self, path: &Path) -> Option<Vec<u8>> {
        let bytes = std::fs::read(path).ok().filter(|b| !b.is_empty())?;
        let digest = Digest::of(&bytes);
        (self.seen.insert(path.to_owned(), digest) != Some(digest)).then_some(bytes)
    }

    async fn plugin(&mut self, path: &Path) -> bool {
        let Some(bytes) = self.changed(path) else {
            return false;
        };
        let started = Instant::now();
        match self
            .platform
            .registry
            .publish_development(self.platform.tenant, bytes.into())
            .await
        {
            Ok(published) => {
                self.platform.runs.changed(self.platform.tenant);
                eprintln!(
                    "✓ {} ({:.0} ms)",
                    published.plugin,
                    started.elapsed().as_secs_f64() * 1000.0
                );
                true
            }
            Err(refusal) => {
                eprintln!("✗ {}: {}", path.display(), refusal.failure);
                false
            }
        }
    }

    async fn pipeline(&mut self, path: &Path) {
        let waited = self.waiting.contains(path);
        let Some(bytes) = self
            .changed(path)
            .or_else(|| waited.then(|| std::fs::read(path).ok())?)
        else {
            return;
        };
        let started = Instant::now();
        match self.platform.apply(&String::from_utf8_lossy(&bytes)).await {
            Ok(Ok((name, version, true))) => {
                eprintln!(
                    "✓ pipeline {name} version {version} ({:.0} ms)",
                    started.elapsed().as_secs_f64() * 1000.0
                );
            }
            Ok(Ok(_)) => {}
            Ok(Err(problems)) => {
                for problem in problems {
                    eprintln!("✗ {}: {problem}", path.display());
                }
                // Read again when a plugin comes, even if the file itself stays as it is.
                self.seen.remove(path);
                self.waiting.insert(path.to_owned());
            }
            Err(error) => eprintln!("✗ {}: {error:#}", path.display()),
        }
    }
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().is_some_and(|e| wanted.iter().any(|w| e == *w))
}

/// Intermediate files of compilers are no plugins; the finished component in a project's own directory is. Only what lies
/// below the watched directory counts: its own path is the user's affair.
fn in_build_directory(path: &Path, watched: &Path) -> bool {
    let below = path.strip_prefix(watched).unwrap_or(path);
    below.components().any(|c| {
        ["deps", "node_modules", ".git", "incremental", "build"]
            .iter()
            .any(|d| c.as_os_str() == *d)
    })
}

fn find(watched: &Path, directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > 8 || in_build_directory(directory, watched) {
        return;
    }
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find(watched, &path, depth + 1, found),
            Ok(kind) if kind.is_file() && has_extension(&path, &["wasm", "yaml", "yml"]) => found.push(path),
            _ => {}
        }
    }
}
