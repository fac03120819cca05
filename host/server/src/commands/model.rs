//! `docmill model set | list | show | remove`

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::cli::{Arguments, Models as Command};
use crate::client::{Client, segment};
use crate::exit;
use crate::show::{Style, list, say, table, text};

/// Does what a `model` command asks.
pub async fn model(arguments: &Arguments, command: &Command) -> Result<u8> {
    let client = Client::open(arguments).await?;
    let done = act(&client, command).await;
    client.close().await;
    done.map(|()| exit::OK)
}

fn path(alias: &str) -> String {
    format!("/v1/models/{}", segment(alias))
}

async fn act(client: &Client, command: &Command) -> Result<()> {
    match command {
        Command::Set { alias, .. } => {
            let body = serde_json::to_vec(&setting(command)?)?;
            let set = client
                .bytes(Method::PUT, &path(alias), "application/json", body)
                .await?;
            say!(
                "the model {alias} is {} through {}",
                text(&set, "model"),
                text(&set, "use")
            );
            if set.get("prices").is_none() {
                say!("it has no prices: asking it costs nothing, as far as grants are concerned");
            }
        }
        Command::List { json } => {
            let shown = client.get("/v1/models").await?;
            if *json {
                say!("{}", serde_json::to_string_pretty(&shown)?);
                return Ok(());
            }
            let rows: Vec<[String; 5]> = list(&shown, "items").iter().map(row).collect();
            let mut out = String::new();
            let head = ["model", "is", "through", "a million tokens", "set by"];
            table(&mut out, head, &rows, Style::stdout());
            say!("{}", out.trim_end());
        }
        Command::Show { alias } => {
            let shown = client.get(&path(alias)).await?;
            say!("{}", serde_json::to_string_pretty(&shown)?);
        }
        Command::Remove { alias } => {
            client.delete(&path(alias)).await?;
            say!("the model {alias} is removed");
        }
    }
    Ok(())
}

fn row(model: &Json) -> [String; 5] {
    let prices = model.get("prices").map(|prices| {
        let of = |name: &str| text(prices, name);
        format!("{} in, {} out, {}", of("input"), of("output"), of("currency"))
    });
    [
        text(model, "alias"),
        text(model, "model"),
        text(model, "use"),
        prices.unwrap_or_else(|| "no price".to_owned()),
        text(model, "changed_by"),
    ]
}

/// The setting as the server judges it.
fn setting(command: &Command) -> Result<Json> {
    let Command::Set {
        plugin,
        model,
        config,
        input_price,
        cached_price,
        output_price,
        currency,
        max_output_tokens,
        ..
    } = command
    else {
        bail!("this command sets nothing")
    };
    let mut body = Map::new();
    body.insert("use".to_owned(), json!(plugin));
    body.insert("model".to_owned(), json!(model));
    if let Some(config) = config {
        let config: Json =
            serde_json::from_str(config).context("--with is JSON, as in '{\"secret\": \"openai\"}'")?;
        body.insert("with".to_owned(), config);
    }
    if let Some(input) = input_price {
        let mut prices = Map::new();
        prices.insert("input".to_owned(), json!(input));
        for (name, value) in [
            ("cached_input", cached_price),
            ("output", output_price),
            ("currency", currency),
        ] {
            if let Some(value) = value {
                prices.insert(name.to_owned(), json!(value));
            }
        }
        body.insert("prices".to_owned(), prices.into());
    }
    if let Some(tokens) = max_output_tokens {
        body.insert("max_output_tokens".to_owned(), json!(tokens));
    }
    Ok(body.into())
}
