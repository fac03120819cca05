//! The console in a real browser, by keyboard: from signing in to signing out.

use std::path::PathBuf;

use base64::Engine as _;
use docmill_samples::demo as samples;
use serde_json::json;

use crate::http::{INVOICE, LETTER};
use crate::support::browser::{Page, found};
use crate::support::{Host, client::Part};

/// What is wrong with the page for who uses no mouse, no eyes, or a small phone; empty if nothing is.
const WRONG: &str = "(() => {
    const wrong = [];
    const over = document.documentElement.scrollWidth - window.innerWidth;
    if (over > 0) {
        const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest('.scroll, .picture, pre'));
        wrong.push('wider than the window by ' + over + ': ' + wide.slice(0, 3).map(e => e.outerHTML.slice(0, 80)).join(' | '));
    }
    if (document.querySelectorAll('h1').length != 1) wrong.push('not one h1');
    let level = 0;
    for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
        const own = Number(h.tagName[1]);
        if (own > level + 1) wrong.push('heading skips a level: ' + h.textContent);
        level = own;
    }
    for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
        if (!field.labels.length) wrong.push('no label: ' + field.outerHTML);
    }
    for (const link of document.querySelectorAll('a, button')) {
        if (!(link.textContent.trim() || link.getAttribute('aria-label'))) wrong.push('no name: ' + link.outerHTML);
    }
    for (const link of document.querySelectorAll('a[href^=\"#\"]')) {
        if (!document.getElementById(link.getAttribute('href').slice(1))) wrong.push('leads nowhere: ' + link.outerHTML);
    }
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    if (new Set(ids).size != ids.length) wrong.push('an id stands twice');
    if (!document.documentElement.lang || !document.title || !document.querySelector('main')) wrong.push('no language, title or main');
    if (document.querySelector('script')) wrong.push('a script');
    if (getComputedStyle(document.body).margin != '0px') wrong.push('no stylesheet');
    return wrong.join('; ');
})()";

