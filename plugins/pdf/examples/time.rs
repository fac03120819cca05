//! `time ROUNDS FILE…`: the median time of parsing each file natively, in microseconds, as a JSON list. The benchmarks
//! compare the sandbox with it.

use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().ok_or("time ROUNDS FILE…")?.parse()?;
    let config = docmill_pdf::Config::default();
    let mut medians = Vec::new();
    for file in arguments {
        let bytes = std::fs::read(&file)?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let started = Instant::now();
            let document = docmill_pdf::parse(&bytes, &config)?;
            times.push(started.elapsed().as_secs_f64() * 1e6);
            if document.pages.is_empty() {
                return Err(format!("{file} has no pages").into());
            }
        }
        times.sort_by(f64::total_cmp);
        medians.push(times.get(rounds / 2).copied().unwrap_or(f64::NAN));
    }
    println!("{}", serde_json::to_string(&medians)?);
    Ok(())
}
