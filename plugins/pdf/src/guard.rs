//! Finds decompression bombs before a reader meets them: the readers hold what they unpack in memory, this does not.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem;

use crate::error::PdfError;
use crate::limits::{ALL_STREAMS_BYTES_MAX, STREAM_BYTES_MAX};

/// Deflate cannot expand by more than this.
const DEFLATE_RATIO_MAX: u64 = 1032;

/// How far before a stream its dictionary is looked for.
const DICTIONARY_BYTES: usize = 1024;

/// One deflated stream that a reader may unpack.
struct Deflated<'a> {
    data: Cow<'a, [u8]>,
    /// How often it is deflated.
    layers: usize,
}

impl Deflated<'_> {
    /// The most that it can unpack to.
    fn length_at_most(&self) -> u64 {
        (0..self.layers).fold(self.data.len() as u64, |length, _| {
            length.saturating_mul(DEFLATE_RATIO_MAX)
        })
    }

    fn length(&self) -> u64 {
        if self.layers > 1 {
            twice_inflated_length(&self.data)
        } else {
            inflated_length(&self.data, STREAM_BYTES_MAX)
        }
    }
}

/// Refuses a file whose streams unpack to too much, pictures excepted, because nobody unpacks those here. Streams are
/// only unpacked (and forgotten) if they could be too large.
///
/// # Errors
/// [`PdfError::TooLarge`] if one stream or all together pass their limit.
pub fn refuse_bombs(bytes: &[u8]) -> Result<(), PdfError> {
    let streams = deflated_streams(bytes);
    let worst = streams
        .iter()
        .fold(0_u64, |sum, stream| sum.saturating_add(stream.length_at_most()));
    if worst <= STREAM_BYTES_MAX {
        return Ok(());
    }
    let mut total: u64 = 0;
    for stream in streams {
        let length = stream.length();
        total += length;
        if length > STREAM_BYTES_MAX || total > ALL_STREAMS_BYTES_MAX {
            return Err(PdfError::TooLarge {
                limit_mib: STREAM_BYTES_MAX >> 20,
            });
        }
    }
    Ok(())
}

fn deflated_streams(bytes: &[u8]) -> Vec<Deflated<'_>> {
    let mut streams = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memmem::find(rest, b"stream")) {
        let keyword = at + found;
        at = keyword + b"stream".len();
        if bytes.get(keyword.saturating_sub(3)..keyword) == Some(b"end") {
            continue;
        }
        let Some(data) = stream_data(bytes, at) else {
            continue;
        };
        at += data.len();
        let dictionary = dictionary_before(bytes, keyword);
        if is_picture(dictionary) {
            continue;
        }
        let data = without_ascii(data, dictionary);
        if looks_deflated(&data) {
            let layers = memmem::find_iter(dictionary, b"/FlateDecode").count().clamp(1, 4);
            streams.push(Deflated { data, layers });
        }
    }
    streams
}

/// The bytes below an ASCII filter, which older writers put around deflated data.
fn without_ascii<'a>(data: &'a [u8], dictionary: &[u8]) -> Cow<'a, [u8]> {
    let names = |filter: &[u8]| memmem::find(dictionary, filter).is_some();
    if names(b"/ASCIIHexDecode") || names(b"/AHx") {
        Cow::Owned(hex_decoded(data))
    } else if names(b"/ASCII85Decode") || names(b"/A85") {
        Cow::Owned(base_85_decoded(data))
    } else {
        Cow::Borrowed(data)
    }
}

