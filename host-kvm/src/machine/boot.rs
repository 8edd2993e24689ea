//! What a guest starts with: its kernel, an initial RAM disk and a device tree, each at its place in memory.
//!
//! A kernel is an arm64 Linux `Image`, packed or not, an ELF file, or a flat binary. Behind it comes the
//! initial RAM disk, and behind that the device tree, each at a multiple of 2 MiB: so all three are within
//! the gigabytes that Linux wants them in (Documentation/arch/arm64/booting.rst). Where RAM ends before that,
//! they go in front of the kernel. The first vCPU starts with the tree's address in X0, whatever the kernel; one whose
//! EL1 uses AArch32 with what 32-bit Linux takes: 0 in R0, all ones in R1, and the tree's address in R2
//! (Documentation/arch/arm/booting.rst).

use rustix::rand::{GetRandomFlags, getrandom};
use trapline_core::address::AddressRange;
use trapline_core::breakpoint::Instruction;
use vm_memory::GuestMemoryMmap;

use super::fdt::Description;
use super::linux_image::{self, ALIGNMENT, ImageError, ImageHeader};
use super::loader::{self, LoadError, LoadedImage};
use crate::guest_memory::GuestMemory;
use crate::kernel_image::{UnpackError, unpack};

/// How much of a command line arm64 Linux keeps, in bytes (`COMMAND_LINE_SIZE`, less the zero behind it).
const COMMAND_LINE: usize = 2047;

/// What to start a guest with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Boot {
    /// The file of the kernel or firmware.
    pub kernel: Vec<u8>,
    /// Where the file goes, guest-physical, if it is a flat binary.
    pub flat: Option<u64>,
    /// The initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// The command line.
    pub command_line: String,
}

impl Boot {
    /// Whether the kernel is an ELF file of 32 bits, whose vCPUs must be made with AArch32 at EL1
    /// ([`VcpuFeatures::el1_32bit`](crate::VcpuFeatures::el1_32bit)).
    #[must_use]
    pub fn is_aarch32(&self) -> bool {
        self.flat.is_none() && loader::is_elf32(&self.kernel)
    }
}

/// Where everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Booted {
    /// The kernel.
    pub kernel: LoadedImage,
    /// The initial RAM disk, guest-physical.
    pub initrd: Option<AddressRange>,
    /// The device tree's guest-physical address.
    pub tree: u64,
}

/// Why a guest cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The kernel cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),

    /// The kernel cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// The kernel is an `Image` that cannot be booted.
    #[error(transparent)]
    Image(#[from] ImageError),

    /// The kernel is for another architecture.
    #[error(
        "it is a Linux kernel for {architecture}, and this machine is arm64; take the arm64 one of its version"
    )]
    OtherArchitecture {
        /// For which one.
        architecture: &'static str,
    },

    /// The file is none of the kinds that say by themselves where they go.
    #[error(
        "it is neither an arm64 Linux Image, packed or not, nor an ELF file; a flat binary needs the address that \
         it goes to (trapline guest --flat ADDRESS)"
    )]
    UnknownKind,

    /// The command line is longer than Linux keeps.
    #[error(
        "the command line has {length} bytes, and Linux keeps {limit} of it; shorten it, or build the kernel with a \
         part of it (CONFIG_CMDLINE)"
    )]
    CommandLine {
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be.
        limit: usize,
    },

    /// There is no room left.
    #[error(
        "the {what} of {size:#x} bytes has no room beside the kernel, which is at {kernel} in RAM at {ram}; \
         give the guest more memory"
    )]
    NoRoom {
        /// What has no room.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// Where the kernel is.
        kernel: AddressRange,
        /// Where RAM is.
        ram: AddressRange,
    },

    /// The initial RAM disk is an empty file.
    #[error("the initial RAM disk is empty")]
    EmptyInitrd,

    /// The device tree cannot be written.
    #[error("the device tree cannot be written: {0:?}; is there a zero byte in the command line?")]
    Tree(vm_fdt::Error),

    /// The host has no random numbers.
    #[error("the host gives no random bytes for the guest: {0}")]
    Random(rustix::io::Errno),
}

