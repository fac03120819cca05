//! Both tiers; the second over a real redis-server, where one is installed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use docmill_cache::{Cache, Codec, Lookup, Ticket};
use docmill_model::digest::Digest;
use docmill_model::size::ByteSize;

static TEXT: Codec<String> = Codec {
    space: "text-1",
    weigh: String::len,
    encode: |text| Some(text.clone().into_bytes()),
    decode: |bytes| String::from_utf8(bytes.to_vec()).ok(),
};

const PATIENCE: Duration = Duration::from_secs(5);

fn key(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

async fn miss(cache: &Cache, key: Digest) -> Ticket<String> {
    match cache.lookup(key, &TEXT, PATIENCE).await {
        Lookup::Miss(ticket) => ticket,
        Lookup::Hit(value) => panic!("found {value}"),
    }
}

async fn found(cache: &Cache, key: Digest) -> Option<String> {
    match cache.lookup(key, &TEXT, PATIENCE).await {
        Lookup::Hit(value) => Some((*value).clone()),
        Lookup::Miss(_) => None,
    }
}

#[tokio::test]
async fn keeps_what_it_is_given_and_nothing_else() {
    let cache = Cache::open(ByteSize::mib(1), None).await.unwrap();
    miss(&cache, key("a"))
        .await
        .keep(Arc::new("value".to_owned()))
        .await;
    drop(miss(&cache, key("b")).await);
    assert_eq!(found(&cache, key("a")).await.as_deref(), Some("value"));
    assert_eq!(found(&cache, key("b")).await, None);
    let figures = cache.figures();
    assert_eq!(
        (figures.local_hits, figures.misses, figures.remote_errors),
        (1, 3, 0)
    );
}

#[tokio::test]
async fn the_budget_is_in_bytes() {
    let cache = Cache::open(ByteSize(1_000), None).await.unwrap();
    miss(&cache, key("big"))
        .await
        .keep(Arc::new("x".repeat(251)))
        .await;
    assert_eq!(
        found(&cache, key("big")).await,
        None,
        "more than a quarter of the budget"
    );
    for n in 0..100 {
        let ticket = miss(&cache, key(&format!("{n}"))).await;
        ticket.keep(Arc::new("x".repeat(200))).await;
    }
    // moka evicts a little later than it inserts.
    let deadline = Instant::now() + PATIENCE;
    while cache.figures().local_bytes > 1_000 && Instant::now() < deadline {
        let _ = found(&cache, key("none")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(cache.figures().local_bytes <= 1_000, "{:?}", cache.figures());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_computes_and_the_others_wait() {
    let cache = Cache::open(ByteSize::mib(1), None).await.unwrap();
    let computed = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (cache, computed) = (cache.clone(), Arc::clone(&computed));
            tokio::spawn(async move {
                match cache.lookup(key("k"), &TEXT, PATIENCE).await {
                    Lookup::Hit(value) => (*value).clone(),
                    Lookup::Miss(ticket) => {
                        computed.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        ticket.keep(Arc::new("v".to_owned())).await;
                        "v".to_owned()
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "v");
    }
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_or_a_lost_caller_lets_the_others_go_on() {
    let cache = Cache::open(ByteSize::mib(1), None).await.unwrap();
    let pilot = miss(&cache, key("k")).await;
    let waiting = {
        let cache = cache.clone();
        tokio::spawn(async move { found(&cache, key("k")).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "a passenger waits");
    drop(pilot);
    assert_eq!(waiting.await.unwrap(), None);
    // Patience ends too.
    let _pilot = miss(&cache, key("k")).await;
    let begun = Instant::now();
    assert!(matches!(
        cache.lookup(key("k"), &TEXT, Duration::from_millis(30)).await,
        Lookup::Miss(_)
    ));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn redis(port: u16) -> Option<Server> {
    let child = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        eprintln!("skipped: redis-server is not installed");
        return None;
    };
    let server = Server {
        child,
        url: format!("redis://127.0.0.1:{port}/0"),
    };
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "redis-server does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(server)
}

async fn until(cache: &Cache, key: Digest, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    while found(cache, key).await.as_deref() != Some(wanted) {
        assert!(
            Instant::now() < deadline,
            "{wanted} does not arrive: {:?}",
            cache.figures()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_share_values_and_foreign_bytes_are_misses() {
    let Some(server) = redis(free_port()) else { return };
    let one = Cache::open(ByteSize::mib(1), Some(&server.url)).await.unwrap();
    let two = Cache::open(ByteSize::mib(1), Some(&server.url)).await.unwrap();
    for name in ["a", "b"] {
        miss(&one, key(name))
            .await
            .keep(Arc::new(format!("value of {name}")))
            .await;
        until(&two, key(name), &format!("value of {name}")).await;
    }
    assert_eq!(two.figures().remote_hits, 2);

    // Somebody damages one value and copies another one to a third name.
    let client = redis::Client::open(server.url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let name = |n: &str| format!("docmill:1:text-1:{}", key(n));
    let mut bytes: Vec<u8> = redis::cmd("GET")
        .arg(name("a"))
        .query_async(&mut connection)
        .await
        .unwrap();
    redis::cmd("SET")
        .arg(name("c"))
        .arg(&bytes)
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    redis::cmd("SET")
        .arg(name("a"))
        .arg(&bytes)
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    redis::cmd("SET")
        .arg(name("d"))
        .arg("x")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    let three = Cache::open(ByteSize::mib(1), Some(&server.url)).await.unwrap();
    for lie in ["a", "c", "d"] {
        assert_eq!(found(&three, key(lie)).await, None, "{lie}");
    }
    assert_eq!(found(&three, key("b")).await.as_deref(), Some("value of b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_costs_nothing_and_is_found_again() {
    let port = free_port();
    let Some(server) = redis(port) else { return };
    let url = server.url.clone();
    let cache = Cache::open(ByteSize::mib(1), Some(&url)).await.unwrap();
    miss(&cache, key("a")).await.keep(Arc::new("v".to_owned())).await;
    assert_eq!(found(&cache, key("a")).await.as_deref(), Some("v"));
    drop(server);
    let begun = Instant::now();
    for n in 0..200 {
        assert_eq!(found(&cache, key(&format!("{n}"))).await, None);
    }
    assert!(
        begun.elapsed() < Duration::from_millis(600),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        (3..10).contains(&cache.figures().remote_errors),
        "{:?}",
        cache.figures()
    );

    let Some(server) = redis(port) else { return };
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    let other = Cache::open(ByteSize::mib(1), Some(&server.url)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    // Written by the one that had lost it, read by another.
    for n in 0.. {
        let name = key(&format!("again {n}"));
        miss(&cache, name).await.keep(Arc::new("w".to_owned())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if found(&other, name).await.as_deref() == Some("w") {
            return;
        }
        assert!(Instant::now() < deadline, "{:?}", cache.figures());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_a_miss_within_the_patience() {
    // Accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}/0", silent.local_addr().unwrap().port());
    let cache = Cache::open(ByteSize::mib(1), Some(&url)).await.unwrap();
    let begun = Instant::now();
    assert_eq!(found(&cache, key("a")).await, None);
    assert!(
        begun.elapsed() < Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_wrong_url_is_refused() {
    assert!(
        Cache::open(ByteSize::mib(1), Some("http://nowhere"))
            .await
            .is_err()
    );
}
