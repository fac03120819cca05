//! `wasi:keyvalue`: each request is held to the grant, then handed to the host's store. A call without a grant is refused
//! every request, by an error that the guest can read.

mod drafts;

use std::future::Future;

use docmill_model::digest::Digest;
use docmill_model::grant::Unkept;
use wasmtime::component::Resource;

use super::Guest;
use crate::keyvalue::{Granted, KeyValueError, Start};

pub(crate) use drafts::add_to_linker;

/// An open bucket. There is one for each plugin, and its name is empty or `default`.
pub struct Bucket;

/// A value that is going to be swapped.
pub struct Cas {
    key: String,
    /// SHA-256 of what was there when it was looked at.
    seen: Option<[u8; 32]>,
}

/// Refusals of one call that are told one by one; the others are only counted.
const TOLD: usize = 8;
/// The only names of a bucket.
const NAMES: [&str; 2] = ["", "default"];

/// Why a request was refused, as both drafts tell it.
pub(crate) enum Refused {
    NoSuchStore,
    AccessDenied,
    Other(String),
    /// Somebody else was there first.
    Swapped,
}

impl From<KeyValueError> for Refused {
    fn from(error: KeyValueError) -> Self {
        Self::Other(error.to_string())
    }
}

/// A result that the guest reads, or the end of the guest.
type Asked<T> = wasmtime::Result<Result<T, Refused>>;

/// What a guest did with its values.
#[derive(Default)]
pub(crate) struct Used {
    read: u64,
    written: u64,
    removed: u64,
    requests: u64,
    refused: u64,
    told: Vec<String>,
}

impl Used {
    /// For the record of the attempt: the word, what was done, then refusals.
    pub(super) fn effects(&self) -> Vec<String> {
        let Self {
            read,
            written,
            removed,
            refused,
            ..
        } = self;
        if self.requests == 0 && *refused == 0 {
            return Vec::new();
        }
        let done = format!("keyvalue read={read} written={written} removed={removed} refused={refused}");
        let refusals = self.told.iter().map(|line| format!("keyvalue refused: {line}"));
        ["keyvalue".to_owned(), done]
            .into_iter()
            .chain(refusals)
            .collect()
    }
}

impl Guest {
    fn refuse(&mut self, why: &str) -> Refused {
        let used = self.kept.get_or_insert_default();
        used.refused = used.refused.saturating_add(1);
        if used.told.len() < TOLD {
            used.told.push(why.to_owned());
            let line = format!("docmill: a request to the key-value store was refused: {why}\n");
            self.log.write(line.as_bytes());
        }
        Refused::AccessDenied
    }

    fn unkept(&mut self, why: &Unkept) -> Refused {
        let said = why.to_string();
        match why {
            Unkept::Key(_) | Unkept::ReadOnly => self.refuse(&said),
            // Nothing that it may not do, only nothing that it can do.
            Unkept::KeyBytes(_) | Unkept::ValueBytes { .. } => Refused::Other(said),
        }
    }

    /// The grant, if there is one that has room for so many requests more.
    fn keyvalue(&mut self, requests: usize) -> Result<Granted, Refused> {
        let Some(granted) = self.reach.keyvalue.clone() else {
            return Err(self.refuse(
                "the plugin has no grant for keyvalue; an owner gives one with `docmill plugin grant`",
            ));
        };
        let used = self.kept.get_or_insert_default();
        used.requests = used.requests.saturating_add(requests as u64);
        let most = granted.0.budget().calls;
        if used.requests > u64::from(most) {
            return Err(self.refuse(&format!(
                "the grant allows {most} requests in one call of the plugin (`calls`)"
            )));
        }
        Ok(granted)
    }

