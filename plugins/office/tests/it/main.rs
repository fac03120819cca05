//! The plugin from outside: whole files in, readings out. Small files are built here; the corpus of real ones is used
//! where `DOCMILL_CORPUS` names its directory.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::indexing_slicing, reason = "tests")]

mod build;
mod corpus;
mod deck;
mod docx;
mod fuzz;
mod hostile;
mod hostile_decks;
mod pptx;
mod pptx_parts;
mod read;
mod xlsx;
