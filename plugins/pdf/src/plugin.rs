//! The parser plugin.

use docmill_plugin::prelude as sdk;
use docmill_plugin::prelude::{Description, Error, PageInfo, Parser, ReadingBuilder, Source};

use crate::{Block, BlockKind, Config, Origin, Page, PdfError, Rect, Table, parse_owned};

/// `docmill/pdf`.
pub struct PdfParser;

impl Parser for PdfParser {
    type Config = Config;

    fn describe() -> Description {
        Description::new(
            "docmill/pdf",
            env!("CARGO_PKG_VERSION"),
            "Reads text in reading order with its places, tables, form fields and metadata from PDF files.",
        )
        .config_schema(include_str!("config.schema.json"))
        .accepts(["application/pdf"])
    }

    fn parse(source: Source, config: Config) -> Result<ReadingBuilder, Error> {
        let document = parse_owned(source.read_all()?, &config).map_err(typed)?;
        let reading = ReadingBuilder::new();
        if let Some(language) = &document.language {
            reading.set_language(language)?;
        }
        for (name, value) in &document.metadata {
            reading.add_metadata(name, value)?;
        }
        for page in document.pages {
            let info = page_info(&page);
            let blocks: Vec<sdk::Block> = page.blocks.into_iter().map(block).collect();
            reading.add_page(&info, &blocks)?;
        }
        Ok(reading)
    }
}

docmill_plugin::export_parser!(PdfParser);

fn typed(error: PdfError) -> Error {
    let message = error.to_string();
    match error {
        PdfError::NotPdf => Error::unsupported(error.code(), message),
        PdfError::TooLarge { .. } => Error::exhausted(error.code(), message),
        _ => Error::invalid_input(error.code(), message),
    }
}

fn page_info(page: &Page) -> PageInfo {
    let mut info = PageInfo::digital().sized(page.width, page.height);
    if let Some(label) = &page.label {
        info = info.labelled(label.as_str());
    }
    for warning in &page.warnings {
        info = info.warn(warning.code());
    }
    info.origin = match page.origin {
        Origin::Digital => sdk::TextOrigin::Digital,
        Origin::Recognized => sdk::TextOrigin::Recognized,
        Origin::Mixed => sdk::TextOrigin::Mixed,
    };
    info
}

fn block(block: Block) -> sdk::Block {
    let kind = match block.kind {
        BlockKind::Title => sdk::BlockKind::Title,
        BlockKind::Heading(level) => sdk::BlockKind::Heading(level),
        BlockKind::Paragraph => sdk::BlockKind::Paragraph,
        BlockKind::ListItem(depth) => sdk::BlockKind::ListItem(depth),
        BlockKind::Table => sdk::BlockKind::Table,
        BlockKind::KeyValue => sdk::BlockKind::KeyValue,
        BlockKind::Header => sdk::BlockKind::Header,
        BlockKind::Footer => sdk::BlockKind::Footer,
    };
    let written = match block.table {
        Some(table) => sdk::Block::table(self::table(table)),
        None => {
            let fragments = block.fragments.into_iter().map(|fragment| sdk::Fragment {
                text: fragment.text,
                region: rect(fragment.region),
                confidence: None,
            });
            sdk::Block::of_fragments(kind, fragments.collect())
        }
    };
    written.at(rect(block.region))
}

fn table(table: Table) -> sdk::Table {
    let cells = table.cells.into_iter().map(|cell| sdk::Cell {
        row: cell.row,
        column: cell.column,
        row_span: cell.row_span,
        column_span: cell.column_span,
        header: cell.header,
        text: cell.text,
        region: Some(rect(cell.region)),
        range: None,
    });
    sdk::Table {
        rows: table.rows,
        columns: table.columns,
        cells: cells.collect(),
    }
}

fn rect(rect: Rect) -> sdk::Rect {
    sdk::Rect {
        left: rect.left,
        top: rect.top,
        right: rect.right,
        bottom: rect.bottom,
    }
}
