//! The draft of wasmtime and wasmCloud.

wit_bindgen::generate!({
    path: ["../../wit", "../../wit/keyvalue/draft"],
    inline: "
        package test:first;
        world plugin {
            include docmill:plugin/extractor-plugin@0.1.0;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    world: "test:first/plugin",
    generate_all,
    pub_export_macro: true,
});

use wasi::keyvalue::{atomics, batch, store};

use crate::{Asked, shown};

fn why(error: store::Error) -> String {
    match error {
        store::Error::NoSuchStore => "no-such-store".to_owned(),
        store::Error::AccessDenied => "access-denied".to_owned(),
        store::Error::Other(why) => why,
    }
}

pub fn answer(bucket: &str, word: &str, asked: &Asked<'_>) -> Result<String, String> {
    let bucket = store::open(bucket).map_err(why)?;
    let key = asked.text(1);
    match word {
        "get" => {
            let value = bucket.get(&key).map_err(why)?;
            Ok(value.map_or_else(|| "none".to_owned(), |value| shown(&value)))
        }
        "set" => bucket
            .set(&key, &asked.bytes(2))
            .map(|()| "set".to_owned())
            .map_err(why),
        "delete" => bucket.delete(&key).map(|()| "deleted".to_owned()).map_err(why),
        "exists" => bucket.exists(&key).map(|there| there.to_string()).map_err(why),
        "list" => {
            let mut keys = Vec::new();
            let mut cursor = None;
            loop {
                let page = bucket.list_keys(cursor).map_err(why)?;
                keys.extend(page.keys);
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let few = if keys.len() > 20 {
                String::new()
            } else {
                format!(": {}", keys.join(" "))
            };
            Ok(format!("{}{few}", keys.len()))
        }
        // Behind more keys than there can be.
        "list-beyond" => bucket
            .list_keys(Some(u64::MAX))
            .map(|page| page.keys.len().to_string())
            .map_err(why),
        "increment" => {
            let delta = u64::try_from(asked.number(2)).unwrap_or(u64::MAX);
            atomics::increment(&bucket, &key, delta)
                .map(|sum| sum.to_string())
                .map_err(why)
        }
        "get-many" => {
            let found = batch::get_many(&bucket, &asked.keys()).map_err(why)?;
            let found = found.into_iter().map(|pair| match pair {
                Some((key, value)) => format!("{key}={}", shown(&value)),
                None => "none".to_owned(),
            });
            Ok(found.collect::<Vec<_>>().join(" "))
        }
        "set-many" => batch::set_many(&bucket, &asked.pairs())
            .map(|()| "set".to_owned())
            .map_err(why),
        "delete-many" => batch::delete_many(&bucket, &asked.keys())
            .map(|()| "deleted".to_owned())
            .map_err(why),
        // Handles without end.
        "open" => {
            let opened: Vec<_> = (0..asked.number(1)).map(|_| store::open("")).collect();
            Ok(opened.len().to_string())
        }
        other => Err(format!("nobody knows {other}")),
    }
}
