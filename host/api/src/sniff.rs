//! What a file is. The bytes decide; the client's word and the name count only where bytes do not tell: CSV, Markdown
//! and other texts, and binary formats that docmill does not know.

mod zip;

/// How much of a text is looked at.
const TEXT_SAMPLE: usize = 64 * 1024;
/// JSON is read to its end up to this size; beyond, its first and last character decide.
const JSON_READ: usize = 256 * 1024;

/// Media types that bytes prove: a client's claim of one of them counts for nothing without the proof.
const PROVABLE: [&str; 14] = [
    "application/pdf",
    "application/zip",
    zip::DOCX,
    zip::XLSX,
    zip::PPTX,
    zip::EPUB,
    zip::ODT,
    zip::ODS,
    "image/png",
    "image/jpeg",
    "image/tiff",
    "image/webp",
    "image/gif",
    "application/gzip",
];

/// Encodings that parsers find in the bytes themselves: naming one tells them nothing.
const EVIDENT: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

/// The media type of `bytes`, given what the client says and the file's name. A text keeps the encoding that the client
/// names (`text/csv; charset=cp866`): eight-bit encodings can only be guessed from bytes.
pub fn media_type(bytes: &[u8], claimed: Option<&str>, name: Option<&str>) -> String {
    let mut found = essence(bytes, claimed, name);
    if is_text(&found)
        && let Some(charset) = claimed.and_then(charset)
    {
        found.push_str("; charset=");
        found.push_str(&charset);
    }
    found
}

/// The encoding that a media type of a text names, in lower case.
fn charset(media_type: &str) -> Option<String> {
    let mut parts = media_type.split(';');
    bare(parts.next()?).filter(|bare| is_text(bare))?;
    let value = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })?;
    let label = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
    let sound = (1..=40).contains(&value.len()) && value.bytes().all(label);
    (sound && !EVIDENT.contains(&value.as_str())).then_some(value)
}

fn essence(bytes: &[u8], claimed: Option<&str>, name: Option<&str>) -> String {
    let claimed = claimed.and_then(bare);
    let by_name = name.and_then(by_extension);
    if let Some(found) = by_magic(bytes) {
        return found.to_owned();
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return compound(claimed.as_deref(), by_name).to_owned();
    }
    if looks_like_text(bytes) {
        return text_type(bytes, claimed.as_deref(), by_name).to_owned();
    }
    let unproven =
        |t: &&str| !PROVABLE.contains(t) && !is_text(t) && *t != "application/x-www-form-urlencoded";
    claimed
        .as_deref()
        .filter(unproven)
        .or_else(|| by_name.filter(unproven))
        .unwrap_or("application/octet-stream")
        .to_owned()
}

/// A media type without parameters, in lower case; none if it is not one or says nothing.
fn bare(text: &str) -> Option<String> {
    let bare = text.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, sub) = bare.split_once('/')?;
    let token = |t: &str| {
        !t.is_empty()
            && t.len() <= 120
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    (token(kind) && token(sub) && bare != "application/octet-stream").then_some(bare)
}

fn by_extension(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "md" | "markdown" => "text/markdown",
        "txt" | "text" | "log" => "text/plain",
        "html" | "htm" => "text/html",
        "xhtml" => "application/xhtml+xml",
        "xml" => "application/xml",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "eml" => "message/rfc822",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "docx" => zip::DOCX,
        "xlsx" => zip::XLSX,
        "pptx" => zip::PPTX,
        _ => return None,
    })
}

fn by_magic(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 13] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"\x1f\x8b", "application/gzip"),
        (b"{\\rtf", "application/rtf"),
        (b"\0asm", "application/wasm"),
        (b"7z\xBC\xAF\x27\x1C", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07", "application/vnd.rar"),
        (b"%!PS", "application/postscript"),
    ];
    if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(found);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Some(zip::kind(bytes));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    // Some writers put a few bytes before the head of a PDF; a text that merely speaks of it is none.
    let head = bytes.get(..1024).unwrap_or(bytes);
    if memchr::memmem::find(head, b"%PDF-").is_some() && !looks_like_text(bytes) {
        return Some("application/pdf");
    }
    None
}

/// The old container of Office, also the wrapping of encrypted new ones: which program wrote it stands deep inside, so
/// the client's word and the name decide among Office's types.
fn compound<'a>(claimed: Option<&'a str>, by_name: Option<&'static str>) -> &'a str {
    let office = |t: &&str| {
        t.starts_with("application/vnd.ms-")
            || t.starts_with("application/vnd.openxmlformats-")
            || *t == "application/msword"
    };
    claimed
        .filter(office)
        .or_else(|| by_name.filter(office))
        .unwrap_or("application/x-ole-storage")
}

/// Whether the bytes can be text in some encoding: UTF-8, UTF-16 with its mark, or one of eight bits (cp1251, koi8-r,
/// cp866 use nearly every byte, but hardly any control character).
fn looks_like_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return true;
    }
    let sample = bytes.get(..TEXT_SAMPLE).unwrap_or(bytes);
    let control = |b: &u8| *b < 0x20 && !b"\t\n\r\x0c\x1b\x08\x1a".contains(b);
    !sample.contains(&0) && sample.iter().filter(|b| control(b)).count() * 200 <= sample.len()
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || media_type.ends_with("+xml")
        || media_type.ends_with("+json")
        || [
            "application/json",
            "application/xml",
            "application/yaml",
            "application/x-yaml",
            "message/rfc822",
        ]
        .contains(&media_type)
}

