//! How much a component declares. Whatever it is, the host keeps a record of each item for as long as the plugin is loaded, and
//! a byte or two declare one: a small file could take gigabytes.

use docmill_model::failure::Failure;
use wasmparser::Payload;

use super::invalid;

/// Functions of all modules together, imported ones aside. Python and its libraries in one component have 14 000.
const MOST_FUNCTIONS: u64 = 200_000;
/// Everything else together: types, imports, exports, globals, segments, and the component's own items. The costliest, exports of
/// core modules, take up to a kilobyte each.
const MOST_OTHERS: u64 = 40_000;

/// What was declared so far, by whatever is nested in the component, too.
#[derive(Default)]
pub(super) struct Declared {
    functions: u64,
    others: u64,
}

impl Declared {
    /// Counts what a section says of itself, before anything of it is read.
    ///
    /// # Errors
    /// `invalid-component`
    pub(super) fn count(&mut self, payload: &Payload<'_>) -> Result<(), Failure> {
        let items = match payload {
            Payload::FunctionSection(functions) => {
                self.functions = self.functions.saturating_add(u64::from(functions.count()));
                0
            }
            Payload::TypeSection(items) => items.count(),
            Payload::ImportSection(items) => items.count(),
            Payload::TableSection(items) => items.count(),
            Payload::MemorySection(items) => items.count(),
            Payload::TagSection(items) => items.count(),
            Payload::GlobalSection(items) => items.count(),
            Payload::ExportSection(items) => items.count(),
            Payload::ElementSection(items) => items.count(),
            Payload::DataSection(items) => items.count(),
            Payload::InstanceSection(items) => items.count(),
            Payload::CoreTypeSection(items) => items.count(),
            Payload::ComponentInstanceSection(items) => items.count(),
            Payload::ComponentAliasSection(items) => items.count(),
            Payload::ComponentTypeSection(items) => items.count(),
            Payload::ComponentCanonicalSection(items) => items.count(),
            Payload::ComponentImportSection(items) => items.count(),
            Payload::ComponentExportSection(items) => items.count(),
            _ => 0,
        };
        self.others = self.others.saturating_add(u64::from(items));
        let said = |declared: u64, most: u64, what: &str| {
            invalid(format!(
                "the component declares {declared} {what}, and may declare {most}: split it"
            ))
        };
        if self.functions > MOST_FUNCTIONS {
            return Err(said(self.functions, MOST_FUNCTIONS, "functions"));
        }
        if self.others > MOST_OTHERS {
            return Err(said(
                self.others,
                MOST_OTHERS,
                "types, imports, exports and other items",
            ));
        }
        Ok(())
    }
}
