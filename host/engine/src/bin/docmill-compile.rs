//! The compile child as a program of its own, for tests and tools; `docmill __compile` has the same body.

fn main() -> std::process::ExitCode {
    docmill_engine::compile_child()
}
