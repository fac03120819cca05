//! The contract that the guest crate carries along is the platform's own, byte by byte. (The test does not lie in the guest
//! crate, because `docmill plugin new` hands that folder out.)

#[test]
fn the_guest_crates_contract_is_the_platforms() {
    let copy = include_str!("../../sdk/wit/plugin.wit");
    let platform = include_str!("../../../wit/plugin.wit");
    assert!(
        copy == platform,
        "copy wit/plugin.wit over plugins/sdk/wit/plugin.wit"
    );
}
