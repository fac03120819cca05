//! Compiled code on local disk. A file is the machine code, a page-aligned thing that wasmtime maps as it is, with a trailer
//! behind it that says which component it was made from, for which engine, and carries a keyed MAC over all of that.
//! Whatever does not verify is treated as absent: it is made anew and replaced, never loaded.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use docmill_model::digest::Digest;
use tempfile::NamedTempFile;

use crate::map::Authentic;

const MAGIC: &[u8; 16] = b"docmill-code\0\0\0\x01";
/// Magic, component digest, engine fingerprint, code length, MAC.
const TRAILER: usize = 16 + 32 + 32 + 8 + 32;

/// Why a file was not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is none")]
    Absent,
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("it is truncated or no compiled code at all")]
    Malformed,
    #[error("it was made for another component or another engine")]
    Foreign,
    #[error("its authentication code is wrong: it was changed, or made under another key")]
    Forged,
}

/// The place of compiled code on this host.
#[derive(Debug)]
pub(crate) struct CodeDir {
    dir: PathBuf,
    key: [u8; 32],
    /// Of wasmtime's version and of everything in the configuration that decides the machine code.
    fingerprint: [u8; 32],
}

impl CodeDir {
    pub(crate) fn new(dir: PathBuf, platform_key: &[u8; 32], fingerprint: [u8; 32]) -> Self {
        // One key, one purpose.
        let key = blake3::derive_key("docmill 2026 compiled code", platform_key);
        Self {
            dir,
            key,
            fingerprint,
        }
    }

    /// Makes the directory, for this user alone.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        let mode = fs::metadata(&self.dir)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        let engine: String = self
            .fingerprint
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        self.dir.join(format!("{digest}-{engine}.code"))
    }

    /// A file to compile into, in the same directory.
    pub(crate) fn scratch(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new()
            .prefix(".compile-")
            .tempfile_in(&self.dir)
    }

    fn header(&self, digest: Digest, length: u64) -> [u8; TRAILER - 32] {
        let mut header = [0; TRAILER - 32];
        let parts: [&[u8]; 4] = [MAGIC, digest.as_bytes(), &self.fingerprint, &length.to_le_bytes()];
        for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        header
    }

    /// The MAC over header and code; reads `length` bytes of the file from its beginning.
    fn mac(&self, header: &[u8], file: &mut File, length: u64) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(header);
        file.seek(SeekFrom::Start(0))?;
        let mut rest = file.take(length);
        // Long pieces are what BLAKE3 hashes with all lanes of SIMD.
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = rest.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        if rest.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(hasher.finalize())
    }

    /// Authenticates freshly compiled code by a trailer and puts it in its place.
    pub(crate) fn keep(&self, digest: Digest, mut code: NamedTempFile) -> io::Result<Authentic<File>> {
        let file = code.as_file_mut();
        let length = file.metadata()?.len();
        let header = self.header(digest, length);
        let mac = self.mac(&header, file, length)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&header)?;
        file.write_all(mac.as_bytes())?;
        file.sync_data()?;
        let file = code.persist(self.path(digest)).map_err(|failed| failed.error)?;
        Ok(Authentic::vouch(file))
    }

    /// The code of a component, verified on the open file that is to be mapped.
    pub(crate) fn open(&self, digest: Digest) -> Result<Authentic<File>, Refused> {
        open_private(&self.path(digest)).and_then(|mut file| {
            self.verify(digest, &mut file)?;
            Ok(Authentic::vouch(file))
        })
    }

    fn verify(&self, digest: Digest, file: &mut File) -> Result<(), Refused> {
        let total = file.metadata().map_err(Refused::Unreadable)?.len();
        let length = total.checked_sub(TRAILER as u64).ok_or(Refused::Malformed)?;
        let mut trailer = [0; TRAILER];
        file.seek(SeekFrom::Start(length)).map_err(Refused::Unreadable)?;
        file.read_exact(&mut trailer).map_err(Refused::Unreadable)?;
        let (header, mac) = trailer.split_at(TRAILER - 32);
        if !header.starts_with(MAGIC) || !header.ends_with(&length.to_le_bytes()) {
            return Err(Refused::Malformed);
        }
        if header != self.header(digest, length) {
            return Err(Refused::Foreign);
        }
        let mac: [u8; 32] = mac.try_into().map_err(|_| Refused::Malformed)?;
        // `blake3::Hash` compares in constant time.
        if self.mac(header, file, length).map_err(Refused::Unreadable)? != blake3::Hash::from_bytes(mac) {
            return Err(Refused::Forged);
        }
        Ok(())
    }

    /// Removes code that was refused.
    pub(crate) fn remove(&self, digest: Digest) {
        if let Err(error) = fs::remove_file(self.path(digest))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, %digest, "compiled code that was refused could not be removed");
        }
    }
}

