//! Prints what is read from PDF files: `cargo run -p docmill-pdf --example read -- FILE…`. With `--blocks` first, each
//! block with its kind and region.

use std::process::ExitCode;
use std::time::Instant;

use docmill_pdf::{Config, Document, parse};

fn main() -> ExitCode {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let with_blocks = files.first().is_some_and(|first| first == "--blocks");
    if with_blocks {
        files.remove(0);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let started = Instant::now();
        let read = std::fs::read(&file).map_err(|error| error.to_string());
        match read.and_then(|bytes| {
            parse(&bytes, &Config::default()).map_err(|error| format!("{}: {error}", error.code()))
        }) {
            Ok(document) => {
                eprintln!(
                    "{file}: {} pages in {:?}",
                    document.pages.len(),
                    started.elapsed()
                );
                print(&document, with_blocks);
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn print(document: &Document, with_blocks: bool) {
    for (name, value) in &document.metadata {
        eprintln!("  {name}: {value}");
    }
    for page in &document.pages {
        let warnings: Vec<&str> = page.warnings.iter().map(|warning| warning.code()).collect();
        println!(
            "--- page {:?} {}x{} {:?} {warnings:?}",
            page.label, page.width, page.height, page.origin
        );
        if !with_blocks {
            println!("{}", page.text());
            continue;
        }
        for block in &page.blocks {
            let at = block.region;
            println!(
                "[{:?} {:.3},{:.3}-{:.3},{:.3}] {}",
                block.kind,
                at.left,
                at.top,
                at.right,
                at.bottom,
                block.text()
            );
        }
    }
}
