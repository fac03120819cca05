//! HTML as a mail or a portal shows it: the document between a navigation and a footer.

use super::{Rendered, escape};
use crate::generate::form::mark;
use crate::generate::page::{Block, Document, Pair, PairLayout, Table};

const STYLE: &str = "body{font:14px/1.4 Arial,sans-serif;margin:0}main{max-width:46em;margin:2em auto}\
table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.2em .4em}.n{text-align:right}\
.columns td,.columns{border:0}.r{text-align:right}.l{color:#666;font-size:85%}.w{color:#bbb;font-size:300%}";

/// Renders the document as a page.
pub fn render(document: &Document) -> Rendered {
    let mut main = String::new();
    let mut watermark = String::new();
    for block in &document.blocks {
        if let Block::Watermark(text) = block {
            watermark = format!("<div class=\"w\" aria-hidden=\"true\">{}</div>\n", escape(text));
        }
        main += &html(block);
    }
    let (nav, footer) = match document.language {
        "en" => (
            ["Home", "Documents", "Sign out"],
            "This page was made automatically. © 2025",
        ),
        "kk" => (
            ["Басты бет", "Құжаттар", "Шығу"],
            "Бұл бет автоматты түрде жасалған. © 2025",
        ),
        _ => (
            ["Главная", "Документы", "Выйти"],
            "Страница сформирована автоматически. © 2025",
        ),
    };
    let nav: String = nav
        .iter()
        .map(|item| format!("<li><a href=\"#\">{item}</a></li>"))
        .collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<nav><ul>{nav}</ul></nav>\n<main>\n<article>\n{watermark}{main}</article>\n</main>\n\
         <footer><p>{footer}</p></footer>\n</body>\n</html>\n",
        document.language,
        escape(&document.title)
    );
    Rendered::one_page(page.into_bytes(), document)
}

fn html(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("<h1>{}</h1>\n", escape(text)),
        Block::Heading(text) => format!("<h2>{}</h2>\n", escape(text)),
        Block::Paragraph(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Right(text) => format!("<p class=\"r\">{}</p>\n", escape(text)),
        Block::Pairs { rows, layout } => pairs(rows, *layout),
        Block::Columns { left, right } => {
            let cell = |lines: &[String]| {
                let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
                format!("<td>{}</td>", lines.join("<br>\n"))
            };
            format!(
                "<table class=\"columns\"><tr>{}{}</tr></table>\n",
                cell(left),
                cell(right)
            )
        }
        Block::Table(table) => table_html(table),
        Block::Totals(rows) => {
            let line = |pair: &Pair| {
                format!(
                    "<p class=\"r\">{}: <b>{}</b></p>\n",
                    escape(&pair.label),
                    escape(&pair.value)
                )
            };
            rows.iter().map(line).collect()
        }
        Block::Boxes(boxes) => {
            let item =
                |(ticked, text): &(bool, String)| format!("<li>{} {}</li>\n", mark(*ticked), escape(text));
            format!(
                "<ul class=\"boxes\">\n{}</ul>\n",
                boxes.iter().map(item).collect::<String>()
            )
        }
        Block::Signature { role, name } => {
            format!("<p>{} ______________ {}</p>\n", escape(role), escape(name))
        }
        Block::Watermark(_) => String::new(),
    }
}

fn pairs(rows: &[Pair], layout: PairLayout) -> String {
    let (open, close) = match layout {
        PairLayout::Grid => ("<table>\n", "</table>\n"),
        PairLayout::Above => ("<dl>\n", "</dl>\n"),
        PairLayout::Line => ("", ""),
    };
    let row = |pair: &Pair| {
        let (label, value) = (escape(&pair.label), escape(&pair.value));
        match layout {
            PairLayout::Grid => format!("<tr><th scope=\"row\">{label}</th><td>{value}</td></tr>\n"),
            PairLayout::Above => format!("<dt class=\"l\">{label}</dt>\n<dd>{value}</dd>\n"),
            PairLayout::Line => format!("<p><b>{label}:</b> {value}</p>\n"),
        }
    };
    format!("{open}{}{close}", rows.iter().map(row).collect::<String>())
}

fn table_html(table: &Table) -> String {
    let mut html = "<table>\n<thead>\n".to_owned();
    for row in &table.header {
        html += "<tr>";
        for cell in row {
            html += "<th";
            if cell.columns > 1 {
                html += &format!(" colspan=\"{}\"", cell.columns);
            }
            if cell.rows > 1 {
                html += &format!(" rowspan=\"{}\"", cell.rows);
            }
            html += &format!(">{}</th>", escape(&cell.text));
        }
        html += "</tr>\n";
    }
    html += "</thead>\n<tbody>\n";
    for row in &table.rows {
        html += "<tr>";
        for (cell, column) in row.iter().zip(&table.columns) {
            let class = if column.right { " class=\"n\"" } else { "" };
            html += &format!("<td{class}>{}</td>", escape(cell));
        }
        html += "</tr>\n";
    }
    html + "</tbody>\n</table>\n"
}
