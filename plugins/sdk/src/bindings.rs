//! The contract's types and imports. The `wit` folder beside `src` is a copy of the platform's `wit/plugin.wit`; a test
//! (plugins/text/tests/contract.rs) compares them. Imports that a plugin does not call are not in its component.

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package docmill:sdk;
        world imports {
            import docmill:plugin/documents@0.1.0;
            import docmill:plugin/progress@0.1.0;
            import docmill:plugin/llm@0.1.0;
            import docmill:plugin/deltas@0.1.0;
        }
    ",
    world: "docmill:sdk/imports",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
});
