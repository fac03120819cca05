//! Title, author, dates: `docProps/core.xml` and a little of `docProps/app.xml`.

use docmill_plugin::Error;

use crate::package::Package;
use crate::text::one_line;
use crate::xml::Token;

/// Longer values are cut: they are remarks, not metadata.
const MAX_VALUE_BYTES: usize = 4_000;

const CORE: [(&str, &str); 11] = [
    ("title", "title"),
    ("creator", "author"),
    ("subject", "subject"),
    ("description", "description"),
    ("keywords", "keywords"),
    ("category", "category"),
    ("lastModifiedBy", "last-modified-by"),
    ("created", "created"),
    ("modified", "modified"),
    ("language", "language"),
    ("identifier", "identifier"),
];

const APPLICATION: [(&str, &str); 2] = [("Application", "application"), ("Company", "company")];

/// Name and value pairs; none of the parts has to be there, and a broken one only costs its values.
///
/// # Errors
/// Only limits.
pub fn read(package: &mut Package<'_>) -> Result<Vec<(String, String)>, Error> {
    let mut metadata = Vec::new();
    let root = package.relationships("")?;
    for (kind, usual, names) in [
        ("core-properties", "docProps/core.xml", CORE.as_slice()),
        ("extended-properties", "docProps/app.xml", APPLICATION.as_slice()),
    ] {
        let part = root.of_type(kind).map_or(usual, |related| &related.target);
        match read_part(package, part, names, &mut metadata) {
            Err(error) if error.code != "damaged" => return Err(error),
            _ => {}
        }
    }
    Ok(metadata)
}

fn read_part(
    package: &mut Package<'_>,
    part: &str,
    names: &[(&str, &str)],
    metadata: &mut Vec<(String, String)>,
) -> Result<(), Error> {
    let Some(mut xml) = package.part(part)? else {
        return Ok(());
    };
    loop {
        let name = match xml.next()? {
            Token::Start(tag) => names
                .iter()
                .find(|(theirs, _)| *theirs == tag.name())
                .map(|(_, ours)| *ours),
            Token::Eof => return Ok(()),
            _ => None,
        };
        if let Some(name) = name {
            let mut value = one_line(&xml.text()?);
            value.truncate(value.floor_char_boundary(MAX_VALUE_BYTES));
            if !value.is_empty() && !metadata.iter().any(|(known, _)| known == name) {
                metadata.push((name.to_owned(), value));
            }
        }
    }
}
