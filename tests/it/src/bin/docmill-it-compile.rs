//! The compile child of the hosts that the tests start.

fn main() -> std::process::ExitCode {
    docmill_engine::compile_child()
}
