//! The servers as processes: docmill as a user starts it, and the reference.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A server process; it ends with this value.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    /// An API key, of docmill.
    pub key: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `docmill serve` in a data directory, with an own database if none is given; its log goes nowhere, but is written.
pub fn docmill(data: &Path, database_url: Option<&str>, settings: &[(&str, &str)]) -> Result<Server> {
    let program = std::env::current_exe()?.with_file_name("docmill");
    serve(&program, data, database_url, settings)
}

/// The same of any release.
pub fn serve(
    program: &Path,
    data: &Path,
    database_url: Option<&str>,
    settings: &[(&str, &str)],
) -> Result<Server> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    drop(listener);
    let mut command = Command::new(program);
    command
        .arg("serve")
        .env("DOCMILL_LISTEN", &address)
        .env("DOCMILL_DATA_DIR", data)
        .envs(settings.iter().copied());
    command.env_remove("DATABASE_URL");
    if let Some(url) = database_url {
        command.env("DOCMILL_DATABASE_URL", url);
    }
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start docmill")?;
    let mut server = Server {
        child,
        address,
        key: String::new(),
    };
    let patience = Instant::now() + Duration::from_secs(180);
    while !ready(&server.address) {
        if let Some(status) = server.child.try_wait()? {
            bail!("docmill ended with {status}");
        }
        anyhow::ensure!(Instant::now() < patience, "docmill is not ready after 180 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.key = std::fs::read_to_string(data.join("api.key"))?.trim().to_owned();
    Ok(server)
}

fn ready(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        std::io::Write::write_all(
            &mut socket,
            b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// The reference server.
pub fn reference(arguments: &[&str]) -> Result<Server> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("__reference")
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    let stdout = child.stdout.take().context("the reference prints its address")?;
    BufReader::new(stdout).read_line(&mut address)?;
    anyhow::ensure!(!address.is_empty(), "the reference server did not start");
    Ok(Server {
        child,
        address: address.trim().to_owned(),
        key: String::new(),
    })
}

/// Saves a pipeline of the server's first tenant.
pub fn save_pipeline(server: &Server, definition: &str) -> Result<()> {
    let name = definition
        .lines()
        .find_map(|l| l.strip_prefix("name: "))
        .context("a definition has a name")?;
    call(
        server,
        reqwest::Method::PUT,
        &format!("/v1/pipelines/{name}"),
        "application/yaml",
        definition.as_bytes().to_vec(),
    )
    .map(drop)
}

/// One request outside a measurement.
pub fn call(
    server: &Server,
    method: reqwest::Method,
    path: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<serde_json::Value> {
    crate::runtime()?.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client
            .request(method, format!("http://{}{path}", server.address))
            .bearer_auth(&server.key);
        let answer = request
            .header("content-type", media_type)
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    })
}
