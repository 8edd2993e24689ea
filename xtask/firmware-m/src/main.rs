//! A program for Cortex-M, with things worth breaking on.
//!
//! `cargo build -p trapline-firmware-m --target thumbv7em-none-eabihf` gives an ELF file for the simulated boards:
//! flash at 0x0800_0000, RAM at 0x2000_0000, a timer at 0x4000_0000 that interrupts after so many instructions. It does
//! the same named things in the same order, round after round. Functions and statics that a session names are
//! `no_mangle`; statics are plain ones and not atomics, so that a debugger shows a number and not a structure.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod program;

/// On any other system there is only this to say.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("build this for thumbv7em-none-eabihf");
}
