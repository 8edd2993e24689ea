//! A small virtual machine around the vCPUs: memory, interrupt controller, serial port, clock, and what it
//! starts with: Linux, an ELF file or a flat binary.
//!
//! The map: GICv3 distributor at `0x0800_0000`, redistributors from `0x080A_0000` on (from the 124th vCPU's on
//! at `0x1000_0000`), a 16550 at `0x0900_0000`, a PL031 at `0x0901_0000`, RAM from `0x4000_0000` on. PSCI and
//! the generic timer are the kernel's.

mod boot;
mod bus;
mod fdt;
mod gic;
mod gic_state;
mod linux_image;
mod loader;
mod memory;
mod power_on;
mod rtc;
mod running;
mod serial;
mod vm;

pub use boot::{Boot, BootError, Booted};
pub use bus::Bus;
pub use gic::{DISTRIBUTOR_BASE, DISTRIBUTOR_SIZE, REDISTRIBUTOR_BASE, REDISTRIBUTOR_SIZE};
pub use linux_image::{ImageError, ImageHeader};
pub use loader::{LoadError, LoadedImage, load_elf, load_flat};
pub use memory::{Pages, RAM_BASE, allocate};
pub use rtc::{RTC_BASE, RTC_SIZE};
pub use running::RunningMachine;
pub use serial::{SERIAL_BASE, SERIAL_INTERRUPT, SERIAL_SIZE};
pub use vm::{Machine, MachineConfig, PMU_INTERRUPT};

/// Why a machine as configured cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The guest's memory cannot be had.
    #[error(
        "the host has no {} MiB of memory for the guest ({source}); \
         give the guest less, or the host more",
        size >> 20
    )]
    Memory {
        /// How much was asked for, in bytes.
        size: u64,
        /// Why not.
        source: vm_memory::mmap::MmapRegionError,
    },

    /// The host does not have so much.
    #[error(
        "the guest is to have {} MiB of memory, and this host has {} MiB with its swap space; give the guest less",
        size >> 20,
        host >> 20
    )]
    MoreThanHost {
        /// How much was asked for, in bytes.
        size: u64,
        /// All that the host has, in bytes.
        host: u64,
    },

    /// The host has set too few huge pages aside.
    #[error(
        "the host has no {} MiB of huge pages for the guest ({source}); set some aside in \
         /proc/sys/vm/nr_hugepages, and give the guest whole ones",
        size >> 20
    )]
    HugePages {
        /// How much was asked for, in bytes.
        size: u64,
        /// Why not.
        source: vm_memory::mmap::MmapRegionError,
    },

    /// The guest's memory does not fit.
    #[error(
        "{} MiB ({size:#x} bytes) of guest memory cannot be had; this machine takes whole pages of 64 KiB, {} MiB at the \
         most",
        size >> 20,
        limit >> 20
    )]
    MemorySize {
        /// How much was asked for, in bytes.
        size: u64,
        /// What the guest-physical address space holds, in bytes.
        limit: u64,
    },

    /// Too many vCPUs, or none.
    #[error("{cpus} vCPUs cannot be had; this KVM and this machine allow 1 to {limit}")]
    Cpus {
        /// How many were asked for.
        cpus: u16,
        /// How many there can be.
        limit: u16,
    },
}
