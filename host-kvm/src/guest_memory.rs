//! Guest memory as the debugger reaches it: by guest-physical address, through any VMM's mapping.

use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::target::Refusal;
use vm_memory::bitmap::Bitmap;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use crate::host_instructions;

/// Guest memory of any VMM's. Implemented for every [`GuestMemoryBackend`] of `vm-memory`.
///
/// # Errors
/// All methods refuse with [`Refusal::NoMemory`] where a byte is not memory, and then change nothing.
pub trait GuestMemory: Send + Sync {
    /// Fills `buffer` from `address` on.
    fn read(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<(), Refusal>;

    /// Writes `bytes` from `address` on.
    fn write(&self, address: PhysicalAddress, bytes: &[u8]) -> Result<(), Refusal>;

    /// Makes what was written visible to the instruction fetches of the vCPUs.
    fn synchronize_instructions(&self, address: PhysicalAddress, length: usize) -> Result<(), Refusal>;
}

impl<M> GuestMemory for M
where
    M: GuestMemoryBackend + Send + Sync,
    <M::R as GuestMemoryRegion>::B: Bitmap,
{
    fn read(&self, address: PhysicalAddress, buffer: &mut [u8]) -> Result<(), Refusal> {
        let (start, refused) = check(self, address, buffer.len())?;
        let mut rest = buffer;
        for slice in self.get_slices(start, rest.len()) {
            let slice = slice.map_err(|_| refused)?;
            let (part, after) = rest.split_at_mut(slice.len().min(rest.len()));
            slice.copy_to(part);
            rest = after;
        }
        Ok(())
    }

    fn write(&self, address: PhysicalAddress, bytes: &[u8]) -> Result<(), Refusal> {
        let (start, refused) = check(self, address, bytes.len())?;
        let mut rest = bytes;
        for slice in self.get_slices(start, rest.len()) {
            let slice = slice.map_err(|_| refused)?;
            let (part, after) = rest.split_at(slice.len().min(rest.len()));
            slice.copy_from(part);
            rest = after;
        }
        Ok(())
    }

    fn synchronize_instructions(&self, address: PhysicalAddress, length: usize) -> Result<(), Refusal> {
        let (start, refused) = check(self, address, length)?;
        for slice in self.get_slices(start, length) {
            let slice = slice.map_err(|_| refused)?;
            host_instructions::synchronize(&slice);
        }
        Ok(())
    }
}

/// The start of a range that is all memory, and the refusal for one that turns out not to be.
fn check<M: GuestMemoryBackend>(
    memory: &M,
    address: PhysicalAddress,
    length: usize,
) -> Result<(GuestAddress, Refusal), Refusal> {
    let start = GuestAddress(address.0);
    let range = AddressRange::new(address.0, length as u64).unwrap_or(AddressRange::byte(address.0));
    let refused = Refusal::NoMemory(range);
    // A length of 0 is no range, and nothing of it is anything but memory.
    let wraps = length > 0 && address.0.checked_add(length as u64 - 1).is_none();
    if wraps || (length > 0 && !memory.check_range(start, length)) {
        return Err(refused);
    }
    Ok((start, refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestMemoryMmap;

    /// Two regions that touch, and a hole behind them.
    fn memory() -> GuestMemoryMmap {
        GuestMemoryMmap::from_ranges(&[
            (GuestAddress(0x4000_0000), 0x1000),
            (GuestAddress(0x4000_1000), 0x1000),
            (GuestAddress(0x5000_0000), 0x1000),
        ])
        .unwrap()
    }

    #[test]
    fn a_write_across_two_regions_reads_back() {
        let memory = memory();
        let at = PhysicalAddress(0x4000_0ffd);
        GuestMemory::write(&memory, at, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        memory.synchronize_instructions(at, 8).unwrap();
        let mut bytes = [0; 8];
        GuestMemory::read(&memory, at, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_write_that_reaches_into_a_hole_changes_nothing() {
        let memory = memory();
        let at = PhysicalAddress(0x4000_1ffc);
        let refused = GuestMemory::write(&memory, at, &[0xff; 8]);
        let range = AddressRange::new(at.0, 8).unwrap();
        assert_eq!(refused, Err(Refusal::NoMemory(range)));
        let mut bytes = [0xee; 4];
        GuestMemory::read(&memory, at, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 4]);
    }

    #[test]
    fn what_is_no_memory_is_refused_and_nothing_at_all_is_not() {
        let memory = memory();
        for address in [0, 0x4000_2000, 0x4fff_fffc, u64::MAX - 3] {
            let read = GuestMemory::read(&memory, PhysicalAddress(address), &mut [0; 8]);
            assert!(matches!(read, Err(Refusal::NoMemory(_))), "{address:#x}");
            let synchronized = memory.synchronize_instructions(PhysicalAddress(address), 8);
            assert!(matches!(synchronized, Err(Refusal::NoMemory(_))), "{address:#x}");
            assert_eq!(GuestMemory::read(&memory, PhysicalAddress(address), &mut []), Ok(()));
        }
    }
}
