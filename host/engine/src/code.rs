//! Compiled code on local disk. A file is the machine code, a page-aligned thing that wasmtime maps as it is, with a trailer
//! behind it that says which component it was made from, for which engine, and carries a keyed MAC over all of that.
//! Whatever does not verify is treated as absent: it is made anew and replaced, never loaded. The same bytes, trailer included,
//! go to other hosts, which verify them in the same way.
//!
//! The directory is held to a number of bytes: what was not loaded for the longest time goes first. Who has it mapped keeps
//! it; whoever needs it again pulls it or compiles it anew.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use docmill_model::digest::Digest;
use docmill_model::size::ByteSize;
use tempfile::NamedTempFile;

use crate::map::Authentic;
use crate::supply::Fingerprint;

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
    /// Bytes that all files of compiled code may have together.
    budget: u64,
    key: [u8; 32],
    fingerprint: Fingerprint,
}

/// A half-written file of a host that is gone: the longest compilation is minutes.
const SCRATCH_AGE: Duration = Duration::from_secs(24 * 3_600);
const SCRATCH: &str = ".compile-";

impl CodeDir {
    pub(crate) fn new(
        dir: PathBuf,
        budget: ByteSize,
        platform_key: &[u8; 32],
        fingerprint: Fingerprint,
    ) -> Self {
        // One key, one purpose.
        let key = blake3::derive_key("docmill 2026 compiled code", platform_key);
        Self {
            dir,
            budget: budget.0,
            key,
            fingerprint,
        }
    }

