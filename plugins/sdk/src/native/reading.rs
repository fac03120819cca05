use super::{find, page::Page};
use crate::{Attachment, Block, Error, Fragment, Image, PageInfo, Rect, Span, TextUnit};
use std::{cell::RefCell, rc::Rc};

#[derive(Debug, Default)]
struct Content {
    source_media_type: String,
    language: Option<String>,
    metadata: Vec<(String, String)>,
    pages: Vec<Page>,
    images: Vec<Image>,
    attachments: Vec<(Attachment, Vec<u8>)>,
}

/// A reading in the making.
#[derive(Debug, Default)]
pub struct ReadingBuilder(RefCell<Content>);

impl ReadingBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// # Errors
    /// None natively.
    pub fn set_language(&self, language: &str) -> Result<(), Error> {
        self.0.borrow_mut().language = Some(language.to_owned());
        Ok(())
    }

    /// # Errors
    /// None natively.
    pub fn add_metadata(&self, name: &str, value: &str) -> Result<(), Error> {
        self.0
            .borrow_mut()
            .metadata
            .push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// For `block.image`. The same bytes give the same number.
    ///
    /// # Errors
    /// None natively.
    pub fn add_image(&self, image: &Image) -> Result<u32, Error> {
        let images = &mut self.0.borrow_mut().images;
        let known = images.iter().position(|known| known.data == image.data);
        Ok(known.unwrap_or_else(|| {
            images.push(image.clone());
            images.len() - 1
        }) as u32)
    }

    /// Returns the number of the page.
    ///
    /// # Errors
    /// `failed` for a block that breaks a rule of the contract.
    pub fn add_page(&self, info: &PageInfo, blocks: &[Block]) -> Result<u32, Error> {
        let page = Page::new(info, blocks)?;
        let pages = &mut self.0.borrow_mut().pages;
        pages.push(page);
        Ok(pages.len() as u32 - 1)
    }

    /// # Errors
    /// None natively.
    pub fn add_attachment(&self, about: &Attachment, content: &[u8]) -> Result<(), Error> {
        self.0
            .borrow_mut()
            .attachments
            .push((about.clone(), content.to_vec()));
        Ok(())
    }

    /// Only natively: what the host makes of it.
    pub fn into_reading(self) -> Reading {
        Reading(Rc::new(self.0.into_inner()))
    }
}

/// What one parser made of a source.
#[derive(Debug, Clone)]
pub struct Reading(Rc<Content>);

