//! What a Linux kernel says about itself.
//!
//! An arm64 kernel image carries names and addresses (kallsyms) and types (BTF). This module reads both
//! out of the file, and works on byte slices alone: nothing here needs a guest, KVM, or an arm64 machine.
//! All input is hostile: every offset is checked and every size bounded.
//!
//! [`Kernel`] is the whole of it; its parts can be had apart.

mod a64;
pub mod btf;
mod bytes;
pub mod dwarf;
pub mod elf;
mod exports;
pub mod frames;
pub mod image;
pub mod kallsyms;
mod kernel;
pub mod live;
pub mod monitor;
mod per_cpu;
pub mod sections;
pub mod symbols;
#[cfg(test)]
mod tests;

pub use kernel::{FileError, Kernel, KernelError};
