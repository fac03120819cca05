//! Pages that attack, break off or are something else: each gets its answer, quickly.

use std::time::{Duration, Instant};

use docmill_html::Mode;

use crate::read::{refusal, try_read};

fn within(seconds: u64, what: &str, html: &str) -> String {
    let started = Instant::now();
    let code = refusal(html.as_bytes());
    assert!(
        started.elapsed() < Duration::from_secs(seconds),
        "{what}: {:?}",
        started.elapsed()
    );
    code
}

#[test]
fn what_is_no_page_is_refused() {
    for empty in [b"".as_slice(), b" \n\t ", b"\xEF\xBB\xBF"] {
        assert_eq!(refusal(empty), "empty");
    }
    for bytes in [
        b"%PDF-1.7 x".as_slice(),
        b"PK\x03\x04",
        b"{\\rtf1}",
        b"\x89PNG\r\n",
        b"\x1F\x8B\x08",
        b"MIME-Version: 1.0\r\n",
        &[0, 1, 2, 3, 4, 5, 6, 7],
        b"<?xml version=\"1.0\"?><!-- <html> --><invoice/>",
        b"<?xml version=\"1.0\"?><!DOCTYPE foo [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]><foo>&xxe;</foo>",
    ] {
        assert_eq!(refusal(bytes), "unsupported", "{bytes:?}");
    }
    assert_eq!(
        refusal(b"<?xml version=\"1.0\"?><!DOCTYPE html><html xmlns=\"x\"><body><p>x</p></body></html>"),
        "read"
    );
    assert_eq!(refusal(b"just text"), "read");
    assert_eq!(refusal(&vec![b'a'; (24 << 20) + 1]), "too-large");
}

#[test]
fn deep_pages_are_refused() {
    for tag in [
        "div",
        "b",
        "table><tr><td",
        "ul><li",
        "svg",
        "blockquote",
        "font a",
        "template",
    ] {
        let code = within(10, tag, &format!("<{tag}>").repeat(100_000));
        assert_eq!(code, "too-complex", "{tag}");
    }
    assert_eq!(within(10, "deep", &("<div>".repeat(400) + "x")), "read");
}

#[test]
fn pages_that_multiply_are_refused() {
    // Every paragraph opens all the formatting elements again.
    let formatting: String = (0..400).map(|n| format!("<b id={n}>")).collect();
    let code = within(
        20,
        "formatting",
        &("<p>".to_owned() + &formatting + &"</p><p>x".repeat(200_000)),
    );
    assert!(["too-complex", "too-large"].contains(&code.as_str()), "{code}");
    assert_eq!(within(20, "nodes", &"<i>x</i>".repeat(700_000)), "too-large");
    let attributes: String = (0..300_000).map(|n| format!(" a{n}=1")).collect();
    assert_eq!(
        within(10, "attributes", &format!("<p{attributes}>x")),
        "too-complex"
    );
    let slashes: String = (0..300_000).map(|n| format!("/a{n}")).collect();
    assert_eq!(within(10, "slashes", &format!("<p{slashes}>x")), "too-complex");
    let bodies: String = (0..50_000).map(|n| format!("<body a{n}>")).collect();
    assert_eq!(within(10, "bodies", &bodies), "too-complex");
}

#[test]
fn strange_pages_are_read() {
    for (what, html) in [
        ("comment", "<!--".to_owned() + &"-".repeat(3 << 20)),
        ("unclosed", "<p title=\"".to_owned() + &"x ".repeat(1 << 20)),
        ("open angle", "<".repeat(2 << 20)),
        ("entities", "&amp;&#0;&#x110000;&bogus;&".repeat(60_000)),
        (
            "spans",
            format!(
                "<table>{}</table>",
                "<tr><td colspan=99999 rowspan=65000>x<td>y".repeat(5_000)
            ),
        ),
        ("formats", "<b><i></b></i>".repeat(50_000)),
        ("tables in rows", "<table><tr>x<table>".repeat(60)),
        (
            "style",
            format!("<p style=\"{}\">x", "display:block;".repeat(100_000)),
        ),
        (
            "script",
            format!("<script>{}</script>x", "if (a<b && c) {} ".repeat(100_000)),
        ),
        (
            "paragraphs",
            "<p>Слово, и ещё слово, и длинное предложение для пробы.".repeat(20_000),
        ),
    ] {
        let started = Instant::now();
        try_read(html.as_bytes(), Mode::Main).unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            started.elapsed()
        );
    }
}

/// Readability walks the tree many times: its worst pages must stay bearable.
#[test]
fn articles_of_the_worst_kind_take_bounded_time() {
    let link = "<nav><a href=x>m</a></nav>";
    for (what, html) in [
        (
            "deep",
            link.to_owned()
                + &"<div><p>Длинный текст, с запятыми, и ещё, и ещё раз.</p>".repeat(450)
                + &"<p>Длинный текст, с запятыми, и ещё.</p>".repeat(20_000),
        ),
        (
            "breaks",
            link.to_owned() + "<div>" + &"слово, слово<br><br>".repeat(20_000),
        ),
        (
            "wide",
            link.to_owned()
                + &"<div><span>слово, слово, слово и длинное предложение</span></div>".repeat(20_000),
        ),
    ] {
        assert_eq!(within(45, what, &html), "read");
    }
}
