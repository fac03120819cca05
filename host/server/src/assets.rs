//! What the binary carries: so that a release works without cargo and without a network.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
