//! Which parts a part names, and as what.

use std::collections::HashMap;

use docmill_plugin::Error;

use crate::limits::MAX_STYLES;
use crate::xml::{Token, Xml};

/// One named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The last word of its type: `styles`, `worksheet`, `hyperlink`.
    pub kind: String,
    /// A part's name from the container's root; as written, if it is outside.
    pub target: String,
    /// Outside the file: an address.
    pub external: bool,
}

/// All relationships of one part.
#[derive(Debug, Default)]
pub struct Relationships {
    all: Vec<Relationship>,
    by_id: HashMap<String, usize>,
}

impl Relationships {
    /// `folder`: of the part that they belong to.
    pub(super) fn read(mut part: Xml<'_>, folder: &str) -> Result<Self, Error> {
        let mut found = Self::default();
        loop {
            match part.next()? {
                Token::Start(tag) if tag.name() == "Relationship" && found.all.len() < MAX_STYLES => {
                    let attr = |name| tag.attr(name).unwrap_or_default().into_owned();
                    let external = attr("TargetMode").eq_ignore_ascii_case("external");
                    let target = attr("Target");
                    found.by_id.entry(attr("Id")).or_insert(found.all.len());
                    found.all.push(Relationship {
                        kind: attr("Type").rsplit('/').next().unwrap_or_default().to_owned(),
                        target: if external {
                            target
                        } else {
                            resolve(folder, &target)
                        },
                        external,
                    });
                }
                Token::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    /// By its id.
    pub fn by_id(&self, id: &str) -> Option<&Relationship> {
        self.all.get(*self.by_id.get(id)?)
    }

    /// The first part of a type, `styles` for example; the strict and the usual schema end alike.
    pub fn of_type(&self, kind: &str) -> Option<&Relationship> {
        self.all
            .iter()
            .find(|related| !related.external && related.kind == kind)
    }
}

/// A target relative to a folder, without leaving the container.
fn resolve(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let base = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn targets_are_relative_to_the_part() {
        assert_eq!(resolve("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("xl/worksheets", "../media/a.png"), "xl/media/a.png");
        assert_eq!(resolve("xl", "/xl/styles.xml"), "xl/styles.xml");
        assert_eq!(resolve("", "../../word\\document.xml"), "word/document.xml");
    }
}
