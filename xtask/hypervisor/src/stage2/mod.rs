//! A guest's memory: from its physical addresses to the machine's.
#![expect(unsafe_code, reason = "memory by address")]

#[cfg(feature = "write-traps")]
mod write_traps;

use core::arch::asm;
#[cfg(feature = "debugger")]
use core::slice;

use crate::system::{synchronize, write};
#[cfg(feature = "write-traps")]
pub(crate) use write_traps::{PAGE_SIZE, physical};

/// Where a guest finds its RAM.
pub(crate) const RAM: u64 = 0x4000_0000;
/// How much of it there is, in bytes: a multiple of 2 MiB.
pub(crate) const RAM_SIZE: u64 = 32 << 20;
/// Where the RAM of the first guest is in the machine, and behind it that of the second. Whoever starts the
/// machine puts the guests' images there.
const MACHINE_RAM: u64 = 0x4400_0000;

const BLOCK_SIZE: u64 = 2 << 20;
// Bits of stage 2 descriptors (DDI 0487, "VMSAv8-64 translation table format descriptors"): Normal write-back
// memory, read and written, inner shareable.
const TABLE: u64 = 0b11;
const MEMORY: u64 = 0b01 | 0b1111 << 2 | 0b11 << 6 | 0b11 << 8 | 1 << 10;
/// `VTCR_EL2`: 32 bits of intermediate and of physical address, from level 1, 4 KiB granule, write-back
/// inner-shareable walks; bit 31 is RES1.
const VTCR: u64 = 32 | 0b01 << 6 | 0b01 << 8 | 0b01 << 10 | 0b11 << 12 | 1 << 31;

/// Stage 2 tables and the memory behind them. What is not RAM traps.
#[derive(Debug)]
pub(crate) struct Stage2 {
    level1: Table,
    level2: Table,
    /// One for each block.
    #[cfg(feature = "write-traps")]
    level3: [Table; write_traps::BLOCKS],
    machine: u64,
    vmid: u64,
}

#[derive(Debug)]
#[repr(C, align(4096))]
struct Table([u64; 512]);

impl Table {
    const EMPTY: Self = Self([0; 512]);
}

impl Stage2 {
    /// Tables that map nothing yet.
    pub(crate) const fn new() -> Self {
        Self {
            level1: Table::EMPTY,
            level2: Table::EMPTY,
            #[cfg(feature = "write-traps")]
            level3: [Table::EMPTY; write_traps::BLOCKS],
            machine: 0,
            vmid: 0,
        }
    }

    /// Maps the RAM of the guest `number`, and puts this core under these tables.
    pub(crate) fn activate(&'static mut self, number: u8) -> GuestMemory {
        self.machine = MACHINE_RAM + u64::from(number) * RAM_SIZE;
        self.vmid = u64::from(number) + 1;
        let blocks = (RAM_SIZE / BLOCK_SIZE) as usize;
        for (n, entry) in self.level2.0.iter_mut().take(blocks).enumerate() {
            *entry = (self.machine + n as u64 * BLOCK_SIZE) | MEMORY;
        }
        let [_, ram, ..] = &mut self.level1.0;
        *ram = &raw const self.level2 as u64 | TABLE;
        write!("vtcr_el2", VTCR);
        write!("vttbr_el2", &raw const self.level1 as u64 | self.vmid << 48);
        synchronize();
        forget();
        GuestMemory {
            start: self.machine as usize,
            #[cfg(feature = "write-traps")]
            tables: self,
        }
    }
}

/// Lets walks see the tables of the guest that this core is under, and nothing be cached of what stood in them.
fn forget() {
    // SAFETY: what is not cached is read from the tables again.
    unsafe { asm!("dsb ish", "tlbi vmalls12e1", "dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// A guest's RAM. There is one of it for a guest, on the core that the guest runs on.
#[derive(Debug)]
pub(crate) struct GuestMemory {
    /// Where it is in the machine.
    start: usize,
    #[cfg(feature = "write-traps")]
    tables: &'static mut Stage2,
}

impl GuestMemory {
    /// Makes what the machine's loader wrote visible to a guest whose caches are off.
    pub(crate) fn clean(&self) {
        self.maintain(0, RAM_SIZE as usize, |line| {
            // SAFETY: cleaning a line changes no memory.
            unsafe { asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) };
        });
    }

    /// `length` bytes from the guest's physical `address` on; `None` where they are not all RAM.
    #[cfg(feature = "debugger")]
    pub(crate) fn bytes(&mut self, address: u64, length: usize) -> Option<&mut [u8]> {
        let offset = usize::try_from(address.checked_sub(RAM)?).ok()?;
        let end = offset.checked_add(length)?;
        if end > RAM_SIZE as usize {
            return None;
        }
        // SAFETY: this part of the machine's RAM is this guest's alone, and mapped here. The guest, which
        // runs on this core, does not while the slice lives: that would take this `GuestMemory` again.
        Some(unsafe { slice::from_raw_parts_mut((self.start + offset) as *mut u8, length) })
    }

    /// Makes instructions that were written visible to the guest: to fetches through its caches, and to those
    /// of a guest whose caches are off.
    #[cfg(feature = "debugger")]
    pub(crate) fn synchronize_instructions(&self, address: u64, length: usize) {
        let Some(start) = address.checked_sub(RAM).and_then(|start| usize::try_from(start).ok()) else {
            return;
        };
        self.maintain(start, length, |line| {
            // SAFETY: cleaning a line changes no memory.
            unsafe { asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) };
        });
        // SAFETY: instructions are fetched anew. The guest's virtual addresses of this memory are not
        // known, so all of the instruction caches goes, on every core.
        unsafe { asm!("ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) };
    }

    fn maintain(&self, start: usize, length: usize, operation: impl Fn(usize)) {
        // The smallest line that there is: CTR_EL0.DminLine is its size in words, as a power of two.
        let line = 4 << (crate::system::read!("ctr_el0") >> 16 & 0xf);
        let first = self.start + start;
        let mut address = first & !(line - 1);
        while address < first.saturating_add(length) {
            operation(address);
            address += line;
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    }
}
