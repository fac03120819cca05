//! DOCX: the parts of a package that a word processor needs, no more.

use std::io::{Cursor, Write as _};

use anyhow::Result;
use zip::write::SimpleFileOptions;

use super::{Rendered, escape};
use crate::generate::form::mark;
use crate::generate::page::{Block, Document, Pair, PairLayout, Table};

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/><Override PartName="/word/header1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>"#;
const RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#;
const DOCUMENT_RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/header" Target="header1.xml"/></Relationships>"#;
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:sz w:val="20"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after="80"/></w:pPr></w:pPrDefault></w:docDefaults><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style><w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:jc w:val="center"/></w:pPr><w:rPr><w:b/><w:sz w:val="28"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="22"/></w:rPr></w:style></w:styles>"#;
const NAMESPACES: &str = r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships""#;

/// Renders the document as a package.
pub fn render(document: &Document) -> Result<Rendered> {
    let mut body = String::new();
    let mut header = String::new();
    for block in &document.blocks {
        if let Block::Watermark(text) = block {
            header = paragraph(
                "<w:jc w:val=\"center\"/>",
                &run(text, "<w:color w:val=\"BFBFBF\"/>"),
            );
        }
        body += &xml(block);
    }
    if header.is_empty() {
        header = paragraph("", "");
    }
    let main = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:document {NAMESPACES}><w:body>{body}<w:sectPr>\
         <w:headerReference w:type=\"default\" r:id=\"rId2\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1134\" \
         w:right=\"850\" w:bottom=\"1134\" w:left=\"1134\" w:header=\"567\" w:footer=\"567\" w:gutter=\"0\"/></w:sectPr>\
         </w:body></w:document>"
    );
    let header = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:hdr {NAMESPACES}>{header}</w:hdr>"
    );
    let core = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cp:coreProperties \
         xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>{}</dc:title><dc:language>{}</dc:language>\
         <dcterms:created xsi:type=\"dcterms:W3CDTF\">2025-01-15T09:00:00Z</dcterms:created></cp:coreProperties>",
        escape(&document.title),
        document.language
    );
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let parts = [
        ("[Content_Types].xml", CONTENT_TYPES),
        ("_rels/.rels", RELATIONSHIPS),
        ("word/document.xml", &main),
        ("word/_rels/document.xml.rels", DOCUMENT_RELATIONSHIPS),
        ("word/styles.xml", STYLES),
        ("word/header1.xml", &header),
        ("docProps/core.xml", &core),
    ];
    for (name, content) in parts {
        // The default time is the format's own beginning, so the same seed gives the same bytes.
        package.start_file(
            name,
            SimpleFileOptions::default().last_modified_time(zip::DateTime::default()),
        )?;
        package.write_all(content.as_bytes())?;
    }
    Ok(Rendered::one_page(package.finish()?.into_inner(), document))
}

fn xml(block: &Block) -> String {
    match block {
        Block::Title(text) => paragraph("<w:pStyle w:val=\"Title\"/>", &run(text, "")),
        Block::Heading(text) => paragraph("<w:pStyle w:val=\"Heading1\"/>", &run(text, "")),
        Block::Paragraph(text) => paragraph("<w:jc w:val=\"both\"/>", &split_run(text)),
        Block::Right(text) => right(text),
        Block::Pairs { rows, layout } => pairs(rows, *layout),
        Block::Columns { left, right } => {
            let cell = |lines: &[String]| {
                lines
                    .iter()
                    .map(|line| paragraph("", &run(line, "")))
                    .collect::<String>()
            };
            format!(
                "<w:tbl><w:tblPr><w:tblW w:w=\"5000\" w:type=\"pct\"/></w:tblPr>{}<w:tr>{}{}</w:tr></w:tbl>{}",
                grid(&[4900, 4900]),
                cell_xml(&cell(left), "", 4900),
                cell_xml(&cell(right), "", 4900),
                paragraph("", "")
            )
        }
        Block::Table(table) => table_xml(table),
        Block::Totals(rows) => {
            rows.iter().map(|pair| right(&pair.line())).collect::<String>() + &paragraph("", "")
        }
        Block::Boxes(boxes) => boxes
            .iter()
            .map(|(ticked, text)| paragraph("", &(run(mark(*ticked), "") + &run(&format!(" {text}"), ""))))
            .collect(),
        Block::Signature { role, name } => paragraph(
            "<w:spacing w:before=\"400\"/>",
            &run(&format!("{role} ______________ {name}"), ""),
        ),
        Block::Watermark(_) => String::new(),
    }
}

