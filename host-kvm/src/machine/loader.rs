//! Guest images into guest memory: ELF files by physical address, and flat binaries.
//!
//! An image is hostile input: every offset and size in it is checked before it is used.

use object::elf;
use object::endian::LittleEndian;
use object::read::elf::{FileHeader, ProgramHeader};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::breakpoint::Instruction;

use super::linux_image::ImageHeader;
use crate::guest_memory::GuestMemory;

/// What has been loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadedImage {
    /// The guest-physical address of the first instruction.
    pub entry: u64,
    /// From the first to the last byte that was loaded, guest-physical.
    pub extent: AddressRange,
    /// Of which instruction set the first instruction is, where the file says so; a flat binary does not.
    pub instruction: Option<Instruction>,
}

impl LoadedImage {
    /// The image, where its code is for an EL1 that uses AArch32 or AArch64 as `aarch32` says.
    ///
    /// # Errors
    /// [`LoadError::ExecutionState`] where it is for the other one.
    pub(super) fn for_state(self, aarch32: bool) -> Result<Self, LoadError> {
        let is_other = |set| aarch32 == matches!(set, Instruction::A64);
        match self.instruction.is_some_and(is_other) {
            true => Err(LoadError::ExecutionState { aarch32 }),
            false => Ok(self),
        }
    }
}

/// Why an image cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is no ELF file, or a broken one.
    #[error("the image is no usable ELF file: {reason}")]
    NotElf {
        /// What is wrong with it.
        reason: String,
    },

    /// The ELF file is for another machine.
    #[error(
        "the image is a {bits}-bit ELF file for machine {machine}, not for AArch64 (183, with 64 bits) or AArch32 (40, \
         with 32 bits)"
    )]
    WrongMachine {
        /// 32 or 64.
        bits: u8,
        /// `e_machine`.
        machine: u16,
    },

    /// The ELF file's data are big-endian.
    #[error(
        "the image is a big-endian ELF file, and this machine starts little-endian code only; build it as that"
    )]
    BigEndian,

    /// The code of the ELF file is for the other Execution state.
    #[error(
        "the image is code for {}, and EL1 of this machine's vCPUs uses {}; make them with the other one \
         (VcpuFeatures::el1_32bit), or unpack the file first",
        state(!aarch32),
        state(*aarch32)
    )]
    ExecutionState {
        /// Whether EL1 uses AArch32.
        aarch32: bool,
    },

    /// The entry point is no address of an A32 instruction, nor that of a T32 instruction with bit 0 set.
    #[error(
        "the image's entry point {entry:#x} is neither a multiple of 4, for A32 code, nor odd, for T32 code"
    )]
    Misaligned {
        /// `e_entry`.
        entry: u64,
    },

    /// The ELF file is not a program.
    #[error("the image is an ELF file of type {kind}, not an executable (2 or 3); link it first")]
    NotExecutable {
        /// `e_type`.
        kind: u16,
    },

    /// There is nothing to load.
    #[error("the image has nothing to load")]
    Empty,

    /// A segment or the image does not fit into RAM.
    #[error(
        "the image wants {size:#x} bytes at {address:#x}, and RAM is {ram}; link it elsewhere, or give the guest more memory"
    )]
    OutsideRam {
        /// Where the part would begin, guest-physical.
        address: u64,
        /// Its size in bytes.
        size: u64,
        /// Where RAM is.
        ram: AddressRange,
    },

    /// The file is a Linux kernel as it was linked, which is for debuggers.
    #[error(
        "the ELF file is a Linux kernel as it was linked (vmlinux), for virtual addresses from {address:#x} on; what \
         boots is its arch/arm64/boot/Image, and the ELF file is for debuggers (trapline guest --symbols)"
    )]
    LinkedKernel {
        /// Where its first segment is linked.
        address: u64,
    },

    /// The entry point is in no segment.
    #[error("the image's entry point {entry:#x} is in none of its segments")]
    EntryOutside {
        /// `e_entry`.
        entry: u64,
    },
}

/// The name of an Execution state.
const fn state(aarch32: bool) -> &'static str {
    if aarch32 { "AArch32" } else { "AArch64" }
}

/// Whether a file is an ELF file of 32 bits, whose vCPUs must be made with AArch32 at EL1.
pub(super) fn is_elf32(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF") && image.get(EI_CLASS) == Some(&elf::ELFCLASS32.0)
}

/// Where a file says how many bits its addresses have, and in which order it has bytes (System V ABI, "ELF
/// Identification").
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;

