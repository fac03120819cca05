//! The same in a network namespace of its own, in which *every* address is this machine's: whatever is dialled arrives, and
//! the sink sees at which address.

use std::net::IpAddr;
use std::process::Command;

use docmill_egress::reachable;

use crate::support::{Sink, always, egress, get, grant, send};

const INSIDE: &str = "DOCMILL_TEST_IN_NAMESPACE";
const SET_UP: &str =
    "ip link set lo up && ip route add local default dev lo && ip -6 route add local default dev lo";

#[test]
fn no_packet_reaches_a_forbidden_address_where_all_addresses_are_listened_on() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let possible = Command::new("unshare")
        .args(["--net", "sh", "-c", SET_UP])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no network namespace can be made here (it takes root, unshare and ip)");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let inside = Command::new("timeout")
        .args(["--kill-after=5", "240", "unshare", "--net", "sh", "-c"])
        .arg(format!(
            "{SET_UP} && exec \"$0\" --exact namespace::inside --nocapture"
        ))
        .arg(test)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&inside.stderr)
    );
    assert!(
        said.contains("1 passed") && said.contains("dialled in the namespace"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let sink = Sink::new().await;
    let tried = crate::ssrf::try_all(sink.port).await;
    assert_eq!(sink.came(), Vec::<IpAddr>::new(), "{tried} tries");
    // Property: whatever is dialled was allowed; and what is on the internet is dialled.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut expected = 0;
    let url = format!("http://fine.example:{}/", sink.port);
    for _ in 0..400 {
        let address = match next() % 4 {
            0 => IpAddr::V6(((u128::from(next()) << 64) | u128::from(next())).into()),
            1 => IpAddr::V6((0x2600_u128 << 112 | u128::from(next())).into()),
            _ => IpAddr::V4(((next() >> 32) as u32).into()),
        };
        let sent = send(
            &egress(&[], always(vec![address])),
            &grant(&["fine.example"]),
            get(&url),
        )
        .await;
        assert_eq!(
            sent.is_ok(),
            reachable(address).is_ok(),
            "{address}: {:?}",
            sent.err()
        );
        expected += usize::from(sent.is_ok());
    }
    let came = sink.came();
    assert!(came.iter().all(|address| reachable(*address).is_ok()), "{came:?}");
    assert!(
        came.len() == expected && expected > 100,
        "{} of {expected}",
        came.len()
    );
    println!("{tried} tricks refused, {expected} addresses of the internet dialled in the namespace");
}
