//! Pages of a guest's RAM that trap what the guest writes to them: read-only, in tables of the third level.
//!
//! A page is writable or not by one bit of its descriptor; two bits that the hardware ignores say which pages are to
//! trap, so that any number of them takes no other memory than the tables.
#![expect(unsafe_code, reason = "an address that the hardware translates")]

use core::arch::asm;

use super::{BLOCK_SIZE, GuestMemory, MEMORY, RAM, RAM_SIZE, Stage2, TABLE, Table, forget};
use crate::system::{read, write};

/// The size of a page in bytes.
pub(crate) const PAGE_SIZE: u64 = 4 << 10;
/// The blocks of a guest's RAM.
pub(super) const BLOCKS: usize = (RAM_SIZE / BLOCK_SIZE) as usize;

/// `S2AP[1]`: the guest may write (DDI 0487, "Stage 2 data accesses using Direct permissions").
const WRITABLE: u64 = 1 << 7;
/// A descriptor of the third level that maps memory.
const PAGE: u64 = MEMORY | 0b10;
/// The page traps writes, but for a while in which it is lifted. The hardware ignores bits 58 to 55.
const TRAPS: u64 = 1 << 55;
/// The page is going to.
const WILL_TRAP: u64 = 1 << 56;

impl Stage2 {
    /// The descriptor of the page around a guest's physical address; `None` where that is no RAM.
    fn page(&mut self, address: u64) -> Option<&mut u64> {
        let offset = address.checked_sub(RAM)?;
        let Table(pages) = self.level3.get_mut(usize::try_from(offset / BLOCK_SIZE).ok()?)?;
        pages.get_mut((offset % BLOCK_SIZE / PAGE_SIZE) as usize)
    }

    /// Makes the pages that are marked trap, and no others.
    fn arrange(&mut self) {
        let mut blocks = [0; BLOCKS];
        let start = self.machine;
        for ((block, table), machine) in
            blocks.iter_mut().zip(&mut self.level3).zip((start..).step_by(BLOCK_SIZE as usize))
        {
            let mut traps = false;
            for (page, machine) in table.0.iter_mut().zip((machine..).step_by(PAGE_SIZE as usize)) {
                let wanted = *page & WILL_TRAP != 0;
                traps |= wanted;
                *page = machine | if wanted { PAGE & !WRITABLE | TRAPS } else { PAGE };
            }
            *block = if traps { &raw const *table as u64 | TABLE } else { machine | MEMORY };
        }
        // A block and a table for the same addresses must not be cached together: it is neither in between (DDI 0487,
        // "Using break-before-make when updating translation table entries").
        for (entry, block) in self.level2.0.iter_mut().zip(&blocks) {
            if entry != block {
                *entry = 0;
            }
        }
        forget();
        for (entry, block) in self.level2.0.iter_mut().zip(&blocks) {
            *entry = *block;
        }
        forget();
    }
}

impl GuestMemory {
    /// Makes the pages at these physical addresses of the guest trap its writes, and no others.
    ///
    /// # Errors
    /// An address that is no RAM; nothing has changed.
    pub(crate) fn protect(&mut self, mut pages: impl Iterator<Item = u64>) -> Result<(), u64> {
        let outside = pages.find(|&address| match self.tables.page(address) {
            Some(page) => {
                *page |= WILL_TRAP;
                false
            }
            None => true,
        });
        if let Some(address) = outside {
            for page in self.tables.level3.iter_mut().flat_map(|table| &mut table.0) {
                *page &= !WILL_TRAP;
            }
            return Err(address);
        }
        self.tables.arrange();
        Ok(())
    }

    /// Makes the page around an address, where it traps writes, writable for a while, or ends that.
    pub(crate) fn lift(&mut self, address: u64, writable: bool) {
        if let Some(page) = self.tables.page(address).filter(|page| **page & TRAPS != 0) {
            *page = if writable { *page | WRITABLE } else { *page & !WRITABLE };
            forget();
        }
    }

    /// Whether what the guest writes to an address is trapped.
    pub(crate) fn traps(&mut self, address: u64) -> bool {
        self.tables.page(address).is_some_and(|page| *page & (TRAPS | WRITABLE) == TRAPS)
    }
}

/// The guest's physical address behind a virtual one to which it has just tried to write. `HPFAR_EL2` does not have it
/// where stage 2 allows no write.
pub(crate) fn physical(address: u64) -> Option<u64> {
    const FAULT: u64 = 1;
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
    let guests = read!("par_el1");
    // SAFETY: it changes PAR_EL1 alone. Whoever may write there may read there at EL1.
    unsafe { asm!("at s1e1r, {}", "isb", in(reg) address, options(nostack, preserves_flags)) };
    let found = read!("par_el1");
    write!("par_el1", guests);
    (found & FAULT == 0).then_some(found & ADDRESS | address & (PAGE_SIZE - 1))
}
