//! The whole search over one or more readings.

use crate::choose;
use crate::config::{Config, FieldConfig, TypedColumn};
use crate::find::{Candidate, cells, labels, regexes};
use crate::fold::fold;
use crate::page::{self, Page};
use crate::tables::TableSearch;
use crate::value::Spec;
use docmill_plugin::prelude::*;
use regex::Regex;
use std::collections::BTreeSet;

/// Values of one field with `many`.
const MANY_MAX: usize = 1000;

/// A field as it is looked for.
struct Search {
    field: FieldConfig,
    spec: Spec,
    regex: Option<Regex>,
    /// Indices into all labels.
    labels: Vec<usize>,
    column: Vec<String>,
    row: Vec<String>,
}

/// A candidate and the reading that it was found in.
type Found = (usize, Candidate);

/// # Errors
/// `invalid-config` for expressions that cannot be used and names that stand twice; else what the host answers.
pub fn extract(readings: &[Reading], config: Config) -> Result<Vec<Field>, Error> {
    let english = readings
        .first()
        .and_then(Reading::language)
        .is_some_and(|language| language.starts_with("en"));
    let mut all_labels: Vec<String> = Vec::new();
    let mut names = BTreeSet::new();
    let mut searches = Vec::new();
    for field in config.fields.clone() {
        if !names.insert(field.name.clone()) {
            let message = format!(
                "The field `{}` is configured twice; give one of them another name.",
                field.name
            );
            return Err(Error::invalid_config("duplicate", message));
        }
        searches.push(search(field, &config, english, &mut all_labels)?);
    }
    let pages: Vec<Vec<Page>> = readings.iter().map(page::load).collect::<Result<_, _>>()?;
    let mut found: Vec<Vec<Found>> = searches.iter().map(|_| Vec::new()).collect();
    for (index, reading) in readings.iter().enumerate() {
        let Some(pages) = pages.get(index) else { continue };
        for page in pages {
            let occurrences = labels::occurrences(page, &all_labels);
            for (search, found) in searches.iter().zip(&mut found) {
                if looks_at(&search.field, page.number, pages.len()) {
                    let candidates = search.candidates(reading, page, &occurrences)?;
                    found.extend(candidates.into_iter().map(|candidate| (index, candidate)));
                }
            }
        }
    }
    let mut fields = Vec::new();
    for (search, found) in searches.iter().zip(found) {
        search.report(readings, found, &mut fields)?;
    }
    for table in config.tables.clone() {
        if !names.insert(table.name.clone()) {
            let message = format!(
                "The name `{}` is configured twice; give one of them another.",
                table.name
            );
            return Err(Error::invalid_config("duplicate", message));
        }
        let search = TableSearch::new(table, |column| column_spec(column, &config, english));
        let mut rows = 0;
        for (reading, pages) in readings.iter().zip(&pages) {
            fields.extend(search.run(reading, pages, &mut rows)?);
        }
    }
    Ok(fields)
}

fn search(
    field: FieldConfig,
    config: &Config,
    english: bool,
    all_labels: &mut Vec<String>,
) -> Result<Search, Error> {
    let regex = field
        .regex
        .as_ref()
        .map(|text| regexes::compile(text, &field.name))
        .transpose()?;
    let pattern = field
        .pattern
        .as_ref()
        .map(|text| regexes::compile(text, &field.name))
        .transpose()?;
    let folded = |words: &[String]| {
        words
            .iter()
            .map(|word| fold(word))
            .filter(|word| !word.is_empty())
            .collect()
    };
    let own: Vec<String> = folded(&field.labels);
    if own.is_empty() && regex.is_none() && field.cell.is_none() {
        let message = format!(
            "The field `{}` has no place: give it labels, a regex or a cell.",
            field.name
        );
        return Err(Error::invalid_config("no-place", message));
    }
    let labels = own
        .into_iter()
        .map(|label| {
            all_labels
                .iter()
                .position(|known| *known == label)
                .unwrap_or_else(|| {
                    all_labels.push(label);
                    all_labels.len() - 1
                })
        })
        .collect();
    let spec = Spec {
        kind: field.kind,
        check: field.check,
        pattern,
        currency: field.currency.clone().or_else(|| config.currency.clone()),
        date_order: field.date_order.or(config.date_order),
        decimal_separator: config.decimal_separator,
        comma_groups: english,
        max_length: field.max_length,
    };
    let (column, row) = field
        .cell
        .as_ref()
        .map_or_else(Default::default, |cell| (folded(&cell.column), folded(&cell.row)));
    Ok(Search {
        field,
        spec,
        regex,
        labels,
        column,
        row,
    })
}

