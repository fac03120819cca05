//! From bytes to text: byte order marks, what the sender says, UTF-16 without a mark, UTF-8, then a guess among the
//! single-byte and East Asian encodings.

use crate::cyrillic;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use docmill_plugin::prelude::*;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a file is looked at to judge it, from its beginning or from the first bytes that are not UTF-8.
const SAMPLE_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub struct Decoded {
    /// Line ends are `\n`; there is no U+0000 and no byte order mark.
    pub text: String,
    /// WHATWG name, or `KZ-1048`.
    pub encoding: &'static str,
}

/// # Errors
/// `invalid-input`: `empty`, `binary`; `invalid-config`: `encoding` for a name that is none.
pub fn decode(bytes: &[u8], wanted: Option<&str>, media_type: &str) -> Result<Decoded, Error> {
    if bytes.is_empty() {
        return Err(Error::invalid_input(
            "empty",
            "The file is empty; send one that holds text.",
        ));
    }
    let (text, encoding) = match wanted {
        Some(label) => decode_as(bytes, label)?,
        None => detect(bytes, media_type)?,
    };
    Ok(Decoded {
        text: clean(&text),
        encoding,
    })
}

fn decode_as(bytes: &[u8], label: &str) -> Result<(String, &'static str), Error> {
    if label.eq_ignore_ascii_case("kz-1048") {
        return Ok((cyrillic::decode_kz1048(bytes), cyrillic::KZ_1048));
    }
    let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::invalid_config(
            "encoding",
            "The configured encoding has no such name; use one as windows-1251 or utf-8.",
        )
    })?;
    let (text, used, _) = encoding.decode(bytes);
    Ok((text.into_owned(), used.name()))
}

fn detect(bytes: &[u8], media_type: &str) -> Result<(String, &'static str), Error> {
    if let Some(text) = utf32(bytes) {
        return Ok((text, "UTF-32"));
    }
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Ok((encoding.decode(bytes).0.into_owned(), encoding.name()));
    }
    let sample = bytes.get(..SAMPLE_BYTES).unwrap_or(bytes);
    if let Some(encoding) = utf16_without_mark(sample) {
        return Ok((encoding.decode(bytes).0.into_owned(), encoding.name()));
    }
    if is_binary(sample) {
        let message = "The file is not text although its type says so; send it with its right type.";
        return Err(Error::invalid_input("binary", message));
    }
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok((text.to_owned(), UTF_8.name())),
        Err(error) => error.valid_up_to(),
    };
    if let Some(said) = charset(media_type).and_then(|label| Encoding::for_label(label.as_bytes())) {
        let (text, used, broken) = said.decode(bytes);
        // A sender's word counts unless the bytes contradict it.
        if !broken && used != UTF_8 {
            return Ok((text.into_owned(), used.name()));
        }
    }
    if nearly_utf8(bytes, valid) {
        return Ok((String::from_utf8_lossy(bytes).into_owned(), UTF_8.name()));
    }
    let sample = telling(bytes, valid);
    if let Some(guess) = cyrillic::guess(sample) {
        return Ok((guess.decode(bytes), guess.name()));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    Ok((guess.decode(bytes).0.into_owned(), guess.name()))
}

fn charset(media_type: &str) -> Option<&str> {
    media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    })
}

fn utf32(bytes: &[u8]) -> Option<String> {
    let (rest, read): (_, fn([u8; 4]) -> u32) = match bytes {
        [0xFF, 0xFE, 0, 0, rest @ ..] => (rest, u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, rest @ ..] => (rest, u32::from_be_bytes),
        _ => return None,
    };
    let (units, _) = rest.as_chunks::<4>();
    Some(
        units
            .iter()
            .map(|unit| char::from_u32(read(*unit)).unwrap_or('\u{FFFD}'))
            .collect(),
    )
}

/// The high byte of nearly every letter of one alphabet is the same, and 0 in ASCII.
fn utf16_without_mark(sample: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = sample.as_chunks::<2>();
    if pairs.len() < 4 {
        return None;
    }
    let is_high = |byte: u8| byte == 0 || byte == 4;
    let first = pairs
        .iter()
        .filter(|[high, low]| is_high(*high) && *low >= 9)
        .count();
    let second = pairs
        .iter()
        .filter(|[low, high]| is_high(*high) && *low >= 9)
        .count();
    let most = pairs.len() * 9 / 10;
    match (first > most, second > most) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

/// Known beginnings, or many control characters. One NUL in a text is not enough.
fn is_binary(sample: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 11] = [
        b"%PDF-",
        b"PK\x03\x04",
        b"\x89PNG",
        b"GIF8",
        b"\xFF\xD8\xFF",
        b"\x7FELF",
        b"\0asm",
        b"\x1F\x8B\x08",
        b"\xD0\xCF\x11\xE0",
        b"II*\0",
        b"MM\0*",
    ];
    let control = |byte: &&u8| matches!(byte, 0..=8 | 0x0B | 0x0E..=0x19 | 0x1C..=0x1F | 0x7F);
    let controls = sample.iter().filter(control).count();
    BEGINNINGS.iter().any(|beginning| sample.starts_with(beginning))
        || (controls >= 4 && controls * 50 > sample.len())
}

/// UTF-8 with a little damage: at least twenty well-formed sequences for each broken one. `valid`: how many bytes of the
/// file are UTF-8 up to the first that is not.
fn nearly_utf8(bytes: &[u8], valid: usize) -> bool {
    let (head, rest) = bytes.split_at_checked(valid).unwrap_or((bytes, &[]));
    let rest = String::from_utf8_lossy(rest.get(..SAMPLE_BYTES).unwrap_or(rest));
    let broken = rest.matches('\u{FFFD}').count();
    let first_of_several = |byte: &&u8| **byte >= 0xC0;
    let whole = head.iter().filter(first_of_several).count()
        + rest
            .chars()
            .filter(|char| !char.is_ascii())
            .count()
            .saturating_sub(broken);
    whole >= 20 * broken
}

/// The sample of a file that is not UTF-8: from the line on where that shows. What stands before may be a long head in
/// ASCII, which says nothing.
fn telling(bytes: &[u8], valid: usize) -> &[u8] {
    let head = bytes.get(..valid).unwrap_or(bytes);
    let line = head
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let from = line.min(bytes.len().saturating_sub(SAMPLE_BYTES));
    let rest = bytes.get(from..).unwrap_or(bytes);
    rest.get(..SAMPLE_BYTES).unwrap_or(rest)
}

fn clean(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    // Ctrl-Z ends a text file of DOS.
    let text = text.strip_suffix('\u{1A}').unwrap_or(text);
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "\u{FFFD}")
}
