//! See `config.schema.json` and `README.md`.

use crate::value::{Check, DateOrder, Kind};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub fields: Vec<FieldConfig>,
    pub tables: Vec<TableConfig>,
    pub input: Option<String>,
    pub date_order: Option<DateOrder>,
    pub currency: Option<String>,
    pub decimal_separator: DecimalSeparator,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    pub name: String,
    #[serde(default, rename = "type")]
    pub kind: Kind,
    pub check: Option<Check>,
    #[serde(default)]
    pub labels: Vec<String>,
    pub regex: Option<String>,
    pub pattern: Option<String>,
    pub cell: Option<CellConfig>,
    #[serde(default)]
    pub many: bool,
    #[serde(default)]
    pub required: bool,
    pub pages: Option<Vec<i64>>,
    pub currency: Option<String>,
    pub date_order: Option<DateOrder>,
    #[serde(default = "default_max_length")]
    pub max_length: usize,
}

fn default_max_length() -> usize {
    200
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    pub column: Vec<String>,
    #[serde(default)]
    pub row: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    pub name: String,
    pub columns: BTreeMap<String, ColumnConfig>,
    #[serde(default = "default_until")]
    pub until: Vec<String>,
    #[serde(default = "default_max_rows")]
    pub max_rows: usize,
}

fn default_until() -> Vec<String> {
    let words = [
        "Итого",
        "Всего",
        "Барлығы",
        "Жиыны",
        "Жиынтығы",
        "Total",
        "Subtotal",
        "Grand total",
    ];
    words.map(str::to_owned).to_vec()
}

fn default_max_rows() -> usize {
    1000
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ColumnConfig {
    Words(Vec<String>),
    Typed(TypedColumn),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedColumn {
    pub headers: Vec<String>,
    #[serde(default, rename = "type")]
    pub kind: Kind,
    pub check: Option<Check>,
    pub currency: Option<String>,
    pub date_order: Option<DateOrder>,
    #[serde(default)]
    pub required: bool,
}

impl From<ColumnConfig> for TypedColumn {
    fn from(column: ColumnConfig) -> Self {
        match column {
            ColumnConfig::Typed(typed) => typed,
            ColumnConfig::Words(headers) => Self {
                headers,
                kind: Kind::Text,
                check: None,
                currency: None,
                date_order: None,
                required: false,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum DecimalSeparator {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = ",")]
    Comma,
    #[serde(rename = ".")]
    Point,
}
