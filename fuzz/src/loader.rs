//! Whatever a file says of itself: what is loaded lies in RAM and is what the file has, the rest of RAM stays as
//! it was, and of a file that is refused nothing is loaded.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_kvm::GuestMemory;
use trapline_kvm::machine::{ImageHeader, LoadedImage, load_elf, load_flat};
use vm_memory::{GuestAddress, GuestMemoryMmap};

const RAM: u64 = 0x4000_0000;
const SIZE: usize = 0x4000;
const UNTOUCHED: u8 = 0xa5;

/// A program header, and what stands in the file for it.
#[derive(Arbitrary, Debug)]
struct Segment {
    kind: u8,
    offset: u8,
    /// Added to addresses in RAM, where most are wanted.
    address: i16,
    anywhere: Option<u64>,
    virtual_offset: u64,
    file_size: u8,
    memory_size: u16,
    large: Option<u64>,
}

#[derive(Arbitrary, Debug)]
struct File {
    flat: Option<i16>,
    machine: u16,
    kind: u8,
    entry: u64,
    segments: [Segment; 3],
    count: u16,
    entry_size: u8,
    /// A byte that is changed in the end.
    change: (u16, u8),
}

impl File {
    fn elf(&self, contents: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(u16::from(self.kind % 4).to_le_bytes());
        // Mostly that of AArch64.
        file.extend(if self.machine.is_multiple_of(8) { self.machine } else { 183 }.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        for word in [RAM.wrapping_add(self.entry), 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        let count = if self.count.is_multiple_of(16) { self.count } else { self.count % 4 };
        let entry_size = if self.entry_size.is_multiple_of(16) { u16::from(self.entry_size) } else { 56 };
        for half in [64, entry_size, count, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for segment in &self.segments {
            let physical = segment.anywhere.unwrap_or(RAM.wrapping_add_signed(segment.address.into()));
            file.extend(u32::from(segment.kind % 3).to_le_bytes());
            file.extend(7_u32.to_le_bytes());
            let memory_size = segment.large.unwrap_or(segment.memory_size.into());
            let virtual_address = physical.wrapping_add(segment.virtual_offset);
            for word in [
                232 + u64::from(segment.offset),
                virtual_address,
                physical,
                segment.file_size.into(),
                memory_size,
                4,
            ] {
                file.extend(word.to_le_bytes());
            }
        }
        file.extend(contents);
        let (place, value) = self.change;
        if let Some(byte) = file.get_mut(usize::from(place)) {
            *byte = value;
        }
        file
    }
}

/// Loads one file.
///
/// # Panics
/// Where anything is written that is not to be.
pub fn check(data: &[u8]) {
    header(data);
    let mut source = Unstructured::new(data);
    let Ok(file) = source.arbitrary::<File>() else { return };
    let contents = source.take_rest();
    let Ok(memory) = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(RAM), SIZE)]) else { return };
    let Ok(ram) = AddressRange::new(RAM, SIZE as u64) else { return };
    let start = PhysicalAddress(RAM);
    assert_eq!(GuestMemory::write(&memory, start, &[UNTOUCHED; SIZE]), Ok(()));
    let loaded = match file.flat {
        Some(address) => load_flat(&memory, ram, RAM.wrapping_add_signed(address.into()), contents),
        None => load_elf(&memory, ram, &file.elf(contents)),
    };
    let mut now = [0; SIZE];
    assert_eq!(GuestMemory::read(&memory, start, &mut now), Ok(()));
    match loaded {
        Ok(LoadedImage { entry, extent, .. }) => {
            assert!(ram.contains(extent.first()) && ram.contains(extent.last()), "{extent}");
            assert!(extent.contains(entry), "the entry {entry:#x} is not in {extent}");
            let (first, last) = ((extent.first() - RAM) as usize, (extent.last() - RAM) as usize);
            assert!(now[..first].iter().chain(&now[last + 1..]).all(|byte| *byte == UNTOUCHED));
            if file.flat.is_some() {
                assert_eq!(&now[first..=last], contents);
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(now.iter().all(|byte| *byte == UNTOUCHED), "{error}, and something is loaded");
        }
    }
}

/// The header of a Linux image claims no more than an address space, and at least its file.
fn header(data: &[u8]) {
    let mut file = data.to_vec();
    if let Some(magic) = file.get_mut(0x38..0x3c) {
        magic.copy_from_slice(b"ARM\x64");
    }
    if let Some(Ok(header)) = ImageHeader::parse(&file) {
        assert!(header.image_size >= file.len() as u64);
        assert!(header.text_offset.checked_add(header.image_size).is_some_and(|end| end < 1 << 48));
    }
}