/// Loads an ELF executable for AArch64 or AArch32: its `PT_LOAD` segments at their physical addresses, the rest
/// of each zeroed. Nothing is written unless everything fits.
///
/// # Errors
/// [`LoadError`].
pub fn load_elf(memory: &dyn GuestMemory, ram: AddressRange, image: &[u8]) -> Result<LoadedImage, LoadError> {
    if image.starts_with(b"\x7fELF") && image.get(EI_DATA) == Some(&elf::ELFDATA2MSB.0) {
        return Err(LoadError::BigEndian);
    }
    if is_elf32(image) {
        load::<elf::FileHeader32<LittleEndian>>(memory, ram, image, elf::EM_ARM)
    } else {
        load::<elf::FileHeader64<LittleEndian>>(memory, ram, image, elf::EM_AARCH64)
    }
}

fn load<Header: FileHeader<Endian = LittleEndian>>(
    memory: &dyn GuestMemory,
    ram: AddressRange,
    image: &[u8],
    expected: elf::Machine,
) -> Result<LoadedImage, LoadError> {
    let endian = LittleEndian;
    let header = Header::parse(image).map_err(not_elf)?;
    header.endian().map_err(not_elf)?;
    let machine = header.e_machine(endian);
    if machine != expected {
        let bits = if header.is_class_64() { 64 } else { 32 };
        return Err(LoadError::WrongMachine { bits, machine: machine.0 });
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err(LoadError::NotExecutable { kind: kind.0 });
    }
    let segments = header.program_headers(endian, image).map_err(not_elf)?;
    let loads = || {
        segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD && segment.p_memsz(endian).into() != 0)
    };
    let first = loads().next().filter(|segment| segment.p_paddr(endian).into() >> 48 == 0xffff);
    if let Some(segment) = first
        && let Ok(data) = segment.data(endian, image)
        && ImageHeader::parse(data).is_some()
    {
        return Err(LoadError::LinkedKernel { address: segment.p_vaddr(endian).into() });
    }
    let mut extent: Option<AddressRange> = None;
    for segment in loads() {
        segment.data(endian, image).map_err(|()| broken("a segment ends after the file"))?;
        if segment.p_filesz(endian).into() > segment.p_memsz(endian).into() {
            return Err(broken("a segment is larger in the file than in memory"));
        }
        let part = within(ram, segment.p_paddr(endian).into(), segment.p_memsz(endian).into())?;
        extent = Some(extent.map_or(part, |all| join(all, part)));
    }
    let extent = extent.ok_or(LoadError::Empty)?;
    let (virtual_entry, instruction) = entry(header.e_entry(endian).into(), machine)?;
    let entry = loads()
        .find_map(|segment| {
            let offset = virtual_entry.checked_sub(segment.p_vaddr(endian).into())?;
            let physical: u64 = segment.p_paddr(endian).into();
            (offset < segment.p_memsz(endian).into()).then(|| physical + offset)
        })
        .ok_or(LoadError::EntryOutside { entry: virtual_entry })?;
    for segment in loads() {
        let data = segment.data(endian, image).unwrap_or_default();
        let (address, size): (u64, u64) = (segment.p_paddr(endian).into(), segment.p_memsz(endian).into());
        put(memory, ram, address, data)?;
        zero(memory, ram, address + data.len() as u64, size - data.len() as u64)?;
    }
    Ok(LoadedImage { entry, extent, instruction: Some(instruction) })
}

/// The address of the first instruction, and its instruction set: bit 0 of an AArch32 entry point says that it is T32
/// (ELF for the Arm Architecture, section "Entry points").
fn entry(entry: u64, machine: elf::Machine) -> Result<(u64, Instruction), LoadError> {
    match entry & 3 {
        _ if machine == elf::EM_AARCH64 => Ok((entry, Instruction::A64)),
        0 => Ok((entry, Instruction::A32)),
        2 => Err(LoadError::Misaligned { entry }),
        _ => Ok((entry & !1, Instruction::T32)),
    }
}

/// Loads a flat binary at `address`, where it also starts.
///
/// # Errors
/// [`LoadError::Empty`] and [`LoadError::OutsideRam`].
pub fn load_flat(
    memory: &dyn GuestMemory,
    ram: AddressRange,
    address: u64,
    image: &[u8],
) -> Result<LoadedImage, LoadError> {
    if image.is_empty() {
        return Err(LoadError::Empty);
    }
    let extent = within(ram, address, image.len() as u64)?;
    put(memory, ram, address, image)?;
    Ok(LoadedImage { entry: address, extent, instruction: None })
}

fn not_elf(error: object::read::Error) -> LoadError {
    LoadError::NotElf { reason: error.to_string() }
}

fn broken(reason: &str) -> LoadError {
    LoadError::NotElf { reason: reason.to_owned() }
}