impl Reading {
    /// Only natively: one page per text, one paragraph per line.
    pub fn of_pages<'a>(pages: impl IntoIterator<Item = &'a str>) -> Self {
        let mut content = Content {
            source_media_type: "text/plain".to_owned(),
            ..Content::default()
        };
        for text in pages {
            let blocks: Vec<Block> = text.lines().map(Block::paragraph).collect();
            content.pages.extend(Page::new(&PageInfo::digital(), &blocks));
        }
        Self(Rc::new(content))
    }

    pub fn id(&self) -> String {
        "reading_native".to_owned()
    }

    pub fn source_media_type(&self) -> String {
        self.0.source_media_type.clone()
    }

    pub fn language(&self) -> Option<String> {
        self.0.language.clone()
    }

    pub fn metadata(&self) -> Vec<(String, String)> {
        self.0.metadata.clone()
    }

    pub fn page_count(&self) -> u32 {
        self.0.pages.len() as u32
    }

    fn at(&self, page: u32) -> Result<&Page, Error> {
        self.0.pages.get(page as usize).ok_or_else(|| {
            Error::failed(
                "no-such-page",
                format!(
                    "There is no page {page}: pages count from 0 to {}.",
                    self.page_count()
                ),
            )
        })
    }

    /// # Errors
    /// `failed` if there is no such page.
    pub fn page(&self, page: u32) -> Result<PageInfo, Error> {
        Ok(self.at(page)?.info.clone())
    }

    /// # Errors
    /// `failed` if there is no such page.
    pub fn text(&self, page: u32) -> Result<String, Error> {
        Ok(self.at(page)?.text.clone())
    }

    /// # Errors
    /// `failed` if there is no such page.
    pub fn blocks(&self, page: u32) -> Result<Vec<Block>, Error> {
        Ok(self.at(page)?.blocks.clone())
    }

    /// Words or lines that lie in `at`.
    ///
    /// # Errors
    /// `failed` for a span that is not one.
    pub fn fragments(&self, at: Span) -> Result<Vec<Fragment>, Error> {
        let page = self.at(at.page)?;
        page.slice(at)?;
        let touched = |range: &crate::TextRange| range.start < at.range.end && range.end > at.range.start;
        Ok(page
            .fragments
            .iter()
            .filter(|(range, _)| touched(range))
            .map(|(_, fragment)| fragment.clone())
            .collect())
    }

    /// # Errors
    /// `failed` if there is no such image.
    pub fn image(&self, image: u32) -> Result<Image, Error> {
        let found = self.0.images.get(image as usize).cloned();
        found.ok_or_else(|| Error::failed("no-such-image", format!("There is no image {image}.")))
    }

    /// The text of a span.
    ///
    /// # Errors
    /// `failed` for a span outside its page or between the bytes of a character.
    pub fn slice(&self, at: Span) -> Result<String, Error> {
        Ok(self.at(at.page)?.slice(at)?.to_owned())
    }

    /// The next places of `needle` after `start` (UTF-8 bytes), at most `limit`.
    ///
    /// # Errors
    /// `failed` if there is no such page.
    pub fn find(&self, page: u32, needle: &str, start: u32, limit: u32) -> Result<Vec<Span>, Error> {
        Ok(find::find(&self.at(page)?.text, needle, page, start, limit))
    }

    /// A span from offsets counted in another unit.
    ///
    /// # Errors
    /// `failed` for offsets outside the page's text or inside a character.
    pub fn span(&self, page: u32, start: u32, end: u32, unit: TextUnit) -> Result<Span, Error> {
        let text = &self.at(page)?.text;
        let byte = |offset: u32| -> Option<u32> {
            let mut units = 0;
            for (index, char) in text.char_indices() {
                if units >= offset {
                    return (units == offset).then_some(index as u32);
                }
                units += match unit {
                    TextUnit::Utf8 => char.len_utf8(),
                    TextUnit::Utf16 => char.len_utf16(),
                    TextUnit::CodePoint => 1,
                } as u32;
            }
            (units == offset).then_some(text.len() as u32)
        };
        match (byte(start), byte(end)) {
            (Some(start), Some(end)) if start <= end => Ok(Span::new(page, start, end)),
            _ => Err(Error::failed(
                "bad-span",
                "The offsets lie outside the page or inside a character.",
            )),
        }
    }

    /// Where a span is on its page; natively one rectangle per fragment.
    ///
    /// # Errors
    /// `failed` for a span that is not one.
    pub fn regions(&self, at: Span) -> Result<Vec<Rect>, Error> {
        Ok(self
            .fragments(at)?
            .into_iter()
            .map(|fragment| fragment.region)
            .collect())
    }

    pub fn attachments(&self) -> Vec<Attachment> {
        self.0
            .attachments
            .iter()
            .map(|(about, _)| about.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockKind, Table};

    #[test]
    fn every_range_slices_to_its_text() -> Result<(), Error> {
        let builder = ReadingBuilder::new();
        let table = Block::table(Table::from_rows([vec!["Товар", "Цена"], vec!["Чай\0", "5"]], 1));
        builder.add_page(
            &PageInfo::digital(),
            &[Block::title("Счёт"), table, Block::new(BlockKind::Footer, "1")],
        )?;
        let reading = builder.into_reading();
        assert_eq!(reading.text(0)?, "Счёт\nТовар\tЦена\nЧай\u{FFFD}\t5\n1");
        for block in reading.blocks(0)? {
            let range = block.range.ok_or_else(|| Error::failed("range", ""))?;
            assert_eq!(reading.slice(Span { page: 0, range })?, block.text);
        }
        Ok(())
    }

    #[test]
    fn the_hosts_rules_hold_here_too() {
        let rule = |block: Block| {
            ReadingBuilder::new()
                .add_page(&PageInfo::digital(), &[block])
                .map_err(|error| error.code)
        };
        let cells = |places: &[(u32, u32)]| {
            let cells = places
                .iter()
                .map(|(row, column)| crate::Cell::new(*row, *column, "x"))
                .collect();
            Block::table(Table {
                rows: 2,
                columns: 2,
                cells,
            })
        };
        assert_eq!(rule(cells(&[(0, 0), (1, 1)])), Ok(0));
        assert_eq!(rule(cells(&[(1, 0), (0, 1)])), Err("cell-order".to_owned()));
        assert_eq!(rule(cells(&[(0, 2)])), Err("cell-outside".to_owned()));
        assert_eq!(
            rule(Block::new(BlockKind::Table, "")),
            Err("table-block".to_owned())
        );
        assert_eq!(
            rule(Block::paragraph("x").with_confidence(1.5)),
            Err("confidence".to_owned())
        );
    }

    #[test]
    fn offsets_of_other_languages_become_bytes() -> Result<(), Error> {
        let reading = Reading::of_pages(["я😀b"]);
        assert_eq!(reading.span(0, 3, 4, TextUnit::Utf16)?, Span::new(0, 6, 7));
        assert_eq!(reading.span(0, 2, 3, TextUnit::CodePoint)?, Span::new(0, 6, 7));
        assert!(
            reading.span(0, 2, 4, TextUnit::Utf16).is_err(),
            "inside a surrogate pair"
        );
        assert!(reading.span(1, 0, 0, TextUnit::Utf8).is_err(), "no such page");
        Ok(())
    }
}
