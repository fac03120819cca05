//! `docmill demo plugin`: the life of a plugin, once in Rust and once in JavaScript. A project is written, built, admitted and
//! run; an edit of it is picked up by the pipeline that uses it; a version that breaks a promise is refused under a minor
//! number and admitted under a major one.

mod project;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docmill_model::failure::Code;
use semver::Version;
use serde_json::{Value as Json, json};

use self::project::{Project, Tongue};
use crate::cli::Arguments;
use crate::client::{Client, Upload, segment};
use crate::commands::run::FILE;
use crate::platform::{Platform, Start};
use crate::show::{Style, list, say, text};
use crate::{commands, exit};

/// The organisation that publishes.
const AUTHOR: &str = "author";
const NAMESPACE: &str = "demo";
const DOCUMENT: &str = "Dear Ann,\nOrder: 42-A.\nGoodbye\n";
/// What the first version finds, and the one with the edit.
const FOUND: [&str; 2] = ["42-A.", "42-A"];
/// By then a published version has reached every host.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows it; the exit code is a failure if one claim did not hold, and says so if a language was not shown.
pub async fn demo(arguments: &Arguments, json: bool) -> Result<u8> {
    let config = commands::load_config(arguments, &[])?;
    let platform = Platform::start(config, Start::for_command()).await?;
    let secret = platform.neighbour(AUTHOR).await?;
    let secret = secret.context(
        "this demo publishes in an organisation of its own, and adds one in a private database alone: leave DATABASE_URL unset",
    )?;
    let client = Client::of(platform)?;
    let author = client.with_key(secret.expose())?;
    let shown = show(&author, json).await;
    client.close().await;
    shown
}

async fn show(client: &Client, json: bool) -> Result<u8> {
    let work = tempfile::tempdir().context("cannot make a temporary directory")?;
    let (mut wrong, mut missing) = (0, 0);
    for tongue in Tongue::ALL {
        let mut told = Told {
            tongue,
            json,
            style: Style::stdout(),
            since: Instant::now(),
            wrong: 0,
        };
        told.heading();
        if let Err(remedy) = tongue.tools() {
            told.not_shown(&remedy);
            missing += 1;
            continue;
        }
        let name = format!("{}-orders", tongue.word());
        let lived = Life {
            client,
            project: Project::new(work.path().join(&name), tongue),
            name,
        };
        if let Err(error) = lived.live(&mut told).await {
            told.step(Step::new("failed", false, format!("{error:#}")));
        }
        wrong += told.wrong;
    }
    if !json {
        let done = Tongue::ALL.len() - missing;
        say!(
            "\n{done} of {} languages shown, {wrong} claims did not hold",
            Tongue::ALL.len()
        );
    }
    Ok(match (wrong, missing) {
        (0, 0) => exit::OK,
        (0, _) => exit::NOT_SHOWN,
        _ => exit::FAILED,
    })
}

/// One thing that was done, and whether it came out as it should.
struct Step {
    name: &'static str,
    ok: bool,
    said: String,
    /// Details, one a line.
    lines: Vec<String>,
    /// Members that the JSON has beside these.
    more: Json,
}

impl Step {
    fn new(name: &'static str, ok: bool, said: impl Into<String>) -> Self {
        Self {
            name,
            ok,
            said: said.into(),
            lines: Vec::new(),
            more: json!({}),
        }
    }

    fn lines(self, lines: Vec<String>) -> Self {
        Self { lines, ..self }
    }

    fn more(self, more: Json) -> Self {
        Self { more, ..self }
    }
}

/// Tells steps as they come, for people or for programs.
struct Told {
    tongue: Tongue,
    json: bool,
    style: Style,
    since: Instant,
    wrong: usize,
}

impl Told {
    fn heading(&self) {
        if !self.json {
            let heading = format!("A plugin in {}", self.tongue);
            say!("\n{}", self.style.bold(&heading));
        }
    }

    fn not_shown(&self, remedy: &str) {
        if self.json {
            let step = json!({ "language": self.tongue.word(), "step": "tools", "ok": null, "said": remedy });
            say!("{step}");
        } else {
            say!("  – not shown: {remedy}");
        }
    }