fn pairs(rows: &[Pair], layout: PairLayout) -> String {
    match layout {
        PairLayout::Line => rows
            .iter()
            .map(|pair| {
                let label = run(&format!("{}:", pair.label), "<w:b/>");
                paragraph("", &(label + &run(&format!(" {}", pair.value), "")))
            })
            .collect(),
        PairLayout::Above => rows
            .iter()
            .map(|pair| {
                let label = run(&pair.label, "<w:color w:val=\"595959\"/><w:sz w:val=\"16\"/>");
                paragraph("<w:spacing w:after=\"0\"/>", &label) + &paragraph("", &run(&pair.value, ""))
            })
            .collect(),
        PairLayout::Grid => {
            let rows: String = rows
                .iter()
                .map(|pair| {
                    let label = cell_xml(&paragraph("", &run(&pair.label, "")), "", 3500);
                    let value = cell_xml(&paragraph("", &run(&pair.value, "")), "", 6300);
                    format!("<w:tr>{label}{value}</w:tr>")
                })
                .collect();
            format!(
                "<w:tbl>{}{}{rows}</w:tbl>{}",
                ruled(),
                grid(&[3500, 6300]),
                paragraph("", "")
            )
        }
    }
}

fn table_xml(table: &Table) -> String {
    let widths: Vec<u32> = table.columns.iter().map(|column| column.width * 90).collect();
    let mut xml = format!("<w:tbl>{}{}", ruled(), grid(&widths));
    for (at, _) in table.header.iter().enumerate() {
        xml += "<w:tr><w:trPr><w:tblHeader/></w:trPr>";
        for (column, width) in widths.iter().enumerate() {
            let starts = table.header[at].iter().find(|cell| cell.column == column);
            let hangs = table.header[..at]
                .iter()
                .flatten()
                .any(|cell| cell.column == column && cell.rows > 1);
            if let Some(cell) = starts {
                let mut properties = String::new();
                if cell.columns > 1 {
                    properties += &format!("<w:gridSpan w:val=\"{}\"/>", cell.columns);
                }
                if cell.rows > 1 {
                    properties += "<w:vMerge w:val=\"restart\"/>";
                }
                xml += &cell_xml(
                    &paragraph("<w:jc w:val=\"center\"/>", &run(&cell.text, "<w:b/>")),
                    &properties,
                    *width,
                );
            } else if hangs {
                xml += &cell_xml(&paragraph("", ""), "<w:vMerge/>", *width);
            }
        }
        xml += "</w:tr>";
    }
    for row in &table.rows {
        xml += "<w:tr>";
        for ((cell, column), width) in row.iter().zip(&table.columns).zip(&widths) {
            let properties = if column.right {
                "<w:jc w:val=\"right\"/>"
            } else {
                ""
            };
            xml += &cell_xml(&paragraph(properties, &run(cell, "")), "", *width);
        }
        xml += "</w:tr>";
    }
    xml + "</w:tbl>" + &paragraph("", "")
}

fn ruled() -> String {
    let side = |name: &str| format!("<w:{name} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"auto\"/>");
    let sides: String = ["top", "left", "bottom", "right", "insideH", "insideV"]
        .map(side)
        .concat();
    format!("<w:tblPr><w:tblW w:w=\"5000\" w:type=\"pct\"/><w:tblBorders>{sides}</w:tblBorders></w:tblPr>")
}

fn grid(widths: &[u32]) -> String {
    let columns: String = widths
        .iter()
        .map(|width| format!("<w:gridCol w:w=\"{width}\"/>"))
        .collect();
    format!("<w:tblGrid>{columns}</w:tblGrid>")
}

fn cell_xml(content: &str, properties: &str, width: u32) -> String {
    format!("<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/>{properties}</w:tcPr>{content}</w:tc>")
}

fn right(text: &str) -> String {
    paragraph("<w:jc w:val=\"right\"/>", &run(text, ""))
}

fn paragraph(properties: &str, content: &str) -> String {
    let properties = if properties.is_empty() {
        String::new()
    } else {
        format!("<w:pPr>{properties}</w:pPr>")
    };
    format!("<w:p>{properties}{content}</w:p>")
}

fn run(text: &str, properties: &str) -> String {
    let properties = if properties.is_empty() {
        String::new()
    } else {
        format!("<w:rPr>{properties}</w:rPr>")
    };
    format!(
        "<w:r>{properties}<w:t xml:space=\"preserve\">{}</w:t></w:r>",
        escape(text)
    )
}

/// A text in several runs, as word processors leave it after corrections: the breaks mean nothing.
fn split_run(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(37)
        .map(|piece| run(&piece.iter().collect::<String>(), ""))
        .collect()
}
