//! Makes the documents that the repository keeps, or any number of others.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use docmill_samples::generate::render::pdf::{FONT_DIRECTORY, Fonts};
use docmill_samples::generate::{Made, Spec, demo_list, make, set};

const USAGE: &str = "\
Usage:
  generate-samples chosen [DIRECTORY]           the documents that the repository keeps, into its own directory by default
  generate-samples random DIRECTORY SEED COUNT  others, with variants drawn from the seed
The fonts of Debian's package fonts-dejavu-core are read from DOCMILL_FONTS, by default from where Debian puts them.";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let fonts =
        std::env::var_os("DOCMILL_FONTS").map_or_else(|| PathBuf::from(FONT_DIRECTORY), PathBuf::from);
    let fonts = Fonts::read(&fonts)?;
    match words.as_slice() {
        ["chosen"] => chosen(&Path::new(env!("CARGO_MANIFEST_DIR")).join("documents"), &fonts),
        ["chosen", directory] => chosen(Path::new(directory), &fonts),
        ["random", directory, seed, count] => {
            let seed = seed.parse().context("SEED is a whole number")?;
            let count = count.parse().context("COUNT is a whole number")?;
            for (name, spec) in set::random(seed, count) {
                write(
                    Path::new(directory),
                    &make(&Spec { name: &name, ..spec }, &fonts)?,
                )?;
            }
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

fn chosen(directory: &Path, fonts: &Fonts) -> Result<()> {
    for spec in set::chosen() {
        write(directory, &make(&spec, fonts)?)?;
    }
    let list = serde_json::to_string_pretty(&demo_list(&set::DEMO))? + "\n";
    write_file(&directory.join("demo.json"), list.as_bytes())
}

fn write(directory: &Path, made: &Made) -> Result<()> {
    write_file(&directory.join(&made.file), &made.bytes)?;
    write_file(&directory.join(made.truth_file()), made.truth_text()?.as_bytes())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{:>7}  {}", bytes.len(), path.display());
    Ok(())
}
