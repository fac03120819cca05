//! Presentations that attack, break off or point elsewhere: each gets its code, quickly, or costs what it holds.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::deck::{Deck, Slide, empty_tc, frame, group, paragraph, pptx, shape, slide, tc, text_box};
use crate::read::{outline, read, refusal};

fn refused(deck: &Deck<'_>) -> String {
    refusal(&deck.bytes())
}

#[test]
fn lists_of_slides_that_are_wrong() {
    let text = text_box("x");
    let slides = [slide(&text), slide(&text)];
    let listing = |list| Deck {
        slides: &slides,
        list: Some(list),
        ..Deck::default()
    };
    assert_eq!(refused(&listing("<p:sldId id=\"1\" r:id=\"s1\"/>")), "read");
    for list in [
        "<p:sldId id=\"1\" r:id=\"s0\"/><p:sldId id=\"2\" r:id=\"s0\"/>",
        "<p:sldId id=\"1\" r:id=\"unknown\"/>",
        "<p:sldId id=\"256\"/>",
        "<p:sldId id=\"1\" r:id=\"s0\"/",
    ] {
        assert_eq!(refused(&listing(list)), "damaged", "{list}");
    }
    let endless = "<p:sldId id=\"1\" r:id=\"s0\"/>".repeat(10_001);
    assert_eq!(refused(&listing(&endless)), "too-large");
}

#[test]
fn relationships_that_are_broken_or_lead_elsewhere() {
    let text = text_box("x");
    let related = |to: &str| {
        format!("<Relationships><Relationship Id=\"s0\" Type=\"http://x/slide\" {to}/></Relationships>")
    };
    for (to, expected) in [
        ("Target=\"../../../../ppt/slides/slide1.xml\"", "read"),
        ("Target=\"/ppt/slides/SLIDE1.xml\"", "read"),
        ("Target=\"../../../etc/passwd\"", "damaged"),
        ("Target=\"file:///etc/passwd\"", "damaged"),
        (
            "Target=\"https://example.org/slide1.xml\" TargetMode=\"External\"",
            "damaged",
        ),
        ("Target=\"\"", "damaged"),
    ] {
        let deck = Deck {
            slides: &[slide(&text)],
            parts: &[("ppt/_rels/presentation.xml.rels", &related(to))],
            ..Deck::default()
        };
        assert_eq!(refused(&deck), expected, "{to}");
    }
    // A slide that is its own layout, notes and chart, a layout that is its own master: read once each, without end.
    let circle = frame([0, 0, 9, 9], "<c:chart r:id=\"self\"/>") + &text;
    let rels = "<Relationships><Relationship Id=\"l\" Type=\"x/slideLayout\" Target=\"slide1.xml\"/><Relationship Id=\"m\" Type=\"x/slideMaster\" Target=\"slide1.xml\"/><Relationship Id=\"n\" Type=\"x/notesSlide\" Target=\"slide1.xml\"/><Relationship Id=\"self\" Type=\"x/chart\" Target=\"slide1.xml\"/></Relationships>";
    let reading = read(
        &Deck {
            slides: &[slide(&circle)],
            parts: &[("ppt/slides/_rels/slide1.xml.rels", rels)],
            ..Deck::default()
        }
        .bytes(),
    );
    assert_eq!(outline(&reading, 0), ["figure: in words", "paragraph: x"]);
}

#[test]
fn missing_and_broken_parts() {
    let text = shape(Some("type=\"title\""), "", &paragraph("", "x"));
    let notes = text_box("n");
    let slides = [Slide {
        notes: Some(&notes),
        ..slide(&text)
    }];
    let with = |part: &str, content: &str| {
        refused(&Deck {
            slides: &slides,
            parts: &[(part, content)],
            ..Deck::default()
        })
    };
    for part in [
        "ppt/presentation.xml",
        "ppt/slides/slide1.xml",
        "ppt/slideLayouts/layout.xml",
        "ppt/slideMasters/master.xml",
        "ppt/notesSlides/slide1.xml",
        "ppt/slides/_rels/slide1.xml.rels",
    ] {
        assert_eq!(with(part, "<p:sld><p:cSld>"), "damaged", "{part}");
        assert_eq!(
            with(
                part,
                "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>"
            ),
            "damaged",
            "{part}"
        );
        assert_eq!(with(part, "<other/>"), "read", "{part}");
    }
    // What hangs on nothing may be missing.
    let gone = "<Relationships><Relationship Id=\"l\" Type=\"x/slideLayout\" Target=\"gone.xml\"/><Relationship Id=\"n\" Type=\"x/notesSlide\" Target=\"gone2.xml\"/></Relationships>";
    assert_eq!(with("ppt/slides/_rels/slide1.xml.rels", gone), "read");
    let whole = pptx(&slides);
    assert_eq!(refusal(&whole[..whole.len() / 2]), "damaged");
}

