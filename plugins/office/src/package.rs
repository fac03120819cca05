//! An Office file is a ZIP container of XML parts that name each other by relationships (ECMA-376 part 2).

mod directory;
mod meter;
mod relationships;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use docmill_plugin::Error;
use zip::ZipArchive;
use zip::result::ZipError;

pub use meter::Meter;
use meter::{Breach, Metered};
pub use relationships::Relationships;

use crate::limits::{MAX_ENTRIES, MAX_EVENT_BYTES};
use crate::source::SourceReader;
use crate::xml::{Token, Xml};

/// What this plugin reads; macro-enabled files and templates have the same parts.
pub const MEDIA_TYPES: [&str; 14] = [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    "application/vnd.ms-word.document.macroenabled.12",
    "application/vnd.ms-word.template.macroenabled.12",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.ms-excel.template.macroenabled.12",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
    "application/vnd.openxmlformats-officedocument.presentationml.template",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    "application/vnd.ms-powerpoint.slideshow.macroenabled.12",
    "application/vnd.ms-powerpoint.template.macroenabled.12",
];

/// What the container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageKind {
    Document,
    Workbook,
    Presentation,
}

/// An opened container.
pub struct Package<'a> {
    zip: ZipArchive<SourceReader<'a>>,
    /// By lower-case name without a leading slash: Office compares names so.
    entries: HashMap<String, usize>,
    meter: Rc<Meter>,
    main: String,
}

/// A broken file: what is wrong with it, and what to do.
pub fn damaged(what: &str) -> Error {
    Error::invalid_input(
        "damaged",
        format!("The file is damaged: {what}. Open it in Office, save it again and send that."),
    )
}

impl<'a> Package<'a> {
    /// Reads the container's directory.
    ///
    /// # Errors
    /// `damaged`, `encrypted`, `too-large` (entries), `unsupported` (no Office file).
    pub fn open(mut reader: SourceReader<'a>) -> Result<Self, Error> {
        directory::check(&mut reader)?;
        let zip = ZipArchive::new(reader).map_err(|error| zip_error(&error))?;
        if zip.len() as u64 > MAX_ENTRIES {
            return Err(directory::too_many());
        }
        let mut entries = HashMap::with_capacity(zip.len());
        for (index, name) in zip.file_names_raw().enumerate() {
            let name = String::from_utf8_lossy(name).replace('\\', "/").to_lowercase();
            entries
                .entry(name.trim_start_matches('/').to_owned())
                .or_insert(index);
        }
        let mut package = Self {
            zip,
            entries,
            meter: Rc::default(),
            main: String::new(),
        };
        package.main = package.find_main()?;
        Ok(package)
    }

    fn find_main(&mut self) -> Result<String, Error> {
        let root = self.relationships("")?;
        let named = root
            .of_type("officeDocument")
            .map(|related| related.target.clone());
        let usual = [
            "word/document.xml",
            "xl/workbook.xml",
            "xl/workbook.bin",
            "ppt/presentation.xml",
        ];
        let found = named
            .filter(|name| self.has(name))
            .or_else(|| usual.into_iter().find(|name| self.has(name)).map(str::to_owned));
        found.ok_or_else(|| {
            let what = if self.has("mimetype") {
                "This is an OpenDocument or EPUB file; save it as DOCX, XLSX or PPTX."
            } else if self.has("_rels/.rels") || self.has("[content_types].xml") {
                return damaged("its main part is missing");
            } else {
                "This is a ZIP archive without an Office document in it; unpack it and send the documents."
            };
            Error::unsupported("unsupported", what)
        })
    }

