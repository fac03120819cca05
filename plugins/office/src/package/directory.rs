//! Looks at a ZIP container's end before the library does, which keeps a record for every entry that the directory
//! announces.

use std::io::{Read, Seek, SeekFrom};

use docmill_plugin::Error;

use super::damaged;
use crate::limits::{MAX_DIRECTORY_BYTES, MAX_ENTRIES};

const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: u64 = 65_535;
const ZIP64_LOCATOR_BYTES: u64 = 20;

/// Refuses a directory that announces too much.
///
/// # Errors
/// `damaged` without a directory's end, `too-large` with too many entries.
pub fn check(reader: &mut (impl Read + Seek)) -> Result<(), Error> {
    let cut = |_| damaged("its ZIP container is cut off");
    let size = reader.seek(SeekFrom::End(0)).map_err(cut)?;
    let tail_start = size.saturating_sub(MAX_COMMENT_BYTES + END_BYTES as u64 + ZIP64_LOCATOR_BYTES);
    let mut tail = Vec::new();
    reader.seek(SeekFrom::Start(tail_start)).map_err(cut)?;
    reader
        .by_ref()
        .take(size - tail_start)
        .read_to_end(&mut tail)
        .map_err(cut)?;

    // A comment may contain the signature too, and the library may try every one: all of them must be modest.
    let mut found = false;
    for (offset, end) in tail
        .windows(END_BYTES)
        .enumerate()
        .filter(|(_, end)| end.starts_with(b"PK\x05\x06"))
    {
        found = true;
        modest(u64::from(number(end, 10, 2)), u64::from(number(end, 12, 4)))?;
        let locator = offset
            .checked_sub(ZIP64_LOCATOR_BYTES as usize)
            .and_then(|at| tail.get(at..offset));
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let at = u64::from(number(locator, 8, 4)) | u64::from(number(locator, 12, 4)) << 32;
            let mut record = [0; 56];
            reader.seek(SeekFrom::Start(at.min(size))).map_err(cut)?;
            let whole = reader.read_exact(&mut record).is_ok() && record.starts_with(b"PK\x06\x06");
            if !whole {
                return Err(damaged("its ZIP directory points outside the file"));
            }
            let wide = |at| u64::from(number(&record, at, 4)) | u64::from(number(&record, at + 4, 4)) << 32;
            modest(wide(32), wide(40))?;
        }
    }
    if found {
        Ok(())
    } else {
        Err(damaged("its ZIP container is cut off"))
    }
}

fn modest(entries: u64, bytes: u64) -> Result<(), Error> {
    // These values say "see the 64-bit record".
    let entries_known = entries != 0xFFFF;
    let bytes_known = bytes != 0xFFFF_FFFF;
    if (entries_known && entries > MAX_ENTRIES) || (bytes_known && bytes > MAX_DIRECTORY_BYTES) {
        return Err(too_many());
    }
    Ok(())
}

/// More entries than an Office file has.
pub fn too_many() -> Error {
    Error::exhausted(
        "too-large",
        format!("The ZIP container has more than {MAX_ENTRIES} entries, as no Office document has."),
    )
}

/// A little-endian number of 2 or 4 bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> u32 {
    let digits = bytes.get(at..at + width).unwrap_or_default();
    digits
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn end(entries: u16, bytes: u32) -> Vec<u8> {
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(entries.to_le_bytes());
        end.extend(entries.to_le_bytes());
        end.extend(bytes.to_le_bytes());
        end.extend([0; 6]);
        end
    }

    fn code(bytes: Vec<u8>) -> String {
        check(&mut Cursor::new(bytes))
            .err()
            .map_or_else(String::new, |error| error.code)
    }

    #[test]
    fn only_modest_directories_pass() {
        assert_eq!(code(end(12, 900)), "");
        assert_eq!(code(end(40_000, 900)), "too-large");
        assert_eq!(code(end(12, 900 << 20)), "too-large");
        assert_eq!(code(b"PK\x03\x04 cut off".to_vec()), "damaged");
        assert_eq!(
            code([end(12, 900), b"comment".to_vec(), end(40_000, 9)].concat()),
            "too-large"
        );
    }

    #[test]
    fn the_wide_record_counts() {
        let mut wide = b"PK\x06\x06".to_vec();
        wide.resize(56, 0);
        wide.splice(32..40, 5_000_000_u64.to_le_bytes());
        let mut locator = b"PK\x06\x07".to_vec();
        locator.resize(20, 0);
        assert_eq!(
            code([wide, locator, end(0xFFFF, 0xFFFF_FFFF)].concat()),
            "too-large"
        );
        let mut outside = b"PK\x06\x07\0\0\0\0".to_vec();
        outside.extend((1_u64 << 40).to_le_bytes());
        outside.resize(20, 0);
        assert_eq!(code([outside, end(0xFFFF, 0xFFFF_FFFF)].concat()), "damaged");
    }
}
