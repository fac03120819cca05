//! A real browser: headless Chromium, spoken to through its DevTools protocol over a pipe.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longest time that a page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The browser's program, if there is one: `DOCMILL_BROWSER`, or by its usual names.
pub fn found() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("DOCMILL_BROWSER") {
        return Some(path.into());
    }
    let places: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ]
    .iter()
    .find_map(|name| {
        places
            .iter()
            .map(|place| place.join(name))
            .find(|path| path.is_file())
    })
}

/// One page of a browser of its own.
pub struct Page {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: String,
    last: u64,
    /// What the page complained of: exceptions, errors and warnings.
    pub complaints: Vec<String>,
    _browser: Child,
    _profile: TempDir,
}

impl Page {
    pub async fn open(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The pipe is file 3 and 4 there; a shell can pass them on, Rust's own library cannot.
        let line = "exec \"$0\" --headless=new --remote-debugging-pipe --no-sandbox --disable-gpu --disable-dev-shm-usage \
             --no-first-run --hide-scrollbars --user-data-dir=\"$1\" about:blank 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut browser = Command::new("sh")
            .args(["-c", line])
            .arg(program)
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the browser starts");
        let mut page = Self {
            input: browser.stdin.take().unwrap(),
            output: BufReader::new(browser.stdout.take().unwrap()),
            session: String::new(),
            last: 0,
            complaints: Vec::new(),
            _browser: browser,
            _profile: profile,
        };
        let target = page
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = page.call("Target.attachToTarget", attach).await;
        page.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page
    }

    /// A command and its result.
    pub async fn call(&mut self, method: &str, params: Json) -> Json {
        self.ask(method, params)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn ask(&mut self, method: &str, params: Json) -> Result<Json, Json> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input
            .write_all(format!("{message}\0").as_bytes())
            .await
            .unwrap();
        timeout(PATIENCE, async {
            loop {
                let mut bytes = Vec::new();
                self.output.read_until(0, &mut bytes).await.unwrap();
                bytes.pop();
                let said: Json = serde_json::from_slice(&bytes).expect("the browser goes on");
                if said["id"] == self.last {
                    return match said.get("error") {
                        Some(error) => Err(error.clone()),
                        None => Ok(said["result"].clone()),
                    };
                }
                self.heard(&said);
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{method}: no answer"))
    }

    fn heard(&mut self, said: &Json) {
        let params = &said["params"];
        let bad = match said["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => params["type"] == "error" || params["type"] == "warning",
            "Log.entryAdded" => params["entry"]["level"] == "error" || params["entry"]["level"] == "warning",
            _ => false,
        };
        if bad {
            self.complaints.push(params.to_string());
        }
    }

    /// The value of an expression in the page.
    pub async fn value(&mut self, expression: &str) -> Json {
        let result = self
            .ask(
                "Runtime.evaluate",
                json!({ "expression": expression, "returnByValue": true }),
            )
            .await;
        // While the next page comes, there is nothing to ask.
        result.map_or(Json::Null, |result| result["result"]["value"].clone())
    }

    /// Waits until the expression is true in a page that is there in full.
    #[track_caller]
    pub fn until(&mut self, expression: &str) -> impl Future<Output = ()> + use<'_> {
        let expression = format!("document.readyState == 'complete' && Boolean({expression})");
        async move {
            let end = Instant::now() + PATIENCE;
            while self.value(&expression).await != json!(true) {
                if Instant::now() > end {
                    let page = self.value("location.href + ' ' + document.body.innerText").await;
                    panic!("never: {expression} at {page}");
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Goes there, as if the address had been typed.
    pub async fn go(&mut self, address: &str) {
        self.value("window.before = true").await;
        let reached = self.call("Page.navigate", json!({ "url": address })).await;
        assert_eq!(reached["errorText"], Json::Null, "{address}: {reached}");
        self.until("window.before === undefined").await;
    }

    /// Presses a key.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            other => panic!("{other}"),
        };
        let mut down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if let Some(text) = text {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down.clone()).await;
        down["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", down).await;
    }

    /// Types a text where the focus is.
    pub async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses Tab until the element that has the focus fits; on the way the focus has to be seen. (Inside a field for dates the
    /// browser shows it itself.)
    pub async fn tab_to(&mut self, what: &str) {
        for _ in 0..200 {
            self.press("Tab").await;
            let seen = "(() => { const e = document.activeElement; if (e === document.body || e.type == 'date') return true; \
                 const s = getComputedStyle(e); return s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2; })()";
            assert_eq!(
                self.value(seen).await,
                json!(true),
                "the focus is not to be seen on the way to {what}"
            );
            let fits = format!("(() => {{ const e = document.activeElement; return Boolean({what}); }})()");
            if self.value(&fits).await == json!(true) {
                return;
            }
        }
        panic!("Tab never leads to {what}");
    }

    /// The width of the window in CSS pixels, as on a phone if it is narrow.
    pub async fn width(&mut self, width: u32) {
        let metrics = json!({ "width": width, "height": if width < 500 { 740 } else { 900 }, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Light or dark.
    pub async fn scheme(&mut self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// Chooses a file in the field that the selector finds.
    pub async fn choose(&mut self, selector: &str, file: &Path) {
        let found = json!({ "expression": format!("document.querySelector({selector:?})") });
        let field = self.call("Runtime.evaluate", found).await;
        let chosen = json!({ "files": [file], "objectId": field["result"]["objectId"] });
        self.call("DOM.setFileInputFiles", chosen).await;
    }

    /// A picture of the whole page, base64.
    pub async fn picture(&mut self) -> String {
        let shot = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.call("Page.captureScreenshot", shot).await;
        shot["data"].as_str().unwrap().to_owned()
    }
}