    pub(crate) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
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
        tempfile::Builder::new().prefix(SCRATCH).tempfile_in(&self.dir)
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
        self.settle(digest, code)
    }

    /// Takes code over that another host made and authenticated.
    pub(crate) fn adopt(&self, digest: Digest, code: &[u8]) -> Result<Authentic<File>, Refused> {
        let mut scratch = self
            .prepare()
            .and_then(|()| self.scratch())
            .map_err(Refused::Unreadable)?;
        scratch.write_all(code).map_err(Refused::Unreadable)?;
        // The file, and not the bytes that went into it: the file is what is going to be mapped.
        self.verify(digest, scratch.as_file_mut())?;
        self.settle(digest, scratch).map_err(Refused::Unreadable)
    }

    fn settle(&self, digest: Digest, code: NamedTempFile) -> io::Result<Authentic<File>> {
        code.as_file().sync_data()?;
        let path = self.path(digest);
        let file = code.persist(&path).map_err(|failed| failed.error)?;
        self.trim(&path);
        Ok(Authentic::vouch(file))
    }

    /// What is kept of a component, trailer included, for another host.
    pub(crate) fn read(&self, digest: Digest) -> Result<Vec<u8>, Refused> {
        let mut file = open_private(&self.path(digest))?;
        self.verify(digest, &mut file)?;
        let mut code = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(Refused::Unreadable)?;
        file.read_to_end(&mut code).map_err(Refused::Unreadable)?;
        Ok(code)
    }

    /// Holds the directory to its budget. Nothing depends on it, so what cannot be read or removed is left.
    fn trim(&self, newest: &Path) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let (path, Ok(about)) = (entry.path(), entry.metadata()) else {
                continue;
            };
            let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if path.extension().is_some_and(|ending| ending == "code") {
                kept.push((used, about.len(), path));
            } else if entry.file_name().to_string_lossy().starts_with(SCRATCH)
                && used.elapsed().is_ok_and(|age| age > SCRATCH_AGE)
            {
                let _ = fs::remove_file(path);
            }
        }
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        kept.sort_unstable();
        for (_, size, path) in kept {
            if total <= self.budget {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                total = total.saturating_sub(size);
                tracing::debug!(path = %path.display(), "compiled code made room for other code");
            }
        }
    }

    /// The code of a component, verified on the open file that is to be mapped.
    pub(crate) fn open(&self, digest: Digest) -> Result<Authentic<File>, Refused> {
        let mut file = open_private(&self.path(digest))?;
        self.verify(digest, &mut file)?;
        // So that `trim` knows what is in use; where it cannot be written, code is only made anew sooner.
        let _ = file.set_modified(SystemTime::now());
        Ok(Authentic::vouch(file))
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

    fn codes(dir: &Path, key: u8, engine: u8) -> CodeDir {
        CodeDir::new(dir.join("code"), ByteSize::mib(1), &[key; 32], [engine; 32])
    }

    fn kept(dir: &Path, key: u8) -> (CodeDir, Digest) {
        let codes = codes(dir, key, 7);
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
        let stranger = self::codes(dir.path(), 2, 7);
        assert_eq!(why(&stranger, digest), "forged");
        let newer = self::codes(dir.path(), 1, 8);
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

    #[test]
    fn what_another_host_made_is_taken_over_if_it_is_authentic() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (made, digest) = kept(there.path(), 1);
        let code = made.read(digest).unwrap();
        let pulls = codes(here.path(), 1, 7);
        assert!(pulls.adopt(digest, &code).is_ok());
        assert_eq!(why(&pulls, digest), "used");
        assert_eq!(pulls.read(digest).unwrap(), code);

        let other = Digest::of(b"other");
        assert!(matches!(pulls.adopt(other, &code), Err(Refused::Foreign)));
        assert!(matches!(pulls.adopt(other, b""), Err(Refused::Malformed)));
        assert!(matches!(
            codes(here.path(), 1, 8).adopt(digest, &code),
            Err(Refused::Foreign)
        ));
        assert!(matches!(
            codes(here.path(), 2, 7).adopt(digest, &code),
            Err(Refused::Forged)
        ));
        assert_eq!(
            fs::read_dir(here.path().join("code")).unwrap().count(),
            1,
            "nothing refused stays"
        );
    }

    /// 10^4 pieces of code that differ from the one that was authenticated: in a bit, in many, in their length, in what stands
    /// in the place of something else.
    #[test]
    fn no_tampered_code_is_taken() {
        let mut stream = blake3::Hasher::new().update(b"tampered code").finalize_xof();
        let mut random = |below: usize| {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            usize::try_from(u64::from_le_bytes(bytes) % below as u64).unwrap()
        };
        let dir = tempfile::tempdir().unwrap();
        let codes = codes(dir.path(), 1, 7);
        codes.prepare().unwrap();
        let digest = Digest::of(b"component");
        let mut scratch = codes.scratch().unwrap();
        let original: Vec<u8> = (0..4_096).map(|_| random(256) as u8).collect();
        scratch.write_all(&original).unwrap();
        codes.keep(digest, scratch).map(drop).unwrap();
        let good = codes.read(digest).unwrap();
        fs::remove_file(codes.path(digest)).unwrap();

        let mut tried = 0;
        while tried < 10_000 {
            let mut bad = good.clone();
            let at = random(bad.len());
            match random(6) {
                0 => bad[at] ^= 1 << random(8),
                1 => bad.truncate(at),
                2 => bad.insert(at, random(256) as u8),
                3 => bad.extend((0..=at % 200).map(|_| random(256) as u8)),
                4 => {
                    let to = random(bad.len());
                    bad.swap(at, to);
                }
                _ => {
                    let end = bad.len().min(at + 32);
                    bad[at..end].fill_with(|| random(256) as u8);
                }
            }
            if bad == good {
                continue;
            }
            tried += 1;
            assert!(
                codes.adopt(digest, &bad).is_err(),
                "a piece of {} bytes",
                bad.len()
            );
        }
        assert_eq!(why(&codes, digest), "absent");
        assert!(codes.adopt(digest, &good).is_ok());
    }

    #[test]
    fn the_directory_keeps_to_its_budget() {
        let dir = tempfile::tempdir().unwrap();
        let codes = codes(dir.path(), 1, 7);
        codes.prepare().unwrap();
        let digests: Vec<Digest> = (0..12_u8).map(|n| Digest::of(&[n])).collect();
        for (n, digest) in digests.iter().enumerate() {
            let mut scratch = codes.scratch().unwrap();
            scratch.write_all(&vec![9; 100_000]).unwrap();
            codes.keep(*digest, scratch).map(drop).unwrap();
            let written = SystemTime::now() - Duration::from_secs(1_000 - n as u64);
            let file = File::options().append(true).open(codes.path(*digest)).unwrap();
            file.set_modified(written).unwrap();
            // The first one is used again and again.
            assert_eq!(why(&codes, digests[0]), "used");
        }
        let there: Vec<bool> = digests
            .iter()
            .map(|digest| codes.path(*digest).exists())
            .collect();
        // 1 MiB has room for ten of these.
        assert_eq!(there.iter().filter(|there| **there).count(), 10, "{there:?}");
        assert!(there[0] && !there[1] && !there[2] && there[11], "{there:?}");

        let (old, new) = (
            dir.path().join("code/.compile-old"),
            dir.path().join("code/.compile-new"),
        );
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        let file = File::options().append(true).open(&old).unwrap();
        file.set_modified(SystemTime::now() - SCRATCH_AGE - Duration::from_secs(1))
            .unwrap();
        codes.trim(Path::new("none"));
        assert!(!old.exists() && new.exists());
    }
}
