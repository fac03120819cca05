//! A writer of small PDF files, whole and broken.

use std::fmt::Write as _;

/// Objects of a file in the making; the first is the catalogue.
pub struct Pdf {
    objects: Vec<Vec<u8>>,
    /// More entries of the trailer.
    pub trailer: String,
    /// What the cross-reference table says of an object at this offset.
    pub offset: fn(u64) -> u64,
}

impl Default for Pdf {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            trailer: String::new(),
            offset: |offset| offset,
        }
    }
}

impl Pdf {
    /// The number of a new object.
    pub fn add(&mut self, body: impl Into<Vec<u8>>) -> usize {
        self.objects.push(body.into());
        self.objects.len()
    }

    pub fn add_stream(&mut self, dictionary: &str, data: &[u8]) -> usize {
        let head = format!("<<{dictionary}/Length {}>>stream\n", data.len());
        self.add([head.as_bytes(), data, b"\nendstream"].concat())
    }

    /// The file, with its cross-reference table.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = b"%PDF-1.7\n".to_vec();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", self.objects.len() + 1);
        for (index, body) in self.objects.iter().enumerate() {
            writeln!(table, "{:010} 00000 n ", (self.offset)(file.len() as u64)).unwrap();
            file.extend_from_slice(format!("{} 0 obj\n", index + 1).as_bytes());
            file.extend_from_slice(body);
            file.extend_from_slice(b"\nendobj\n");
        }
        let start = file.len();
        let (size, more) = (self.objects.len() + 1, &self.trailer);
        file.extend_from_slice(
            format!("{table}trailer\n<</Size {size}/Root 1 0 R{more}>>\nstartxref\n{start}\n%%EOF\n")
                .as_bytes(),
        );
        file
    }
}

/// A document of pages with Helvetica as /F1 and Helvetica-Bold as /F2, 600 points square.
pub fn document(contents: &[&str]) -> Pdf {
    document_with(contents, "", "")
}

/// With more entries of the catalogue and of every page. Objects: 1 catalogue, 2 pages, 3 and 4 fonts, then for each page
/// its dictionary and its content.
pub fn document_with(contents: &[&str], catalogue: &str, page: &str) -> Pdf {
    let mut pdf = Pdf::default();
    let kids: String = (0..contents.len())
        .map(|index| format!("{} 0 R ", 5 + 2 * index))
        .collect();
    pdf.add(format!("<</Type/Catalog/Pages 2 0 R{catalogue}>>"));
    pdf.add(format!(
        "<</Type/Pages/Kids[{kids}]/Count {}/MediaBox[0 0 600 600]>>",
        contents.len()
    ));
    pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>");
    pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>");
    for (index, content) in contents.iter().enumerate() {
        let stream = 6 + 2 * index;
        pdf.add(format!(
            "<</Type/Page/Parent 2 0 R/Contents {stream} 0 R/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>{page}>>"
        ));
        pdf.add_stream("", content.as_bytes());
    }
    pdf
}

/// Text at a place; y from the top.
pub fn text(x: f32, y: f32, text: &str) -> String {
    styled("F1", 10.0, x, y, text)
}

pub fn styled(font: &str, size: f32, x: f32, y: f32, text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    format!(
        "BT /{font} {size} Tf 1 0 0 1 {x} {} Tm ({text}) Tj ET\n",
        600.0 - y
    )
}

/// A thin line, y from the top.
pub fn line(x0: f32, y0: f32, x1: f32, y1: f32) -> String {
    format!("0.5 w {x0} {} m {x1} {} l S\n", 600.0 - y0, 600.0 - y1)
}
