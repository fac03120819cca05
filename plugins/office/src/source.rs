//! The host's source as a reader: a container's directory stands at its end, and pictures are never fetched.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use docmill_plugin::Source;

/// As much as one call fetches: crossing the boundary is cheap, and parts lie close together.
const WINDOW_BYTES: u32 = 256 << 10;

/// Reads a [`Source`] through a window.
pub struct SourceReader<'a> {
    source: &'a Source,
    size: u64,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> SourceReader<'a> {
    /// At the source's first byte.
    pub fn new(source: &'a Source) -> Self {
        Self {
            source,
            size: u64::from(source.size()),
            position: 0,
            window: Vec::new(),
            window_start: 0,
        }
    }

    fn windowed(&self) -> &[u8] {
        self.position
            .checked_sub(self.window_start)
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| self.window.get(offset..))
            .unwrap_or_default()
    }
}

impl BufRead for SourceReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.windowed().is_empty() && self.position < self.size {
            let offset = u32::try_from(self.position).map_err(io::Error::other)?;
            self.window = self
                .source
                .read(offset, WINDOW_BYTES)
                .map_err(|error| io::Error::other(error.message))?;
            self.window_start = self.position;
        }
        Ok(self.windowed())
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(amount as u64);
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_seeks_like_a_file() -> io::Result<()> {
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        let source = Source::new("application/zip", None, bytes.clone());
        let mut reader = SourceReader::new(&source);
        let mut all = Vec::new();
        reader.read_to_end(&mut all)?;
        assert!(all == bytes);
        for offset in [0, 1, 262_143, 262_144, 699_999, 700_000, 900_000] {
            reader.seek(SeekFrom::Start(offset))?;
            let mut piece = [0; 3];
            let count = reader.read(&mut piece)?;
            let expected: Vec<u8> = bytes.iter().skip(offset as usize).take(count).copied().collect();
            assert_eq!(piece.get(..count), Some(expected.as_slice()), "{offset}");
            assert_eq!(count == 0, offset >= 700_000, "{offset}");
        }
        assert_eq!(reader.seek(SeekFrom::End(-1))?, 699_999);
        assert!(reader.seek(SeekFrom::Current(-700_000)).is_err());
        Ok(())
    }
}
