//! The command line as a client of the HTTP API: of a server that `--url` names, or of a platform started inside this
//! process, which then answers on a loopback port of its own. One path for both.

use std::time::Duration;

use anyhow::{Context as _, Result};
use docmill_model::failure::{Code, Failure};
use serde_json::{Value as Json, json};

use crate::cli::Arguments;
use crate::commands::{load_config, serve};
use crate::platform::{Platform, Start};

/// A connection to the API.
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    /// The platform inside this process, if there is one; it ends with the client.
    platform: Option<Platform>,
}

/// One file of a multipart body.
pub struct Upload {
    /// Which of the pipeline's inputs it is.
    pub role: String,
    pub name: String,
    pub media_type: Option<String>,
    pub bytes: Vec<u8>,
}

impl Client {
    /// Connects to `--url`, or starts an embedded platform.
    pub async fn open(arguments: &Arguments) -> Result<Self> {
        if let Some(url) = &arguments.url {
            let key = arguments
                .key
                .as_ref()
                .context("--url needs an API key: set DOCMILL_KEY or --key")?;
            let base = url.trim_end_matches('/').to_owned();
            return Self::new(base, key.expose().to_owned(), None);
        }
        let config = load_config(arguments, &[])?;
        let platform = Platform::start(config, Start::to_look()).await?;
        serve::announce_key(&platform);
        Self::of(platform)
    }

    /// A client of a platform that this process has started.
    pub fn of(platform: Platform) -> Result<Self> {
        let key = platform
            .key()
            .context("there is no API key for this command")?
            .to_owned();
        Self::new(platform.url(), key, Some(platform))
    }

    /// The same server for somebody else.
    pub fn with_key(&self, key: &str) -> Result<Self> {
        Self::new(self.base.clone(), key.to_owned(), None)
    }

