//! The server that docmill is compared with: axum and the same component in bare wasmtime, a fresh instance for each
//! request, and if asked an answer of as many bytes as docmill's and one durable INSERT of as many as docmill keeps of a run.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use docmill_engine::bare::{Bare, PoolSettings};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::invoke::source;
use crate::{component, runtime};

/// The one durable write of the reference.
pub const INSERT: &str = "insert into bench_row (body) values ($1)";

#[derive(Clone)]
struct Reference {
    bare: Bare,
    /// Empty: the number of the reading's bytes.
    answer: Bytes,
    rows: Option<(PgPool, Arc<str>)>,
}

/// `__reference defaults|ours COMPONENT ANSWER_BYTES [DATABASE_URL ROW_BYTES CONNECTIONS]`: prints its address, serves until
/// killed. With 0 bytes it answers with a number.
pub fn serve(arguments: &[&str]) -> Result<()> {
    let (pool, name, answer, database) = match arguments {
        ["defaults", name, answer, rest @ ..] => (PoolSettings::Defaults, name, answer, rest),
        ["ours", name, answer, rest @ ..] => (PoolSettings::Ours, name, answer, rest),
        _ => bail!("__reference takes `defaults` or `ours`, a component and a number of bytes"),
    };
    let answer_bytes = Bytes::from(text(answer.parse()?));
    let code = tempfile::tempdir()?;
    let settings = docmill_engine::Settings::new(code.path().to_owned(), [7; 32]);
    let bare = Bare::new(&settings, pool, &component(name)?).map_err(|e| anyhow::anyhow!("{e:#}"))?;
    runtime()?.block_on(async {
        let rows = match database {
            [url, bytes, connections] => Some(table(url, bytes.parse()?, connections.parse()?).await?),
            _ => None,
        };
        let router = Router::new()
            .route("/", post(self::answer))
            .with_state(Reference {
                bare,
                answer: answer_bytes,
                rows,
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router).await.context("serving")
    })
}

async fn table(url: &str, bytes: usize, connections: u32) -> Result<(PgPool, Arc<str>)> {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .connect(url)
        .await?;
    sqlx::query("create table if not exists bench_row (id bigint generated always as identity primary key, body text not null)")
        .execute(&pool)
        .await?;
    Ok((pool, text(bytes).into()))
}

/// Text that PostgreSQL's own compression cannot make vanish, as results are.
fn text(bytes: usize) -> String {
    let hexadecimal = (0_u64..).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut text: String = hexadecimal.take(bytes / 16 + 1).collect();
    text.truncate(bytes);
    text
}

async fn answer(State(reference): State<Reference>, body: Bytes) -> Result<Bytes, StatusCode> {
    let source = source(body.to_vec(), "text/plain");
    let size = reference
        .bare
        .parse(source, "{}")
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    if let Some((pool, row)) = &reference.rows {
        let inserted = sqlx::query(INSERT).bind(row.as_ref()).execute(pool).await;
        inserted.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    }
    Ok(if reference.answer.is_empty() {
        size.to_string().into()
    } else {
        reference.answer
    })
}
