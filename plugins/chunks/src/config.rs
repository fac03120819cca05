//! The configuration; `config.schema.json` describes it.

use docmill_plugin::{BlockKind, Error};
use serde::Deserialize;

/// How a reading is cut.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Of a chunk, at most.
    pub max_chars: usize,
    /// Repeated of the chunk before, at most.
    pub overlap_chars: usize,
    /// Headings of this level and above begin a chunk.
    pub heading_level: u8,
    /// Left out.
    pub skip: Vec<Skip>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_chars: 1_200,
            overlap_chars: 0,
            heading_level: 6,
            skip: vec![Skip::Header, Skip::Footer],
        }
    }
}

/// A kind of block that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skip {
    Header,
    Footer,
    Footnote,
    Caption,
    Table,
    Code,
    Formula,
    Figure,
}

impl Config {
    /// What the schema cannot say.
    pub fn check(&self) -> Result<(), Error> {
        if self.max_chars == 0 || self.overlap_chars > self.max_chars / 2 {
            let message = format!(
                "overlap_chars is {}, which is more than half of max_chars ({}): chunks would repeat more than they add.",
                self.overlap_chars, self.max_chars
            );
            return Err(Error::invalid_config("overlap", message));
        }
        Ok(())
    }

    pub fn skips(&self, kind: &BlockKind) -> bool {
        let kind = match kind {
            BlockKind::Header => Skip::Header,
            BlockKind::Footer => Skip::Footer,
            BlockKind::Footnote => Skip::Footnote,
            BlockKind::Caption => Skip::Caption,
            BlockKind::Table => Skip::Table,
            BlockKind::Code => Skip::Code,
            BlockKind::Formula => Skip::Formula,
            BlockKind::Figure => Skip::Figure,
            _ => return false,
        };
        self.skip.contains(&kind)
    }
}