    fn step(&mut self, step: Step) {
        let milliseconds = self.since.elapsed().as_millis();
        self.since = Instant::now();
        self.wrong += usize::from(!step.ok);
        if self.json {
            let mut object = json!({
                "language": self.tongue.word(),
                "step": step.name,
                "ok": step.ok,
                "said": step.said,
                "lines": step.lines,
                "ms": u64::try_from(milliseconds).unwrap_or(u64::MAX),
            });
            if let (Some(object), Json::Object(more)) = (object.as_object_mut(), step.more) {
                object.extend(more);
            }
            say!("{object}");
            return;
        }
        let mark = if step.ok { "✓" } else { "✗" };
        let mut out = format!(
            "  {mark} {:<11} {} {}",
            step.name,
            step.said,
            self.style.dim(&format!("{milliseconds} ms"))
        );
        for line in &step.lines {
            write!(out, "\n      {}", self.style.dim(line)).ok();
        }
        say!("{out}");
    }
}

/// A plugin with its project.
struct Life<'a> {
    client: &'a Client,
    project: Project,
    name: String,
}

/// What was answered to an upload.
struct Uploaded {
    status: u16,
    code: String,
    report: Vec<String>,
    /// What the report says of promises, one a line.
    promises: Vec<String>,
}

impl Life<'_> {
    async fn live(&self, told: &mut Told) -> Result<()> {
        let Self { project, name, .. } = self;
        let first = self.first().await?;
        let files = project.write(NAMESPACE, name)?;
        let written = format!(
            "docmill plugin new {NAMESPACE}/{name} --kind extractor --lang {}",
            project.tongue.word()
        );
        told.step(Step::new("written", true, written).lines(vec![format!("{files} files")]));
        project.set_version(&Version::new(0, 1, 0), &first)?;
        let component = self.build(told)?;
        self.admitted(told, &first, component).await?;
        let pipeline = format!(
            "name: {name}\nsteps:\n  - {{ id: parse, use: docmill/text@* }}\n  - {{ id: order, use: {NAMESPACE}/{name}@{} }}\n",
            first.major
        );
        let path = format!("/v1/pipelines/{name}");
        let saved = self
            .client
            .bytes(reqwest::Method::PUT, &path, "application/yaml", pipeline.into());
        saved.await?;
        let (value, by) = self.run().await?;
        let said = format!(
            "a pipeline with {NAMESPACE}/{name}@{} finds order = “{value}”",
            first.major
        );
        told.step(Step::new("run", value == FOUND[0] && by == first, said).more(json!({ "value": value })));

        let patch = Version::new(first.major, 0, 1);
        project.edit(project.tongue.mending())?;
        project.set_version(&first, &patch)?;
        told.step(Step::new(
            "edited",
            true,
            "a full stop behind the number is left out",
        ));
        let component = self.build(told)?;
        self.admitted(told, &patch, component).await?;
        let value = self.picked_up(&patch).await?;
        let said = format!("the same pipeline, untouched, finds order = “{value}”");
        told.step(Step::new("reloaded", value == FOUND[1], said).more(json!({ "value": value })));

        let minor = Version::new(first.major, 1, 0);
        project.edit(project.tongue.breaking())?;
        project.set_version(&patch, &minor)?;
        told.step(Step::new(
            "edited",
            true,
            "the configuration's `label` is gone, the field `order` is called `number`",
        ));
        let component = self.build(told)?;
        let answer = self.upload(&minor, component).await?;
        let refused = answer.code == Code::BreakingChange.as_str();
        let said = format!("{NAMESPACE}/{name}@{minor} → {} {}", answer.status, answer.code);
        told.step(
            Step::new("refused", refused && answer.promises.len() > 2, said)
                .lines(answer.promises)
                .more(json!({ "code": answer.code })),
        );

        let major = Version::new(first.major + 1, 0, 0);
        project.set_version(&minor, &major)?;
        let component = self.build(told)?;
        self.admitted(told, &major, component).await?;
        let (value, by) = self.run().await?;
        let said = format!(
            "the pipeline asked for @{} and goes on with {by}: “{value}”",
            first.major
        );
        told.step(
            Step::new("unmoved", value == FOUND[1] && by == patch, said).more(json!({ "value": value })),
        );
        Ok(())
    }

    /// The first version of this showing: of a plugin that an earlier one published, the next major number.
    async fn first(&self) -> Result<Version> {
        let known = self
            .client
            .list(&format!("/v1/plugins?q={}", segment(&self.name)))
            .await?;
        let own = format!("{NAMESPACE}/{}", self.name);
        let majors = list(&known, "items")
            .iter()
            .filter(|plugin| text(plugin, "name") == own)
            .flat_map(|plugin| list(plugin, "versions"))
            .filter_map(|version| version.as_str()?.parse::<Version>().ok())
            .map(|version| version.major);
        let before = majors.max().unwrap_or(0);
        Ok(Version::new(before + 1, 0, 0))
    }

    fn build(&self, told: &mut Told) -> Result<Vec<u8>> {
        let built = self.project.build()?;
        let bytes = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
        let name = built.file_name().unwrap_or_default().display();
        let said = format!("docmill plugin build: {name}, {} KiB", bytes.len().div_ceil(1024));
        told.step(Step::new("built", true, said).more(json!({ "bytes": bytes.len() })));
        Ok(bytes)
    }

    /// Uploads a version that has to be admitted.
    async fn admitted(&self, told: &mut Told, version: &Version, component: Vec<u8>) -> Result<()> {
        let answer = self.upload(version, component).await?;
        let (name, ok) = (&self.name, answer.status == 201);
        let said = format!(
            "docmill plugin push: {NAMESPACE}/{name}@{version} → {}",
            answer.status
        );
        let more = json!({ "version": version, "code": answer.code });
        told.step(Step::new("admitted", ok, said).lines(answer.report).more(more));
        ensure!(ok, "{NAMESPACE}/{name}@{version} was not admitted");
        Ok(())
    }

    async fn upload(&self, version: &Version, component: Vec<u8>) -> Result<Uploaded> {
        let path = format!("/v1/plugins/{NAMESPACE}/{}/versions/{version}", self.name);
        let put = self.client.put_answered(&path, "application/wasm", component);
        let (status, body) = put.await?;
        let report = body
            .get("report")
            .map(|report| list(report, "lines"))
            .unwrap_or_default();
        let promises = report.iter().find(|line| text(line, "check") == "promises");
        Ok(Uploaded {
            status,
            code: text(&body, "code"),
            report: report.iter().map(line).collect(),
            promises: promises
                .map(|line| text(line, "detail").split("; ").map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }

    /// The order that a run finds, and the version that found it.
    async fn run(&self) -> Result<(String, Version)> {
        let document = Upload {
            role: FILE.to_owned(),
            name: "letter.txt".to_owned(),
            media_type: Some("text/plain".to_owned()),
            bytes: DOCUMENT.into(),
        };
        let answer = self.client.run(&self.name, vec![document], &Json::Null).await?;
        let field = list(&answer, "fields")
            .first()
            .context("the run found no field")?;
        let step = list(&answer, "steps")
            .iter()
            .find(|step| text(step, "step") == "order");
        let attempt = step.and_then(|step| list(step, "attempts").last());
        let plugin = attempt.map(|attempt| text(attempt, "plugin")).unwrap_or_default();
        let version = plugin.rsplit('@').next().unwrap_or_default();
        let version = version
            .parse()
            .with_context(|| format!("'{plugin}' names no version"))?;
        Ok((text(field, "value"), version))
    }

    /// What the pipeline finds once it runs with a version.
    async fn picked_up(&self, version: &Version) -> Result<String> {
        let begun = Instant::now();
        loop {
            let (value, by) = self.run().await?;
            if by == *version {
                return Ok(value);
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the pipeline runs with {by}, and not with {version}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A line of an admission report.
fn line(line: &Json) -> String {
    let mark = if line.get("pass") == Some(&Json::Bool(true)) {
        "✓"
    } else {
        "✗"
    };
    format!("{mark} {:<13} {}", text(line, "check"), text(line, "detail"))
}
