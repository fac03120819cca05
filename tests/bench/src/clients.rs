//! Runs the load generator and reads what it measured.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::percentile;

/// What to send.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub address: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub key: &'a str,
    pub connections: usize,
    pub seconds: f64,
}

/// What came back.
pub struct Measured {
    /// Good answers per second.
    pub per_second: f64,
    /// In milliseconds.
    pub p50: f64,
    /// In milliseconds.
    pub p95: f64,
    /// In milliseconds.
    pub p99: f64,
    /// Answers with 429 per second.
    pub refused_per_second: f64,
    /// Of those, in milliseconds.
    pub refused_p99: f64,
}

#[derive(Deserialize)]
struct Printed {
    latencies_us: Vec<f64>,
    refused_us: Vec<f64>,
    others: usize,
}

impl Load<'_> {
    /// Sends it from another process; every answer has to be good.
    pub fn run(&self) -> Result<Measured> {
        let measured = self.run_at(0.0)?;
        ensure!(measured.refused_per_second == 0.0, "some answers were 429");
        Ok(measured)
    }

    /// As fast as it is answered, whatever the answers are; how many there were in a second.
    pub fn press(&self) -> Result<f64> {
        let printed = self.print(0.0)?;
        let answers = printed.latencies_us.len() + printed.refused_us.len() + printed.others;
        Ok(answers as f64 / self.seconds)
    }

    /// The same at so many requests a second (0: as fast as they are answered); answers may be refusals.
    pub fn run_at(&self, rate: f64) -> Result<Measured> {
        let printed = self.print(rate)?;
        ensure!(printed.others == 0, "{} answers were not 200", printed.others);
        ensure!(!printed.latencies_us.is_empty(), "there was no good answer");
        Ok(Measured {
            per_second: printed.latencies_us.len() as f64 / self.seconds,
            p50: percentile(printed.latencies_us.clone(), 0.5) / 1000.0,
            p95: percentile(printed.latencies_us.clone(), 0.95) / 1000.0,
            p99: percentile(printed.latencies_us, 0.99) / 1000.0,
            refused_per_second: printed.refused_us.len() as f64 / self.seconds,
            refused_p99: percentile(printed.refused_us, 0.99) / 1000.0,
        })
    }

    fn print(&self, rate: f64) -> Result<Printed> {
        let output = Command::new(std::env::current_exe()?)
            .args(["__load", self.address, self.method, self.path, self.key])
            .args([
                self.connections.to_string(),
                self.seconds.to_string(),
                rate.to_string(),
            ])
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(
            output.status.success(),
            "the load generator failed against {}",
            self.address
        );
        serde_json::from_slice(&output.stdout).context("the load generator prints JSON")
    }
}
