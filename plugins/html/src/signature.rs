//! Tells what is no HTML page, whatever it was sent as.

use docmill_plugin::{Error, Source};

use crate::limits::MAX_SOURCE_BYTES;

/// By size and first bytes.
///
/// # Errors
/// `empty`, `too-large`, `unsupported`.
pub fn check(source: &Source) -> Result<(), Error> {
    if source.size() > MAX_SOURCE_BYTES {
        return Err(Error::exhausted(
            "too-large",
            format!(
                "The page has more than {} MiB; save it without its pictures.",
                MAX_SOURCE_BYTES >> 20
            ),
        ));
    }
    let head = source.read(0, 64)?;
    if head.is_empty() {
        return Err(empty());
    }
    let magic: [(&[u8], &str); 9] = [
        (b"%PDF", "a PDF; use docmill/pdf"),
        (
            b"PK\x03\x04",
            "a ZIP container, perhaps an Office document; use docmill/office",
        ),
        (
            b"\xD0\xCF\x11\xE0",
            "an old Office document; save it as DOCX or XLSX and use docmill/office",
        ),
        (b"{\\rtf", "RTF; save it as DOCX and use docmill/office"),
        (b"\x89PNG", "a picture"),
        (b"\xFF\xD8\xFF", "a picture"),
        (b"GIF8", "a picture"),
        (b"\x1F\x8B", "compressed by gzip; unpack it"),
        (
            b"MIME-Version:",
            "a message or a saved web archive (MHTML); save the page as HTML",
        ),
    ];
    match magic.into_iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, what)) => Err(Error::unsupported(
            "unsupported",
            format!("This is no HTML page but {what}."),
        )),
        None => Ok(()),
    }
}

/// By the decoded text.
///
/// # Errors
/// `empty`, `unsupported` (binary data, XML of another kind).
pub fn check_text(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(empty());
    }
    let head = text.get(..text.floor_char_boundary(4_096)).unwrap_or_default();
    let strange = head
        .chars()
        .filter(|c| (c.is_control() && !c.is_ascii_whitespace()) || *c == '\u{fffd}')
        .count();
    if strange * 10 > head.chars().count() {
        return Err(Error::unsupported(
            "unsupported",
            "This is binary data and no HTML page.",
        ));
    }
    if head.trim_start().starts_with("<?xml") {
        let root = root_name(head).to_ascii_lowercase();
        let local = root.rsplit(':').next().unwrap_or_default();
        if !root.is_empty() && local != "html" {
            return Err(Error::unsupported(
                "unsupported",
                "This is XML of another kind than XHTML; use docmill/text for its plain text.",
            ));
        }
    }
    Ok(())
}

fn empty() -> Error {
    Error::invalid_input("empty", "The file has no content; send the page itself.")
}

/// The name of the first element, if it stands near the beginning.
fn root_name(text: &str) -> &str {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
        } else if rest.starts_with(char::is_alphabetic) {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
                .unwrap_or(rest.len());
            return rest.get(..end).unwrap_or_default();
        } else if rest.starts_with('!') && rest.split('>').next().is_some_and(|tag| tag.contains('[')) {
            // A document type with declarations inside: the root comes after its end.
            rest = rest.split_once("]>").map_or("", |(_, after)| after);
        }
    }
    ""
}
