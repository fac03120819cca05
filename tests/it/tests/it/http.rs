//! The HTTP side, through a socket.

mod audit;
pub mod authorisation;
mod chunks;
mod compiled;
mod components;
mod connections;
mod console;
mod corpus;
mod definitions;
mod grants;
mod greedy;
mod handler;
mod hostile;
mod inputs;
mod javascript;
mod kept;
mod keyvalue;
mod lists;
mod llm;
mod outage;
mod overload;
mod pages;
mod parallel;
mod presets;
mod principals;
mod python;
mod queue;
mod quotas;
mod registry;
mod samples;
mod sign_on;
mod silence;
mod storage;
mod tenant;
mod tiers;
mod traces;
mod truth;
mod typescript;
mod usage;
mod walk;
mod wild;

/// The example pipelines that come with docmill.
pub const READ: &str = include_str!("../../../../host/server/assets/pipelines/read.yaml");
pub const INVOICE: &str = include_str!("../../../../host/server/assets/pipelines/invoice.yaml");
pub const CERTIFICATE: &str = include_str!("../../../../host/server/assets/pipelines/certificate.yaml");
pub const FORM: &str = include_str!("../../../../host/server/assets/pipelines/form.yaml");
pub const LETTER: &str = include_str!("../../../../host/server/assets/pipelines/letter.yaml");

/// Reads a text and finds two fields by their labels.
pub const NOTE: &str = "
name: note
inputs: { file: { accept: [text/plain, text/markdown, text/csv] } }
params: { type: object, additionalProperties: false, properties: { fio: { type: string }, copies: { type: integer } } }
lookups: [ { name: fio, value: \"${ has(params.fio) ? params.fio : '' }\" } ]
steps:
  - { id: parse, use: docmill/text@0.1 }
  - id: fields
    use: docmill/patterns@0.1
    with:
      fields:
        - { name: number, type: identifier, labels: [Invoice No] }
        - { name: total, type: money, labels: [Total due] }
output: { total: \"${ fields.total.value }\" }
";

/// What it reads.
pub const TEXT: &str = "Invoice No: A-17\nTotal due: 1 234,56 KZT\n";
