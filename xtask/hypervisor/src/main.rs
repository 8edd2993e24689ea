//! An example of a type-1 hypervisor with `trapline-core` in it.
//!
//! Two guests side by side, each on a core of its own, and gdb on one of them over the UART, without an
//! allocator. It is made for QEMU's machine `virt` with `virtualization=on,gic-version=3`, and small enough
//! to be read in one sitting: nothing in it is there that the demonstration firmware does not need as a
//! guest. `cargo xtask run-hypervisor` builds and runs it; `docs/hypervisor.md` says what of it another
//! hypervisor has to do.
//!
//! | file | holds |
//! |---|---|
//! | `boot` | from reset to Rust, on both cores: tables of its own, MMU, stack |
//! | `entry` | into a guest and back out, as a function call |
//! | `system` | system registers by name |
//! | `vcpu` | a guest's registers and how its core is set up |
//! | `stage2` | a guest's memory |
//! | `guest` | one guest: what it may do by itself, what traps, what comes of it |
//! | `devices` | the UART and the interrupt controller as the guest sees them |
//! | `psci` | power calls, of a guest and to the machine |
//! | `gic` | the machine's interrupt controller |
//! | `uart` | the machine's UART, which gdb has |
//! | `greeting` | whether a new gdb speaks |
//! | `debug` | the debugger: the traits of a target on a guest, and the gdb server |
//! | `log` | defmt over semihosting |
//!
//! What one hypervisor must have and this one has not: a guest cannot be moved to another core, and
//! semihosting is open to the guests as well (QEMU executes it at any exception level).
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod boot;
#[cfg(all(target_os = "none", feature = "debugger"))]
mod debug;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod gic;
#[cfg(any(all(target_os = "none", feature = "debugger"), test))]
mod greeting;
#[cfg(target_os = "none")]
mod guest;
#[cfg(target_os = "none")]
mod log;
#[cfg(target_os = "none")]
mod psci;
#[cfg(target_os = "none")]
mod stage2;
#[cfg(target_os = "none")]
mod system;
#[cfg(all(target_os = "none", feature = "debugger"))]
mod uart;
#[cfg(target_os = "none")]
mod vcpu;

/// On any other system there is only this to say.
#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("this is a hypervisor for bare metal: run it with `cargo xtask run-hypervisor`");
    std::process::ExitCode::FAILURE
}
