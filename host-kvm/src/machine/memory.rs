//! The guest's memory.

use rustix::system::sysinfo;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};

use super::MachineError;

/// The guest-physical address of the first byte of RAM.
pub const RAM_BASE: u64 = 0x4000_0000;

/// Guest memory comes in whole pages, of 64 KiB on the host kernel with the largest ones.
const PAGE: u64 = 0x1_0000;

/// What a guest's memory is made of on the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Pages {
    /// Whatever the host's kernel chooses.
    #[default]
    Usual,
    /// Huge pages of the default size, which the host must have set aside (hugetlbfs).
    Huge,
}

/// `size` bytes of zeroed RAM at [`RAM_BASE`], for a guest-physical address space of `address_bits` bits.
///
/// The host gives a page when it is first touched. What it could not give with nothing else running is
/// refused here, and so are huge pages that have not been set aside; neither kills the process later.
///
/// # Errors
/// [`MachineError::MemorySize`], [`MachineError::MoreThanHost`], [`MachineError::HugePages`] and
/// [`MachineError::Memory`].
pub fn allocate(size: u64, address_bits: u8, pages: Pages) -> Result<GuestMemoryMmap, MachineError> {
    let limit = 1_u64.checked_shl(address_bits.into()).unwrap_or(u64::MAX).saturating_sub(RAM_BASE);
    let wrong_size = || MachineError::MemorySize { size, limit };
    if size == 0 || size > limit || !size.is_multiple_of(PAGE) {
        return Err(wrong_size());
    }
    let host = host_memory();
    if size > host {
        return Err(MachineError::MoreThanHost { size, host });
    }
    let length = usize::try_from(size).map_err(|_| wrong_size())?;
    let huge = if pages == Pages::Huge { libc::MAP_HUGETLB } else { 0 };
    let mapping = MmapRegionBuilder::new(length)
        .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
        .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | huge)
        .build()
        .map_err(|source| match pages {
            Pages::Usual => MachineError::Memory { size, source },
            Pages::Huge => MachineError::HugePages { size, source },
        })?;
    let region = GuestRegionMmap::new(mapping, GuestAddress(RAM_BASE)).ok_or_else(wrong_size)?;
    GuestMemoryMmap::from_regions(vec![region]).map_err(|_| wrong_size())
}

/// All memory of the host and all its swap space, in bytes.
fn host_memory() -> u64 {
    let host = sysinfo();
    (host.totalram as u64).saturating_add(host.totalswap as u64).saturating_mul(u64::from(host.mem_unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestMemoryBackend;

    #[test]
    fn ram_is_where_the_machine_map_says() {
        let memory = allocate(0x20_0000, 40, Pages::Usual).unwrap();
        assert!(memory.check_range(GuestAddress(0x4000_0000), 0x20_0000));
        assert!(!memory.address_in_range(GuestAddress(0x3fff_ffff)));
        assert!(!memory.address_in_range(GuestAddress(0x4020_0000)));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 0x1000, 0x20_0001, 1 << 40] {
            let refused = allocate(size, 40, Pages::Usual);
            assert!(matches!(refused, Err(MachineError::MemorySize { .. })), "{size:#x}");
        }
    }

    #[test]
    fn more_than_the_host_has_is_refused_with_the_way_out() {
        let size = 1 << 46;
        let refused = allocate(size, 52, Pages::Usual).unwrap_err();
        let MachineError::MoreThanHost { host, .. } = refused else { panic!("{refused}") };
        let message = refused.to_string();
        assert!(
            message.starts_with("the guest is to have 67108864 MiB of memory, and this host"),
            "{message}"
        );
        assert!(message.contains(&format!("{} MiB", host >> 20)), "{message}");
    }

    #[test]
    fn huge_pages_that_nobody_set_aside_are_refused_with_the_way_out() {
        // No host sets a terabyte aside; one that could have so much says that huge pages are missing.
        let refused = allocate(host_memory() / PAGE * PAGE, 52, Pages::Huge).unwrap_err();
        assert!(matches!(refused, MachineError::HugePages { .. } | MachineError::MemorySize { .. }));
        assert!(refused.to_string().contains("/proc/sys/vm/nr_hugepages"), "{refused}");
    }
}