    fn new(base: String, key: String, platform: Option<Platform>) -> Result<Self> {
        // A proxy of the environment has no business between this process and a server that the user named.
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self {
            http,
            base,
            key,
            platform,
        })
    }

    /// Where the API is.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The platform inside this process, if there is one.
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// GET, as JSON.
    pub async fn get(&self, path: &str) -> Result<Json> {
        self.send(self.http.get(self.full(path))).await
    }

    /// GET of a list, all its pages as one.
    pub async fn list(&self, path: &str) -> Result<Json> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.get(&format!("{path}{joint}limit=200{cursor}")).await?;
            if let Some(Json::Array(more)) = page.get_mut("items").map(Json::take) {
                items.extend(more);
            }
            match page.get("next").and_then(Json::as_str) {
                Some(next) => cursor = format!("&cursor={}", segment(next)),
                None => return Ok(json!({ "items": items })),
            }
        }
    }

    /// GET of a file of at most `most` bytes.
    pub async fn file(&self, path: &str, most: u64) -> Result<bytes::Bytes> {
        let mut answer = self.ask(self.http.get(self.full(path))).await?;
        let status = answer.status();
        let mut bytes = bytes::BytesMut::new();
        while let Some(chunk) = answer.chunk().await.context("the answer broke off")? {
            if bytes.len() as u64 + chunk.len() as u64 > most {
                anyhow::bail!("{path} has more than {most} bytes");
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes.freeze());
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Json::Null);
        Err(problem(status.as_u16(), &body))
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: &Json) -> Result<Json> {
        self.send(self.http.post(self.full(path)).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Json> {
        self.send(self.http.delete(self.full(path))).await
    }

    /// PUT, POST or PATCH of bytes.
    pub async fn bytes(
        &self,
        method: reqwest::Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Json> {
        let request = self
            .http
            .request(method, self.full(path))
            .header("content-type", media_type);
        self.send(request.body(body)).await
    }

    /// PUT of bytes: the status and the body of whatever is answered.
    pub async fn put_answered(&self, path: &str, media_type: &str, body: Vec<u8>) -> Result<(u16, Json)> {
        let request = self.http.put(self.full(path)).header("content-type", media_type);
        let (status, body) = self.answered(request.body(body)).await?;
        Ok((status.as_u16(), body))
    }

    /// PUT of a form.
    pub async fn put_form(&self, path: &str, form: reqwest::multipart::Form) -> Result<Json> {
        self.send(self.http.put(self.full(path)).multipart(form)).await
    }

    /// POST of documents and params, an object, to a pipeline.
    pub async fn run(&self, pipeline: &str, uploads: Vec<Upload>, params: &Json) -> Result<Json> {
        let mut form = reqwest::multipart::Form::new();
        // A form without any part has no end that could be told from a broken connection.
        if uploads.is_empty() || params.as_object().is_some_and(|p| !p.is_empty()) {
            form = form.text("params", params.to_string());
        }
        for upload in uploads {
            let mut file = reqwest::multipart::Part::bytes(upload.bytes).file_name(upload.name);
            if let Some(media_type) = &upload.media_type {
                file = file
                    .mime_str(media_type)
                    .with_context(|| format!("'{media_type}' is not a media type"))?;
            }
            form = form.part(upload.role, file);
        }
        let path = format!("/v1/pipelines/{}/runs", segment(pipeline));
        self.send(self.http.post(self.full(&path)).multipart(form)).await
    }

    /// POST of a document to be worked on later, as often as it takes until it is accepted; the key has it carried out once.
    pub async fn queue(&self, path: &str, key: &str, media_type: &str, body: Vec<u8>) -> Result<Json> {
        let begun = std::time::Instant::now();
        loop {
            let request = self
                .http
                .post(self.full(path))
                .header("prefer", "respond-async")
                .header("idempotency-key", key)
                .header("content-type", media_type);
            match self.send(request.body(body.clone())).await {
                Ok(run) => return Ok(run),
                Err(error) => {
                    let passes = error
                        .downcast_ref::<Failure>()
                        .is_some_and(|failure| failure.code.transient());
                    if !passes || begun.elapsed() > Duration::from_secs(60) {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends the platform inside this process, if there is one, in order.
    pub async fn close(self) {
        if let Some(platform) = self.platform {
            platform.stop().await;
        }
    }

    fn full(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        request.bearer_auth(&self.key).send().await.map_err(|error| {
            let failure = Failure::new(
                Code::StoreUnavailable,
                format!("the docmill server at {} does not answer", self.base),
            );
            anyhow::Error::new(error).context(failure)
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Json> {
        let (status, body) = self.answered(request).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(problem(status.as_u16(), &body))
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, Json)> {
        let answer = self.ask(request).await?;
        let status = answer.status();
        let text = answer.text().await.context("the answer broke off")?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Json::Null)))
    }
}

/// A problem of the API as an error that reads well in a terminal.
fn problem(status: u16, body: &Json) -> anyhow::Error {
    let text = |name: &str| body.get(name).and_then(Json::as_str).map(str::to_owned);
    let code = text("code").and_then(|c| c.parse::<Code>().ok());
    let mut message = text("detail")
        .or_else(|| text("title"))
        .unwrap_or_else(|| format!("the server answered {status}"));
    if let Some(step) = text("step") {
        message = format!("step {step}: {message}");
    }
    for problem in body
        .get("problems")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let part = |name: &str| problem.get(name).and_then(Json::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {}: {}", part("at"), part("message")));
        if let (Some(line), Some(column)) = (problem.get("line"), problem.get("column")) {
            message.push_str(&format!(" (line {line}, column {column})"));
        }
    }
    let lines = body.pointer("/report/lines").and_then(Json::as_array);
    for line in lines.into_iter().flatten() {
        if line.get("pass") == Some(&Json::Bool(false)) {
            let part = |name: &str| line.get(name).and_then(Json::as_str).unwrap_or_default();
            message.push_str(&format!("\n  ✗ {}: {}", part("check"), part("detail")));
        }
    }
    if let Some(run) = text("run") {
        let said = match code {
            // The database fell silent during the commit: nobody knows.
            Some(Code::StoreUnavailable) => "the run may have been kept",
            _ => "the run is kept",
        };
        message.push_str(&format!("\n  {said}: docmill runs show {run}"));
    }
    let mut failure = Failure::new(code.unwrap_or(Code::Internal), message);
    failure.reason = text("reason");
    failure.into()
}

/// A path segment.
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_called_kept_only_if_it_is() {
        let told = |code: &str| {
            let body = json!({"code": code, "detail": "x", "run": "run_1"});
            format!("{:#}", problem(503, &body))
        };
        assert!(told("trap").contains("the run is kept: docmill runs show run_1"));
        assert!(told("store-unavailable").contains("the run may have been kept: docmill runs show run_1"));
        let body = json!({"code": "trap", "detail": "x"});
        assert!(!format!("{:#}", problem(502, &body)).contains("kept"));
    }
}