fn hex_decoded(data: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = data
        .iter()
        .take_while(|byte| **byte != b'>')
        .filter_map(|byte| char::from(*byte).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

fn base_85_decoded(data: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(data.len() / 5 * 4);
    let mut group: Vec<u32> = Vec::new();
    for byte in data.iter().take_while(|byte| **byte != b'~') {
        match byte {
            b'z' if group.is_empty() => decoded.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => group.push(u32::from(byte - b'!')),
            _ => {}
        }
        if group.len() == 5 {
            let value = group
                .drain(..)
                .fold(0_u32, |value, digit| value.wrapping_mul(85).wrapping_add(digit));
            decoded.extend_from_slice(&value.to_be_bytes());
        }
    }
    decoded
}

/// The bytes between the `stream` keyword's line end and `endstream`.
fn stream_data(bytes: &[u8], after_keyword: usize) -> Option<&[u8]> {
    let rest = bytes.get(after_keyword..)?;
    let rest = rest
        .strip_prefix(b"\r\n")
        .or_else(|| rest.strip_prefix(b"\n"))
        .or_else(|| rest.strip_prefix(b"\r"))?;
    let end = memmem::find(rest, b"endstream").unwrap_or(rest.len());
    rest.get(..end)
}

/// A zlib header: method 8, and a check sum over its two bytes.
fn looks_deflated(data: &[u8]) -> bool {
    match data {
        [first, second, ..] => first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0,
        _ => false,
    }
}

fn dictionary_before(bytes: &[u8], keyword: usize) -> &[u8] {
    let window = bytes
        .get(keyword.saturating_sub(DICTIONARY_BYTES)..keyword)
        .unwrap_or_default();
    let start = memmem::rfind(window, b" obj").unwrap_or(0);
    window.get(start..).unwrap_or_default()
}

fn is_picture(dictionary: &[u8]) -> bool {
    memmem::find(dictionary, b"/Subtype/Image").is_some()
        || memmem::find(dictionary, b"/Subtype /Image").is_some()
}

/// How long the data is when inflated; stops soon after `limit`.
fn inflated_length(data: &[u8], limit: u64) -> u64 {
    inflate(data, limit, |_| {})
}

fn twice_inflated_length(data: &[u8]) -> u64 {
    let mut once = Vec::new();
    let length = inflate(data, STREAM_BYTES_MAX / 4, |part| once.extend_from_slice(part));
    if length > STREAM_BYTES_MAX / 4 {
        return STREAM_BYTES_MAX + 1;
    }
    inflated_length(&once, STREAM_BYTES_MAX).max(length)
}

fn inflate(mut data: &[u8], limit: u64, mut part: impl FnMut(&[u8])) -> u64 {
    let mut inflater = Decompress::new(true);
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let (read_before, made_before) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(data, &mut buffer, FlushDecompress::None);
        let made = inflater.total_out() - made_before;
        let read = inflater.total_in() - read_before;
        part(buffer.get(..made as usize).unwrap_or_default());
        data = data.get(read as usize..).unwrap_or_default();
        let stuck = made == 0 && read == 0;
        if stuck || inflater.total_out() > limit || !matches!(status, Ok(Status::Ok | Status::BufError)) {
            return inflater.total_out();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "test")]

    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn object(dictionary: &str, data: &[u8]) -> Vec<u8> {
        [
            format!("1 0 obj<<{dictionary}>>stream\n").as_bytes(),
            data,
            b"\nendstream endobj",
        ]
        .concat()
    }

    #[test]
    fn a_bomb_is_refused_and_its_picture_twin_is_not() {
        let bomb = deflated(&vec![b' '; STREAM_BYTES_MAX as usize + 1]);
        assert_eq!(
            refuse_bombs(&object("/Filter/FlateDecode", &bomb)),
            Err(PdfError::TooLarge { limit_mib: 40 })
        );
        assert_eq!(
            refuse_bombs(&object("/Subtype /Image/Filter/FlateDecode", &bomb)),
            Ok(())
        );
    }

    #[test]
    fn a_bomb_within_a_bomb_is_refused() {
        let inner = deflated(&vec![b' '; STREAM_BYTES_MAX as usize + 1]);
        let outer = deflated(&inner);
        assert!(outer.len() < 4096, "{}", outer.len());
        assert!(refuse_bombs(&object("/Filter[/FlateDecode/FlateDecode]", &outer)).is_err());
    }

    #[test]
    fn a_bomb_in_ascii_is_refused() {
        let bomb = deflated(&vec![b' '; STREAM_BYTES_MAX as usize + 1]);
        let hex: String = bomb.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(refuse_bombs(&object("/Filter[/ASCIIHexDecode/FlateDecode]", hex.as_bytes())).is_err());
        let mut base_85 = String::new();
        for group in bomb.chunks(4) {
            let mut value = group
                .iter()
                .chain(&[0; 4])
                .take(4)
                .fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            let mut digits = [0_u8; 5];
            for digit in digits.iter_mut().rev() {
                *digit = (value % 85) as u8 + b'!';
                value /= 85;
            }
            base_85.extend(digits.map(char::from));
        }
        base_85.push_str("~>");
        assert!(
            refuse_bombs(&object(
                "/Filter[/ASCII85Decode /FlateDecode]",
                base_85.as_bytes()
            ))
            .is_err()
        );
    }

    #[test]
    fn an_honest_stream_passes() {
        let honest = deflated(&vec![b'x'; 3 << 20]);
        assert_eq!(refuse_bombs(&object("/Filter/FlateDecode", &honest)), Ok(()));
    }
}
