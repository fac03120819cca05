//! Parts that are mutilated before they are packed, so that damage reaches the walkers and not only the ZIP reader.
//! Whatever they find there, the answer is a reading that keeps the contract's rules or a typed error.

use docmill_office::Config;

use crate::build::{self, Sheet, docx, p, xlsx, zip};
use crate::deck::{Deck, Slide, empty_tc, frame, group, paragraph, shape, slide, tc, xfrm};
use crate::read::try_read;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// One of a presentation's parts for each round: its slide, layout, master, notes, chart, diagram, list of slides and
/// relationships.
#[test]
fn mutilated_decks_never_panic() {
    let notes = shape(Some("type=\"body\" idx=\"1\""), "", &paragraph("", "n"));
    let place = xfrm("rot=\"900000\" flipH=\"1\"", [10, 10, 300, 200]);
    let grid = "<a:tblPr firstRow=\"1\"/><a:tblGrid><a:gridCol w=\"100\"/><a:gridCol w=\"200\"/></a:tblGrid>";
    let table = format!(
        "<a:tbl>{grid}<a:tr h=\"9\">{}{}</a:tr><a:tr h=\"9\">{}{}</a:tr></a:tbl>",
        tc("gridSpan=\"2\" rowSpan=\"2\"", "a"),
        empty_tc("hMerge=\"1\""),
        empty_tc("vMerge=\"1\""),
        tc("hMerge=\"1\" vMerge=\"1\"", "b"),
    );
    let items = [
        paragraph(
            "<a:pPr lvl=\"1\"><a:buAutoNum type=\"romanLcPeriod\" startAt=\"2\"/></a:pPr>",
            "i",
        ),
        paragraph("<a:pPr><a:buChar char=\"•\"/></a:pPr>", "j"),
    ];
    let shapes = [
        shape(Some("type=\"title\""), &place, &paragraph("", "t")),
        group(
            "rot=\"60\"",
            [0, 0, 9, 9],
            [1, 1, 3, 3],
            &shape(Some("idx=\"1\""), "", &items.concat()),
        ),
        frame([0, 0, 100, 100], &table),
        frame([0, 0, 100, 100], "<c:chart r:id=\"c\"/>"),
        frame([0, 0, 100, 100], "<dgm:relIds r:dm=\"d\"/>"),
    ]
    .concat();
    let deck = Deck {
        slides: &[Slide {
            notes: Some(&notes),
            related: &[
                ("c", "chart", "../charts/c.xml"),
                ("d", "diagramData", "../diagrams/d.xml"),
            ],
            ..slide(&shapes)
        }],
        layout: &shape(
            Some("idx=\"1\""),
            &place,
            "<a:lstStyle><a:lvl1pPr><a:buNone/></a:lvl1pPr></a:lstStyle>",
        ),
        master: (
            &shape(Some("type=\"title\""), &place, ""),
            "<p:bodyStyle><a:lvl2pPr><a:buBlip/></a:lvl2pPr></p:bodyStyle>",
        ),
        parts: &[
            (
                "ppt/charts/c.xml",
                "<c:chartSpace><c:title><a:t>x</a:t></c:title><c:ser><c:tx><c:v>s</c:v></c:tx><c:cat><c:strCache><c:pt idx=\"0\"><c:v>k</c:v></c:pt></c:strCache></c:cat><c:val><c:numCache><c:formatCode>0.0%</c:formatCode><c:pt idx=\"0\"><c:v>1</c:v></c:pt></c:numCache></c:val></c:ser></c:chartSpace>",
            ),
            (
                "ppt/diagrams/d.xml",
                "<dgm:dataModel><dgm:ptLst><dgm:pt modelId=\"0\" type=\"doc\"/><dgm:pt modelId=\"1\"><dgm:t><a:p><a:r><a:t>m</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst><dgm:cxnLst><dgm:cxn srcId=\"0\" destId=\"1\" srcOrd=\"0\"/></dgm:cxnLst></dgm:dataModel>",
            ),
        ],
        ..Deck::default()
    };
    let whole = deck.files();
    let mut random = Random(0x2026_1121_0271_8281);
    let mut read = 0;
    for _ in 0..2_000 {
        let mut files = whole.clone();
        let which = random.below(files.len());
        files[which].1 = mutilate(&files[which].1, &mut random);
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        match try_read(&zip(&files), Config::default()) {
            Ok(_) => read += 1,
            Err(error) => assert!(
                ["damaged", "too-complex", "too-large", "unsupported"].contains(&error.code.as_str()),
                "{error:?}"
            ),
        }
    }
    assert!((300..2_000).contains(&read), "{read} of 2000 were readable");
}

