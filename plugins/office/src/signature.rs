//! What the first bytes say, so that a wrong, old or locked file is told from a broken one.

use docmill_plugin::{Error, Source};

use crate::package::damaged;

const OLE: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// As much of an OLE container as is searched for the names of its streams.
const OLE_SEARCH_BYTES: u32 = 64 << 20;
const OLE_PIECE_BYTES: u32 = 1 << 20;

/// Lets only ZIP containers pass.
///
/// # Errors
/// `empty`, `encrypted` (Office wraps a locked file in OLE), `unsupported` (the old binary formats, or no Office file).
pub fn check(source: &Source) -> Result<(), Error> {
    let head = source.read(0, 8)?;
    if head.is_empty() {
        return Err(Error::invalid_input(
            "empty",
            "The file has no bytes; send the document itself.",
        ));
    }
    if head.starts_with(b"PK") {
        return Ok(());
    }
    if head == OLE {
        return Err(ole(source)?);
    }
    let hint = if head.starts_with(b"{\\rtf") {
        "This is RTF, whatever the file's name says; save it as DOCX."
    } else if head.starts_with(b"%PDF") {
        "This is a PDF; use docmill/pdf."
    } else if head.starts_with(b"<") || head.starts_with(&[0xEF, 0xBB, 0xBF, b'<']) {
        "This is HTML or XML, whatever the file's name says; use docmill/html, or save it as DOCX, XLSX or PPTX."
    } else {
        "This is neither a DOCX nor an XLSX nor a PPTX file; save the document in one of these formats."
    };
    Err(Error::unsupported("unsupported", hint))
}

fn ole(source: &Source) -> Result<Error, Error> {
    let mut kind = None;
    let mut offset = 0;
    let mut carry = Vec::new();
    while offset < source.size().min(OLE_SEARCH_BYTES) {
        let piece = source.read(offset, OLE_PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        offset = offset.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        carry.extend_from_slice(&piece);
        if contains_utf16(&carry, "EncryptedPackage") {
            return Ok(Error::invalid_input(
                "encrypted",
                "The document is protected with a password; remove the protection in Office and send it again.",
            ));
        }
        let streams = [
            ("WordDocument", "Word 97–2003 (.doc); save it as DOCX"),
            ("Workbook", "Excel 97–2003 (.xls); save it as XLSX"),
            (
                "PowerPoint Document",
                "PowerPoint 97–2003 (.ppt); save it as PPTX",
            ),
        ];
        for (stream, what) in streams {
            if kind.is_none() && contains_utf16(&carry, stream) {
                kind = Some(what);
            }
        }
        // A name may lie across two pieces.
        carry.drain(..carry.len().saturating_sub(64));
    }
    Ok(match kind {
        Some(what) => Error::unsupported("unsupported", format!("This is the old binary format of {what}.")),
        None if source.size() <= 512 => {
            damaged("its first bytes are those of an old Office file, and nothing follows")
        }
        None => Error::unsupported(
            "unsupported",
            "This is an OLE container without an Office document; save it as DOCX, XLSX or PPTX.",
        ),
    })
}

fn contains_utf16(bytes: &[u8], name: &str) -> bool {
    let needle: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(needle.len()).any(|window| window == needle)
}
