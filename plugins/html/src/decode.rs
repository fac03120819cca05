//! From bytes to text: byte order mark, the sender's word, the page's own word, and what the bytes themselves say.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Where a page may declare its encoding; browsers look at 1 024 bytes, saved pages put comments first.
const DECLARATION_BYTES: usize = 4_096;

/// As much as is looked at to guess.
const GUESS_BYTES: usize = 256 << 10;

/// Decodes a page; what cannot be decoded becomes U+FFFD.
pub fn decode(bytes: Vec<u8>, media_type: &str) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        return encoding
            .decode_without_bom_handling(bytes.get(mark..).unwrap_or_default())
            .0
            .into_owned();
    }
    if let Some(encoding) = unmarked_utf16(&bytes) {
        return encoding.decode_without_bom_handling(&bytes).0.into_owned();
    }
    // Text in another encoding is hardly ever valid UTF-8 by chance, but old declarations often outlive a conversion.
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let head = bytes
        .get(..DECLARATION_BYTES.min(bytes.len()))
        .unwrap_or_default();
    let declared = parameter(media_type.as_bytes())
        .or_else(|| declaration(head))
        .filter(|encoding| *encoding != UTF_8);
    let encoding = declared.unwrap_or_else(|| {
        // Declared or not, mostly UTF-8 with a few broken bytes is UTF-8.
        if mostly_utf8(&bytes) { UTF_8 } else { guess(&bytes) }
    });
    encoding.decode_without_bom_handling(&bytes).0.into_owned()
}

fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes.get(..4)? {
        [b'<', 0, _, 0] => Some(UTF_16LE),
        [0, b'<', 0, _] => Some(UTF_16BE),
        _ => None,
    }
}

/// `text/html; charset=windows-1251`.
fn parameter(media_type: &[u8]) -> Option<&'static Encoding> {
    label_after(media_type, b"charset")
}

/// `<meta charset=…>`, `<meta http-equiv … content="…; charset=…">`, `<?xml … encoding="…"?>`.
fn declaration(head: &[u8]) -> Option<&'static Encoding> {
    let lower = head.to_ascii_lowercase();
    if lower.starts_with(b"<?xml") {
        let end = lower.iter().position(|byte| *byte == b'>').unwrap_or(lower.len());
        if let Some(encoding) = label_after(lower.get(..end)?, b"encoding") {
            return Some(encoding);
        }
    }
    let mut rest = lower.as_slice();
    while let Some(at) = find(rest, b"<meta") {
        rest = rest.get(at + 5..)?;
        let end = rest.iter().position(|byte| *byte == b'>').unwrap_or(rest.len());
        if let Some(encoding) = label_after(rest.get(..end)?, b"charset") {
            return Some(encoding);
        }
    }
    None
}

/// The encoding named behind `word =`. UTF-16 cannot be declared in ASCII, so that means UTF-8, as in the standard.
fn label_after(bytes: &[u8], word: &[u8]) -> Option<&'static Encoding> {
    let lower = bytes.to_ascii_lowercase();
    let rest = lower.get(find(&lower, word)? + word.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest
        .strip_prefix(b"\"")
        .or_else(|| rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let end = rest
        .iter()
        .position(|byte| b"\"'; \t\r\n>?".contains(byte))
        .unwrap_or(rest.len());
    let encoding = Encoding::for_label_no_replacement(rest.get(..end)?)?;
    Some(if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else {
        encoding
    })
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

/// At least ten well-formed sequences of several bytes for every broken one.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    good >= broken * 10
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(
        bytes.get(..GUESS_BYTES.min(bytes.len())).unwrap_or_default(),
        true,
    );
    let guess = detector.guess(None, Utf8Detection::Deny);
    if guess.is_ascii_compatible() {
        guess
    } else {
        WINDOWS_1252
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Счёт на оплату от 21 мая";

    fn encoded(encoding: &'static Encoding, html: &str) -> Vec<u8> {
        encoding.encode(html).0.into_owned()
    }

    #[test]
    fn every_way_to_say_the_encoding() {
        let cyrillic = encoding_rs::WINDOWS_1251;
        let koi = encoding_rs::KOI8_R;
        let utf16 = |mark: &[u8], text: &str| {
            [
                mark.to_vec(),
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            ]
            .concat()
        };
        for (bytes, media_type) in [
            (TEXT.as_bytes().to_vec(), "text/html; charset=windows-1251"),
            ([b"\xEF\xBB\xBF", TEXT.as_bytes()].concat(), "text/html"),
            (utf16(b"\xFF\xFE", TEXT), "text/html"),
            (encoded(cyrillic, TEXT), "text/html; charset=\"windows-1251\""),
            (
                encoded(
                    cyrillic,
                    &format!("<META http-equiv=x content='text/html; charset=cp1251'>{TEXT}"),
                ),
                "text/html",
            ),
            (
                encoded(koi, &format!("<!-- x --><meta charset=koi8-r>{TEXT}")),
                "text/html",
            ),
            (
                encoded(koi, &format!("<?xml version='1.0' encoding='KOI8-R'?>{TEXT}")),
                "application/xhtml+xml",
            ),
            (
                encoded(cyrillic, &format!("<meta charset=utf-8>{TEXT}")),
                "text/html; charset=utf-8",
            ),
            (encoded(cyrillic, TEXT), "text/html"),
            ([TEXT.as_bytes(), b"\xFF"].concat(), "text/html"),
            (utf16(b"", &format!("<p>{TEXT}")), "text/html"),
        ] {
            let text = decode(bytes.clone(), media_type);
            assert!(text.contains(TEXT), "{media_type} {bytes:?}: {text}");
        }
    }

    #[test]
    fn nonsense_is_decoded_too() {
        for bytes in [
            b"\xFF".to_vec(),
            b"<meta charset=".to_vec(),
            b"<meta charset=x>\xC0".to_vec(),
            vec![0x80; 5_000],
            vec![0; 7],
        ] {
            decode(bytes, "text/html; charset=");
        }
    }
}
