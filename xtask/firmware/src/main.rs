//! The demonstration firmware: bare metal at EL1, with things worth breaking on.
//!
//! `cargo build -p trapline-firmware --target aarch64-unknown-none` gives an ELF file with symbols and DWARF,
//! linked at 0x4000_0000, entry `_start`, for the start of the RAM of any machine with a UART's data register
//! at 0x0900_0000, a GICv3 at 0x0800_0000 (redistributor at 0x080a_0000) and the generic timer. It may be
//! entered at EL1 or at EL2, with the MMU off, and runs at EL1 with the MMU on.
//!
//! **Addresses.** All code and data are linked, and run, where they are loaded: symbols are right from the
//! first instruction on, with the MMU off and on, and a debugger that attaches at the entry point may arm
//! anything by name. The same memory is mapped a second time at [`alias::ALIAS_OFFSET`] above, by other
//! tables (`TTBR1_EL1`); [`alias`] runs one function there each round, so that an address in the high half
//! is worth breaking on as well. The code's block is read-only to the firmware itself.
//!
//! **Order.** [`rounds`] does the same named things in the same order, once for each tick. Functions and
//! statics that the scripted session names are `no_mangle`; statics are plain ones and not atomics, so that
//! a debugger shows a number and not a structure.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod accesses;
#[cfg(target_os = "none")]
mod alias;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
mod copy;
#[cfg(target_os = "none")]
mod exceptions;
#[cfg(target_os = "none")]
mod exclusive;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
mod known;
#[cfg(target_os = "none")]
mod own_brk;
#[cfg(target_os = "none")]
mod own_debug;
#[cfg(target_os = "none")]
mod packed;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod psci;
#[cfg(target_os = "none")]
mod ring;
#[cfg(target_os = "none")]
mod rounds;
#[cfg(target_os = "none")]
mod timer;
#[cfg(target_os = "none")]
mod uart;
#[cfg(any(target_os = "none", test))]
#[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "what the tests do not reach"))]
mod verdict;

/// On any other system there is only this to say.
#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "this is firmware for bare metal: build it with\n  \
         cargo build -p trapline-firmware --target aarch64-unknown-none\nand run it with `cargo xtask run-guest`"
    );
    std::process::ExitCode::FAILURE
}
