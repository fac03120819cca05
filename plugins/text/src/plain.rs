//! Plain text: form feeds part pages, blank lines part paragraphs, labelled lines and columns are seen.

use crate::columns;
use docmill_plugin::prelude::*;

/// # Errors
/// What the host answers when the reading outgrows its limit.
pub fn read(text: &str, tables: bool, reading: &ReadingBuilder) -> Result<(), Error> {
    for page in text.trim_end_matches(['\u{C}', '\n']).split('\u{C}') {
        let mut blocks = Vec::new();
        for group in groups(page) {
            if tables {
                for part in columns::split(&group) {
                    match part {
                        columns::Part::Table(table) => blocks.push(Block::table(table)),
                        columns::Part::Lines(lines) => push_lines(lines, &mut blocks),
                    }
                }
            } else {
                push_lines(&group, &mut blocks);
            }
        }
        reading.add_page(&PageInfo::digital(), &blocks)?;
    }
    Ok(())
}

/// Lines between blank lines.
fn groups(page: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = page.split('\n').map(str::trim_end).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter(|group| !group.is_empty())
        .map(<[&str]>::to_vec)
        .collect()
}

/// Labelled lines become blocks of their own, the others paragraphs that keep their lines.
pub fn push_lines(lines: &[&str], blocks: &mut Vec<Block>) {
    for run in lines.chunk_by(|a, b| !is_labelled(a) && !is_labelled(b)) {
        let text = run.join("\n");
        let labelled = run.first().is_some_and(|line| is_labelled(line));
        blocks.push(if labelled {
            Block::key_value(text.trim())
        } else {
            Block::paragraph(text.trim_matches('\n'))
        });
    }
}

/// "Label: value" with a label that could be one: short, begins with a letter, is no sentence.
pub fn is_labelled(line: &str) -> bool {
    let Some((label, value)) = line.split_once(':') else {
        return false;
    };
    let label = label.trim();
    let words = label.split_whitespace().count();
    let begins = label.starts_with(|first: char| first.is_alphabetic() || first == '№');
    let apart = value.starts_with(char::is_whitespace) && !value.trim().is_empty();
    begins && apart && words <= 6 && label.chars().count() <= 60 && !label.contains(['.', '?', '!', ';']) || {
        // Abbreviations end with a dot: "Тел.: 123".
        begins && apart && words <= 2 && label.ends_with('.')
    }
}
