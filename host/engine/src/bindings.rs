//! The plugin contract as Rust types, generated from `wit/`. Only types and the imported side are used: exports are called
//! through typed functions that are looked up once per plugin (see [`crate::plugin`]).

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package docmill:host;
        world host {
            include docmill:plugin/parser-plugin@0.1.0;
            include docmill:plugin/extractor-plugin@0.1.0;
            include docmill:plugin/validator-plugin@0.1.0;
            include docmill:plugin/transformer-plugin@0.1.0;
            include docmill:plugin/chunker-plugin@0.1.0;
            include docmill:plugin/embedder-plugin@0.1.0;
            include docmill:plugin/llm-adapter-plugin@0.1.0;
            import docmill:plugin/llm@0.1.0;
        }
    ",
    world: "docmill:host/host",
    imports: {
        // A search over a large page takes long enough to keep it off the guest's thread.
        "docmill:plugin/documents.[method]reading.find": async | trappable,
        // Somebody else answers.
        "docmill:plugin/llm.complete": async | trappable,
        // A reader may be slow.
        "docmill:plugin/deltas.[method]delta-sink.push": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "docmill:plugin/documents.source": crate::guest::SourceHandle,
        "docmill:plugin/documents.reading": crate::guest::ReadingHandle,
        "docmill:plugin/documents.reading-builder": crate::guest::BuilderHandle,
        "docmill:plugin/documents.inputs": crate::guest::InputsHandle,
        "docmill:plugin/deltas.delta-sink": crate::guest::SinkHandle,
    },
});

pub use docmill::plugin::{deltas, documents, llm, llm_types, progress, types};
pub use exports::docmill::plugin::chunker::Chunk as SplitChunk;
pub use exports::docmill::plugin::embedder::{Embeddings, Purpose};
pub use exports::docmill::plugin::manifest::Description;
pub use exports::docmill::plugin::transformer::Output as Transformed;