/// Looks at the page on a phone and on a desk, in light and dark, and keeps pictures of it.
async fn looked_at(page: &mut Page, name: &str) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&directory).unwrap();
    for (width, scheme) in [
        (320, "light"),
        (360, "light"),
        (360, "dark"),
        (1280, "dark"),
        (1280, "light"),
    ] {
        page.width(width).await;
        page.scheme(scheme).await;
        assert_eq!(page.value(WRONG).await, json!(""), "{name} at {width}");
        let picture = page.picture().await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
        std::fs::write(directory.join(format!("{name}-{width}-{scheme}.png")), bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_finds_their_way_by_keyboard() {
    let Some(program) = found() else {
        let required = std::env::var_os("DOCMILL_REQUIRE_BROWSER").is_some();
        assert!(
            !required,
            "no browser was found, and DOCMILL_REQUIRE_BROWSER is set"
        );
        eprintln!(
            "SKIPPED: the console was NOT tested in a browser; install chromium, or set DOCMILL_BROWSER"
        );
        return;
    };
    let host = Host::with(&["pdf", "office", "html", "text", "patterns", "rules", "template"]).await;
    host.save(INVOICE).await;
    host.save(LETTER).await;
    let fan = "{name: pages, description: Looks at every page by itself., steps: [{id: parse, use: docmill/pdf@0.1}, \
         {id: each, use: docmill/patterns@0.1, for_each: reading.pages, with: {fields: [{name: date, type: date, labels: [Date]}]}}, \
         {id: whole, use: docmill/patterns@0.1, needs: [parse], with: {fields: [{name: total, type: money, labels: [Total due]}]}}, \
         {id: checks, use: docmill/rules@0.1, needs: [each, whole], when: \"reading.pages.size() > 0\", \
          with: {rules: [{code: total-is-there, expression: has(fields.total.value)}]}}]}";
    host.save(fan).await;
    let sample = samples()
        .into_iter()
        .find(|sample| sample.name == "invoice-kzt")
        .expect("an invoice");
    let file = Part::file("file", sample.file_name, sample.document);
    host.run("invoice")
        .form(&[file, Part::param("supplier", "Somebody else")])
        .send()
        .await
        .ok(200);
    host.run("letter")
        .body(
            "text/plain",
            "Our ref. 12 of 2026-01-02\nSubject: Delivery\nPlease reply by 2026-02-01\n",
        )
        .send()
        .await
        .ok(200);
    let failed = host
        .run("invoice")
        .body("application/pdf", "%PDF-1.4 broken")
        .send()
        .await;
    assert!(failed.status >= 400);

    let mut page = Page::open(&program).await;
    let site = format!("http://{}", host.address);
    page.width(1280).await;
    page.go(&format!("{site}/console")).await;
    page.until("location.pathname == '/console/sign-in'").await;
    looked_at(&mut page, "sign-in").await;
    // The field has the focus by itself.
    page.until("document.activeElement.id == 'key'").await;
    page.write("dm_wrong").await;
    page.press("Enter").await;
    page.until("document.querySelector('[role=alert]')").await;
    // The browser itself says that the answer was a 401.
    assert!(page.complaints.drain(..).all(|said| said.contains("401")));
    page.until("document.activeElement.id == 'key'").await;
    page.write(&host.key).await;
    page.press("Enter").await;
    page.until("location.pathname == '/console/pipelines'").await;
    assert_eq!(
        page.value("document.cookie").await,
        json!(""),
        "no script can read the cookie"
    );
    looked_at(&mut page, "pipelines").await;

    // The first Tab of a page leads past the navigation.
    page.press("Tab").await;
    assert_eq!(
        page.value("document.activeElement.className").await,
        json!("skip")
    );
    page.tab_to("e.textContent == 'pages'").await;
    page.press("Enter").await;
    page.until("location.pathname == '/console/pipelines/pages' && document.querySelectorAll('svg .step').length == 4").await;
    looked_at(&mut page, "pipeline").await;

    page.tab_to("e.textContent == 'Runs'").await;
    page.press("Enter").await;
    page.until("location.pathname == '/console/runs' && document.querySelectorAll('.row').length == 3")
        .await;
    looked_at(&mut page, "runs").await;
    page.tab_to("e.closest('.row') && e.closest('.row').innerText.includes('verdict: fail')")
        .await;
    page.press("Enter").await;
    page.until("location.pathname.startsWith('/console/runs/run_')")
        .await;
    looked_at(&mut page, "run").await;

    // From a field to its quote in the document, and back.
    page.tab_to("e.closest('.quote') && e.closest('li').id.startsWith('f')")
        .await;
    let quote = page
        .value("document.activeElement.textContent.slice(1, -1)")
        .await;
    page.press("Enter").await;
    page.until("location.hash.startsWith('#q-f') && document.querySelector(':target')")
        .await;
    let mark = page
        .value("document.querySelector('mark:target').textContent")
        .await;
    let (quote, mark) = (quote.as_str().unwrap(), mark.as_str().unwrap());
    assert!(quote.starts_with(mark) && !mark.is_empty(), "{quote} {mark}");
    let inside = "(() => { const r = document.querySelector(':target').getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight; })()";
    page.until(inside).await;
    page.tab_to("e.className == 'back'").await;
    page.press("Enter").await;
    page.until("location.hash.startsWith('#f') && document.querySelector('.find:target')")
        .await;

    // A file of one's own.
    page.go(&format!("{site}/console/pipelines/invoice/run")).await;
    looked_at(&mut page, "upload").await;
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join(sample.file_name);
    std::fs::write(&own, sample.document).unwrap();
    page.choose("input[type=file]", &own).await;
    page.tab_to("e.textContent == 'Run' && e.tagName == 'BUTTON'")
        .await;
    page.press("Enter").await;
    page.until(
        "location.pathname.startsWith('/console/runs/run_') && document.querySelectorAll('.find').length > 5",
    )
    .await;

    page.go(&format!("{site}/console/runs?status=failed")).await;
    page.tab_to("e.closest('.row')").await;
    page.press("Enter").await;
    page.until("document.querySelector('.notice.bad')").await;
    looked_at(&mut page, "failed").await;
    for (path, name) in [
        ("documents", "documents"),
        ("documents?q=nothing+of+this", "documents-none"),
        ("usage", "usage"),
        ("keys", "keys"),
        ("audit", "audit"),
        ("audit/verify", "verified"),
    ] {
        page.go(&format!("{site}/console/{path}")).await;
        looked_at(&mut page, name).await;
    }
    page.go(&format!("{site}/console/documents")).await;
    page.tab_to("e.closest('.row')").await;
    page.press("Enter").await;
    page.until("location.pathname.startsWith('/console/documents/doc_')")
        .await;
    looked_at(&mut page, "document").await;
    page.go(&format!("{site}/console/keys")).await;
    page.tab_to("e.name == 'name'").await;
    page.write("nightly").await;
    page.press("Enter").await;
    page.until("document.querySelector('input.secret').value.startsWith('dm_')")
        .await;
    looked_at(&mut page, "new-key").await;
    page.go(&format!("{site}/console/keys")).await;
    page.tab_to("e.textContent.startsWith('Revoke')").await;
    page.press("Enter").await;
    page.until("location.pathname.endsWith('/revoke')").await;
    looked_at(&mut page, "revoke").await;

    page.tab_to("e.textContent == 'Sign out'").await;
    page.press("Enter").await;
    page.until("location.pathname == '/console/sign-in'").await;
    page.go(&format!("{site}/console/runs")).await;
    page.until("location.pathname == '/console/sign-in'").await;
    assert_eq!(page.complaints, Vec::<String>::new());
}
