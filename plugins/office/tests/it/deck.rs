//! Builds presentations from the XML of their shapes.

use crate::build::{relationships, zip};

const NAMESPACES: &str = "xmlns:p=\"http://schemas.openxmlformats.org/presentationml/2006/main\" xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" xmlns:mc=\"mc\" xmlns:m=\"m\" xmlns:a14=\"a14\" xmlns:c=\"c\" xmlns:dgm=\"dgm\"";

/// A slide that is 1 000 points wide and 500 high, so that regions are easy to read.
const SIZE: &str = "<p:sldSz cx=\"12700000\" cy=\"6350000\"/>";

/// One slide.
#[derive(Clone, Default)]
pub struct Slide<'a> {
    /// Inside `spTree`.
    pub shapes: &'a str,
    /// Of the root: `show="0"`.
    pub attributes: &'a str,
    /// Shapes of the page of notes, if there is one.
    pub notes: Option<&'a str>,
    /// Further relationships: id, kind, target from the folder of slides.
    pub related: &'a [(&'a str, &'a str, &'a str)],
}

/// All of a presentation.
#[derive(Default)]
pub struct Deck<'a> {
    pub slides: &'a [Slide<'a>],
    /// Shapes of the one layout, which all slides have.
    pub layout: &'a str,
    /// Shapes of the master, and its `txStyles`.
    pub master: (&'a str, &'a str),
    /// In `presentation.xml`: instead of the size, behind the list of slides.
    pub presentation: Option<&'a str>,
    /// Instead of the list of slides.
    pub list: Option<&'a str>,
    /// Further parts, whole.
    pub parts: &'a [(&'a str, &'a str)],
}

pub fn slide(shapes: &str) -> Slide<'_> {
    Slide {
        shapes,
        ..Slide::default()
    }
}

/// A presentation of slides alone.
pub fn pptx(slides: &[Slide<'_>]) -> Vec<u8> {
    Deck {
        slides,
        ..Deck::default()
    }
    .bytes()
}

fn tree(root: &str, attributes: &str, shapes: &str, behind: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><p:{root} {NAMESPACES} {attributes}><p:cSld><p:spTree><p:nvGrpSpPr/><p:grpSpPr/>{shapes}</p:spTree></p:cSld>{behind}</p:{root}>"
    )
}

impl Deck<'_> {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let files = self.files();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        zip(&files)
    }

    /// Its parts. Slides are stored in the reverse order of their names, so that names and places tell nothing.
    pub fn files(&self) -> Vec<(String, String)> {
        let count = self.slides.len();
        let file = |index: usize| format!("slide{}.xml", count - index);
        let mut related = Vec::new();
        let mut files = vec![
            ("[Content_Types].xml".to_owned(), "<Types><Override PartName=\"/ppt/presentation.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml\"/></Types>".to_owned()),
            ("_rels/.rels".to_owned(), relationships(&[("rId1", "officeDocument", "ppt/presentation.xml"), ("rId2", "metadata/core-properties", "docProps/core.xml")])),
            ("ppt/slideLayouts/layout.xml".to_owned(), tree("sldLayout", "", self.layout, "")),
            ("ppt/slideLayouts/_rels/layout.xml.rels".to_owned(), relationships(&[("m", "slideMaster", "../slideMasters/master.xml")])),
            ("ppt/slideMasters/master.xml".to_owned(), tree("sldMaster", "", self.master.0, &format!("<p:txStyles>{}</p:txStyles>", self.master.1))),
        ];
        let mut list = String::new();
        for (index, slide) in self.slides.iter().enumerate() {
            let name = file(index);
            list.push_str(&format!("<p:sldId id=\"{}\" r:id=\"s{index}\"/>", 256 + index));
            related.push((format!("s{index}"), format!("slides/{name}")));
            let mut rels = vec![("layout", "slideLayout", "../slideLayouts/layout.xml".to_owned())];
            if let Some(notes) = slide.notes {
                rels.push(("notes", "notesSlide", format!("../notesSlides/{name}")));
                files.push((format!("ppt/notesSlides/{name}"), tree("notes", "", notes, "")));
            }
            rels.extend(
                slide
                    .related
                    .iter()
                    .map(|(id, kind, target)| (*id, *kind, (*target).to_owned())),
            );
            let rels: Vec<_> = rels.iter().map(|(a, b, c)| (*a, *b, c.as_str())).collect();
            files.push((format!("ppt/slides/_rels/{name}.rels"), relationships(&rels)));
            files.push((
                format!("ppt/slides/{name}"),
                tree("sld", slide.attributes, slide.shapes, ""),
            ));
        }
        let list = self.list.unwrap_or(&list);
        let behind = self.presentation.unwrap_or(SIZE);
        files.push((
            "ppt/presentation.xml".to_owned(),
            format!("<p:presentation {NAMESPACES}><p:sldIdLst>{list}</p:sldIdLst>{behind}</p:presentation>"),
        ));
        let related: Vec<_> = related
            .iter()
            .map(|(id, target)| (id.as_str(), "slide", target.as_str()))
            .collect();
        files.push((
            "ppt/_rels/presentation.xml.rels".to_owned(),
            relationships(&related),
        ));
        for (name, text) in self.parts {
            files.retain(|(known, _)| known != name);
            files.push(((*name).to_owned(), (*text).to_owned()));
        }
        files
    }
}

