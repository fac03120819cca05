//! The drafts of `wasi:keyvalue` that toolchains use, each with types of its own over the same requests. The first is that of
//! wasmtime and wasmCloud; the second has strings for cursors, signed sums and swapping, and is that of Spin.

use wasmtime::component::{HasSelf, Linker, Resource};

use super::{Bucket, Cas, Refused};
use crate::guest::Guest;
use crate::keyvalue::Start;

mod first {
    wasmtime::component::bindgen!({
        path: "../../wit/keyvalue/draft",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::guest::keyvalue::Bucket },
    });
}

mod second {
    wasmtime::component::bindgen!({
        path: "../../wit/keyvalue/draft2",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::guest::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::guest::keyvalue::Cas,
        },
    });
}

use first::wasi::keyvalue as one;
use second::wasi::keyvalue as two;

/// Both drafts, for every guest.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    one::store::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)?;
    one::atomics::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)?;
    one::batch::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)?;
    two::store::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)?;
    two::atomics::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)?;
    two::batch::add_to_linker::<Guest, HasSelf<Guest>>(linker, Guest::entered)
}

type Answer<T, E> = wasmtime::Result<Result<T, E>>;

/// What both drafts have alike.
macro_rules! alike {
    ($draft:ident) => {
        impl From<Refused> for $draft::store::Error {
            fn from(refused: Refused) -> Self {
                match refused {
                    Refused::NoSuchStore => Self::NoSuchStore,
                    Refused::AccessDenied => Self::AccessDenied,
                    Refused::Other(why) => Self::Other(why),
                    Refused::Swapped => Self::Other("the value was changed meanwhile".to_owned()),
                }
            }
        }

        impl $draft::store::Host for Guest {
            async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>, $draft::store::Error> {
                Ok(self.open_bucket(&identifier)?.map_err(Into::into))
            }
        }
    };
}

/// The methods of a bucket that both drafts have alike.
macro_rules! alike_bucket {
    ($draft:ident) => {
        async fn get(
            &mut self,
            _: Resource<Bucket>,
            key: String,
        ) -> Answer<Option<Vec<u8>>, $draft::store::Error> {
            Ok(self.read_value(key).await?.map_err(Into::into))
        }

        async fn set(
            &mut self,
            _: Resource<Bucket>,
            key: String,
            value: Vec<u8>,
        ) -> Answer<(), $draft::store::Error> {
            Ok(self
                .write_values(vec![(key, value)])
                .await?
                .map_err(Into::into))
        }

        async fn delete(&mut self, _: Resource<Bucket>, key: String) -> Answer<(), $draft::store::Error> {
            Ok(self.remove_values(vec![key]).await?.map_err(Into::into))
        }

        async fn exists(&mut self, _: Resource<Bucket>, key: String) -> Answer<bool, $draft::store::Error> {
            let read = self.read_value(key).await?;
            Ok(read.map(|value| value.is_some()).map_err(Into::into))
        }

        async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
            self.table.delete(bucket)?;
            Ok(())
        }
    };
}

/// The requests for several keys that both drafts have alike.
macro_rules! alike_batch {
    ($draft:ident) => {
        async fn set_many(
            &mut self,
            _: Resource<Bucket>,
            values: Vec<(String, Vec<u8>)>,
        ) -> Answer<(), $draft::store::Error> {
            Ok(self.write_values(values).await?.map_err(Into::into))
        }

        async fn delete_many(
            &mut self,
            _: Resource<Bucket>,
            keys: Vec<String>,
        ) -> Answer<(), $draft::store::Error> {
            Ok(self.remove_values(keys).await?.map_err(Into::into))
        }
    };
}

alike!(one);
alike!(two);

impl one::store::HostBucket for Guest {
    alike_bucket!(one);

    async fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Answer<one::store::KeyResponse, one::store::Error> {
        let skipped = cursor.unwrap_or(0);
        let listed = self.list_keys(Start::Skip(skipped)).await?;
        Ok(listed
            .map(|(keys, more)| one::store::KeyResponse {
                cursor: more.then(|| skipped.saturating_add(keys.len() as u64)),
                keys,
            })
            .map_err(Into::into))
    }
}

impl two::store::HostBucket for Guest {
    alike_bucket!(two);

    async fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<two::store::KeyResponse, two::store::Error> {
        let start = cursor.map_or(Start::Skip(0), Start::After);
        let listed = self.list_keys(start).await?;
        Ok(listed
            .map(|(keys, more)| two::store::KeyResponse {
                cursor: keys.last().filter(|_| more).cloned(),
                keys,
            })
            .map_err(Into::into))
    }
}

impl one::atomics::Host for Guest {
    async fn increment(
        &mut self,
        _: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answer<u64, one::store::Error> {
        // Sums are kept as the second draft has them.
        let Ok(delta) = i64::try_from(delta) else {
            let said = "more than 2^63-1 cannot be added".to_owned();
            return Ok(Err(one::store::Error::Other(said)));
        };
        let added = self.increment(key, delta).await?;
        Ok(match added.map(u64::try_from) {
            Ok(Ok(sum)) => Ok(sum),
            Ok(Err(_)) => Err(one::store::Error::Other("the sum is negative".to_owned())),
            Err(refused) => Err(refused.into()),
        })
    }
}

impl two::atomics::HostCas for Guest {
    async fn new(&mut self, _: Resource<Bucket>, key: String) -> Answer<Resource<Cas>, two::store::Error> {
        Ok(self.look(key).await?.map_err(Into::into))
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>, two::store::Error> {
        Ok(self.look_again(&cas).await?.map_err(Into::into))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl two::atomics::Host for Guest {
    async fn increment(
        &mut self,
        _: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64, two::store::Error> {
        Ok(self.increment(key, delta).await?.map_err(Into::into))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Answer<(), two::atomics::CasError> {
        let key = self.table.get(&cas)?.key.clone();
        let failed = match self.swap(cas, value).await? {
            Ok(()) => return Ok(Ok(())),
            // The guest goes on with what is there now.
            Err(Refused::Swapped) => match self.look(key).await? {
                Ok(now) => two::atomics::CasError::CasFailed(now),
                Err(refused) => two::atomics::CasError::StoreError(refused.into()),
            },
            Err(refused) => two::atomics::CasError::StoreError(refused.into()),
        };
        Ok(Err(failed))
    }
}

impl one::batch::Host for Guest {
    async fn get_many(
        &mut self,
        _: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>, one::store::Error> {
        let read = self.read_values(keys.clone()).await?;
        Ok(read
            .map(|values| {
                let pairs = keys.into_iter().zip(values);
                pairs.map(|(key, value)| Some((key, value?))).collect()
            })
            .map_err(Into::into))
    }

    alike_batch!(one);
}

impl two::batch::Host for Guest {
    async fn get_many(
        &mut self,
        _: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>, two::store::Error> {
        let read = self.read_values(keys.clone()).await?;
        Ok(read
            .map(|values| keys.into_iter().zip(values).collect())
            .map_err(Into::into))
    }

    alike_batch!(two);
}
