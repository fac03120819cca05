//! The contract beside the guest crate is the platform's own, byte by byte: `docmill plugin new` hands this copy out.

#[test]
fn the_contract_is_the_platforms() {
    let copy = include_str!("../wit/plugin.wit");
    let platform = include_str!("../../../wit/plugin.wit");
    assert!(
        copy == platform,
        "copy wit/plugin.wit over plugins/sdk/wit/plugin.wit"
    );
}
