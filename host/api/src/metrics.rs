//! Every metric on one page, in the Prometheus text format. Labels come from closed sets (routes, methods, statuses,
//! codes), never from tenants or clients.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use docmill_model::failure::Code;

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS_US: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// What a request's figures are kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The method, `OTHER` for one that docmill does not know.
    pub method: &'static str,
    /// The route's template, `unmatched` for none.
    pub route: Arc<str>,
    /// The HTTP status; 499: the client went away.
    pub status: u16,
}

#[derive(Default)]
struct Series {
    count: AtomicU64,
    sum_us: AtomicU64,
    buckets: [AtomicU64; BUCKETS_US.len()],
}

/// The figures of the HTTP side.
#[derive(Default)]
pub struct Metrics {
    requests: RwLock<BTreeMap<RequestKey, Arc<Series>>>,
    /// Requests in work.
    pub in_flight: AtomicU64,
    /// Open connections.
    pub connections: AtomicU64,
    /// Panics of handlers that were caught.
    pub panics: AtomicU64,
    /// Bytes of bodies that came in.
    pub bytes_in: AtomicU64,
    problems: RwLock<BTreeMap<Code, u64>>,
}

impl Metrics {
    /// Counts a request that ended.
    pub fn record(&self, key: RequestKey, took: Duration) {
        let known = {
            let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
            requests.get(&key).cloned()
        };
        let series = known.unwrap_or_else(|| {
            let mut requests = self.requests.write().unwrap_or_else(PoisonError::into_inner);
            requests.entry(key).or_default().clone()
        });
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        series.count.fetch_add(1, Ordering::Relaxed);
        series.sum_us.fetch_add(us, Ordering::Relaxed);
        let first = BUCKETS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = series.buckets.get(first) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a problem that was answered.
    pub fn problem(&self, code: Code) {
        let mut problems = self.problems.write().unwrap_or_else(PoisonError::into_inner);
        *problems.entry(code).or_default() += 1;
    }

    /// The HTTP side in the text format.
    pub fn write(&self, text: &mut String) {
        head(
            text,
            "docmill_http_requests_total",
            "counter",
            "Requests answered.",
        );
        let requests: Vec<(RequestKey, Arc<Series>)> = {
            let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
            requests.iter().map(|(k, s)| (k.clone(), s.clone())).collect()
        };
        for (key, series) in &requests {
            let count = series.count.load(Ordering::Relaxed);
            line(text, "docmill_http_requests_total", &labels(key), count);
        }
        let name = "docmill_http_request_duration_seconds";
        head(
            text,
            name,
            "histogram",
            "From the request's head to the answer's head.",
        );
        for (key, series) in &requests {
            let labels = labels(key);
            let mut below = 0;
            for (bound, bucket) in BUCKETS_US.iter().zip(&series.buckets) {
                below += bucket.load(Ordering::Relaxed);
                let le = *bound as f64 / 1e6;
                line(
                    text,
                    &format!("{name}_bucket"),
                    &format!("{labels},le=\"{le}\""),
                    below,
                );
            }
            let count = series.count.load(Ordering::Relaxed);
            line(
                text,
                &format!("{name}_bucket"),
                &format!("{labels},le=\"+Inf\""),
                count,
            );
            let sum = series.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
            line(text, &format!("{name}_sum"), &labels, sum);
            line(text, &format!("{name}_count"), &labels, count);
        }
        head(
            text,
            "docmill_problems_total",
            "counter",
            "Problems answered, by code.",
        );
        let problems = self
            .problems
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (code, count) in problems {
            line(text, "docmill_problems_total", &format!("code=\"{code}\""), count);
        }
        for (name, kind, help, value) in [
            (
                "docmill_http_in_flight",
                "gauge",
                "Requests in work.",
                &self.in_flight,
            ),
            (
                "docmill_http_connections",
                "gauge",
                "Open connections.",
                &self.connections,
            ),
            (
                "docmill_http_panics_total",
                "counter",
                "Panics caught in handlers.",
                &self.panics,
            ),
            (
                "docmill_http_body_bytes_total",
                "counter",
                "Bytes of bodies that came in.",
                &self.bytes_in,
            ),
        ] {
            single(text, name, kind, help, value.load(Ordering::Relaxed));
        }
    }
}

/// The two comment lines above a metric.
pub fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A metric with one value.
pub fn single(text: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    head(text, name, kind, help);
    line(text, name, "", value);
}

/// One sample.
pub fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    };
}

fn labels(key: &RequestKey) -> String {
    format!(
        "method=\"{}\",route=\"{}\",status=\"{}\"",
        key.method, key.route, key.status
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let metrics = Metrics::default();
        for (millis, status) in [(0, 200), (2, 200), (40, 200), (90_000, 200), (1, 503)] {
            let key = RequestKey {
                method: "GET",
                route: "/v1/me".into(),
                status,
            };
            metrics.record(key, Duration::from_millis(millis));
        }
        let mut text = String::new();
        metrics.write(&mut text);
        for expected in [
            "docmill_http_requests_total{method=\"GET\",route=\"/v1/me\",status=\"200\"} 4",
            "status=\"200\",le=\"0.00025\"} 1",
            "status=\"200\",le=\"0.0025\"} 2",
            "status=\"200\",le=\"0.05\"} 3",
            "status=\"200\",le=\"30\"} 3",
            "status=\"200\",le=\"+Inf\"} 4",
            "docmill_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/me\",status=\"503\"} 1",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
}
