use serde_json::json;

use super::*;

fn grant(json: serde_json::Value) -> Result<HttpGrant, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

fn shown(text: &str) -> String {
    match text.parse::<HostPattern>() {
        Ok(host) => host.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn hosts_are_written_in_one_way() {
    for (written, normal) in [
        ("api.example.org", "api.example.org"),
        ("API.Example.ORG", "api.example.org"),
        ("api.example.org.", "api.example.org"),
        ("*.example.org", "*.example.org"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        ("*.пример.рф", "*.xn--e1afmkfd.xn--p1ai"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("api。example。org", "api.example.org"),
        ("ａｐｉ.example.org", "api.example.org"),
        ("93.184.216.34", "93.184.216.34"),
        ("[2606:4700::1111]", "2606:4700::1111"),
        ("2606:4700:0:0::1111", "2606:4700::1111"),
        ("localhost", "localhost"),
    ] {
        assert_eq!(shown(written), normal);
        assert_eq!(shown(normal), normal, "what is shown can be written");
    }
}

#[test]
fn hosts_that_can_be_read_in_two_ways_are_refused_with_the_way_to_write_them() {
    for (bad, said) in [
        ("", "empty"),
        ("*", "asterisk"),
        ("*.", "not the name"),
        ("*.org", "two labels"),
        ("*.*.org", "more than one"),
        ("a.*.org", "asterisk"),
        ("a*.example.org", "asterisk"),
        ("*.10.0.0.1", "address"),
        ("https://example.org", "scheme"),
        ("example.org/", "path"),
        ("example.org\\x", "path"),
        ("example.org#x", "path"),
        ("example.org?x", "path"),
        ("user@example.org", "user"),
        ("example.org:443", "ports"),
        ("[::1]:443", "ports"),
        ("[::1", "ports"),
        ("ex%61mple.org", "percent"),
        ("fe80::1%eth0", "percent"),
        (" example.org", "blanks"),
        ("exam\nple.org", "blanks"),
        ("exam\u{a0}ple.org", "blanks"),
        ("127.1", "write 127.0.0.1"),
        ("0x7f.0.0.1", "write 127.0.0.1"),
        ("017700000001", "write 127.0.0.1"),
        ("2130706433", "write 127.0.0.1"),
        ("１２７.0.0.1", "write 127.0.0.1"),
        ("93.184.216.34.", "write 93.184.216.34"),
        ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ("a..b.org", "1 to 63"),
        (".example.org", "1 to 63"),
        ("example.org..", "1 to 63"),
        ("1.2.3.4.5", "not the name"),
        ("example.0x1", "not the name"),
        ("xn--0.org", "not the name"),
    ] {
        let Err(error) = bad.parse::<HostPattern>() else {
            panic!("{bad} was taken")
        };
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!("a".repeat(64).parse::<HostPattern>().is_err());
    assert!(
        format!("{}org", "abcdefgh.".repeat(30))
            .parse::<HostPattern>()
            .is_err()
    );
    assert!("x".repeat(10_000).parse::<HostPattern>().is_err());
}

#[test]
fn a_wildcard_is_one_label_or_more_and_not_the_name_itself() {
    let Ok(below) = "*.example.org".parse::<HostPattern>() else {
        panic!()
    };
    for (host, matches) in [
        ("a.example.org", true),
        ("a.b.example.org", true),
        ("a.example.org.", true),
        ("example.org", false),
        (".example.org", false),
        ("aexample.org", false),
        ("a.example.org.evil.net", false),
        ("a..example.org", false),
    ] {
        assert_eq!(below.matches(&url::Host::Domain(host)), matches, "{host}");
    }
    // A grant for an address is none for names, and the other way round.
    let Ok(address) = "10.0.0.1".parse::<HostPattern>() else {
        panic!()
    };
    assert!(address.matches(&url::Host::Ipv4([10, 0, 0, 1].into())));
    assert!(!address.matches(&url::Host::Domain("10.0.0.1")));
    assert!(!below.matches(&url::Host::Ipv4([10, 0, 0, 1].into())));
}

#[test]
fn what_a_grant_leaves_out_is_little() {
    let Ok(small) = grant(json!({"hosts": ["api.example.org"]})) else {
        panic!()
    };
    assert_eq!(*small.budget(), HttpBudget::DEFAULT);
    let host = url::Host::Domain("api.example.org");
    assert_eq!(small.permits(true, &host, 443, "GET"), Ok(()));
    assert_eq!(small.permits(false, &host, 80, "GET"), Err(Ungranted::Plaintext));
    assert_eq!(small.permits(true, &host, 444, "GET"), Err(Ungranted::Port(444)));
    assert_eq!(
        small.permits(true, &host, 443, "POST"),
        Err(Ungranted::Method("POST".into()))
    );
    let other = url::Host::Domain("example.org");
    assert_eq!(
        small.permits(true, &other, 443, "GET"),
        Err(Ungranted::Host("example.org".into()))
    );
}

#[test]
fn a_grant_survives_being_written_and_read() {
    let whole = json!({
        "hosts": ["*.example.org", "93.184.216.34", "::1"], "ports": [443, "8000-8099"], "methods": ["GET", "POST"],
        "plaintext": true, "secrets": [{"header": "Authorization", "secret": "api-key"}], "calls": 3,
        "request_bytes": "1KiB", "response_bytes": 4096, "header_bytes": "8KiB", "time": "2s"
    });
    let Ok(whole) = grant(whole) else { panic!() };
    assert_eq!(
        serde_json::to_value(&whole).map(grant).ok(),
        Some(Ok(whole.clone()))
    );
    assert!(
        whole
            .permits(false, &url::Host::Domain("a.example.org"), 8099, "POST")
            .is_ok()
    );
    assert_eq!(
        whole.secrets(),
        [HeaderSecret {
            header: "authorization".into(),
            secret: "api-key".into()
        }]
    );
    assert!(
        whole.to_string().contains("secret api-key in authorization"),
        "{whole}"
    );
}

#[test]
fn grants_are_refused_with_the_reason() {
    for (bad, said) in [
        (json!({}), "hosts"),
        (json!({"hosts": []}), "1 to 64"),
        (json!({"hosts": "example.org"}), "invalid type"),
        (json!({"hosts": ["a.org"], "port": 443}), "unknown field"),
        (json!({"hosts": ["a.org"], "ports": []}), "1 to 64"),
        (json!({"hosts": ["a.org"], "ports": [0]}), "no port"),
        (json!({"hosts": ["a.org"], "ports": [65_536]}), "no port"),
        (json!({"hosts": ["a.org"], "ports": ["8099-8000"]}), "no port"),
        (json!({"hosts": ["a.org"], "ports": ["+443"]}), "no port"),
        (json!({"hosts": ["a.org"], "ports": ["1-2-3"]}), "no port"),
        (json!({"hosts": ["a.org"], "ports": [-1]}), "did not match"),
        (json!({"hosts": ["a.org"], "methods": ["get"]}), "GET"),
        (
            json!({"hosts": ["a.org"], "methods": ["CONNECT"]}),
            "cannot be granted",
        ),
        (json!({"hosts": ["a.org"], "methods": ["A B"]}), "no method"),
        (json!({"hosts": ["a.org"], "methods": ["G\r\nET"]}), "no method"),
        (json!({"hosts": ["a.org"], "calls": 0}), "`calls`"),
        (json!({"hosts": ["a.org"], "calls": 1_001}), "`calls`"),
        (
            json!({"hosts": ["a.org"], "response_bytes": "1GiB"}),
            "`response_bytes`",
        ),
        (
            json!({"hosts": ["a.org"], "header_bytes": "1KiB"}),
            "`header_bytes`",
        ),
        (json!({"hosts": ["a.org"], "time": "1h"}), "`time`"),
        (json!({"hosts": ["a.org"], "time": "0ms"}), "`time`"),
        (
            json!({"hosts": ["a.org"], "secrets": [{"header": "Host", "secret": "a"}]}),
            "host's own",
        ),
        (
            json!({"hosts": ["a.org"], "secrets": [{"header": "a b", "secret": "a"}]}),
            "name of a header",
        ),
        (
            json!({"hosts": ["a.org"], "secrets": [{"header": "a", "secret": "a}}"}]}),
            "name of a secret",
        ),
        (json!({"hosts": vec!["a.org"; 65]}), "1 to 64"),
    ] {
        let Err(error) = grant(bad.clone()) else {
            panic!("{bad} was taken")
        };
        assert!(error.contains(said), "{bad}: {error}");
    }
}

#[test]
fn capabilities_are_told_by_their_imports() {
    for (interface, needs) in [
        ("wasi:http/outgoing-handler@0.2.0", Some(Capability::Http)),
        ("wasi:http/types@0.2.0", None),
        ("wasi:http/outgoing-handler@0.2.6", Some(Capability::Http)),
        ("wasi:http/incoming-handler@0.2.6", None),
        ("wasi:http/types@0.3.0", None),
        ("wasi:http/types", None),
        ("wasi:clocks/wall-clock@0.2.0", None),
    ] {
        assert_eq!(Capability::of_import(interface), needs, "{interface}");
    }
    assert_eq!("http".parse(), Ok(Capability::Http));
    assert!("https".parse::<Capability>().is_err());
}