#[test]
fn bombs_of_text_and_of_shapes_are_defused() {
    let long = text_box(&"a".repeat(60 << 20));
    assert_eq!(refusal(&pptx(&[slide(&long)])), "decompression-bomb");
    drop(long);
    let blank = " ".repeat(40 << 20);
    assert_eq!(
        refusal(&pptx(&[slide(&format!("{blank}<p:sp/>"))])),
        "decompression-bomb"
    );
    drop(blank);
    let attribute = format!("<p:sp x=\"{}\"/>", "b".repeat(40 << 20));
    assert_eq!(refusal(&pptx(&[slide(&attribute)])), "decompression-bomb");
    drop(attribute);
    // Empty ones cost nothing.
    let shapes = "<p:sp><p:txBody/></p:sp>".repeat(1_000_000);
    assert_eq!(refusal(&pptx(&[slide(&shapes)])), "read");
    drop(shapes);
    let mut many = String::new();
    for n in 0..520_000_u32 {
        let _ = write!(
            many,
            "<p:sp><p:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:txBody></p:sp>",
            n.wrapping_mul(2_654_435_761)
        );
    }
    assert_eq!(refusal(&pptx(&[slide(&many)])), "too-large");
    // A shape that is drawn by many points is honest.
    let mut outline = String::new();
    for n in 0..200_000_u32 {
        let _ = write!(
            outline,
            "<a:lnTo><a:pt x=\"{}\" y=\"{n}\"/></a:lnTo>",
            n.wrapping_mul(2_654_435_761)
        );
    }
    let drawn = shape(
        None,
        &format!("<a:custGeom>{outline}</a:custGeom>"),
        &paragraph("", "x"),
    );
    assert_eq!(refusal(&pptx(&[slide(&drawn)])), "read");
}

#[test]
fn deep_nesting_is_refused() {
    let nest =
        |open: &str, close: &str, depth: usize| open.repeat(depth) + &text_box("x") + &close.repeat(depth);
    let groups = |depth| nest("<p:grpSp>", "</p:grpSp>", depth);
    assert_eq!(refusal(&pptx(&[slide(&groups(200))])), "read");
    assert_eq!(refusal(&pptx(&[slide(&groups(100_000))])), "too-complex");
    let switches = nest(
        "<mc:AlternateContent><mc:Choice>",
        "</mc:Choice></mc:AlternateContent>",
        100,
    );
    assert_eq!(refusal(&pptx(&[slide(&switches)])), "read");
    let mut zoomed = text_box("x");
    for _ in 0..100 {
        zoomed = group(
            "rot=\"2147483647\"",
            [-9_000_000_000, 0, 9_000_000_000, 1],
            [0, 0, 1, 1],
            &zoomed,
        );
    }
    assert_eq!(refusal(&pptx(&[slide(&zoomed)])), "read");
}

#[test]
fn tables_stay_within_bounds() {
    let table = |rows: &str| {
        frame(
            [0, 0, 9, 9],
            &format!("<a:tbl><a:tr>{}</a:tr>{rows}</a:tbl>", empty_tc("").repeat(3)),
        )
    };
    let row = |cells: &[String]| format!("<a:tr>{}</a:tr>", cells.concat());
    let huge = row(&[
        tc("gridSpan=\"4000000000\" rowSpan=\"4000000000\"", "a"),
        tc("", "b"),
        tc("", "c"),
    ]);
    let crossing = row(&[tc("rowSpan=\"2\"", "a"), tc("", "b"), tc("", "c")])
        + &row(&[
            tc("gridSpan=\"3\"", "hidden"),
            tc("gridSpan=\"2\"", "d"),
            tc("", "hidden"),
        ]);
    let stray = row(&[
        tc("hMerge=\"1\"", "a"),
        tc("vMerge=\"1\"", "b"),
        empty_tc("vMerge=\"1\""),
    ]);
    let outline = |rows: &str| outline(&read(&pptx(&[slide(&table(rows))])), 0).concat();
    assert_eq!(outline(&huge), "table 2×3: [1,0+3]a");
    assert_eq!(outline(&crossing), "table 3×3: [1+2,0]a [1,1]b [1,2]c [2,1+2]d");
    assert_eq!(outline(&stray), "table 2×3: [1,0]a [1,1]b");
    let wide = row(&[tc("gridSpan=\"1000\"", "x")]).repeat(4_000);
    assert_eq!(refusal(&pptx(&[slide(&table(&wide))])), "too-complex");
}

#[test]
fn large_decks_take_linear_time() {
    let started = Instant::now();
    let texts: Vec<String> = (0..9_000).map(|n| text_box(&format!("slide {n}"))).collect();
    let slides: Vec<Slide<'_>> = texts.iter().map(|text| slide(text)).collect();
    let bytes = pptx(&slides);
    let built = started.elapsed();
    let reading = read(&bytes);
    assert_eq!(reading.page_count(), 9_000);
    assert_eq!(reading.text(8_999).unwrap(), "slide 8999");
    let took = started.elapsed() - built;
    eprintln!("9 000 slides: built in {built:?}, read in {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Ten thousand have more entries than the container may.
    let text = text_box("x");
    assert_eq!(refusal(&pptx(&vec![slide(&text); 10_000])), "too-large");
}

/// A hundred thousand frames that all show one large chart.
#[test]
fn parts_are_read_once() {
    let mut points = String::new();
    for n in 0..20_000 {
        let _ = write!(points, "<c:pt idx=\"{n}\"><c:v>{n}</c:v></c:pt>");
    }
    let chart = format!(
        "<c:chartSpace><c:ser><c:val><c:numCache>{points}</c:numCache></c:val></c:ser></c:chartSpace>"
    );
    let mut shapes = String::new();
    for n in 0..100_000_u32 {
        let _ = write!(
            shapes,
            "<p:graphicFrame x=\"{}\"><a:graphic><a:graphicData><c:chart r:id=\"c\"/></a:graphicData></a:graphic></p:graphicFrame>",
            n.wrapping_mul(2_654_435_761)
        );
    }
    let bytes = Deck {
        slides: &[Slide {
            related: &[("c", "chart", "../charts/c.xml")],
            ..slide(&shapes)
        }],
        parts: &[("ppt/charts/c.xml", &chart)],
        ..Deck::default()
    }
    .bytes();
    let started = Instant::now();
    assert_eq!(read(&bytes).blocks(0).unwrap().len(), 1);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}
