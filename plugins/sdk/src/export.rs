//! How a plugin's type becomes a component's exports: `manifest` plus one kind.
//!
//! Each exported interface has a world of its own here because wit-bindgen names its macros after interfaces;
//! the linker unites what one component exports, which is then one of the contract's worlds (`parser-plugin`, …).

/// Exports a type that implements [`Parser`](crate::Parser) as this component's parser.
#[macro_export]
macro_rules! export_parser {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Parser, parser, parse, (source: $crate::Source) -> $crate::ReadingBuilder, ::std::convert::Into::into);
    };
}

/// Exports a type that implements [`Extractor`](crate::Extractor) as this component's extractor.
#[macro_export]
macro_rules! export_extractor {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Extractor, extractor, extract, (inputs: $crate::Inputs) -> ::std::vec::Vec<$crate::Field>, ::std::convert::Into::into);
    };
}

/// Exports a type that implements [`Validator`](crate::Validator) as this component's validator.
#[macro_export]
macro_rules! export_validator {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Validator, validator, validate, (inputs: $crate::Inputs) -> ::std::vec::Vec<$crate::Check>, ::std::convert::Into::into);
    };
}

/// Exports a type that implements [`Transformer`](crate::Transformer) as this component's transformer.
#[macro_export]
macro_rules! export_transformer {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Transformer, transformer, transform, (inputs: $crate::Inputs) -> $crate::__export::transformer::Output, ::std::convert::Into::into);
    };
}

/// Exports a type that implements [`Chunker`](crate::Chunker) as this component's chunker.
#[macro_export]
macro_rules! export_chunker {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Chunker, chunker, split, (reading: $crate::Reading) -> ::std::vec::Vec<$crate::__export::chunker::Chunk>, $crate::__export::chunks);
    };
}

/// Exports a type that implements [`Embedder`](crate::Embedder) as this component's embedder.
#[macro_export]
macro_rules! export_embedder {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, Embedder, embedder, embed, (texts: ::std::vec::Vec<::std::string::String>, purpose: $crate::__export::embedder::Purpose) -> $crate::__export::embedder::Embeddings, ::std::convert::Into::into);
    };
}

