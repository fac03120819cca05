//! Builds Office files from their parts.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// A ZIP container of these parts.
pub fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer
            .start_file(
                *name,
                SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
            )
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn relationships(of: &[(&str, &str, &str)]) -> String {
    let all: String = of
        .iter()
        .map(|(id, kind, target)| {
            let mode = if target.contains("://") {
                " TargetMode=\"External\""
            } else {
                ""
            };
            format!("<Relationship Id=\"{id}\" Type=\"{RELATIONSHIPS}/{kind}\" Target=\"{target}\"{mode}/>")
        })
        .collect();
    format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{all}</Relationships>"
    )
}

/// A Word document with this body and more parts; `xml` of a part goes inside its root.
pub fn docx(body: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let wrap = |root: &str, xml: &str| {
        format!(
            "<?xml version=\"1.0\"?><w:{root} xmlns:w=\"{WORD}\" xmlns:r=\"{RELATIONSHIPS}\" xmlns:m=\"m\" xmlns:mc=\"mc\" xmlns:wps=\"wps\" xmlns:v=\"v\" xmlns:w14=\"w14\">{xml}</w:{root}>"
        )
    };
    let mut files = vec![
        ("[Content_Types].xml".to_owned(), "<Types><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>".to_owned()),
        ("_rels/.rels".to_owned(), relationships(&[("rId1", "officeDocument", "word/document.xml"), ("rId2", "metadata/core-properties", "docProps/core.xml")])),
        ("word/document.xml".to_owned(), wrap("document", &format!("<w:body>{body}</w:body>"))),
    ];
    let mut related = vec![(
        "link1".to_owned(),
        "hyperlink".to_owned(),
        "https://example.org/terms".to_owned(),
    )];
    for (name, xml) in parts {
        let root = match *name {
            "footnotes" | "endnotes" | "styles" | "numbering" => name,
            "header1" => "hdr",
            "footer1" => "ftr",
            _ => {
                files.push(((*name).to_owned(), (*xml).to_owned()));
                continue;
            }
        };
        let kind = name.trim_end_matches('1');
        related.push((format!("r-{name}"), kind.to_owned(), format!("{name}.xml")));
        files.push((format!("word/{name}.xml"), wrap(root, xml)));
    }
    let related: Vec<_> = related
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    files.push(("word/_rels/document.xml.rels".to_owned(), relationships(&related)));
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    zip(&files)
}

/// A paragraph of one run.
pub fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

/// A table's cell with one paragraph; `properties` goes into `tcPr`.
pub fn tc(properties: &str, text: &str) -> String {
    format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", p(text))
}

/// One sheet of a workbook.
pub struct Sheet<'a> {
    pub name: &'a str,
    /// `visible`, `hidden`, `veryHidden`.
    pub state: &'a str,
    /// `sheetData` and what follows it.
    pub xml: &'a str,
}

/// A workbook that announces the texts that it has. `styles` goes inside `styleSheet`, `strings` inside `sst`, `workbook` before the sheets.
pub fn xlsx(sheets: &[Sheet<'_>], styles: &str, strings: &str, workbook: &str) -> Vec<u8> {
    announcing(
        sheets,
        styles,
        strings,
        workbook,
        strings.matches("<si>").count() as u64,
    )
}

/// The same with a number of shared texts that need not be true.
pub fn announcing(sheets: &[Sheet<'_>], styles: &str, strings: &str, workbook: &str, texts: u64) -> Vec<u8> {
    let mut related = vec![
        ("rs".to_owned(), "styles", "styles.xml".to_owned()),
        ("rt".to_owned(), "sharedStrings", "sharedStrings.xml".to_owned()),
    ];
    let mut named = String::new();
    let mut files = vec![
        ("[Content_Types].xml".to_owned(), "<Types><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/></Types>".to_owned()),
        ("_rels/.rels".to_owned(), relationships(&[("rId1", "officeDocument", "xl/workbook.xml")])),
        ("xl/styles.xml".to_owned(), format!("<styleSheet>{styles}</styleSheet>")),
        ("xl/sharedStrings.xml".to_owned(), format!("<sst uniqueCount=\"{texts}\">{strings}</sst>")),
    ];
    for (index, sheet) in sheets.iter().enumerate() {
        named.push_str(&format!(
            "<sheet name=\"{}\" sheetId=\"{}\" state=\"{}\" r:id=\"s{index}\"/>",
            sheet.name,
            index + 1,
            sheet.state
        ));
        related.push((
            format!("s{index}"),
            "worksheet",
            format!("worksheets/sheet{index}.xml"),
        ));
        files.push((
            format!("xl/worksheets/sheet{index}.xml"),
            format!("<worksheet>{}</worksheet>", sheet.xml),
        ));
    }
    files.push((
        "xl/workbook.xml".to_owned(),
        format!("<workbook xmlns:r=\"{RELATIONSHIPS}\">{workbook}<sheets>{named}</sheets></workbook>"),
    ));
    let related: Vec<_> = related
        .iter()
        .map(|(a, b, c)| (a.as_str(), *b, c.as_str()))
        .collect();
    files.push(("xl/_rels/workbook.xml.rels".to_owned(), relationships(&related)));
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    zip(&files)
}