/// Moves, repeats, removes or renames pieces between angle brackets, or changes a value: mostly still XML.
fn mutilate(xml: &str, random: &mut Random) -> String {
    let mut pieces: Vec<String> = xml.split_inclusive('>').map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        let at = random.below(pieces.len());
        let other = random.below(pieces.len());
        match random.below(7) {
            0 => pieces.swap(at, other),
            1 => pieces.insert(at, pieces[other].clone()),
            2 => drop(pieces.remove(at)),
            3 => {
                let values = [
                    "0",
                    "-1",
                    "4294967296",
                    "",
                    "x",
                    "9",
                    "restart",
                    "A1:XFD1048576",
                    "65535",
                ];
                let value = values[random.below(values.len())];
                let parts: Vec<&str> = pieces[at].split('"').collect();
                if parts.len() > 2 {
                    let changed = 1 + 2 * random.below(parts.len() / 2);
                    let parts: Vec<_> = parts
                        .iter()
                        .enumerate()
                        .map(|(n, part)| if n == changed { value } else { part })
                        .collect();
                    pieces[at] = parts.join("\"");
                }
            }
            4 => {
                let names = [
                    "w:tbl>", "w:p>", "w:r>", "w:t>", "w:sdt>", "c>", "row>", "v>", "p:sp>", "p:grpSp>",
                    "a:tc>",
                ];
                let name = names[random.below(names.len())];
                let from = names[random.below(names.len())];
                pieces
                    .iter_mut()
                    .for_each(|piece| *piece = piece.replace(from, name));
            }
            5 => {
                // A whole element twice in itself.
                let (from, to) = (at.min(other), at.max(other));
                let copy: Vec<String> = pieces[from..to].to_vec();
                pieces.splice(from..from, copy);
            }
            _ => pieces.truncate(at.max(1)),
        }
        if pieces.is_empty() {
            pieces.push(String::new());
        }
    }
    pieces.concat()
}

#[test]
fn mutilated_parts_never_panic() {
    let body = format!(
        "<w:p><w:pPr><w:pStyle w:val=\"1\"/><w:numPr><w:ilvl w:val=\"1\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:fldChar w:fldCharType=\"begin\"/><w:instrText>X</w:instrText><w:fldChar w:fldCharType=\"separate\"/><w:t>a</w:t><w:fldChar w:fldCharType=\"end\"/><w:footnoteReference w:id=\"2\"/></w:r></w:p><w:tbl><w:tr><w:trPr><w:gridBefore w:val=\"1\"/></w:trPr>{}{}</w:tr><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl><w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt><m:oMath><m:d><m:e><m:r><m:t>x</m:t></m:r></m:e></m:d></m:oMath><w:sectPr><w:headerReference r:id=\"r-header1\"/></w:sectPr>",
        build::tc("<w:gridSpan w:val=\"2\"/><w:vMerge w:val=\"restart\"/>", "b"),
        build::tc("<w:hMerge w:val=\"restart\"/>", "c"),
        build::tc("<w:gridSpan w:val=\"2\"/><w:vMerge/>", ""),
        build::tc("<w:hMerge/>", "d"),
        build::tc("<w:vMerge/>", "e"),
        build::tc("", "f"),
        p("g"),
    );
    let styles = "<w:style w:type=\"paragraph\" w:styleId=\"1\"><w:name w:val=\"heading 1\"/><w:basedOn w:val=\"1\"/></w:style>";
    let numbering = "<w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"1\"><w:start w:val=\"1\"/><w:numFmt w:val=\"lowerRoman\"/><w:lvlText w:val=\"%1.%2)\"/></w:lvl></w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num>";
    let notes = format!("<w:footnote w:id=\"2\">{}</w:footnote>", p("h"));
    let header = p("i");

    let sheet = "<cols><col min=\"1\" max=\"2\" hidden=\"1\"/></cols><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\" s=\"1\"><v>0</v></c><c r=\"B1\" s=\"2\"><f>A1</f><v>46347.5</v></c></row><row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>x</t></is></c><c r=\"D3\" s=\"3\"><v>-12.5</v></c></row></sheetData><mergeCells><mergeCell ref=\"A1:B2\"/><mergeCell ref=\"C3:D9\"/></mergeCells>";
    let cell_styles = "<numFmts><numFmt numFmtId=\"164\" formatCode=\"[$-419]d mmmm yyyy h:mm;@\"/><numFmt numFmtId=\"165\" formatCode=\"#,##0.00_);[Red]\\(0.0%\\)\"/></numFmts><fonts><font><b/></font></fonts><cellXfs><xf numFmtId=\"0\" fontId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/></cellXfs>";

    let mut random = Random(0x2026_1121_0314_1592);
    let mut read = 0;
    for round in 0..3_000 {
        let mut parts = [
            body.as_str(),
            styles,
            numbering,
            &notes,
            &header,
            sheet,
            cell_styles,
            "<si><t>s</t></si>",
        ]
        .map(str::to_owned);
        let is_word = round % 2 == 0;
        let which = if is_word {
            random.below(5)
        } else {
            5 + random.below(3)
        };
        parts[which] = mutilate(&parts[which], &mut random);
        let bytes = if is_word {
            docx(
                &parts[0],
                &[
                    ("styles", &parts[1]),
                    ("numbering", &parts[2]),
                    ("footnotes", &parts[3]),
                    ("header1", &parts[4]),
                ],
            )
        } else {
            xlsx(
                &[Sheet {
                    name: "s",
                    state: "visible",
                    xml: &parts[5],
                }],
                &parts[6],
                &parts[7],
                "",
            )
        };
        match try_read(&bytes, Config::default()) {
            Ok(_) => read += 1,
            Err(error) => assert!(
                ["damaged", "too-complex", "too-large"].contains(&error.code.as_str()),
                "{error:?}"
            ),
        }
    }
    assert!((500..3_000).contains(&read), "{read} of 3000 were readable");
}
