//! Pages of guest memory that trap writes: the memory slots around them are split, and theirs are read-only.
//!
//! A write to a read-only slot is what an access to a device is: KVM comes back with what is written where, or
//! (`KVM_CAP_ARM_NISV_TO_USER`) with the address alone where the instruction gives no syndrome. A walker of the
//! guest's translation tables that sets an access flag or a dirty state there takes an abort instead (Linux,
//! arch/arm64/kvm/mmu.c, `kvm_handle_guest_abort`).

#![expect(unsafe_code, reason = "KVM is told of the guest's memory by its address in this process")]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, VmFd};
use trapline_core::address::{AddressRange, PhysicalAddress};
use trapline_core::target::{Refusal, TargetError, WriteTraps};
use vm_memory::{Address, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use crate::edge;
use crate::error::Error;

/// The pages that trap writes, as vCPUs ask for them.
#[derive(Debug, Default)]
pub(crate) struct TrappingPages {
    any: AtomicBool,
    pages: Mutex<BTreeSet<u64>>,
}

impl TrappingPages {
    /// Whether a write to this guest-physical address is trapped, `page` being the size of pages.
    pub(crate) fn contains(&self, address: u64, page: u64) -> bool {
        self.any.load(Ordering::Relaxed) && self.lock().contains(&(address & !(page - 1)))
    }

    fn set(&self, pages: BTreeSet<u64>) {
        self.any.store(!pages.is_empty(), Ordering::Relaxed);
        *self.lock() = pages;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // An assignment cannot leave it half done.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A memory slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    number: u32,
    address: u64,
    size: u64,
    host: u64,
    read_only: bool,
}

/// The memory slots of a VM whose pages can trap writes.
pub struct MemorySlots {
    vm: Arc<VmFd>,
    memory: Arc<GuestMemoryMmap>,
    slots: Vec<Slot>,
    /// The pages that are to trap, and those of them that do not for a while.
    wanted: BTreeSet<u64>,
    lifted: BTreeSet<u64>,
    trapping: Arc<TrappingPages>,
    page: u64,
    limit: usize,
}

impl fmt::Debug for MemorySlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySlots").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl MemorySlots {
    /// The slots of a VM that has one for each region of `memory` and no others, numbered from 0.
    ///
    /// # Safety
    /// Whatever runs the VM's vCPUs keeps `memory` mapped, and touches it as what a guest may change at any
    /// time.
    ///
    /// # Errors
    /// [`Error::Missing`] where KVM has no read-only slots.
    pub unsafe fn new(vm: Arc<VmFd>, memory: Arc<GuestMemoryMmap>) -> Result<Self, Error> {
        if !vm.check_extension(Cap::ReadonlyMem) {
            return Err(Error::Missing {
                what: "read-only memory slots",
                capability: "KVM_CAP_READONLY_MEM",
                hint: "use a newer kernel",
            });
        }
        let limit = usize::try_from(vm.check_extension_int(Cap::NrMemslots)).unwrap_or_default();
        let slots = regions(&memory).zip(0..);
        let slots = slots.map(|(region, number)| Slot { number, ..region }).collect();
        Ok(Self {
            vm,
            memory,
            slots,
            wanted: BTreeSet::new(),
            lifted: BTreeSet::new(),
            trapping: Arc::default(),
            page: rustix::param::page_size() as u64,
            limit,
        })
    }

    /// The pages that trap writes, for vCPUs, and their size.
    pub(crate) fn trapping(&self) -> (Arc<TrappingPages>, u64) {
        (self.trapping.clone(), self.page)
    }

    /// Brings the slots to what is wanted. No vCPU runs.
    fn arrange(&mut self) -> Result<(), TargetError<Error>> {
        let trapping: BTreeSet<u64> = self.wanted.difference(&self.lifted).copied().collect();
        let wanted: Vec<Slot> =
            regions(&self.memory).flat_map(|region| split(region, &trapping, self.page)).collect();
        if wanted.len() > self.limit {
            return Err(Refusal::Unsupported("the watched pages take more memory slots than KVM has").into());
        }
        let same = |one: &Slot, other: &Slot| Slot { number: 0, ..*one } == Slot { number: 0, ..*other };
        let (kept, gone): (Vec<Slot>, Vec<Slot>) =
            self.slots.iter().partition(|slot| wanted.iter().any(|wanted| same(wanted, slot)));
        for slot in gone {
            self.set(&Slot { size: 0, ..slot }).map_err(TargetError::Lost)?;
        }
        let used: BTreeSet<u32> = kept.iter().map(|slot| slot.number).collect();
        let mut free = (0..).filter(|number| !used.contains(number));
        let fresh = wanted.iter().filter(|wanted| !kept.iter().any(|kept| same(kept, wanted)));
        let fresh: Vec<Slot> = fresh.zip(&mut free).map(|(slot, number)| Slot { number, ..*slot }).collect();
        for slot in &fresh {
            self.set(slot).map_err(TargetError::Lost)?;
        }
        self.slots = kept.into_iter().chain(fresh).collect();
        self.trapping.set(trapping);
        Ok(())
    }

    fn set(&self, slot: &Slot) -> Result<(), Error> {
        let region = kvm_userspace_memory_region {
            slot: slot.number,
            flags: if slot.read_only { KVM_MEM_READONLY } else { 0 },
            guest_phys_addr: slot.address,
            memory_size: slot.size,
            userspace_addr: slot.host,
        };
        // SAFETY: the range is part of a mapping that `memory` owns, and the caller of `new` has promised that
        // nothing unmaps it while vCPUs run, and that it is nowhere taken for plain Rust memory.
        unsafe { self.vm.set_user_memory_region(region) }.map_err(Error::ioctl("KVM_SET_USER_MEMORY_REGION"))
    }
}

/// A slot for each region, without its number.
fn regions(memory: &GuestMemoryMmap) -> impl Iterator<Item = Slot> + '_ {
    memory.iter().map(|region| Slot {
        number: 0,
        address: region.start_addr().raw_value(),
        size: region.size() as u64,
        host: region.as_ptr() as u64,
        read_only: false,
    })
}

