//! Charts as tables: the figures that the file keeps so that the chart can be drawn without its workbook.

use std::collections::BTreeMap;

use docmill_plugin::{Block, BlockKind, Cell, Error, Table};

use super::Shared;
use crate::Locale;
use crate::text::clean;
use crate::xlsx::format::Format;
use crate::xml::{Element, Token, Xml};

/// Looks, labels of single points, error bars: nothing that is read here.
const LEFT_OUT: [&str; 9] = [
    "spPr",
    "txPr",
    "extLst",
    "dLbls",
    "dPt",
    "marker",
    "errBars",
    "trendline",
    "bubbleSize",
];

/// A code of this number is the file's own.
const OWN_FORMAT: u32 = 164;

/// Texts by the number of their point.
type Points = BTreeMap<u32, String>;

#[derive(Debug)]
struct Series {
    name: String,
    categories: Points,
    values: Points,
}

/// The chart's title and its figures; nothing if the file keeps none.
///
/// # Errors
/// `damaged` and limits.
pub fn read(mut xml: Xml<'_>, locale: Locale, shared: &mut Shared) -> Result<Vec<Block>, Error> {
    let mut title = String::new();
    let mut series: Vec<Series> = Vec::new();
    let (mut in_plot, mut epoch_1904) = (false, false);
    loop {
        let element = match xml.next()? {
            Token::Start(tag) => match tag.name() {
                "plotArea" => {
                    in_plot = true;
                    continue;
                }
                "date1904" => {
                    epoch_1904 = !matches!(tag.attr("val").as_deref(), Some("0" | "false" | "off"));
                    continue;
                }
                // What is filtered out of the chart is kept there.
                "extLst" => {
                    xml.skip()?;
                    continue;
                }
                // Those of axes come later.
                "title" if !in_plot => Element::of(&tag),
                "ser" => Element::of(&tag),
                _ => continue,
            },
            Token::Eof => break,
            _ => continue,
        };
        let element = xml.tree_without(element, &LEFT_OUT)?;
        if element.name() == "title" {
            let mut text = String::new();
            write_text(&element, &mut text);
            title = clean(&text);
        } else {
            let read = Series::read(&element, locale, epoch_1904);
            let all = read.values.values().chain(read.categories.values());
            shared.budget.add(
                read.values.len() + read.categories.len(),
                all.map(String::len).sum(),
            )?;
            series.push(read);
        }
    }
    series.retain(|series| !series.values.is_empty());
    let mut blocks = Vec::new();
    if !title.is_empty() {
        blocks.push(Block::new(BlockKind::Caption, title));
    }
    // What shares its categories shares a table; the points of a cloud do not.
    let alike = |a: &Series, b: &Series| a.categories == b.categories || b.categories.is_empty();
    for group in series.chunk_by(alike) {
        blocks.push(Block::table(table(group)));
    }
    for block in &blocks {
        shared.charge(block)?;
    }
    Ok(blocks)
}

impl Series {
    fn read(element: &Element, locale: Locale, epoch_1904: bool) -> Self {
        let points = |names: &[&str]| {
            let found = names.iter().find_map(|name| element.child(name));
            found
                .and_then(cache)
                .map(|cache| points(cache, locale, epoch_1904))
                .unwrap_or_default()
        };
        let mut name = String::new();
        if let Some(said) = element.child("tx") {
            write_text(said, &mut name);
        }
        Self {
            name: clean(&name),
            categories: points(&["cat", "xVal"]),
            values: points(&["val", "yVal"]),
        }
    }
}

/// Where the points are; of several levels of categories the finest.
fn cache(element: &Element) -> Option<&Element> {
    if element.child("pt").is_some() {
        return Some(element);
    }
    element.elements().find_map(cache)
}

fn points(cache: &Element, locale: Locale, epoch_1904: bool) -> Points {
    let mut code = String::new();
    if let Some(said) = cache.child("formatCode") {
        code.extend(said.own_text());
    }
    // Texts have no format.
    let format = (!code.is_empty()).then(|| Format::new(OWN_FORMAT, Some(&code), locale));
    let mut points = Points::new();
    for point in cache.elements().filter(|child| child.name() == "pt") {
        let index = point.attr("idx").and_then(|n| n.parse().ok());
        let text: String = point.child("v").into_iter().flat_map(Element::own_text).collect();
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        let shown = match (&format, number) {
            (Some(format), Some(number)) => clean(&format.write(number, epoch_1904)),
            _ => clean(&text),
        };
        if let Some(index) = index.filter(|_| !shown.is_empty()) {
            points.insert(index, shown);
        }
    }
    points
}

/// A row for each category, a column for each series.
fn table(series: &[Series]) -> Table {
    let categories = series
        .iter()
        .map(|series| &series.categories)
        .find(|c| !c.is_empty());
    let mut rows = BTreeMap::new();
    for index in series.iter().flat_map(|series| series.values.keys()) {
        rows.insert(*index, 0);
    }
    for (row, place) in (1..).zip(rows.values_mut()) {
        *place = row;
    }
    let named = categories.is_some();
    let mut cells = Vec::new();
    let mut add = |row: u32, column: u32, text: &str| {
        if !text.is_empty() {
            cells.push(Cell {
                header: row == 0 || (named && column == 0),
                ..Cell::new(row, column, text)
            });
        }
    };
    let first = u32::from(named);
    for (column, series) in (first..).zip(series) {
        add(0, column, &series.name);
    }
    for (index, row) in &rows {
        if let Some(category) = categories.and_then(|categories| categories.get(index)) {
            add(*row, 0, category);
        }
        for (column, series) in (first..).zip(series) {
            if let Some(value) = series.values.get(index) {
                add(*row, column, value);
            }
        }
    }
    Table {
        rows: narrow(rows.len()) + 1,
        columns: first + narrow(series.len()),
        cells,
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX >> 1)
}

/// Runs of rich text (paragraphs are lines), or what a reference had when the chart was drawn.
fn write_text(element: &Element, out: &mut String) {
    for child in element.elements() {
        match child.name() {
            "t" | "v" => out.extend(child.own_text()),
            "p" => {
                if !out.is_empty() {
                    out.push('\n');
                }
                write_text(child, out);
            }
            "f" | "formatCode" => {}
            _ => write_text(child, out),
        }
    }
}
