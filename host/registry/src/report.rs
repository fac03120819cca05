//! What admission found, line by line, as a compiler would say it.

use std::fmt;

use docmill_model::failure::Failure;
use docmill_model::plugin::Manifest;
use serde::Serialize;

/// One rule and how the component stands to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which rule: `size`, `component`, `contract`, `kind`, `imports`, `memory`, `compile`, `describe`, `configuration`, `media
    /// types`, `version`, `promises`, `signature`, `sbom`, `provenance`, `sample`.
    pub check: &'static str,
    /// Whether it holds.
    pub pass: bool,
    /// What was found; where the rule does not hold, what to do.
    pub detail: String,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether every rule holds.
    pub ok: bool,
    /// What the plugin says of itself, if it came that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// Imports, exports and sizes, if it came that far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection: Option<serde_json::Value>,
    /// In the order of checking; after one that fails, those that need it are left out.
    pub lines: Vec<Line>,
}

impl Report {
    /// A rule that holds.
    pub(crate) fn pass(&mut self, check: &'static str, detail: impl Into<String>) {
        self.lines.push(Line {
            check,
            pass: true,
            detail: detail.into(),
        });
    }

    /// A rule that does not.
    pub(crate) fn fail(&mut self, check: &'static str, detail: impl Into<String>) {
        self.lines.push(Line {
            check,
            pass: false,
            detail: detail.into(),
        });
    }

    /// A rule that holds or does not; the failure is told by its message.
    pub(crate) fn judge(
        &mut self,
        check: &'static str,
        found: Result<String, Failure>,
    ) -> Result<(), Failure> {
        match found {
            Ok(detail) => {
                self.pass(check, detail);
                Ok(())
            }
            Err(failure) => {
                self.fail(check, &failure.message);
                Err(failure)
            }
        }
    }

    /// Sets `ok`.
    pub(crate) fn close(mut self) -> Self {
        self.ok = self.lines.iter().all(|line| line.pass);
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let mark = if line.pass { "ok  " } else { "FAIL" };
            writeln!(
                f,
                "{mark} {:<13} {}",
                line.check,
                line.detail.replace('\n', "\n                  ")
            )?;
        }
        Ok(())
    }
}
