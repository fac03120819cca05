//! The plugin from outside: whole pages in, readings out. Small pages are built here; the corpus of real ones is used
//! where `DOCMILL_CORPUS` names its directory.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::indexing_slicing, reason = "tests")]

mod corpus;
mod hostile;
mod pages;
mod read;
