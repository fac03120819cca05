//! Attacks its host: `{"attack": "spin"}`, `{"attack": "allocate"}`, … The engine's tests call it, and nobody else should.
#![cfg(target_arch = "wasm32")]

mod attack;
mod flood;
mod state;

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package docmill:hostile;
        world hostile {
            include docmill:plugin/extractor-plugin@0.1.0;
            /// Nobody asked for it, and nobody may call it.
            export foreign: interface {
                spin: func();
            }
        }
    ",
    world: "docmill:hostile/hostile",
    generate_all,
});

use docmill::plugin::types::{Error, Field};
use exports::docmill::plugin::{extractor, manifest};

struct Hostile;

impl manifest::Guest for Hostile {
    fn describe() -> manifest::Description {
        manifest::Description {
            name: "test/hostile".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Attacks its host.".to_owned(),
            config_schema: r#"{"type":"object"}"#.to_owned(),
            accepts: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl extractor::Guest for Hostile {
    fn extract(inputs: extractor::Inputs, config: String) -> Result<Vec<Field>, Error> {
        attack::run(&inputs, &config)
    }
}

impl exports::foreign::Guest for Hostile {
    fn spin() {
        loop {
            std::hint::black_box(0);
        }
    }
}

export!(Hostile);
