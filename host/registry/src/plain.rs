//! What is said of a plain `wasi:http` component, which says nothing of itself: name and version are those of the address under
//! which it is published, and it takes any configuration.

use docmill_engine::Inspection;
use docmill_model::failure::{Code, Failure};
use docmill_model::plugin::{Manifest, PluginName};
use semver::Version;
use serde_json::json;

/// The line of the report on its contract.
pub(crate) fn contract(inspection: &Inspection) -> String {
    let interface = &inspection.contract;
    format!("{interface}: a plain wasi:http component, called as a transformer (POST of docmill.step/1)")
}

/// Its manifest, if there is an address to take it from, and the line of the report on it.
pub(crate) fn manifest(address: Option<&(PluginName, Version)>) -> (Option<Manifest>, String) {
    let Some((name, version)) = address else {
        let said = "a wasi:http component says nothing of itself: its name and version will be those of the address under which it is \
                    published, and any object is its configuration";
        return (None, said.to_owned());
    };
    let manifest = Manifest {
        name: name.clone(),
        version: version.clone(),
        summary: "A plain wasi:http component.".to_owned(),
        config_schema: json!({ "type": "object" }),
        accepts: Vec::new(),
        fields: Vec::new(),
    };
    let said = format!(
        "a wasi:http component says nothing of itself; taken from the address: it is {name}@{version}, and any object is its configuration"
    );
    (Some(manifest), said)
}

/// Why it is published by its address alone.
pub(crate) fn nameless() -> Failure {
    Failure::new(
        Code::InvalidComponent,
        "a plain wasi:http component has no name and no version of its own: upload it to the address of a version, PUT \
         /v1/plugins/NAMESPACE/NAME/versions/VERSION, or by `docmill plugin push FILE --as NAMESPACE/NAME@VERSION`",
    )
}