/// A region in as few slots as it takes to have those of its pages read-only.
fn split(region: Slot, pages: &BTreeSet<u64>, page: u64) -> Vec<Slot> {
    let end = region.address + region.size;
    let mut slots: Vec<Slot> = Vec::new();
    let mut add = |from: u64, to: u64, read_only: bool| {
        if from == to {
            return;
        }
        match slots.last_mut() {
            Some(last) if last.read_only == read_only => last.size += to - from,
            _ => slots.push(Slot {
                address: from,
                size: to - from,
                host: region.host + (from - region.address),
                read_only,
                number: 0,
            }),
        }
    };
    let mut next = region.address;
    for start in pages.range(region.address..end).copied() {
        add(next, start, false);
        next = (start + page).min(end);
        add(start, next, true);
    }
    add(next, end, false);
    slots
}

impl WriteTraps for MemorySlots {
    type Error = Error;

    fn page_size(&self) -> u64 {
        self.page
    }

    fn protect(
        &mut self,
        pages: &mut dyn Iterator<Item = PhysicalAddress>,
    ) -> Result<(), TargetError<Error>> {
        let pages: BTreeSet<u64> = pages.map(|page| page.0).collect();
        for &page in &pages {
            if !regions(&self.memory)
                .any(|region| page >= region.address && page - region.address < region.size)
            {
                let range = AddressRange::new(page, self.page).unwrap_or(AddressRange::byte(page));
                return Err(Refusal::NoMemory(range).into());
            }
        }
        if pages == self.wanted {
            return Ok(());
        }
        if self.wanted.is_empty() {
            edge::tell_undecodable_accesses(&self.vm).map_err(TargetError::Lost)?;
        }
        self.wanted = pages;
        self.lifted.clear();
        self.arrange()
    }

    fn lift(&mut self, page: PhysicalAddress, writable: bool) -> Result<(), TargetError<Error>> {
        let changed = if writable { self.lifted.insert(page.0) } else { self.lifted.remove(&page.0) };
        if changed { self.arrange() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: Slot =
        Slot { number: 0, address: 0x4000_0000, size: 0x8000, host: 0x7000_0000, read_only: false };

    fn pieces(pages: &[u64]) -> Vec<(u64, u64, bool)> {
        let slots = split(REGION, &pages.iter().copied().collect(), 0x1000);
        for slot in &slots {
            assert_eq!(slot.host - REGION.host, slot.address - REGION.address);
        }
        slots.iter().map(|slot| (slot.address - REGION.address, slot.size, slot.read_only)).collect()
    }

    #[test]
    fn a_region_is_split_around_its_pages_and_no_further() {
        assert_eq!(pieces(&[]), [(0, 0x8000, false)]);
        assert_eq!(
            pieces(&[0x4000_2000, 0x4000_3000, 0x4000_7000]),
            [(0, 0x2000, false), (0x2000, 0x2000, true), (0x4000, 0x3000, false), (0x7000, 0x1000, true)]
        );
        assert_eq!(pieces(&[0x4000_0000, 0x5000_0000]), [(0, 0x1000, true), (0x1000, 0x7000, false)]);
    }
}