    /// Guests' threads have no reactor. What was begun there ends, also if the guest is stopped meanwhile.
    fn on_runtime<T, W>(&self, work: W) -> impl Future<Output = wasmtime::Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let runtime = self.meter.control.runtime();
        let work = runtime.map(|runtime| runtime.spawn(work));
        async move {
            match work {
                Some(work) => work
                    .await
                    .map_err(|_| wasmtime::Error::msg("a request to the store did not end")),
                None => Err(wasmtime::Error::msg(
                    "the host has no runtime for requests to the store",
                )),
            }
        }
    }

    fn used(&mut self) -> &mut Used {
        self.kept.get_or_insert_default()
    }

    pub(crate) fn open_bucket(&mut self, name: &str) -> Asked<Resource<Bucket>> {
        self.meter.charge(name.len())?;
        // An opened bucket says nothing of the grant; without one, it says so at once.
        if let Err(refused) = self.keyvalue(0) {
            return Ok(Err(refused));
        }
        if !NAMES.contains(&name) {
            return Ok(Err(Refused::NoSuchStore));
        }
        Ok(Ok(self.table.push(Bucket)?))
    }

    pub(crate) async fn read_values(&mut self, keys: Vec<String>) -> Asked<Vec<Option<Vec<u8>>>> {
        self.meter.charge(keys.iter().map(String::len).sum())?;
        let (grant, store) = match self.keyvalue(keys.len().max(1)) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Some(why) = keys.iter().find_map(|key| grant.permits(key).err()) {
            return Ok(Err(self.unkept(&why)));
        }
        // What one request can bring is held by the host at once.
        let most = (grant.budget().value_bytes.0).saturating_mul(keys.len() as u64);
        if most > self.meter.limits.host_memory.0 {
            let said = format!(
                "{} values at once may take {most} bytes; ask for fewer",
                keys.len()
            );
            return Ok(Err(Refused::Other(said)));
        }
        let count = keys.len() as u64;
        let asked = self.on_runtime(async move { store.get(keys).await }).await?;
        let values = match asked {
            Ok(values) => values,
            Err(error) => return Ok(Err(error.into())),
        };
        self.used().read += count;
        self.meter.charge(values.iter().flatten().map(Vec::len).sum())?;
        Ok(Ok(values))
    }

    pub(crate) async fn read_value(&mut self, key: String) -> Asked<Option<Vec<u8>>> {
        let read = self.read_values(vec![key]).await?;
        Ok(read.map(|values| values.into_iter().next().flatten()))
    }

    pub(crate) async fn write_values(&mut self, values: Vec<(String, Vec<u8>)>) -> Asked<()> {
        self.meter
            .charge(values.iter().map(|(key, value)| key.len() + value.len()).sum())?;
        let (grant, store) = match self.keyvalue(values.len().max(1)) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        let judged = |(key, value): &(String, Vec<u8>)| grant.permits_writing(key, value.len()).err();
        if let Some(why) = values.iter().find_map(judged) {
            return Ok(Err(self.unkept(&why)));
        }
        let count = values.len() as u64;
        let set = self.on_runtime(async move { store.set(values).await }).await?;
        if let Err(error) = set {
            return Ok(Err(error.into()));
        }
        self.used().written += count;
        Ok(Ok(()))
    }

    pub(crate) async fn remove_values(&mut self, keys: Vec<String>) -> Asked<()> {
        self.meter.charge(keys.iter().map(String::len).sum())?;
        let (grant, store) = match self.keyvalue(keys.len().max(1)) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Some(why) = keys.iter().find_map(|key| grant.permits_writing(key, 0).err()) {
            return Ok(Err(self.unkept(&why)));
        }
        let count = keys.len() as u64;
        let deleted = self.on_runtime(async move { store.delete(keys).await }).await?;
        if let Err(error) = deleted {
            return Ok(Err(error.into()));
        }
        self.used().removed += count;
        Ok(Ok(()))
    }

    /// A page of keys, and whether there are more.
    pub(crate) async fn list_keys(&mut self, start: Start) -> Asked<(Vec<String>, bool)> {
        if let Start::After(key) = &start {
            self.meter.charge(key.len())?;
        }
        let (_, store) = match self.keyvalue(1) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        let asked = self.on_runtime(async move { store.list(start).await }).await?;
        let (keys, more) = match asked {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(error.into())),
        };
        self.used().read += 1;
        self.meter.charge(keys.iter().map(String::len).sum())?;
        Ok(Ok((keys, more)))
    }

    pub(crate) async fn increment(&mut self, key: String, delta: i64) -> Asked<i64> {
        self.meter.charge(key.len() + 16)?;
        let (grant, store) = match self.keyvalue(1) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(why) = grant.permits_writing(&key, 0) {
            return Ok(Err(self.unkept(&why)));
        }
        let added = self.on_runtime(async move { store.increment(key, delta).await });
        match added.await? {
            Ok(sum) => {
                self.used().written += 1;
                Ok(Ok(sum))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// Looks at a value that is going to be swapped.
    pub(crate) async fn look(&mut self, key: String) -> Asked<Resource<Cas>> {
        let seen = match self.read_value(key.clone()).await? {
            Ok(value) => digest(value.as_deref()),
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(Ok(self.table.push(Cas { key, seen })?))
    }

    /// The value of now, which is what the swap is going to replace.
    pub(crate) async fn look_again(&mut self, cas: &Resource<Cas>) -> Asked<Option<Vec<u8>>> {
        let key = self.table.get(cas)?.key.clone();
        let read = self.read_value(key).await?;
        if let Ok(value) = &read {
            self.table.get_mut(cas)?.seen = digest(value.as_deref());
        }
        Ok(read)
    }

    pub(crate) async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Asked<()> {
        self.meter.charge(value.len())?;
        let Cas { key, seen } = self.table.delete(cas)?;
        let (grant, store) = match self.keyvalue(1) {
            Ok(granted) => granted,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(why) = grant.permits_writing(&key, value.len()) {
            return Ok(Err(self.unkept(&why)));
        }
        let swapped = self.on_runtime(async move { store.swap(key, seen, value).await });
        match swapped.await? {
            Ok(true) => {
                self.used().written += 1;
                Ok(Ok(()))
            }
            Ok(false) => Ok(Err(Refused::Swapped)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

fn digest(value: Option<&[u8]>) -> Option<[u8; 32]> {
    value.map(|value| *Digest::of(value).as_bytes())
}
