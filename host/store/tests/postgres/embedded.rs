//! The private server: start, restart, kill, adoption.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use docmill_store::embedded::{EmbeddedError, PrivateServer};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};

async fn start(directory: &Path) -> Result<PrivateServer, EmbeddedError> {
    PrivateServer::start(directory, |_| ()).await
}

async fn ask(server: &PrivateServer, sql: &'static str) -> sqlx::Result<String> {
    let mut connection = PgConnection::connect(server.url()).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await
}

async fn run(server: &PrivateServer, sql: &'static str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server.url()).await?;
    sqlx::raw_sql(sql).execute(&mut connection).await?;
    Ok(())
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn it_keeps_its_data_over_restarts_and_kills() -> anyhow::Result<()> {
    let base = tempfile::tempdir()?;
    let directory = base.path().join("pg");
    let told = Mutex::new(Vec::new());
    let server = PrivateServer::start(&directory, |what| told.lock().unwrap().push(what.to_owned())).await?;
    assert_eq!(*told.lock().unwrap(), ["making a private PostgreSQL"]);
    assert_eq!(
        ask(&server, "select lower('ЁҚ')").await?,
        "ёқ",
        "the locale knows letters"
    );
    assert_eq!(
        ask(&server, "select to_tsvector('russian', 'Договоры')::text").await?,
        "'договор':1"
    );
    assert_eq!(ask(&server, "show listen_addresses").await?, "", "no network");
    assert_eq!(ask(&server, "show fsync").await?, "on");
    let open = std::fs::metadata(&directory)?.permissions().mode() & 0o077;
    assert_eq!(open, 0, "others may not look inside");
    run(
        &server,
        "create table kept (n integer); insert into kept values (1)",
    )
    .await?;
    server.stop().await?;

    let server = start(&directory).await?;
    run(&server, "insert into kept values (2)").await?;
    kill(server.pid().unwrap(), Signal::KILL);
    // Not even waited for: the next start meets its lock and, for a moment, its orphans.
    let again = start(&directory).await?;
    assert_eq!(ask(&again, "select sum(n)::text from kept").await?, "3");
    drop(server);
    drop(again);

    // A lock with the number of something else that lives.
    std::fs::write(
        directory.join("data/postmaster.pid"),
        format!("{}\n", std::process::id()),
    )?;
    let server = start(&directory).await?;
    assert_eq!(ask(&server, "select count(*)::text from kept").await?, "2");
    Ok(())
}

#[tokio::test]
async fn a_second_start_adopts_the_running_server() -> anyhow::Result<()> {
    let base = tempfile::tempdir()?;
    let directory = base.path().join("pg");
    // Both at once: one makes it, the other waits and adopts.
    let (one, two) = tokio::join!(start(&directory), start(&directory));
    let (one, two) = (one?, two?);
    assert_eq!(one.url(), two.url());
    let (first, second) = if two.is_adopted() { (one, two) } else { (two, one) };
    assert!(!first.is_adopted() && second.is_adopted() && second.pid().is_none());
    drop(second);
    assert_eq!(ask(&first, "select 'still there'").await?, "still there");
    first.stop().await?;
    Ok(())
}

#[tokio::test]
async fn odd_directories_do() -> anyhow::Result<()> {
    let base = tempfile::tempdir()?;
    std::fs::set_permissions(base.path(), std::fs::Permissions::from_mode(0o755))?;
    let long = base
        .path()
        .join("a directory with blanks, ü and %41")
        .join("x".repeat(60));
    let server = start(&long).await?;
    assert_eq!(ask(&server, "select 'answers'").await?, "answers");
    Ok(())
}

/// A closed directory of root's, such as one below /root: no other account gets in.
#[tokio::test]
async fn root_gets_a_server_in_a_closed_directory_too() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can be in this situation");
        return Ok(());
    }
    let base = tempfile::tempdir()?;
    let closed = base.path().join("closed");
    std::fs::DirBuilder::new().mode(0o700).create(&closed)?;
    let directory = closed.join("pg");
    let server = start(&directory).await?;
    run(
        &server,
        "create table kept (n integer); insert into kept values (1)",
    )
    .await?;
    let pid = server.pid().unwrap();
    server.stop().await?;
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let server = start(&directory).await?;
    assert_eq!(ask(&server, "select count(*)::text from kept").await?, "1");
    Ok(())
}

/// This test's binary once more as a process that starts a server and is killed: the server must go with it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_dies_with_its_parent() -> anyhow::Result<()> {
    const NAME: &str = "embedded::it_dies_with_its_parent";
    if let Ok(directory) = std::env::var("DOCMILL_TEST_ORPHAN") {
        let server = start(Path::new(&directory)).await?;
        std::fs::write(
            Path::new(&directory).join("started"),
            server.pid().unwrap().to_string(),
        )?;
        std::future::pending::<()>().await;
    }
    let base = tempfile::tempdir()?;
    let directory = base.path().join("pg");
    let mut parent = tokio::process::Command::new(std::env::current_exe()?)
        .args([NAME, "--exact", "--nocapture"])
        .env("DOCMILL_TEST_ORPHAN", &directory)
        .spawn()?;
    let started = directory.join("started");
    let mut pid = String::new();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        pid = std::fs::read_to_string(&started).unwrap_or_default();
        if !pid.is_empty() {
            break;
        }
    }
    assert!(!pid.is_empty(), "the parent did not start a server");
    parent.kill().await?;
    for _ in 0..100 {
        if !directory.join("data/postmaster.pid").exists() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server {pid} outlives its parent by ten seconds");
}

#[tokio::test]
async fn data_of_another_version_are_told() -> anyhow::Result<()> {
    let base = tempfile::tempdir()?;
    let data = base.path().join("pg/data");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("PG_VERSION"), "99\n")?;
    let error = start(&base.path().join("pg")).await.unwrap_err();
    assert!(
        matches!(error, EmbeddedError::OtherVersion { data: 99, .. }),
        "{error}"
    );
    Ok(())
}
