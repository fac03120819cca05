//! The draft of Spin.

wit_bindgen::generate!({
    path: "../../wit/keyvalue/draft2",
    inline: "
        package test:second;
        world plugin {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    world: "test:second/plugin",
    generate_all,
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
    let or_none = |value: Option<Vec<u8>>| value.map_or_else(|| "none".to_owned(), |value| shown(&value));
    match word {
        "get" => bucket.get(&key).map(or_none).map_err(why),
        "set" => bucket
            .set(&key, &asked.bytes(2))
            .map(|()| "set".to_owned())
            .map_err(why),
        "list" => {
            let mut keys = Vec::new();
            let mut cursor = None;
            loop {
                let page = bucket.list_keys(cursor.as_deref()).map_err(why)?;
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
        "increment" => atomics::increment(&bucket, &key, asked.number(2))
            .map(|sum| sum.to_string())
            .map_err(why),
        "get-many" => {
            let found = batch::get_many(&bucket, &asked.keys()).map_err(why)?;
            let found = found
                .into_iter()
                .map(|(key, value)| format!("{key}={}", or_none(value)));
            Ok(found.collect::<Vec<_>>().join(" "))
        }
        // Looks at a value, writes another one in between if it is told one, and swaps.
        "swap" => {
            let cas = atomics::Cas::new(&bucket, &key).map_err(why)?;
            let seen = or_none(cas.current().map_err(why)?);
            let between = asked.bytes(3);
            if !between.is_empty() {
                bucket.set(&key, &between).map_err(why)?;
            }
            match atomics::swap(cas, &asked.bytes(2)) {
                Ok(()) => Ok(format!("swapped {seen}")),
                Err(atomics::CasError::CasFailed(now)) => {
                    let now = or_none(now.current().map_err(why)?);
                    Ok(format!("saw {seen}, there is {now}"))
                }
                Err(atomics::CasError::StoreError(error)) => Err(why(error)),
            }
        }
        other => Err(format!("nobody knows {other}")),
    }
}
