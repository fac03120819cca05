//! Whatever is tried, nothing comes to a sink that listens on every address of this machine.

use std::net::IpAddr;
use std::sync::Arc;

use docmill_egress::{Egress, EgressError, reachable};
use docmill_model::grant::HttpGrant;

use crate::support::{Sink, always, egress, get, grant, names, send};
use crate::targets::{SCHEMES, TRICKS, V4, V6, answers, spellings};

/// The most generous grant that there can be for a URL: names, and the very address that it means, if a grant can say it.
fn generous(url: &str) -> Arc<HttpGrant> {
    let mut hosts = vec![
        "fine.example".to_owned(),
        "*.fine.example".to_owned(),
        "localhost".to_owned(),
    ];
    let host = url::Url::parse(url)
        .ok()
        .and_then(|url| url.host().map(|host| host.to_owned()));
    hosts.extend(
        host.map(|host| host.to_string())
            .filter(|host| host.parse::<docmill_model::grant::HostPattern>().is_ok()),
    );
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    grant(&hosts)
}

/// The table: each of these is refused, and not by chance (an unreachable host, a connection that is refused).
pub async fn try_all(port: u16) -> usize {
    let mut tried = 0;
    let loopback: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
    let out = egress(&[], always(loopback));
    let mut refuse = async |out: &Egress, url: String, what: &str| {
        let Err(error) = send(out, &generous(&url), get(&url)).await else {
            panic!("{url} ({what}) was reached");
        };
        assert!(error.is_refusal(), "{url} ({what}): {error}");
        tried += 1;
    };
    for address in V4 {
        for spelling in spellings(address) {
            refuse(&out, format!("http://{spelling}:{port}/"), "spelling").await;
        }
    }
    for address in V6 {
        refuse(&out, format!("http://[{address}]:{port}/"), "IPv6").await;
    }
    for trick in TRICKS {
        refuse(&out, trick.replace("PORT", &port.to_string()), "trick").await;
    }
    for scheme in SCHEMES {
        refuse(&out, format!("{scheme}://fine.example:{port}/"), "scheme").await;
    }
    for addresses in answers() {
        let what = format!("{addresses:?}");
        let out = egress(&[], always(addresses));
        refuse(&out, format!("http://fine.example:{port}/"), &what).await;
    }
    for name in [
        "fine.example",
        "fine.example.",
        "a.b.fine.example",
        "localhost",
        "LOCALHOST.",
        "ｆine。example",
    ] {
        refuse(&out, format!("https://{name}:{port}/"), "name").await;
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_forbidden_is_reached_by_any_spelling_or_name() {
    let sink = Sink::new().await;
    let tried = try_all(sink.port).await;
    assert!(tried >= 300, "{tried}");
    assert_eq!(sink.came(), Vec::<IpAddr>::new());
    // The sink does listen: where the operator lets the network in, it is reached.
    let inside = egress(&["127.0.0.0/8"], names(&[("fine.example", &[&["127.0.0.1"]])]));
    let answer = send(
        &inside,
        &grant(&["fine.example"]),
        get(&format!("http://fine.example:{}/", sink.port)),
    )
    .await;
    assert_eq!(answer.map(|answer| answer.status), Ok(200));
    assert_eq!(sink.came().len(), 1);
    println!("{tried} targets and tricks, none reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_name_means_is_asked_once_for_each_request_and_judged_each_time() {
    let sink = Sink::new().await;
    // The first answer may be dialled (nobody is there), the next ones may not: rebinding.
    let out = egress(
        &["127.0.0.2/32"],
        names(&[("rebind.example", &[&["127.0.0.2"], &["127.0.0.1"]])]),
    );
    let grant = grant(&["rebind.example"]);
    let url = format!("http://rebind.example:{}/", sink.port);
    let session = out.session(Arc::clone(&grant), Vec::new(), None);
    assert!(session.send(get(&url)).await.is_ok());
    for _ in 0..5 {
        assert!(matches!(
            session.send(get(&url)).await,
            Err(EgressError::Address(_))
        ));
    }
    let came = sink.came();
    assert!(
        came.iter().all(|address| address.to_string() == "127.0.0.2"),
        "{came:?}"
    );
    let traffic = session.traffic();
    assert_eq!((traffic[0].sent, traffic[0].refused), (1, 5), "{traffic:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_handed_back_and_the_next_request_is_judged_like_the_first() {
    let sink = Sink::new().await;
    let port = crate::support::server(move |_, mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let out = egress(
        &["127.0.0.2/32", "127.0.0.1/32"],
        names(&[("fine.example", &[&["127.0.0.1"]])]),
    );
    let granted = grant(&["fine.example"]);
    let answer = send(&out, &granted, get(&format!("http://fine.example:{port}/")))
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.headers["location"].to_str().unwrap()),
        (302, "http://127.0.0.1:1/")
    );
    // Following it is a request of its own: the grant does not name the address, though the operator would let it in.
    for next in [
        format!("http://127.0.0.1:{}/", sink.port),
        format!("http://elsewhere.example:{}/", sink.port),
    ] {
        let refused = send(&out, &granted, get(&next)).await.err();
        assert!(
            matches!(refused, Some(EgressError::Ungranted(_))),
            "{next}: {refused:?}"
        );
    }
    assert!(sink.came().is_empty());
}

#[tokio::test]
async fn an_answer_of_the_name_server_that_is_empty_or_an_error_reaches_nothing() {
    let out = egress(&[], names(&[("empty.example", &[&[]])]));
    let granted = grant(&["*.example.org", "empty.example"]);
    for url in ["http://empty.example/", "http://gone.example.org/"] {
        assert_eq!(
            send(&out, &granted, get(url)).await.err(),
            Some(EgressError::UnknownName),
            "{url}"
        );
    }
}

#[tokio::test]
async fn names_that_only_look_like_a_granted_one_are_others() {
    let loopback: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
    let out = egress(&["127.0.0.0/8"], always(loopback));
    let granted = grant(&["api.example.org", "*.wild.example.org"]);
    for host in [
        "api.example.org.evil.net",
        "evilapi.example.org",
        "api-example.org",
        "example.org",
        "wild.example.org",
        "аpi.example.org",
        "api.exаmple.org",
        "apı.example.org",
        "xn--pi-7kc.example.org",
        "api.example.org%2eevil.net",
        "api.example.org%E3%80%82evil.net",
        "api.example.org。evil.net",
        "api.example.orgevil",
        "api.example.or",
    ] {
        let refused = send(&out, &granted, get(&format!("http://{host}/"))).await.err();
        assert!(
            refused.as_ref().is_some_and(EgressError::is_refusal),
            "{host}: {refused:?}"
        );
    }
    // And what is the same is the same.
    for host in [
        "api.example.org",
        "API.EXAMPLE.ORG",
        "api.example.org.",
        "api。example。org",
        "ａpi.example.org",
        "a.wild.example.org",
    ] {
        let refused = send(&out, &granted, get(&format!("http://{host}:1/")))
            .await
            .err();
        assert_eq!(refused, Some(EgressError::Refused), "{host}");
    }
}

/// Property: over random answers of a name server, all and only those that are on the internet would be dialled.
#[test]
fn what_is_not_on_the_internet_is_refused_over_random_addresses() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200_000 {
        let v4 = std::net::Ipv4Addr::from((next() >> 32) as u32);
        // A second opinion: the standard library's own, as far as it has one.
        let private = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast();
        let other = v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
        if private || other {
            assert!(reachable(v4.into()).is_err(), "{v4}");
        }
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        assert_eq!(reachable(mapped), reachable(v4.into()), "{v4}");
        let v6 = std::net::Ipv6Addr::from((u128::from(next()) << 64) | u128::from(next()));
        if v6.is_unique_local()
            || v6.is_unicast_link_local()
            || v6.is_multicast()
            || v6.segments()[0] >> 13 != 1
        {
            assert!(reachable(v6.into()).is_err(), "{v6}");
        }
    }
}
