//! Markdown: what a reader of the rendered page would see, with its structure and without its marks.

use crate::plain;
use docmill_plugin::prelude::*;
use pulldown_cmark::{Event, Options, Parser as Markdown, Tag, TagEnd};

/// # Errors
/// What the host answers when the reading outgrows its limit.
pub fn read(text: &str, reading: &ReadingBuilder) -> Result<(), Error> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut page = Page::default();
    for event in Markdown::new_ext(text, options) {
        page.take(event);
    }
    page.end_paragraph();
    for (name, value) in &page.metadata {
        reading.add_metadata(name, value)?;
    }
    reading.add_page(&PageInfo::digital(), &page.blocks)?;
    Ok(())
}

#[derive(Default)]
struct Page {
    blocks: Vec<Block>,
    metadata: Vec<(String, String)>,
    text: String,
    /// One entry for each open list: the next number, if it is numbered.
    lists: Vec<Option<u64>>,
    footnote: bool,
    in_metadata: bool,
    rows: Vec<Vec<String>>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::Html(html) => self.text.push_str(&without_tags(&html)),
            Event::InlineHtml(html) => {
                if html.starts_with("<br") {
                    self.text.push('\n');
                }
            }
            Event::TaskListMarker(done) => self.text.push_str(if done { "☑ " } else { "☐ " }),
            Event::FootnoteReference(name) => {
                self.text.push('[');
                self.text.push_str(&name);
                self.text.push(']');
            }
            Event::Rule => self.end_paragraph(),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::Table(_) | Tag::BlockQuote(_) | Tag::HtmlBlock => {
                self.end_paragraph();
            }
            Tag::List(number) => {
                self.end_paragraph();
                self.lists.push(number);
            }
            Tag::Item => {
                self.end_paragraph();
                if let Some(Some(number)) = self.lists.last_mut() {
                    self.text = format!("{number}. ");
                    *number += 1;
                }
            }
            Tag::FootnoteDefinition(name) => {
                self.end_paragraph();
                self.footnote = true;
                self.text = format!("[{name}] ");
            }
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            Tag::MetadataBlock(_) => self.in_metadata = true,
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                if !text.trim().is_empty() {
                    self.blocks.push(Block::heading(level as u8, text.trim()));
                }
            }
            TagEnd::CodeBlock => {
                let text = std::mem::take(&mut self.text);
                self.blocks.push(Block::code(text.trim_end()));
            }
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                if let Some(row) = self.rows.last_mut() {
                    row.push(text.trim().to_owned());
                }
            }
            TagEnd::Table => {
                let rows = std::mem::take(&mut self.rows);
                self.blocks.push(Block::table(Table::from_rows(rows, 1)));
            }
            TagEnd::MetadataBlock(_) => {
                self.in_metadata = false;
                self.front_matter();
            }
            TagEnd::List(_) => {
                self.end_paragraph();
                self.lists.pop();
            }
            TagEnd::FootnoteDefinition => {
                self.end_paragraph();
                self.footnote = false;
            }
            TagEnd::Paragraph | TagEnd::Item | TagEnd::HtmlBlock | TagEnd::BlockQuote(_) => {
                self.end_paragraph()
            }
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        if text.is_empty() || self.in_metadata {
            return;
        }
        if self.footnote {
            self.blocks.push(Block::new(BlockKind::Footnote, text));
        } else if let Some(depth) = self.lists.len().checked_sub(1) {
            self.blocks
                .push(Block::list_item(u8::try_from(depth).unwrap_or(u8::MAX), text));
        } else {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            plain::push_lines(&lines, &mut self.blocks);
        }
    }

    /// `name: value` lines of YAML front matter; lists and nested values are left out.
    fn front_matter(&mut self) {
        let text = std::mem::take(&mut self.text);
        for line in text
            .lines()
            .filter(|line| !line.starts_with([' ', '\t', '-', '#']))
        {
            if let Some((name, value)) = line.split_once(':') {
                let (name, value) = (name.trim().to_lowercase(), value.trim().trim_matches(['"', '\'']));
                if !name.is_empty() && name.len() <= 100 && !value.is_empty() {
                    self.metadata.push((name, value.to_owned()));
                }
            }
        }
    }
}

/// The text of a piece of HTML: everything outside of `<…>`.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text + rest
}