/// Puts everything into memory. `describe` completes the device tree.
pub(super) fn load(
    memory: &GuestMemoryMmap,
    ram: AddressRange,
    boot: &Boot,
    machine: &Description<'_>,
) -> Result<Booted, BootError> {
    let kernel = load_kernel(memory, ram, boot)?.for_state(machine.features.el1_32bit)?;
    let mut free = Free::new(ram, kernel.extent);
    let initrd = match &boot.initrd {
        Some(initrd) if initrd.is_empty() => return Err(BootError::EmptyInitrd),
        Some(initrd) => {
            let range = free.take("initial RAM disk", initrd.len() as u64)?;
            put(memory, ram, range.first(), initrd)?;
            Some(range)
        }
        None => None,
    };
    let mut seed = [0; 64];
    getrandom(&mut seed, GetRandomFlags::empty()).map_err(BootError::Random)?;
    let description = Description { initrd, seed, command_line: &boot.command_line, ..*machine };
    let tree = description.blob().map_err(BootError::Tree)?;
    let place = free.take("device tree", tree.len() as u64)?;
    put(memory, ram, place.first(), &tree)?;
    Ok(Booted { kernel, initrd, tree: place.first() })
}

fn load_kernel(memory: &GuestMemoryMmap, ram: AddressRange, boot: &Boot) -> Result<LoadedImage, BootError> {
    if let Some(address) = boot.flat {
        return Ok(loader::load_flat(memory, ram, address, &boot.kernel)?);
    }
    let kernel = unpack(&boot.kernel, ram.len())?;
    if kernel.starts_with(b"\x7fELF") {
        return Ok(loader::load_elf(memory, ram, &kernel)?);
    }
    let unknown = || match linux_image::other_architecture(&kernel) {
        Some(architecture) => BootError::OtherArchitecture { architecture },
        None => BootError::UnknownKind,
    };
    let header = ImageHeader::parse(&kernel).ok_or_else(unknown)??;
    let length = boot.command_line.len();
    if length > COMMAND_LINE {
        return Err(BootError::CommandLine { length, limit: COMMAND_LINE });
    }
    // RAM begins at a multiple of what the base has to be one of.
    let entry = ram.first() + header.text_offset;
    let extent = loader::within(ram, entry, header.image_size)?;
    put(memory, ram, entry, &kernel)?;
    Ok(LoadedImage { entry, extent, instruction: Some(Instruction::A64) })
}

fn put(memory: &GuestMemoryMmap, ram: AddressRange, address: u64, bytes: &[u8]) -> Result<(), LoadError> {
    loader::put(memory as &dyn GuestMemory, ram, address, bytes)
}

/// The room in RAM beside the kernel.
#[derive(Clone, Copy, Debug)]
struct Free {
    ram: AddressRange,
    kernel: AddressRange,
    behind: Option<u64>,
    in_front: Option<u64>,
}

impl Free {
    fn new(ram: AddressRange, kernel: AddressRange) -> Self {
        Self { ram, kernel, behind: kernel.last().checked_add(1), in_front: Some(ram.first()) }
    }

