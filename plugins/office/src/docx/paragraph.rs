//! A paragraph becomes a block: a title, a heading, an item of a list, a caption, a formula or running text.

use docmill_plugin::{Block, BlockKind, Error};

use super::body::Walker;
use super::inline::{Context, Inline};
use super::numbering::Place;
use super::styles::Role;
use crate::limits::MAX_NOTES;
use crate::text::clean;
use crate::xml::Element;

impl Walker<'_> {
    /// Adds a paragraph's block, and behind it what its text boxes hold.
    ///
    /// # Errors
    /// Limits.
    pub fn paragraph(&mut self, paragraph: &Element, out: &mut Vec<Block>) -> Result<(), Error> {
        let properties = paragraph.child("pPr");
        let style = properties.and_then(|p| p.val("pStyle"));
        let context = Context {
            styles: &self.styles,
            related: self.related,
            links: self.links,
            style,
        };
        let inline = Inline::read(paragraph, &context, &mut self.languages);
        let room = MAX_NOTES.saturating_sub(self.note_references.len());
        self.note_references.extend(inline.notes.into_iter().take(room));
        self.letters += inline.letters;
        self.bold_letters += inline.bold_letters;

        let text = clean(&inline.text);
        let mark_deleted = properties
            .and_then(|p| p.child("rPr"))
            .is_some_and(|run| run.child("del").is_some());
        let place = if text.is_empty() && mark_deleted {
            None
        } else {
            self.number(properties, style)
        };
        if !text.is_empty() {
            let role = self.styles.role(style).or_else(|| outline(properties));
            let kind = match role {
                Some(Role::Title) => BlockKind::Title,
                Some(Role::Heading(level)) => BlockKind::Heading(level),
                Some(Role::Caption) => BlockKind::Caption,
                Some(Role::Code) => BlockKind::Code,
                None if inline.formula => BlockKind::Formula,
                None => place
                    .as_ref()
                    .map_or(BlockKind::Paragraph, |place| BlockKind::ListItem(place.depth)),
            };
            let label = place.and_then(|place| place.label);
            let text = match label {
                Some(label) => format!("{} {text}", clean(&label)),
                None => text,
            };
            let block = Block::new(kind, text);
            self.budget.charge(&block)?;
            out.push(block);
        }
        for content in inline.boxes {
            self.blocks_of(content, out)?;
        }
        Ok(())
    }

    /// The paragraph's place in a list, by its own properties or its style's. The number 0 takes it out of its list.
    fn number(&mut self, properties: Option<&Element>, style: Option<&str>) -> Option<Place> {
        let own = properties.and_then(|p| p.child("numPr"));
        let own_level = own
            .and_then(|n| n.val("ilvl"))
            .and_then(|level| level.parse().ok());
        let inherited = self.styles.numbering(style);
        let (number, level) = match own.and_then(|n| n.val("numId")) {
            Some(number) => (
                number,
                own_level.or_else(|| inherited.and_then(|(_, level, _)| level)),
            ),
            None => {
                let (number, level, named) = inherited?;
                (
                    number,
                    own_level
                        .or(level)
                        .or_else(|| self.numbering.level_of_style(number, style.unwrap_or(named))),
                )
            }
        };
        self.counters.next(&self.numbering, number, level.unwrap_or(0))
    }
}

fn outline(properties: Option<&Element>) -> Option<Role> {
    let level: u8 = properties?.val("outlineLvl")?.parse().ok()?;
    (level < 9).then_some(Role::Heading(level + 1))
}
