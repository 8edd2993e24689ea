//! The guest's memory.

use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};

use super::MachineError;

/// The guest-physical address of the first byte of RAM.
pub const RAM_BASE: u64 = 0x4000_0000;

/// Guest memory comes in whole pages, of 64 KiB on the host kernel with the largest ones.
const PAGE: u64 = 0x1_0000;

/// `size` bytes of zeroed RAM at [`RAM_BASE`], for a guest-physical address space of `address_bits` bits.
///
/// Pages are committed, not just reserved: a host that is too small refuses here and does not kill the
/// process later.
///
/// # Errors
/// [`MachineError::MemorySize`] and [`MachineError::Memory`].
pub fn allocate(size: u64, address_bits: u8) -> Result<GuestMemoryMmap, MachineError> {
    let limit = 1_u64.checked_shl(address_bits.into()).unwrap_or(u64::MAX).saturating_sub(RAM_BASE);
    let wrong_size = || MachineError::MemorySize { size, limit };
    if size == 0 || size > limit || !size.is_multiple_of(PAGE) {
        return Err(wrong_size());
    }
    let length = usize::try_from(size).map_err(|_| wrong_size())?;
    let mapping = MmapRegionBuilder::new(length)
        .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
        .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)
        .build()
        .map_err(|source| MachineError::Memory { size, source })?;
    let region = GuestRegionMmap::new(mapping, GuestAddress(RAM_BASE)).ok_or_else(wrong_size)?;
    GuestMemoryMmap::from_regions(vec![region]).map_err(|_| wrong_size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestMemoryBackend;

    #[test]
    fn ram_is_where_the_machine_map_says() {
        let memory = allocate(0x20_0000, 40).unwrap();
        assert!(memory.check_range(GuestAddress(0x4000_0000), 0x20_0000));
        assert!(!memory.address_in_range(GuestAddress(0x3fff_ffff)));
        assert!(!memory.address_in_range(GuestAddress(0x4020_0000)));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 0x1000, 0x20_0001, 1 << 40] {
            let refused = allocate(size, 40);
            assert!(matches!(refused, Err(MachineError::MemorySize { .. })), "{size:#x}");
        }
    }

    #[test]
    fn more_than_the_host_has_is_refused_with_the_way_out() {
        let size = 1 << 46;
        let refused = allocate(size, 52).unwrap_err();
        assert!(matches!(refused, MachineError::Memory { .. }));
        let message = refused.to_string();
        assert!(message.starts_with("the host has no 67108864 MiB of memory for the guest"), "{message}");
        assert!(message.ends_with("give the guest less, or the host more"), "{message}");
    }
}
