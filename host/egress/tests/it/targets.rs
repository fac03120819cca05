//! Targets that must not be reached, in every spelling that somebody thought of.

use std::net::{IpAddr, Ipv4Addr};

/// Addresses of IPv4 that are not on the internet: one of each kind, and the edges.
pub const V4: [[u8; 4]; 27] = [
    [127, 0, 0, 1],
    [127, 255, 255, 254],
    [10, 0, 0, 1],
    [10, 255, 255, 255],
    [172, 16, 0, 1],
    [172, 31, 255, 255],
    [192, 168, 0, 1],
    [192, 168, 255, 255],
    [169, 254, 169, 254],
    [169, 254, 0, 1],
    [168, 63, 129, 16],
    [100, 64, 0, 1],
    [100, 100, 100, 200],
    [100, 127, 255, 255],
    [0, 0, 0, 0],
    [0, 1, 2, 3],
    [192, 0, 0, 192],
    [192, 0, 2, 1],
    [198, 51, 100, 1],
    [203, 0, 113, 1],
    [198, 18, 0, 1],
    [198, 19, 255, 255],
    [192, 88, 99, 1],
    [224, 0, 0, 1],
    [239, 255, 255, 250],
    [240, 0, 0, 1],
    [255, 255, 255, 255],
];

/// Addresses of IPv6 that are not on the internet.
pub const V6: [&str; 31] = [
    "::",
    "::1",
    "::2",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "ff01::1",
    "ff02::1",
    "ff05::1:3",
    "100::1",
    "100:0:0:1::1",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::7f00:1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:1::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "::ffff:0:127.0.0.1",
];

/// The same address of IPv4, as some program somewhere writes or takes it.
pub fn spellings(address: [u8; 4]) -> Vec<String> {
    let [a, b, c, d] = address;
    let number = u32::from_be_bytes(address);
    let tail = number & 0x00ff_ffff;
    let end = number & 0xffff;
    let wide: String = format!("{a}.{b}.{c}.{d}")
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap()
            } else {
                c
            }
        })
        .collect();
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{number}"),
        format!("{number:#x}"),
        format!("{number:#o}").replacen("0o", "0", 1),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("00000{a:o}.{b}.{c:#x}.{d}"),
        format!("{a}.{tail}"),
        format!("{a}.{b}.{end}"),
        format!("{a}。{b}．{c}｡{d}"),
        wide,
        format!("{a}.{b}.{c}.{d}")
            .bytes()
            .map(|b| format!("%{b:02x}"))
            .collect(),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}]"),
        format!("[0:0:0:0:0:ffff:{a}.{b}.{c}.{d}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::]"),
        format!("[2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}::]"),
    ]
}

/// What an attacker's name server might say: each of these lists has one address that may not be dialled.
pub fn answers() -> Vec<Vec<IpAddr>> {
    let public: IpAddr = "93.184.216.34".parse().unwrap();
    let bad = V4.into_iter().map(|address| IpAddr::V4(Ipv4Addr::from(address)));
    let bad = bad.chain(V6.iter().map(|address| address.parse().unwrap()));
    let mapped = V4
        .into_iter()
        .map(|address| IpAddr::V6(Ipv4Addr::from(address).to_ipv6_mapped()));
    bad.chain(mapped)
        .flat_map(|address| [vec![address], vec![public, address], vec![address, public]])
        .collect()
}

/// URLs that some programs read as one host and others as another. `PORT` is where the sink listens.
pub const TRICKS: [&str; 58] = [
    "http://fine.example@127.0.0.1:PORT/",
    "http://fine.example:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@fine.example/",
    "http://user:pass@127.0.0.1:PORT/",
    "http://@127.0.0.1:PORT/",
    "http://fine.example%40127.0.0.1:PORT/",
    "http://fine.example\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@fine.example/",
    "http://fine.example/\\127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:/\\127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "http://127.0.0.1:PORT#@fine.example/",
    "http://127.0.0.1:PORT?@fine.example/",
    "http://127.0.0.1:PORT#fine.example",
    "http://127.0.0.1:PORT;fine.example/",
    "http://127.0.0.1 :PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1\n:PORT/",
    "http://127.0.0.1\r\nHost: fine.example:PORT/",
    "http://12\t7.0.0.1:PORT/",
    "\u{0}http://127.0.0.1:PORT/",
    " http://127.0.0.1:PORT/",
    "http://127.0.0.1%00.fine.example:PORT/",
    "http://127.0.0.1%2f.fine.example:PORT/",
    "http://127.0.0.1%23.fine.example:PORT/",
    "http://127.0.0.1%3fx.fine.example:PORT/",
    "http://127.0.0.1%0a.fine.example:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127.0.0.1\u{ad}:PORT/",
    "http://127.0\u{200b}.0.1:PORT/",
    "http://127\u{2024}0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://[::1:PORT/",
    "http://::1:PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://127.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:+PORT/",
    "HTTP://127.0.0.1:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
];

/// What is not asked over HTTP at all.
pub const SCHEMES: [&str; 20] = [
    "file",
    "ftp",
    "gopher",
    "dict",
    "ldap",
    "ldaps",
    "tftp",
    "sftp",
    "jar",
    "netdoc",
    "data",
    "blob",
    "ws",
    "wss",
    "unix",
    "http+unix",
    "smb",
    "telnet",
    "imap",
    "httpx",
];
