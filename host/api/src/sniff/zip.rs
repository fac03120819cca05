//! Which format lies in a zip container, from the names of its entries alone: nothing is inflated.

pub const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
pub const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
pub const EPUB: &str = "application/epub+zip";
pub const ODT: &str = "application/vnd.oasis.opendocument.text";
pub const ODS: &str = "application/vnd.oasis.opendocument.spreadsheet";

/// Entries that are looked at.
const MAX_ENTRIES: usize = 4096;
/// The end record lies within the last 64 KiB and a few bytes (its comment is at most that long).
const END_WINDOW: usize = 66_000;

/// The media type of a container that begins like a zip.
pub fn kind(bytes: &[u8]) -> &'static str {
    if let Some(stored) = mimetype_entry(bytes) {
        for known in [EPUB, ODT, ODS] {
            if stored == known.as_bytes() {
                return known;
            }
        }
    }
    by_names(central_names(bytes))
        .or_else(|| by_names(local_names(bytes)))
        .unwrap_or("application/zip")
}

fn by_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<&'static str> {
    for name in names.take(MAX_ENTRIES) {
        for (prefix, found) in [(&b"word/"[..], DOCX), (b"xl/", XLSX), (b"ppt/", PPTX)] {
            if name.starts_with(prefix) {
                return Some(found);
            }
        }
    }
    None
}

/// What an EPUB or OpenDocument says of itself: its first entry, `mimetype`, stored without compression.
fn mimetype_entry(bytes: &[u8]) -> Option<&[u8]> {
    let name_end = 30 + usize::from(u16_at(bytes, 26)?);
    if bytes.get(30..name_end)? != b"mimetype" || u16_at(bytes, 8)? != 0 {
        return None;
    }
    let start = name_end + usize::from(u16_at(bytes, 28)?);
    let size = usize::try_from(u32_at(bytes, 22)?).ok()?;
    bytes.get(start..start.checked_add(size.min(100))?)
}

/// Names in the central directory; none if there is no sound one.
fn central_names(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let from = bytes.len().saturating_sub(END_WINDOW);
    let mut at = bytes
        .get(from..)
        .and_then(|tail| tail.windows(4).rposition(|w| w == b"PK\x05\x06"))
        .and_then(|end| usize::try_from(u32_at(bytes, from + end + 16)?).ok());
    std::iter::from_fn(move || {
        let here = at?;
        if bytes.get(here..here.checked_add(4)?)? != b"PK\x01\x02" {
            return None;
        }
        let length = |offset| u16_at(bytes, here + offset).map(usize::from);
        let name_end = here + 46 + length(28)?;
        at = Some(name_end + length(30)? + length(32)?);
        bytes.get(here + 46..name_end)
    })
}

/// Names in the local headers, as far as their sizes lead from one to the next: for containers whose end is missing.
fn local_names(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = Some(0_usize);
    std::iter::from_fn(move || {
        let here = at?;
        if bytes.get(here..here.checked_add(4)?)? != b"PK\x03\x04" {
            return None;
        }
        let name_end = here + 30 + usize::from(u16_at(bytes, here + 26)?);
        let data = name_end + usize::from(u16_at(bytes, here + 28)?);
        at = data.checked_add(usize::try_from(u32_at(bytes, here + 18)?).ok()?);
        bytes.get(here + 30..name_end)
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let raw = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(raw.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(raw.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container of stored entries.
    fn container(entries: &[(&str, &[u8])], with_directory: bool) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, data) in entries {
            let offset = bytes.len() as u32;
            let sizes = [
                (data.len() as u32).to_le_bytes(),
                (data.len() as u32).to_le_bytes(),
            ]
            .concat();
            let name_length = (name.len() as u16).to_le_bytes();
            bytes.extend(
                [
                    &b"PK\x03\x04"[..],
                    &[0; 14],
                    &sizes,
                    &name_length,
                    &[0; 2],
                    name.as_bytes(),
                    data,
                ]
                .concat(),
            );
            directory.extend(
                [
                    &b"PK\x01\x02"[..],
                    &[0; 16],
                    &sizes,
                    &name_length,
                    &[0; 12],
                    &offset.to_le_bytes(),
                    name.as_bytes(),
                ]
                .concat(),
            );
        }
        if with_directory {
            let (start, size) = (bytes.len() as u32, directory.len() as u32);
            bytes.extend(directory);
            bytes.extend(
                [
                    &b"PK\x05\x06"[..],
                    &[0; 8],
                    &size.to_le_bytes(),
                    &start.to_le_bytes(),
                    &[0; 2],
                ]
                .concat(),
            );
        }
        bytes
    }

    #[test]
    fn entry_names_decide() {
        for with_directory in [true, false] {
            for (entries, expected) in [
                (
                    &[
                        ("[Content_Types].xml", &b"<x/>"[..]),
                        ("word/document.xml", b"<x/>"),
                    ][..],
                    DOCX,
                ),
                (
                    &[("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"")],
                    XLSX,
                ),
                (&[("docs/word/a", b"x")], "application/zip"),
                (&[("mimetype", EPUB.as_bytes()), ("OEBPS/a", b"x")], EPUB),
                (&[("mimetype", ODT.as_bytes())], ODT),
            ] {
                assert_eq!(
                    kind(&container(entries, with_directory)),
                    expected,
                    "{with_directory}"
                );
            }
        }
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let whole = container(&[("mimetype", b"x"), ("word/a", b"y")], true);
        for end in 0..whole.len() {
            kind(whole.get(..end).unwrap_or_default());
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken.iter_mut().skip(at).take(4).for_each(|b| *b = 0xFF);
            kind(&broken);
        }
    }
}
