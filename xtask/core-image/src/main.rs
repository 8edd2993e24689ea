//! Every public entry of the core in one bare-metal program, which is linked and never run.
//!
//! `cargo xtask core-image` builds it and reads two things from the file: that no panic survives in it, and
//! how much code it is. Each entry stands in a table of functions that the compiler must take for called
//! from outside, with any arguments: so it is there as a whole, and nothing is known that would make one
//! of its checks disappear. Types that a backend brings are in `machine`.
//!
//! There is a file an area of the core. An entry that is missing here fails the check by name.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[macro_use]
mod macros;

#[cfg(all(target_os = "none", feature = "engine"))]
mod agent;
#[cfg(all(target_os = "none", feature = "engine"))]
mod debugger;
#[cfg(all(target_os = "none", feature = "el2"))]
mod el2;
#[cfg(target_os = "none")]
mod encoders;
#[cfg(target_os = "none")]
mod exceptions;
#[cfg(all(target_os = "none", feature = "gdb"))]
mod gdb;
#[cfg(target_os = "none")]
mod m_profile;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod pools;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
mod start;
#[cfg(all(target_os = "none", feature = "engine"))]
mod stepping;
#[cfg(target_os = "none")]
mod syndrome;
#[cfg(all(target_os = "none", feature = "engine"))]
mod translation;

/// On any other system there is only this to say.
#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("this is a measure, not a program: see `cargo xtask core-image`");
    std::process::ExitCode::FAILURE
}

/// Walks an iterator: what it does, it does then.
#[cfg(target_os = "none")]
fn walk<T>(items: impl Iterator<Item = T>) {
    for item in items {
        core::hint::black_box(item);
    }
}