/// Exports a type that implements [`LlmAdapter`](crate::LlmAdapter) as this component's llm-adapter.
#[macro_export]
macro_rules! export_llm_adapter {
    ($plugin:ident) => {
        $crate::__export_kind!($plugin, LlmAdapter, llm_adapter, complete, (request: $crate::llm::Request, sink: ::std::option::Option<$crate::llm::DeltaSink>) -> $crate::llm::Response, ::std::convert::Into::into);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_kind {
    ($plugin:ident, $kind:ident, $module:ident, $call:ident, ($($input:ident: $given:ty),*) -> $made:ty, $convert:path) => {
        #[cfg(target_arch = "wasm32")]
        #[doc(hidden)]
        mod __docmill_component {
            pub struct Component;

            impl $crate::__export::manifest::Guest for Component {
                fn describe() -> $crate::__export::manifest::Description {
                    <super::$plugin as $crate::$kind>::describe().into()
                }
            }

            impl $crate::__export::$module::Guest for Component {
                fn $call($($input: $given,)* config: ::std::string::String) -> ::std::result::Result<$made, $crate::Error> {
                    let config = $crate::__export::parse_config(&config)?;
                    <super::$plugin as $crate::$kind>::$call($(::std::convert::Into::into($input),)* config).map($convert)
                }
            }

            $crate::__export::manifest::export!(Component with_types_in $crate::__export::manifest::bindings);
            $crate::__export::$module::export!(Component with_types_in $crate::__export::$module::bindings);
        }
    };
}

#[cfg(target_arch = "wasm32")]
macro_rules! exported_interface {
    ($module:ident, $inline:literal, $world:literal, { $($with:tt)* }) => {
        pub mod $module {
            pub mod bindings {
                wit_bindgen::generate!({
                    path: "wit",
                    inline: $inline,
                    world: $world,
                    with: { $($with)* },
                    generate_all,
                    pub_export_macro: true,
                });
            }
            pub use bindings::export;
            pub use bindings::exports::docmill::plugin::$module::*;
        }
    };
}

#[cfg(target_arch = "wasm32")]
exported_interface!(manifest, "package docmill:sdk; world exports-manifest { export docmill:plugin/manifest@0.1.0; }", "docmill:sdk/exports-manifest", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(parser, "package docmill:sdk; world exports-parser { export docmill:plugin/parser@0.1.0; }", "docmill:sdk/exports-parser", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/documents@0.1.0": crate::bindings::docmill::plugin::documents,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(extractor, "package docmill:sdk; world exports-extractor { export docmill:plugin/extractor@0.1.0; }", "docmill:sdk/exports-extractor", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/documents@0.1.0": crate::bindings::docmill::plugin::documents,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(validator, "package docmill:sdk; world exports-validator { export docmill:plugin/validator@0.1.0; }", "docmill:sdk/exports-validator", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/documents@0.1.0": crate::bindings::docmill::plugin::documents,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(transformer, "package docmill:sdk; world exports-transformer { export docmill:plugin/transformer@0.1.0; }", "docmill:sdk/exports-transformer", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/documents@0.1.0": crate::bindings::docmill::plugin::documents,
});

#[cfg(target_arch = "wasm32")]
exported_interface!(chunker, "package docmill:sdk; world exports-chunker { export docmill:plugin/chunker@0.1.0; }", "docmill:sdk/exports-chunker", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/documents@0.1.0": crate::bindings::docmill::plugin::documents,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(embedder, "package docmill:sdk; world exports-embedder { export docmill:plugin/embedder@0.1.0; }", "docmill:sdk/exports-embedder", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
});
#[cfg(target_arch = "wasm32")]
exported_interface!(llm_adapter, "package docmill:sdk; world exports-llm-adapter { export docmill:plugin/llm-adapter@0.1.0; }", "docmill:sdk/exports-llm-adapter", {
    "docmill:plugin/types@0.1.0": crate::bindings::docmill::plugin::types,
    "docmill:plugin/llm-types@0.1.0": crate::bindings::docmill::plugin::llm_types,
    "docmill:plugin/deltas@0.1.0": crate::bindings::docmill::plugin::deltas,
});

/// As the contract has them.
#[cfg(target_arch = "wasm32")]
pub fn chunks(chunks: Vec<crate::Chunk>) -> Vec<chunker::Chunk> {
    chunks
        .into_iter()
        .map(|chunk| chunker::Chunk {
            text: String::new(),
            spans: chunk.spans,
            headings: chunk.headings,
            metadata: chunk.metadata.map(|json| json.to_string()),
        })
        .collect()
}

#[cfg(target_arch = "wasm32")]
mod convert {
    impl From<crate::Description> for super::manifest::Description {
        fn from(description: crate::Description) -> Self {
            Self {
                name: description.name,
                version: description.version,
                summary: description.summary,
                config_schema: description.config_schema,
                accepts: description.accepts,
                fields: description
                    .fields
                    .into_iter()
                    .map(|field| super::manifest::FieldSpec {
                        name: field.name,
                        kind: field.kind,
                        description: field.description,
                    })
                    .collect(),
            }
        }
    }

    impl From<crate::Output> for super::transformer::Output {
        fn from(output: crate::Output) -> Self {
            match output {
                crate::Output::Json(json) => Self::Json(json.to_string()),
                crate::Output::Artifact(artifact) => Self::Artifact(artifact),
            }
        }
    }

    impl From<super::embedder::Purpose> for crate::Purpose {
        fn from(purpose: super::embedder::Purpose) -> Self {
            match purpose {
                super::embedder::Purpose::Document => Self::Document,
                super::embedder::Purpose::Query => Self::Query,
            }
        }
    }

    impl From<crate::Embeddings> for super::embedder::Embeddings {
        fn from(embeddings: crate::Embeddings) -> Self {
            Self {
                model: embeddings.model,
                vectors: embeddings.vectors,
            }
        }
    }
}
