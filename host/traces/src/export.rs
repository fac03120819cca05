//! Where spans go.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};

/// Where the OTLP specification has traces under an endpoint.
const TRACES_PATH: &str = "/v1/traces";
/// Spans that may wait to be sent; more are dropped. About a kilobyte each.
const QUEUE: usize = 16 * 1024;
/// Spans in one message.
const BATCH: usize = 1024;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where traces go and which. Behind each stands its name on the page of settings.
#[derive(Clone)]
pub struct Settings {
    /// Base URL of a collector, as in `http://127.0.0.1:4318`; spans are posted to `/v1/traces` under it. `otlp_endpoint`
    pub endpoint: String,
    /// Sent with each message; a vendor's key is one. `otlp_headers`
    pub headers: Vec<(String, String)>,
    /// Share of traces that are kept, 0 to 1, of those that no caller has decided about. `otlp_sample`
    pub sample: f64,
    /// Which docmill it is.
    pub version: &'static str,
}

/// Without the headers' values: keys are among them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

/// Why traces cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTraces(String);

/// Sends spans, or does nothing; cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(pub(crate) Option<Arc<Sender>>);

pub(crate) struct Sender {
    pub(crate) tracer: SdkTracer,
    provider: SdkTracerProvider,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Traces(on)"
        } else {
            "Traces(off)"
        })
    }
}

impl Traces {
    /// No trace is made.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Sends spans on a thread of its own, whether or not somebody is there to take them.
    ///
    /// # Errors
    /// When endpoint, headers or share are not such; the message names the setting.
    pub fn start(settings: &Settings) -> Result<Self, InvalidTraces> {
        if !(0.0..=1.0).contains(&settings.sample) {
            return Err(InvalidTraces(format!(
                "otlp_sample is a share from 0 to 1; {} is none",
                settings.sample
            )));
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(traces_url(&settings.endpoint)?)
            .with_headers(headers(&settings.headers)?)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| InvalidTraces(format!("otlp_endpoint: {error}")))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let ours = Sampler::TraceIdRatioBased(settings.sample);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(ours)))
            .with_resource(resource(settings.version))
            .build();
        let scope = InstrumentationScope::builder("docmill")
            .with_version(settings.version)
            .build();
        let tracer = provider.tracer_with_scope(scope);
        Ok(Self(Some(Arc::new(Sender { tracer, provider }))))
    }

    /// Sends what waits. Blocks, for `patience` at most; no span is made after it.
    pub fn close(&self, patience: Duration) {
        let Some(sender) = &self.0 else { return };
        if let Err(error) = sender.provider.shutdown_with_timeout(patience) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES` adds to it, as in every program that sends traces.
fn resource(version: &'static str) -> Resource {
    Resource::builder()
        .with_service_name("docmill")
        .with_attribute(KeyValue::new("service.version", version))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
        .build()
}

fn traces_url(endpoint: &str) -> Result<String, InvalidTraces> {
    let wrong = |why: &str| {
        Err(InvalidTraces(format!(
            "otlp_endpoint: '{endpoint}' {why}; write the base URL of a collector that takes OTLP over HTTP, such as \
             http://127.0.0.1:4318"
        )))
    };
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return wrong("is no URL");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("is not http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidTraces(
            "otlp_endpoint holds a name or password; a key belongs into otlp_headers".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query or a fragment");
    }
    let base = url.as_str().trim_end_matches('/');
    Ok(match base.strip_suffix(TRACES_PATH) {
        Some(_) => base.to_owned(),
        None => format!("{base}{TRACES_PATH}"),
    })
}

fn headers(given: &[(String, String)]) -> Result<HashMap<String, String>, InvalidTraces> {
    for (name, value) in given {
        let good = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && reqwest::header::HeaderValue::from_str(value).is_ok();
        if !good {
            return Err(InvalidTraces(format!(
                "otlp_headers: '{}' and its value cannot stand in a header; write name=value, separated by commas",
                name.escape_debug()
            )));
        }
    }
    Ok(given.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> Settings {
        Settings {
            endpoint: endpoint.to_owned(),
            headers: vec![("x-key".to_owned(), "hunter2".to_owned())],
            sample: 1.0,
            version: "0",
        }
    }

    #[test]
    fn traces_stand_under_the_endpoint() {
        for (endpoint, url) in [
            ("http://a:4318", "http://a:4318/v1/traces"),
            ("https://a/otlp/", "https://a/otlp/v1/traces"),
            ("http://a/v1/traces", "http://a/v1/traces"),
        ] {
            assert_eq!(traces_url(endpoint).unwrap(), url);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named_without_its_secrets() {
        for endpoint in [
            "",
            "collector:4318",
            "grpc://a",
            "http://u:hunter2@a",
            "http://a?x=1",
        ] {
            let said = Traces::start(&settings(endpoint)).unwrap_err().to_string();
            assert!(
                said.contains("otlp_endpoint") && !said.contains("hunter2"),
                "{said}"
            );
        }
        for sample in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let bad = Settings {
                sample,
                ..settings("http://127.0.0.1:1")
            };
            assert!(
                Traces::start(&bad)
                    .unwrap_err()
                    .to_string()
                    .contains("otlp_sample")
            );
        }
        let header = ("x key".to_owned(), "hunter2".to_owned());
        let bad = Settings {
            headers: vec![header],
            ..settings("http://127.0.0.1:1")
        };
        let said = Traces::start(&bad).unwrap_err().to_string();
        assert!(
            said.contains("otlp_headers") && !said.contains("hunter2"),
            "{said}"
        );
        assert!(!format!("{:?}", settings("http://a")).contains("hunter2"));
    }
}