/// Opens a file of this user's, following no link.
fn open_private(path: &Path) -> Result<File, Refused> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refused::Absent,
            _ => Refused::Unreadable(error),
        })?;
    let about = file.metadata().map_err(Refused::Unreadable)?;
    let mine = about.uid() == rustix::process::geteuid().as_raw();
    if !about.is_file() || !mine || about.mode() & 0o022 != 0 {
        return Err(Refused::Foreign);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(dir: &Path, key: u8) -> (CodeDir, Digest) {
        let codes = CodeDir::new(dir.join("code"), &[key; 32], [7; 32]);
        codes.prepare().unwrap();
        let digest = Digest::of(b"component");
        let mut scratch = codes.scratch().unwrap();
        scratch.write_all(&vec![9; 100_000]).unwrap();
        codes.keep(digest, scratch).map(drop).unwrap();
        (codes, digest)
    }

    fn why(codes: &CodeDir, digest: Digest) -> &'static str {
        match codes.open(digest) {
            Ok(_) => "used",
            Err(Refused::Absent) => "absent",
            Err(Refused::Unreadable(_)) => "unreadable",
            Err(Refused::Malformed) => "malformed",
            Err(Refused::Foreign) => "foreign",
            Err(Refused::Forged) => "forged",
        }
    }

    #[test]
    fn only_what_was_kept_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (codes, digest) = kept(dir.path(), 1);
        let path = codes.path(digest);
        assert_eq!(
            fs::metadata(dir.path().join("code")).unwrap().mode() & 0o777,
            0o700
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0);
        assert_eq!(why(&codes, digest), "used");
        assert_eq!(why(&codes, Digest::of(b"another")), "absent");

        let good = fs::read(&path).unwrap();
        for at in [0, 50_000, 99_999, 100_030, 100_090, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_ne!(why(&codes, digest), "used", "byte {at}");
        }
        for length in [0, 10, 119, 120, 99_999, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert_ne!(why(&codes, digest), "used", "{length} bytes");
        }
        fs::write(&path, [&good[..], b"more"].concat()).unwrap();
        assert_ne!(why(&codes, digest), "used");
        fs::write(&path, &good).unwrap();
        assert_eq!(why(&codes, digest), "used");

        // Another key, another engine, another component's code under this name, a link, a file that others may write.
        let stranger = CodeDir::new(dir.path().join("code"), &[2; 32], [7; 32]);
        assert_eq!(why(&stranger, digest), "forged");
        let newer = CodeDir::new(dir.path().join("code"), &[1; 32], [8; 32]);
        fs::copy(&path, newer.path(digest)).unwrap();
        assert_eq!(why(&newer, digest), "foreign");
        let other = Digest::of(b"other");
        fs::copy(&path, codes.path(other)).unwrap();
        assert_eq!(why(&codes, other), "foreign");
        let linked = Digest::of(b"linked");
        std::os::unix::fs::symlink(&path, codes.path(linked)).unwrap();
        assert_eq!(why(&codes, linked), "unreadable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(why(&codes, digest), "foreign");
    }
}