fn column_spec(column: &TypedColumn, config: &Config, english: bool) -> Spec {
    Spec {
        kind: column.kind,
        check: column.check,
        pattern: None,
        currency: column.currency.clone().or_else(|| config.currency.clone()),
        date_order: column.date_order.or(config.date_order),
        decimal_separator: config.decimal_separator,
        comma_groups: english,
        max_length: 1000,
    }
}

/// Negative pages count from the end.
fn looks_at(field: &FieldConfig, page: u32, count: usize) -> bool {
    field.pages.as_ref().is_none_or(|pages| {
        pages.iter().any(|wanted| {
            i64::from(page)
                == if *wanted < 0 {
                    *wanted + count as i64
                } else {
                    *wanted
                }
        })
    })
}

impl Search {
    fn candidates(
        &self,
        reading: &Reading,
        page: &Page,
        all: &[labels::Occurrence],
    ) -> Result<Vec<Candidate>, Error> {
        let mut found = Vec::new();
        for occurrence in all
            .iter()
            .filter(|occurrence| self.labels.contains(&occurrence.label))
        {
            found.extend(labels::behind(reading, page, *occurrence, all, &self.spec)?);
        }
        if let Some(regex) = &self.regex {
            found.extend(regexes::matches(page, regex, &self.spec));
        }
        if !self.column.is_empty() {
            found.extend(cells::values(page, &self.column, &self.row, &self.spec));
        }
        if page.recognized {
            for candidate in &mut found {
                candidate.confidence *= recognition(reading, candidate)?;
            }
        }
        Ok(found)
    }

    fn report(&self, readings: &[Reading], found: Vec<Found>, fields: &mut Vec<Field>) -> Result<(), Error> {
        let name = &self.field.name;
        let by_reading = |index: usize| -> Vec<Candidate> {
            found
                .iter()
                .filter(|(of, _)| *of == index)
                .map(|(_, candidate)| candidate.clone())
                .collect()
        };
        let mut kept: Vec<Found> = Vec::new();
        for index in 0..readings.len() {
            kept.extend(
                choose::distinct(by_reading(index))
                    .into_iter()
                    .map(|candidate| (index, candidate)),
            );
        }
        if self.field.many && !kept.is_empty() {
            for (number, (index, candidate)) in kept.into_iter().take(MANY_MAX).enumerate() {
                let path = format!("{name}[{number}]");
                fields.extend(
                    readings
                        .get(index)
                        .map(|reading| field(reading, path, choose::settled(candidate)))
                        .transpose()?,
                );
            }
            return Ok(());
        }
        let candidates: Vec<Candidate> = kept.iter().map(|(_, candidate)| candidate.clone()).collect();
        let chosen = choose::one(&candidates).and_then(|(number, chosen)| {
            let (index, _) = kept.get(number)?;
            Some((readings.get(*index)?, chosen))
        });
        match chosen {
            Some((reading, chosen)) => fields.push(field(reading, name.clone(), chosen)?),
            None => {
                if self.field.required {
                    eprintln!("the field `{name}` is required and was not found");
                }
                fields.push(Field::missing(name.clone()));
            }
        }
        Ok(())
    }
}

fn field(reading: &Reading, path: String, found: Candidate) -> Result<Field, Error> {
    let citation = Citation::of(
        reading,
        Span::new(found.page, found.start as u32, found.end as u32),
    )?;
    Ok(Field {
        raw: Some(citation.quote.clone()),
        confidence: Some(choose::rounded(found.confidence)),
        citations: vec![citation],
        ..Field::found(path, found.value)
    })
}

/// The mean confidence of the words that a recognised value was read from.
fn recognition(reading: &Reading, candidate: &Candidate) -> Result<f32, Error> {
    let span = Span::new(candidate.page, candidate.start as u32, candidate.end as u32);
    let known: Vec<f32> = reading
        .fragments(span)?
        .iter()
        .filter_map(|fragment| fragment.confidence)
        .collect();
    Ok(if known.is_empty() {
        1.0
    } else {
        known.iter().sum::<f32>() / known.len() as f32
    })
}
