//! Firmware of A32 and T32 code for a guest whose EL1 uses AArch32, with things worth breaking on.
//!
//! `cargo build -p trapline-firmware-a32 --target armv7a-none-eabi` gives an ELF file with symbols and DWARF, linked at
//! 0x4000_0000, entry `_start` in A32, for the machine of `trapline guest`. It runs in Supervisor mode with the MMU on,
//! by short descriptors: every address is itself, code is read-only, and RAM is there a second time at 0xc000_0000.
//!
//! [`rounds`] does the same named things in the same order, round after round. Functions and statics that a session
//! names are `no_mangle`; statics are plain ones and not atomics, so that a debugger shows a number and not a structure.
//! Every function says of which instruction set it is.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod accesses;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
mod exceptions;
#[cfg(target_os = "none")]
mod rounds;
#[cfg(target_os = "none")]
mod uart;

/// On any other system there is only this to say.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("build this for armv7a-none-eabi, and run it with `trapline guest --kernel`");
}