    /// The part that the others hang on: `word/document.xml`, `xl/workbook.xml`, `ppt/presentation.xml`.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// What the file is, by the content type of its main part.
    ///
    /// # Errors
    /// `unsupported` for binary workbooks and whatever else; `damaged`.
    pub fn kind(&mut self) -> Result<PackageKind, Error> {
        let declared = self.content_type()?.unwrap_or_default().to_lowercase();
        let what = if declared.is_empty() {
            self.main.to_lowercase()
        } else {
            declared
        };
        if what.contains("binary") || what.ends_with(".bin") {
            return Err(Error::unsupported(
                "unsupported",
                "This is a binary workbook (XLSB); save it as XLSX.",
            ));
        }
        if what.contains("wordprocessingml") || what.contains("ms-word") || what.contains("document.xml") {
            return Ok(PackageKind::Document);
        }
        if what.contains("spreadsheetml") || what.contains("ms-excel") || what.contains("workbook.xml") {
            return Ok(PackageKind::Workbook);
        }
        if what.contains("presentationml")
            || what.contains("ms-powerpoint")
            || what.contains("presentation.xml")
        {
            return Ok(PackageKind::Presentation);
        }
        Err(Error::unsupported(
            "unsupported",
            "This Office file is neither a Word document nor an Excel workbook nor a presentation.",
        ))
    }

    fn content_type(&mut self) -> Result<Option<String>, Error> {
        let main = format!("/{}", self.main);
        let Some(mut part) = self.part("[content_types].xml")? else {
            return Ok(None);
        };
        loop {
            match part.next()? {
                Token::Start(tag)
                    if tag.name() == "Override"
                        && tag
                            .attr("PartName")
                            .is_some_and(|name| name.eq_ignore_ascii_case(&main)) =>
                {
                    return Ok(tag.attr("ContentType").map(std::borrow::Cow::into_owned));
                }
                Token::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&name.to_lowercase())
    }

    /// Opens a part for reading; none if there is no such part.
    ///
    /// # Errors
    /// `damaged`, `encrypted`, `unsupported` (a packing method that Office does not use).
    pub fn part(&mut self, name: &str) -> Result<Option<Xml<'_>>, Error> {
        let Some(index) = self.entries.get(&name.to_lowercase()) else {
            return Ok(None);
        };
        let file = self.zip.by_index(*index).map_err(|error| zip_error(&error))?;
        let packed = file.compressed_size();
        let meter = Rc::clone(&self.meter);
        let mut reader = BufReader::with_capacity(64 << 10, Metered::new(file, packed, Rc::clone(&meter)));
        let head = reader.fill_buf().map_err(|error| io_error(&error))?;
        let big_endian = match head.get(..2) {
            Some([0xFE, 0xFF]) => Some(true),
            Some([0xFF, 0xFE]) => Some(false),
            _ => None,
        };
        let reader: Box<dyn BufRead + '_> = match big_endian {
            Some(big_endian) => Box::new(Cursor::new(utf16(reader, big_endian)?)),
            None => Box::new(reader),
        };
        Ok(Some(Xml::new(reader, meter)))
    }

    /// The relationships of a part; those of the whole file for an empty name. A part without any has none.
    ///
    /// # Errors
    /// As [`part`](Self::part).
    pub fn relationships(&mut self, of: &str) -> Result<Relationships, Error> {
        let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
        let slash = if folder.is_empty() { "" } else { "/" };
        match self.part(&format!("{folder}{slash}_rels/{file}.rels"))? {
            Some(part) => Relationships::read(part, folder),
            None => Ok(Relationships::default()),
        }
    }
}

/// A part in UTF-16, which the standard allows and hardly anybody writes.
fn utf16(reader: impl Read, big_endian: bool) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_EVENT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error(&error))?;
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = [
            pair.first().copied().unwrap_or_default(),
            pair.get(1).copied().unwrap_or_default(),
        ];
        if big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    });
    let text: Result<String, _> = char::decode_utf16(units.skip(1)).collect();
    text.map(String::into_bytes)
        .map_err(|_| damaged("a part in UTF-16 breaks off"))
}

fn zip_error(error: &ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) if *what == ZipError::PASSWORD_REQUIRED => Error::invalid_input(
            "encrypted",
            "The ZIP container is locked with a password; unlock it and send the document itself.",
        ),
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => Error::unsupported(
            "unsupported",
            "The ZIP container is packed in a way that Office does not use; save it in Office again.",
        ),
        ZipError::Io(error) => io_error(error),
        _ => damaged("its ZIP container is broken or cut off"),
    }
}

/// What a failed read means: a limit, or a broken container.
pub fn io_error(error: &std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Breach>()) {
        Some(breach) => breach.to_error(),
        None => damaged("a part cannot be unpacked"),
    }
}
