//! Keeps in the program which function refers to which, for whoever asks where a panic comes from.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=--emit-relocs");
    }
}
