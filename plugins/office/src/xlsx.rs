//! Excel workbooks: a page for every sheet, in the workbook's order, with what Excel displays.
//!
//! Only cells with content are kept, so a sheet that claims a million rows costs what it holds. What stands apart on a
//! sheet becomes tables of its own.

pub mod format;
mod islands;
mod merges;
mod sheet;
mod strings;
mod styles;
mod workbook;

use docmill_plugin::{Error, PageInfo};

use crate::budget::Budget;
use crate::package::{Package, damaged};
use crate::{Config, Parsed};
use sheet::Values;
use workbook::Visibility;

/// Reads all worksheets.
///
/// # Errors
/// `damaged`, `decompression-bomb`, `too-large`, `too-complex`.
pub fn read(package: &mut Package<'_>, config: &Config) -> Result<Parsed, Error> {
    let main = package.main().to_owned();
    let related = package.relationships(&main)?;
    let part = |kind: &str, usual: &str| {
        related
            .of_type(kind)
            .map_or_else(|| usual.to_owned(), |r| r.target.clone())
    };

    let workbook = workbook::read(
        package
            .part(&main)?
            .ok_or_else(|| damaged("its main part is missing"))?,
    )?;
    let styles = styles::read(package.part(&part("styles", "xl/styles.xml"))?, config.locale)?;
    let strings = strings::read(package.part(&part("sharedStrings", "xl/sharedStrings.xml"))?)?;
    let values = Values {
        styles: &styles,
        strings: &strings,
        epoch_1904: workbook.epoch_1904,
    };

    let mut budget = Budget::default();
    let mut pages = Vec::new();
    for sheet in &workbook.sheets {
        let mut info = PageInfo::digital().labelled(&sheet.name);
        if sheet.visibility == Visibility::Hidden {
            info = info.warn("hidden-sheet");
        }
        let target = related
            .by_id(&sheet.relationship)
            .filter(|related| !related.external);
        let Some(target) = target else {
            return Err(damaged("a sheet of the workbook is missing"));
        };
        let mut blocks = Vec::new();
        if target.kind == "worksheet" {
            let part = package
                .part(&target.target)?
                .ok_or_else(|| damaged("a sheet of the workbook is missing"))?;
            let grid = sheet::read(part, &values, &mut budget)?;
            info.warnings
                .extend(grid.warnings.iter().map(|warning| (*warning).to_owned()));
            let (cells, ignored) = merges::apply(grid.cells, grid.merges);
            if ignored {
                info = info.warn("merged-regions-ignored");
            }
            blocks = islands::blocks(cells);
        } else {
            info = info.warn("not-a-worksheet");
        }
        pages.push((info, blocks));
    }
    Ok(Parsed {
        pages,
        ..Parsed::default()
    })
}
