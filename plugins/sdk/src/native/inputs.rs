use super::Reading;
use crate::{Check, Field};

/// What a run was given and what it found so far.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    params: Option<String>,
    main: Option<Reading>,
    readings: Vec<(String, Reading)>,
    texts: Vec<(String, String)>,
    records: Vec<(String, String)>,
    fields: Vec<Field>,
    checks: Vec<Check>,
}

/// Only natively: setting the stage.
impl Inputs {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_params(mut self, json: &serde_json::Value) -> Self {
        self.params = Some(json.to_string());
        self
    }

    pub fn with_main(mut self, reading: Reading) -> Self {
        self.main = Some(reading);
        self
    }

    pub fn with_reading(mut self, role: &str, reading: Reading) -> Self {
        self.readings.push((role.to_owned(), reading));
        self
    }

    pub fn with_text(mut self, role: &str, text: &str) -> Self {
        self.texts.push((role.to_owned(), text.to_owned()));
        self
    }

    pub fn with_record(mut self, role: &str, json: &serde_json::Value) -> Self {
        self.records.push((role.to_owned(), json.to_string()));
        self
    }

    pub fn with_fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    pub fn with_checks(mut self, checks: impl IntoIterator<Item = Check>) -> Self {
        self.checks.extend(checks);
        self
    }
}

impl Inputs {
    /// A JSON object.
    pub fn params(&self) -> String {
        self.params.clone().unwrap_or_else(|| "{}".to_owned())
    }

    pub fn main(&self) -> Option<Reading> {
        self.main.clone()
    }

    pub fn readings(&self, role: &str) -> Vec<Reading> {
        of_role(&self.readings, role)
    }

    pub fn texts(&self, role: &str) -> Vec<String> {
        of_role(&self.texts, role)
    }

    /// Each a JSON object.
    pub fn records(&self, role: &str) -> Vec<String> {
        of_role(&self.records, role)
    }

    pub fn fields(&self) -> Vec<Field> {
        self.fields.clone()
    }

    pub fn checks(&self) -> Vec<Check> {
        self.checks.clone()
    }
}

fn of_role<T: Clone>(given: &[(String, T)], role: &str) -> Vec<T> {
    given
        .iter()
        .filter(|(of, _)| of == role)
        .map(|(_, item)| item.clone())
        .collect()
}