    /// Takes a place behind the kernel and what has been placed there, or else in front of it.
    fn take(&mut self, what: &'static str, size: u64) -> Result<AddressRange, BootError> {
        let place = |from: Option<u64>, last: u64| {
            let place = AddressRange::new(from?.checked_next_multiple_of(ALIGNMENT)?, size).ok()?;
            (place.last() <= last).then_some(place)
        };
        if let Some(place) = place(self.behind, self.ram.last()) {
            self.behind = place.last().checked_add(1);
            return Ok(place);
        }
        let last = self.kernel.first().checked_sub(1);
        if let Some(place) = last.and_then(|last| place(self.in_front, last)) {
            self.in_front = place.last().checked_add(1);
            return Ok(place);
        }
        Err(BootError::NoRoom { what, size, kernel: self.kernel, ram: self.ram })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::machine::gic::redistributor_regions;
    use crate::machine::linux_image::tests::image;
    use crate::vcpu_features::VcpuFeatures;
    use trapline_core::address::PhysicalAddress;
    use vm_memory::GuestAddress;

    const RAM: u64 = 0x4000_0000;
    const SIZE: u64 = 16 << 20;

    fn start(boot: &Boot) -> Result<(Booted, GuestMemoryMmap), BootError> {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(RAM), SIZE as usize)]).unwrap();
        let ram = AddressRange::new(RAM, SIZE).unwrap();
        let machine = Description {
            affinities: &[0x8000_0000],
            ram,
            features: VcpuFeatures::default(),
            redistributors: &redistributor_regions(1),
            command_line: "",
            initrd: None,
            seed: [0; 64],
        };
        let booted = load(&memory, ram, boot, &machine)?;
        Ok((booted, memory))
    }

    fn bytes<const N: usize>(memory: &GuestMemoryMmap, address: u64) -> [u8; N] {
        let mut bytes = [0; N];
        GuestMemory::read(memory, PhysicalAddress(address), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_kernel_has_its_initial_ram_disk_and_device_tree_behind_it() {
        let kernel = image(0, 0x30_0000, 0xa);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&kernel).unwrap();
        for kernel in [kernel, packed.finish().unwrap()] {
            let boot = Boot { kernel, initrd: Some(b"disk".to_vec()), ..Boot::default() };
            let (booted, memory) = start(&boot).unwrap();
            assert_eq!((booted.kernel.entry, booted.kernel.extent.len()), (RAM, 0x30_0000));
            assert_eq!(bytes(&memory, RAM + 0x38), *b"ARM\x64");
            assert_eq!(booted.initrd, AddressRange::new(RAM + 0x40_0000, 4).ok());
            assert_eq!(bytes(&memory, RAM + 0x40_0000), *b"disk");
            assert_eq!(booted.tree, RAM + 0x60_0000);
            assert_eq!(bytes(&memory, booted.tree), [0xd0, 0x0d, 0xfe, 0xed]);
        }
    }

    #[test]
    fn a_flat_binary_at_the_end_of_ram_has_the_rest_in_front_of_it() {
        let flat = RAM + SIZE - 0x1000;
        let boot = Boot { kernel: b"code".to_vec(), flat: Some(flat), ..Boot::default() };
        let (booted, memory) = start(&boot).unwrap();
        assert_eq!((booted.kernel.entry, booted.tree), (flat, RAM));
        assert_eq!(bytes(&memory, flat), *b"code");
    }

    #[test]
    fn what_has_no_room_is_refused_by_name() {
        let refusal = |boot: &Boot| start(boot).unwrap_err().to_string();
        let kernel = image(0, SIZE, 0xa);
        let full = refusal(&Boot { kernel, ..Boot::default() });
        assert!(full.starts_with("the device tree of 0x"), "{full}");
        let kernel = image(0, 0x30_0000, 0xa);
        let initrd = Some(vec![0; SIZE as usize]);
        let large = refusal(&Boot { kernel: kernel.clone(), initrd, ..Boot::default() });
        assert!(large.starts_with("the initial RAM disk of 0x1000000 bytes"), "{large}");
        let outside = refusal(&Boot { kernel: image(0, SIZE + 1, 0xa), ..Boot::default() });
        assert!(outside.starts_with("the image wants 0x1000001 bytes at 0x40000000"), "{outside}");
        let empty = refusal(&Boot { kernel, initrd: Some(Vec::new()), ..Boot::default() });
        assert!(empty.contains("empty"), "{empty}");
    }

    #[test]
    fn what_is_no_kernel_and_a_command_line_that_is_none_are_refused() {
        let refusal = |boot: &Boot| start(boot).unwrap_err().to_string();
        let script = refusal(&Boot { kernel: b"#!/bin/sh\n".to_vec(), ..Boot::default() });
        assert!(script.contains("neither an arm64 Linux Image"), "{script}");
        let kernel = image(0, 0x1000, 0xa);
        let zero = refusal(&Boot { kernel, command_line: "a\0b".to_owned(), ..Boot::default() });
        assert!(zero.contains("zero byte in the command line"), "{zero}");
        let kernel = image(0, 0x1000, 0xa);
        assert!(
            start(&Boot { kernel: kernel.clone(), command_line: "a".repeat(2047), ..Boot::default() })
                .is_ok()
        );
        let long = refusal(&Boot { kernel, command_line: "a".repeat(2048), ..Boot::default() });
        assert!(long.starts_with("the command line has 2048 bytes, and Linux keeps 2047"), "{long}");
    }

    #[test]
    fn a_kernel_of_another_architecture_is_called_that() {
        for (at, magic, name) in [
            (0x202, &b"HdrS"[..], "x86"),
            (0x24, &[0x18, 0x28, 0x6f, 1][..], "32-bit Arm"),
            (0x38, b"RSC\x05", "RISC-V"),
        ] {
            let mut kernel = vec![0; 0x1000];
            kernel[at..at + 4].copy_from_slice(magic);
            let refused = start(&Boot { kernel, ..Boot::default() }).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("it is a Linux kernel for {name},")), "{refused}");
        }
    }
}
