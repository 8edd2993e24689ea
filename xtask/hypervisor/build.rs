//! Hands the linker scripts to the linker where the hypervisor is built for bare metal.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    println!("cargo::rerun-if-changed=build.rs");
    // What defmt's macros log: without it, errors alone.
    println!("cargo::rustc-env=DEFMT_LOG=info");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{folder}/link.ld");
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
        // Which function refers to which, for whoever asks where a panic comes from.
        println!("cargo::rustc-link-arg-bins=--emit-relocs");
    }
}