fn text_type<'a>(bytes: &[u8], claimed: Option<&'a str>, by_name: Option<&'static str>) -> &'a str {
    let head = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let head = head.trim_ascii_start();
    // What has a root element begins with it, or with what may stand before it.
    let start = head.strip_prefix(b"<").map_or_else(String::new, |_| {
        String::from_utf8_lossy(head.get(..2048).unwrap_or(head)).to_ascii_lowercase()
    });
    if start.starts_with("<!doctype html") || ["<html", "<head", "<body"].iter().any(|t| opens(&start, t)) {
        return "text/html";
    }
    if start.starts_with("<?xml") {
        return match () {
            () if start.contains("<html") => "application/xhtml+xml",
            () if start.contains("<svg") => "image/svg+xml",
            () => "application/xml",
        };
    }
    if is_json(head.trim_ascii_end()) {
        return "application/json";
    }
    // A claim that the bytes would have proved (HTML as a whole page, JSON) is no proof of the contrary for fragments
    // of HTML; JSON that does not parse is text.
    let plausible = |t: &&str| is_text(t) && *t != "application/json" && *t != "text/*";
    claimed
        .filter(plausible)
        .filter(|t| *t != "text/plain" || by_name.is_none_or(|n| !plausible(&n)))
        .or_else(|| by_name.filter(plausible))
        .unwrap_or("text/plain")
}

fn opens(text: &str, tag: &str) -> bool {
    text.strip_prefix(tag)
        .is_some_and(|rest| rest.starts_with(|c: char| c == '>' || c.is_whitespace()))
}

fn is_json(bytes: &[u8]) -> bool {
    let framed = matches!(
        (bytes.first(), bytes.last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    );
    framed && (bytes.len() > JSON_READ || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outvote_the_client() {
        for (bytes, claimed, name, expected) in [
            (
                &b"%PDF-1.7\n..."[..],
                Some("text/plain"),
                Some("a.txt"),
                "application/pdf",
            ),
            (
                b"\x00\x01 junk \x02 %PDF-1.4\n\x00",
                Some("image/png"),
                None,
                "application/pdf",
            ),
            (b"hello", Some("application/pdf"), Some("a.pdf"), "text/plain"),
            (b"hello", Some("image/png"), None, "text/plain"),
            (
                b"\x00\x01\x02",
                Some("application/pdf"),
                None,
                "application/octet-stream",
            ),
            (
                b"\x00\x01\x02",
                Some("text/csv"),
                Some("a.csv"),
                "application/octet-stream",
            ),
            (b"\x00\x01\x02", Some("audio/ogg"), None, "audio/ogg"),
            (b"\x00\x01\x02", None, Some("a.doc"), "application/msword"),
            (b"<!DOCTYPE html><p>", Some("application/pdf"), None, "text/html"),
            (b"  <HTML lang=ru>", None, None, "text/html"),
            (
                b"<?xml version='1.0'?><a/>",
                Some("text/html"),
                None,
                "application/xml",
            ),
            (b"{\"a\": [1]}", Some("text/plain"), None, "application/json"),
            (b"{\"a\": [1}", Some("application/json"), None, "text/plain"),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest",
                None,
                Some("a.DOCX"),
                zip::DOCX,
            ),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest",
                Some("text/plain"),
                None,
                "application/x-ole-storage",
            ),
        ] {
            assert_eq!(media_type(bytes, claimed, name), expected, "{claimed:?} {name:?}");
        }
    }

    #[test]
    fn the_client_counts_where_bytes_do_not_tell() {
        for (bytes, claimed, name, expected) in [
            (
                &b"a;b\n1;2"[..],
                Some("text/csv; header=present; Charset=\"CP1251\""),
                None,
                "text/csv; charset=cp1251",
            ),
            (b"a;b\n1;2", Some("text/csv; charset=UTF-8"), None, "text/csv"),
            (b"a;b\n1;2", Some("text/csv; charset=a\r\nb"), None, "text/csv"),
            (
                b"a;b\n1;2",
                Some("text/plain; charset=koi8-r"),
                Some("x.csv"),
                "text/csv; charset=koi8-r",
            ),
            (
                b"hello",
                Some("application/pdf; charset=koi8-r"),
                None,
                "text/plain",
            ),
            (
                b"%PDF-1.7",
                Some("text/plain; charset=koi8-r"),
                None,
                "application/pdf",
            ),
            (b"a;b\n1;2", None, Some("x.CSV"), "text/csv"),
            (b"a;b\n1;2", Some("text/plain"), Some("x.csv"), "text/csv"),
            (b"# Head", Some("text/markdown"), Some("x.txt"), "text/markdown"),
            (
                b"# Head",
                Some("application/octet-stream"),
                Some("x.md"),
                "text/markdown",
            ),
            (b"<p>fragment</p>", Some("text/html"), None, "text/html"),
            // cp1251, and UTF-16 with its mark.
            (
                b"\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0",
                None,
                None,
                "text/plain",
            ),
            (b"\xff\xfe\x1f\x04@\x048\x04", None, None, "text/plain"),
            (
                b"hello",
                Some("application/x-www-form-urlencoded"),
                None,
                "text/plain",
            ),
            (b"hello", Some("not a media type"), None, "text/plain"),
        ] {
            assert_eq!(media_type(bytes, claimed, name), expected, "{claimed:?} {name:?}");
        }
    }
}