pub(super) fn within(ram: AddressRange, address: u64, size: u64) -> Result<AddressRange, LoadError> {
    AddressRange::new(address, size)
        .ok()
        .filter(|part| ram.contains(part.first()) && ram.contains(part.last()))
        .ok_or(LoadError::OutsideRam { address, size, ram })
}

fn join(a: AddressRange, b: AddressRange) -> AddressRange {
    let (first, last) = (a.first().min(b.first()), a.last().max(b.last()));
    AddressRange::new(first, last - first + 1).unwrap_or(a)
}

pub(super) fn put(
    memory: &dyn GuestMemory,
    ram: AddressRange,
    address: u64,
    data: &[u8],
) -> Result<(), LoadError> {
    let start = PhysicalAddress(address);
    let refused = |_| LoadError::OutsideRam { address, size: data.len() as u64, ram };
    memory.write(start, data).map_err(refused)?;
    memory.synchronize_instructions(start, data.len()).map_err(refused)
}

fn zero(memory: &dyn GuestMemory, ram: AddressRange, address: u64, size: u64) -> Result<(), LoadError> {
    const ZEROS: [u8; 0x1000] = [0; 0x1000];
    let mut done = 0;
    while done < size {
        let part = (size - done).min(ZEROS.len() as u64);
        put(memory, ram, address + done, &ZEROS[..part as usize])?;
        done += part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::{GuestAddress, GuestMemoryMmap};

    const RAM: u64 = 0x4000_0000;
    const SIZE: u64 = 0x1_0000;

    fn memory() -> (GuestMemoryMmap, AddressRange) {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(RAM), SIZE as usize)]).unwrap();
        (memory, AddressRange::new(RAM, SIZE).unwrap())
    }

    /// One program header: virtual and physical address, size in memory, contents.
    struct Segment(u64, u64, u64, &'static [u8]);

    /// An ELF executable, byte by byte from the ELF-64 object file format.
    fn elf_file(machine: u16, kind: u16, entry: u64, segments: &[Segment]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(kind.to_le_bytes());
        file.extend(machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(entry.to_le_bytes());
        file.extend(64_u64.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        for half in [64, 56, segments.len() as u16, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        let mut offset = 64 + 56 * segments.len() as u64;
        for Segment(virtual_address, physical, size, data) in segments {
            file.extend(1_u32.to_le_bytes());
            file.extend(7_u32.to_le_bytes());
            for word in [offset, *virtual_address, *physical, data.len() as u64, *size, 4] {
                file.extend(word.to_le_bytes());
            }
            offset += data.len() as u64;
        }
        for Segment(_, _, _, data) in segments {
            file.extend(*data);
        }
        file
    }

    /// The same of 32 bits, for Arm, with one segment at the start of RAM.
    fn elf32_file(machine: u16, order: u8, entry: u32, text: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file[5] = order;
        file.extend([2_u16, machine].map(u16::to_le_bytes).as_flattened());
        file.extend([1, entry, 52, 0, 0x0500_0000].map(u32::to_le_bytes).as_flattened());
        file.extend([52_u16, 32, 1, 40, 0, 0].map(u16::to_le_bytes).as_flattened());
        let (ram, length) = (RAM as u32, text.len() as u32);
        file.extend([1, 84, ram, ram, length, 0x100, 7, 4].map(u32::to_le_bytes).as_flattened());
        file.extend(text);
        file
    }

    #[test]
    fn bit_0_of_an_aarch32_entry_point_says_which_instructions_begin() {
        for (entry, at, instruction) in
            [(0x4000_0004, 4, Instruction::A32), (0x4000_0007, 6, Instruction::T32)]
        {
            let (memory, ram) = memory();
            let file = elf32_file(40, 1, entry, b"\x70\x47\x70\x47code");
            let loaded = load_elf(&memory, ram, &file).unwrap();
            assert_eq!((loaded.entry, loaded.instruction), (RAM + at, Some(instruction)));
            assert_eq!(loaded.extent.len(), 0x100);
            assert!(loaded.for_state(true).is_ok());
            let other = loaded.for_state(false).unwrap_err().to_string();
            assert!(
                other.starts_with(
                    "the image is code for AArch32, and EL1 of this machine's vCPUs uses AArch64;"
                )
            );
            let mut bytes = [0; 9];
            GuestMemory::read(&memory, PhysicalAddress(RAM), &mut bytes).unwrap();
            assert_eq!(bytes, *b"\x70\x47\x70\x47code\0");
        }
    }

    const HIGH: u64 = 0xffff_8000_0000_0000;

    #[test]
    fn segments_go_to_their_physical_addresses_and_the_entry_point_with_them() {
        let (memory, ram) = memory();
        GuestMemory::write(&memory, PhysicalAddress(RAM), &[0xff; 0x3000]).unwrap();
        let segments =
            [Segment(HIGH + 0x2000, RAM + 0x2000, 0x800, b"text"), Segment(HIGH, RAM + 0x1000, 8, b"data")];
        let file = elf_file(183, 2, HIGH + 0x2004, &segments);
        let loaded = load_elf(&memory, ram, &file).unwrap();
        assert_eq!(loaded.entry, RAM + 0x2004);
        assert_eq!((loaded.extent.first(), loaded.extent.last()), (RAM + 0x1000, RAM + 0x27ff));
        let mut bytes = [0; 16];
        GuestMemory::read(&memory, PhysicalAddress(RAM + 0x1000), &mut bytes).unwrap();
        assert_eq!(bytes, *b"data\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
        GuestMemory::read(&memory, PhysicalAddress(RAM + 0x27f8), &mut bytes).unwrap();
        assert_eq!(bytes, *b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    }

    fn refusal(file: &[u8]) -> String {
        let (memory, ram) = memory();
        let refused = load_elf(&memory, ram, file).unwrap_err().to_string();
        let mut bytes = vec![0; SIZE as usize];
        GuestMemory::read(&memory, PhysicalAddress(RAM), &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0), "a refused image left something behind: {refused}");
        refused
    }

    #[test]
    fn what_cannot_be_loaded_is_refused_by_name_and_loads_nothing() {
        let good = Segment(RAM, RAM, 4, b"text");
        let outside = Segment(RAM, RAM + SIZE - 2, 4, b"text");
        let wraps = Segment(RAM, u64::MAX - 1, 4, b"text");
        let inverted = Segment(RAM, RAM, 2, b"text");
        for (file, expected) in [
            (elf_file(62, 2, RAM, &[good]), "a 64-bit ELF file for machine 62, not for AArch64 (183,"),
            (elf_file(183, 1, RAM, &[Segment(RAM, RAM, 4, b"text")]), "type 1, not an executable"),
            (elf_file(183, 2, RAM, &[]), "nothing to load"),
            (
                elf_file(183, 2, RAM, &[Segment(RAM, RAM, 4, b"text"), outside]),
                "wants 0x4 bytes at 0x4000fffe, and RAM is 0x40000000..=0x4000ffff",
            ),
            (elf_file(183, 2, RAM, &[wraps]), "wants 0x4 bytes at 0xfffffffffffffffe"),
            (elf_file(183, 2, RAM, &[inverted]), "larger in the file than in memory"),
            (elf_file(183, 2, RAM + 4, &[Segment(RAM, RAM, 4, b"text")]), "entry point 0x40000004"),
            (elf32_file(183, 1, 0x4000_0000, b"text"), "a 32-bit ELF file for machine 183"),
            (elf32_file(40, 2, 0x4000_0000, b"text"), "big-endian"),
            (elf32_file(40, 1, 0x4000_0002, b"text"), "0x40000002 is neither a multiple of 4"),
            (elf32_file(40, 1, 0x4000_0101, b"text"), "entry point 0x40000100"),
            (b"#!/bin/sh\n".to_vec(), "no usable ELF file"),
            (Vec::new(), "no usable ELF file"),
        ] {
            let message = refusal(&file);
            assert!(message.contains(expected), "{message} / {expected}");
        }
    }

    #[test]
    fn a_kernel_as_it_was_linked_is_not_what_boots() {
        const IMAGE: &[u8] = &{
            let mut image = [0; 0x40];
            (image[0x38], image[0x39], image[0x3a], image[0x3b]) = (b'A', b'R', b'M', 0x64);
            image
        };
        let message = refusal(&elf_file(183, 2, HIGH, &[Segment(HIGH, HIGH, 0x1000, IMAGE)]));
        assert!(
            message.contains("linked (vmlinux), for virtual addresses from 0xffff800000000000"),
            "{message}"
        );
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused() {
        let long = elf_file(183, 2, RAM, &[Segment(RAM, RAM, 4, b"text")]);
        for file in [long, elf32_file(40, 1, 0x4000_0000, b"text")] {
            for length in 0..file.len() {
                refusal(&file[..length]);
            }
        }
    }

    #[test]
    fn a_flat_binary_starts_where_it_is_put() {
        let (memory, ram) = memory();
        let loaded = load_flat(&memory, ram, RAM + 0x80, b"code").unwrap();
        assert_eq!((loaded.entry, loaded.extent.len()), (RAM + 0x80, 4));
        assert!(matches!(load_flat(&memory, ram, RAM, b""), Err(LoadError::Empty)));
        assert!(matches!(load_flat(&memory, ram, 0, b"code"), Err(LoadError::OutsideRam { .. })));
    }
}
