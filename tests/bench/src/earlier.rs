//! Beside an earlier docmill: what came since may not cost more than it is worth.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::http::{compared, pipeline, rounds};
use crate::report::Figure;
use crate::server::{Server, save_pipeline, serve};

/// The program to compare with.
const EARLIER: &str = "DOCMILL_EARLIER";

/// Each with a database, plugins and pipelines of its own, in turns.
pub fn measure() -> Result<Vec<Figure>> {
    let Some(earlier) = std::env::var_os(EARLIER).map(PathBuf::from) else {
        eprintln!("  left out: {EARLIER} names no program");
        return Ok(Vec::new());
    };
    let now = std::env::current_exe()?.with_file_name("docmill");
    let data = tempfile::Builder::new()
        .prefix("docmill-bench")
        .tempdir_in(crate::root().join("target"))?;
    let (ours, theirs) = (
        started(&now, &data.path().join("now"))?,
        started(&earlier, &data.path().join("earlier"))?,
    );
    let mut figures = Vec::new();
    for retain in ["none", "result"] {
        for server in [&ours, &theirs] {
            save_pipeline(server, &pipeline(retain))?;
        }
        let path = format!("/v1/pipelines/bench-{retain}/runs");
        let [mine, before] = rounds([(&ours, &path), (&theirs, &path)])?;
        let title = format!("runs/s, retain {retain}, beside an earlier docmill");
        figures.push(compared(&title, &mine, &before, "≥ 0.9", 0.9));
    }
    Ok(figures)
}

fn started(program: &Path, data: &Path) -> Result<Server> {
    std::fs::create_dir_all(data)?;
    serve(program, data, None, &[]).with_context(|| format!("cannot serve with {}", program.display()))
}
