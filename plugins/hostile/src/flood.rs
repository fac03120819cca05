//! Attacks by what is handed over: little that costs the host much.

use crate::attack::{error, field, page_of};
use crate::docmill::plugin::documents::ReadingBuilder;
use crate::docmill::plugin::types::{
    Attachment, BlockKind, Cell, Citation, Error, ErrorKind, Field, Table, Value,
};

fn json(text: String) -> Field {
    Field {
        value: Some(Value::Json(text)),
        ..field("json", "")
    }
}

pub fn run(attack: &str, size: usize) -> Result<Vec<Field>, Error> {
    Ok(match attack {
        // One page of so many tables, each of one cell that spans four million columns.
        "wide-tables" => {
            let (info, blocks) = page_of(0);
            let cell = Cell {
                row: 0,
                column: 0,
                row_span: 1,
                column_span: 4_000_000,
                header: false,
                text: String::new(),
                region: None,
                range: None,
            };
            let mut table = blocks[0].clone();
            table.kind = BlockKind::Table;
            table.table = Some(Table {
                rows: 1,
                columns: 4_000_000,
                cells: vec![cell],
            });
            ReadingBuilder::new().add_page(&info, &vec![table; size])?;
            vec![field("done", "yes")]
        }
        // A page whose only block is of a kind with a name of so many bytes.
        "kind" => {
            let (info, mut blocks) = page_of(0);
            blocks[0].kind = BlockKind::Other("k".repeat(size));
            ReadingBuilder::new().add_page(&info, &blocks)?;
            vec![field("done", "yes")]
        }
        // Pages whose label and warnings are a megabyte each, and attachments of such media types.
        "labels" => {
            let builder = ReadingBuilder::new();
            for _ in 0..size {
                let (mut info, _) = page_of(0);
                info.label = Some("l".repeat(1 << 20));
                info.warnings = vec!["w".repeat(1 << 20)];
                builder.add_page(&info, &[])?;
            }
            vec![field("done", "yes")]
        }
        "media-types" => {
            let builder = ReadingBuilder::new();
            let about = Attachment {
                name: "a".to_owned(),
                media_type: "m".repeat(1 << 20),
            };
            for _ in 0..size {
                builder.add_attachment(&about, &[])?;
            }
            vec![field("done", "yes")]
        }
        // So many citations of three letters that the host looks up.
        "short-quotes" => {
            let citation = Citation {
                reading: None,
                page: 0,
                range: None,
                quote: "a b".to_owned(),
                regions: vec![],
            };
            vec![Field {
                citations: vec![citation; size],
                ..field("cited", "")
            }]
        }
        // Two bytes for each of so many values.
        "dense-json" => vec![json(format!("[{}0]", "0,".repeat(size)))],
        "dense-jsons" => (0..size)
            .map(|n| Field {
                path: format!("n{n}"),
                ..json(format!("[{}0]", "0,".repeat(1_000)))
            })
            .collect(),
        "nested-json" => vec![json(format!("{}{}", "[".repeat(size), "]".repeat(size)))],
        _ => return Err(error(ErrorKind::InvalidConfig, "unknown-attack")),
    })
}