/// A paragraph; `properties` is its whole `pPr`.
pub fn paragraph(properties: &str, text: &str) -> String {
    format!("<a:p>{properties}<a:r><a:rPr lang=\"en-US\"/><a:t>{text}</a:t></a:r></a:p>")
}

/// A shape with this text. `placeholder`: the attributes of its `ph`, if it is one.
pub fn shape(placeholder: Option<&str>, properties: &str, paragraphs: &str) -> String {
    let ph = placeholder.map(|ph| format!("<p:ph {ph}/>")).unwrap_or_default();
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"x\"/><p:cNvSpPr/><p:nvPr>{ph}</p:nvPr></p:nvSpPr><p:spPr>{properties}</p:spPr><p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"
    )
}

/// A text box with one paragraph.
pub fn text_box(text: &str) -> String {
    shape(None, "", &paragraph("", text))
}

/// A place in points: left, top, width, height.
pub fn xfrm(attributes: &str, [x, y, width, height]: [i64; 4]) -> String {
    let emu = |points: i64| points * 12_700;
    format!(
        "<a:xfrm {attributes}><a:off x=\"{}\" y=\"{}\"/><a:ext cx=\"{}\" cy=\"{}\"/></a:xfrm>",
        emu(x),
        emu(y),
        emu(width),
        emu(height)
    )
}

/// A group at one place with its children's coordinates at another.
pub fn group(attributes: &str, at: [i64; 4], inside: [i64; 4], shapes: &str) -> String {
    let inner = xfrm("", inside)
        .replace("a:off", "a:chOff")
        .replace("a:ext", "a:chExt")
        .replace("<a:xfrm >", "")
        .replace("</a:xfrm>", "");
    let whole = xfrm(attributes, at).replace("</a:xfrm>", &format!("{inner}</a:xfrm>"));
    format!("<p:grpSp><p:nvGrpSpPr/><p:grpSpPr>{whole}</p:grpSpPr>{shapes}</p:grpSp>")
}

/// A frame with a table, a chart or a diagram.
pub fn frame(at: [i64; 4], content: &str) -> String {
    let place = xfrm("", at).replace("a:xfrm", "p:xfrm");
    format!(
        "<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id=\"4\" name=\"x\" descr=\"in words\"/></p:nvGraphicFramePr>{place}<a:graphic><a:graphicData>{content}</a:graphicData></a:graphic></p:graphicFrame>"
    )
}

/// A table's cell.
pub fn tc(attributes: &str, text: &str) -> String {
    format!(
        "<a:tc {attributes}><a:txBody>{}</a:txBody><a:tcPr/></a:tc>",
        paragraph("", text)
    )
}

/// The same without text, as a place that a merged cell covers has it.
pub fn empty_tc(attributes: &str) -> String {
    format!("<a:tc {attributes}><a:txBody><a:p/></a:txBody></a:tc>")
}
