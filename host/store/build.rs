//! A new file among the migrations is built in at the next build.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
