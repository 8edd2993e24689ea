//! Guest debug for arm64 KVM vCPUs: breakpoints, watchpoints, stepping, registers.
//!
//! The debug half works on any VMM's vCPUs: [`KvmVcpu`] takes a [`kvm_ioctls::VcpuFd`], and
//! [`GuestMemory`] is implemented for the memory of `vm-memory`. Feature `machine` adds a small virtual
//! machine of its own.
//!
//! The crate compiles on every Linux host. Where guests cannot be arm64, [`open`] answers
//! [`Error::UnsupportedHost`].

pub mod capability;
mod core_control;
mod edge;
mod error;
mod exit;
pub mod gdb_server;
mod guest_debug;
mod guest_memory;
mod host_cpu;
mod host_instructions;
#[cfg(feature = "kernel-image")]
pub mod kernel_image;
mod kick;
#[cfg(feature = "machine")]
pub mod machine;
mod own_pairs;
mod patience;
mod pmu;
pub mod register_cache;
pub mod register_id;
pub mod register_sync;
mod run_loop;
mod target;
mod time;
mod vcpu;
mod vcpu_features;
mod write_traps;

pub use capability::{KvmCapabilities, open};
pub use error::{Errno, Error};
pub use exit::{Exit, SystemEvent};
pub use guest_debug::GuestDebug;
pub use guest_memory::GuestMemory;
pub use host_cpu::HostCpu;
pub use pmu::{PmuError, initialise_pmu};
pub use register_sync::{SyncLevel, VcpuState};
pub use run_loop::{EventHandler, Notice, Observer, VcpuThreads};
pub use target::{KvmTarget, VcpuHandles};
pub use vcpu::{Devices, KvmVcpu, NoDevices, PowerState};
pub use vcpu_features::VcpuFeatures;
pub use write_traps::MemorySlots;
